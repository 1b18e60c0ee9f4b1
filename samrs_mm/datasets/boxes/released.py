"""A subset of the SAMRS release, as boxes whose masks are known."""

from pathlib import Path

import numpy as np

from samrs_mm.core import masks
from samrs_mm.core.boxes import BoxLabel, ParsedLabels
from samrs_mm.core.errors import LabelReadError, RefusedError
from samrs_mm.core.found_files import as_there, files_by_stem
from samrs_mm.core.images import IMAGE_SUFFIXES
from samrs_mm.datasets.boxes.base import BoxDataset, Scene
from samrs_mm.datasets.segmentation.image_index import IMAGE_FOLDERS, LABEL_FOLDERS
from samrs_mm.formats.released import ReleasedError, load_released
from samrs_mm.registry import BOX_DATASETS

TEST_IMAGE_FOLDERS = ('test_images', 'JPEGImages-test')
"""SIOR's test images lie apart."""

INSTANCE_FOLDERS = tuple(
    f'{base}{name}'
    for base in ('', 'trainval/')
    for name in (
        'ins',
        'hbox_segs_init/ins',
        'rhbox_segs_init/ins',
        'hbox_segs_trainvaltest_init/ins',
    )
)
"""Where instance files of the release were seen below the data root; the first that exists."""


@BOX_DATASETS.register_module()
class SAMRSBoxDataset(BoxDataset):
    """A subset of the SAMRS release, with the boxes that the authors prompted SAM with.

    Layout: ``images/*``, ``ins/*.pkl`` and, where there are any, ``gray/*.png``. Folder names of
    the release differ from download to download; those seen are tried.
    Classes: 18 (SOTA), 20 (SIOR) or 37 (FAST).
    Labels: pickles, see ``load_released``: H-Boxes (SOTA, SIOR), or R-Boxes (FAST, SOTA-RBB). The
    class is ``label``, because ``category`` is wrong in SOTA-RBB.
    Source: Wang et al. 2023, arXiv:2305.02034.

    Args:
        classes: As in ``BoxDataset``, in the order of the labels; needed.
        images: Image folder relative to the root; None tries those of the release. Likewise the
            ``instances``, and the ``labels``, of which there may be none.

    Raises:
        RefusedError: As in ``BoxDataset``, or a folder is missing.
    """

    layout = 'images/*, ins/*.pkl and gray/*.png, as in the SAMRS release'

    def __init__(
        self,
        data_root: str,
        classes: tuple[str, ...] | str,
        images: str | None = None,
        instances: str | None = None,
        labels: str | None = None,
    ):
        self._given = dict(images=images, instances=instances, labels=labels)
        super().__init__(data_root, classes)

    def index(self) -> list[Scene]:
        """Return a scene for every image, and for every instance file without one."""
        instances = self._folder('instances', INSTANCE_FOLDERS)
        if instances is None:
            tried = self._given['instances'] or ', '.join(INSTANCE_FOLDERS)
            raise RefusedError(
                f'{self.root}: no folder of instance files ({tried}); name it with --instances'
            )
        self.gray = self._folder('labels', LABEL_FOLDERS)
        images: dict[str, str] = {}
        for name in filter(None, (self._folder('images', IMAGE_FOLDERS), *TEST_IMAGE_FOLDERS)):
            for stem, files in files_by_stem(self.root / name, IMAGE_SUFFIXES).items():
                images.setdefault(stem, f'{name}/{files[0]}')
        pickles = files_by_stem(self.root / instances, ('.pkl',))
        return [
            Scene(stem, images.get(stem), f'{instances}/{stem}.pkl' if stem in pickles else None)
            for stem in sorted(images.keys() | pickles.keys())
        ]

    def _folder(self, key: str, known: tuple[str, ...]) -> str | None:
        given = self._given[key]
        names = (given,) if given else known
        places = (as_there(self.root, name) for name in names)
        return next((place for place in places if (self.root / place).is_dir()), None)

    def parse(self, scene: Scene) -> ParsedLabels:
        """Read the boxes of a scene's instance file."""
        return self.instances(scene)[0]

    def instances(self, scene: Scene) -> tuple[ParsedLabels, list[dict]]:
        """Return the boxes of a scene, and for each of them its instance.

        Raises:
            LabelReadError: The instance file can't be read.
        """
        labels = ParsedLabels()
        instances: list[dict] = []
        if scene.label is None:
            return labels, instances
        try:
            entries = load_released(self.root / scene.label)
        except ReleasedError as error:
            raise LabelReadError(str(error)) from error
        for number, entry in enumerate(entries):
            place = f'{scene.label}:{number}'
            if entry['label'] >= len(self.classes):
                labels.add_problem(
                    place, f'label {entry["label"]}; allowed are 0..{len(self.classes) - 1}'
                )
                continue
            labels.boxes.append(_box(place, self.classes[entry['label']], entry))
            instances.append(entry)
        return labels, instances

    def gray_of(self, scene: Scene) -> Path | None:
        """Return the label map of a scene, or None where the release has none."""
        path = self.root / self.gray / f'{scene.stem}.png' if self.gray else None
        return path if path and path.exists() else None

    def stray_maps(self) -> list[str]:
        """Return the label maps that belong to no image and no instance file, sorted."""
        if not self.gray:
            return []
        known = {scene.stem for scene in self.scenes}
        files = files_by_stem(self.root / self.gray, ('.png',))
        return [f'{self.gray}/{name}' for stem, names in files.items() if stem not in known
                for name in names]  # fmt: skip


def _box(place: str, category: str, entry: dict) -> BoxLabel:
    if 'rbox' in entry:
        return BoxLabel(place, category, polygon=entry['rbox'])
    hbox = entry.get('bbox', entry.get('rhbox'))
    if hbox is None:
        x, y, width, height = masks.bbox(entry['mask'])
        hbox = np.array([x, y, x + width, y + height], float)
    return BoxLabel(place, category, hbox=hbox)
