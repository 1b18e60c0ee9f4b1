"""A folder of images without labels, for masks without boxes."""

from pathlib import Path

from samrs_mm.core.boxes import ParsedLabels
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.found_files import tell_untaken, walk_files
from samrs_mm.core.grid import OBJECT
from samrs_mm.core.images import IMAGE_SUFFIXES
from samrs_mm.datasets.boxes.base import BoxDataset, ClassNames, Scene
from samrs_mm.registry import BOX_DATASETS


@BOX_DATASETS.register_module()
class ImageFolderDataset(BoxDataset):
    """All images of a folder and the folders in it, which have no labels.

    Layout: images. Those of a folder are called by it: ``north/a.tif`` is ``north-a``.
    Classes: ``object``, unless the config names another one.

    Raises:
        RefusedError: No such folder, no images in it, two images of one name, or more than one
            class.
    """

    layout = 'a folder of images'
    labelled = False

    def __init__(self, data_root: str, classes: ClassNames = (OBJECT,)):
        super().__init__(data_root, (OBJECT,) if classes is None else classes)
        if len(self.classes) != 1:
            raise RefusedError(
                f'dataset.classes={list(self.classes)}; masks without boxes are of one class'
            )

    def index(self) -> list[Scene]:
        """Return a scene for each image."""
        scenes = []
        for path in sorted(walk_files(self.root)):
            if path.suffix.lower() in IMAGE_SUFFIXES:
                name = Path(path).relative_to(self.root)
                scenes.append(Scene('-'.join(name.with_suffix('').parts), name.as_posix(), None))
        if not scenes and (line := tell_untaken(self.root)):
            raise RefusedError(line)
        return scenes

    def parse(self, scene: Scene) -> ParsedLabels:
        """There are none."""
        return ParsedLabels()
