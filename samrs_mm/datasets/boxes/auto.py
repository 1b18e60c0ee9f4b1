"""Any dataset of a label format that is found out."""

from pathlib import Path
from typing import Any, ClassVar

from samrs_mm.core.errors import RefusedError
from samrs_mm.core.found_files import walk_names
from samrs_mm.datasets.boxes.base import BoxDataset, ClassNames
from samrs_mm.formats.annotated.folder import ANNOTATIONS
from samrs_mm.formats.boxes.coco_files import coco_files
from samrs_mm.formats.boxes.found_format import AUTO, SOURCES, FoundFormat, found_format
from samrs_mm.registry import BOX_DATASETS

TYPES = {
    'coco': 'COCOBoxDataset',
    'cvat': 'CVATBoxDataset',
    'dior': 'DIORBoxDataset',
    'dota': 'DOTABoxDataset',
    'fair1m': 'FAIR1MBoxDataset',
    'hrsc2016': 'HRSC2016BoxDataset',
    'isaid': 'ISAIDInstanceDataset',
    'labelme': 'LabelMeBoxDataset',
    'labelstudio': 'LabelStudioBoxDataset',
    'voc': 'VOCBoxDataset',
    'yolo': 'YOLOBoxDataset',
}
"""Dataset of each format."""


@BOX_DATASETS.register_module()
class AutoBoxDataset(BoxDataset):
    """The dataset of the format that a folder has: making one gives an instance of its class.

    ``entry`` of it says the class and its arguments, which are what an annotated folder records;
    ``label_notes`` begins with what was found, and by which files.

    Args:
        data_root: The folder.
        classes: As in ``BoxDataset``.
        source: The format, one of ``SOURCES``; ``'auto'`` finds it out.
        truth: Whether true masks are wanted, where the format has any.
        **options: More arguments of the dataset.

    Raises:
        RefusedError: As in ``found_format`` and in the class.
    """

    truth_options: ClassVar[dict[str, Any] | None] = dict(truth=True)

    def __new__(  # type: ignore[misc]
        cls,
        data_root: str,
        classes: ClassNames = None,
        source: str = AUTO,
        truth: bool = False,
        **options: Any,
    ) -> BoxDataset:
        """Return the dataset; see the class."""
        if source not in SOURCES:
            raise RefusedError(f'dataset.source={source!r}; allowed: {", ".join(SOURCES)}')
        found = found_format(Path(data_root)) if source == AUTO else FoundFormat(source, [])
        entry: dict[str, Any] = dict(type=TYPES[found.name], classes=classes)
        if found.name == 'coco' and not options:
            entry |= _coco_options(Path(data_root))
        entry |= options
        wanted = getattr(BOX_DATASETS.get(entry['type']), 'truth_options', None) or {}
        dataset = BOX_DATASETS.build(dict(entry, data_root=data_root, **(wanted if truth else {})))
        dataset.entry = entry
        if source == AUTO:
            dataset.label_notes = [f'found {found}: {entry["type"]}', *dataset.label_notes]
        return dataset


def _coco_options(root: Path) -> dict[str, Any]:
    """Return which COCO files are taken, as arguments of a dataset."""
    if not root.is_dir():
        return {}
    files = coco_files(root, list(walk_names(root)))
    if len(files) > 1:
        return dict(type='COCOPartsBoxDataset')
    if not files or files[0][0] == ANNOTATIONS:
        return {}
    name, folder = files[0]
    return dict(ann_file=name) | (dict(images=folder) if folder else {})
