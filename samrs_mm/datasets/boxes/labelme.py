"""Any dataset with label files of LabelMe or X-AnyLabeling."""

from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from samrs_mm.core.boxes import ParsedLabels
from samrs_mm.core.errors import LabelReadError, RefusedError
from samrs_mm.core.found_files import folded, walk_names
from samrs_mm.core.images import IMAGE_SUFFIXES
from samrs_mm.core.wording import counted, plural
from samrs_mm.datasets.boxes.base import BoxDataset, ClassNames, Scene
from samrs_mm.datasets.boxes.label_files import read_bytes
from samrs_mm.datasets.boxes.paired import part_lines, stem_of
from samrs_mm.formats.boxes.label_lists import image_parts, part_of
from samrs_mm.formats.boxes.label_pairs import two_label_files
from samrs_mm.formats.boxes.labelme import parse_labelme
from samrs_mm.formats.boxes.shapes import ImageShapes
from samrs_mm.registry import BOX_DATASETS


@BOX_DATASETS.register_module()
class LabelMeBoxDataset(BoxDataset):
    """JSON files of LabelMe and X-AnyLabeling, one an image.

    Layout: ``NAME.json`` beside ``NAME.jpg``, or anywhere below the root with the image by its
    ``imagePath`` or, if only one is called so (in any case), by its name. Parts: ``train.txt`` ...
    in the root, else folders of such names.
    Classes: the labels met, sorted, unless the config fixes them.
    Labels: rectangles, turned rectangles, circles, polygons and masks, see ``parse_labelme``; the
    last two are true masks.
    Source of the format: https://github.com/wkentaro/labelme, https://github.com/CVHub520/X-AnyLabeling.

    Raises:
        RefusedError: As in ``BoxDataset``, or two label files are of one image.
    """

    layout = (
        '*.json of LabelMe or X-AnyLabeling and the images that they name; pictures within the '
        'json (imageData) are not taken'
    )
    truth_options: ClassVar[dict[str, Any] | None] = {}

    def __init__(self, data_root: str, classes: ClassNames = None):
        self._wanted: dict[str, str] = {}
        super().__init__(data_root, classes)

    def index(self) -> list[Scene]:
        """Return a scene for each image, and for each label file without one."""
        names = sorted(walk_names(self.root))
        images = [name for name in names if name.lower().endswith(IMAGE_SUFFIXES)]
        self._images = set(images)
        self._by_name: dict[str, list[str]] = {}
        self._by_folded: dict[str, list[str]] = {}
        stems: dict[str, list[str]] = {}
        for each in images:
            path = PurePosixPath(each)
            self._by_name.setdefault(path.name, []).append(each)
            self._by_folded.setdefault(folded(path.name), []).append(each)
            stems.setdefault(path.stem, []).append(each)
        beside = {str(PurePosixPath(name).with_suffix('')): name for name in reversed(images)}
        labels: dict[str, str] = {}
        strays: list[str] = []
        others: list[str] = []
        for name in (name for name in names if name.lower().endswith('.json')):
            image: str | None = beside.get(str(PurePosixPath(name).with_suffix('')))
            if image is None:
                try:
                    image = self._image_of(name)
                except LabelReadError:
                    called = stems.get(PurePosixPath(name).stem, [])
                    if len(called) != 1 or called[0] in labels:
                        others.append(name)
                        continue
                    image = called[0]  # where its labels are read, what is wrong is named
            if image is None:
                strays.append(name)
            elif image in labels:
                raise RefusedError(two_label_files(self.root, labels[image], name, image))
            else:
                labels[image] = name
        parts = image_parts(self.root, 'yolo', images)
        scenes = [
            Scene(stem_of(name), name, labels.get(name), parts.of.get(name) or part_of(name))
            for name in images
        ]
        self.label_notes = part_lines(parts, scenes)
        if others and labels:
            self.label_notes.append(
                f'{counted(len(others), "json file")} {plural(len(others), "is", "are")} of no '
                f'image and not of LabelMe, such as {others[0]}: passed over'
            )
        return scenes + [Scene(stem_of(name), None, name, part_of(name)) for name in strays]

    def _image_of(self, name: str) -> str | None:
        """Return the image that a label file names; None if there is none.

        Raises:
            LabelReadError: It is no label file of LabelMe.
        """
        shapes = parse_labelme(read_bytes(self.root / name), name)
        path = PurePosixPath(shapes.image.replace('\\', '/'))
        self._wanted[stem_of(name)] = f'its imagePath {str(path)!r} is not there'
        if not str(path).isprintable():
            return None
        place = Path(self.root, name).parent / path
        top = self.root.resolve()
        if place.resolve().is_relative_to(top):
            inner = place.resolve().relative_to(top).as_posix()
            if inner in self._images:
                return inner
        called = self._by_name.get(path.name) or self._by_folded.get(folded(path.name), [])
        if len(called) > 1:
            self._wanted[stem_of(name)] += f', and {len(called)} images are called {path.name}'
        return called[0] if len(called) == 1 else None

    def no_image(self, index: int) -> str:
        """See ``BoxDataset``."""
        stem = self.scenes[index].stem
        return self._wanted.get(stem, super().no_image(index))

    def parse(self, scene: Scene) -> ParsedLabels:
        """Read the scene's label file."""
        return self._shapes(scene).labels

    def ground_truth_of(self, index: int) -> dict[str, Any]:
        """Return the polygons and masks of scene ``index``; see ``BoxDataset``."""
        scene = self.scenes[index]
        if scene.label is None:
            return {}
        return self.fitted_masks(index, self._shapes(scene).truth)

    def _shapes(self, scene: Scene) -> ImageShapes:
        data, name = self.read(scene)
        shapes = parse_labelme(data, name)
        told = PurePosixPath(shapes.image.replace('\\', '/'))
        here = PurePosixPath(name).parent
        if scene.image is not None and told.stem != PurePosixPath(scene.image).stem:
            other = str(here / told.name)
            if other in self._images:
                raise LabelReadError(
                    f'{name}: its imagePath names {other}, but it is the label file of '
                    f'{scene.image}; are the two exchanged? Mend the name'
                )
        return shapes
