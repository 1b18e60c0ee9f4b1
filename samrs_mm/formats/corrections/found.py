"""Which files of a folder hold corrections, and in which format."""

from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from samrs_mm.core.atomic import load
from samrs_mm.core.errors import RefusedError
from samrs_mm.formats.annotated import folder
from samrs_mm.formats.corrections.coco import read_coco_edits
from samrs_mm.formats.corrections.cvat import read_cvat
from samrs_mm.formats.corrections.decisions import is_decisions
from samrs_mm.formats.corrections.fiftyone_api import is_dataset_folder, read_fiftyone
from samrs_mm.formats.corrections.labelme import is_labelme, read_labelme
from samrs_mm.formats.corrections.shapes import EditedImage, EditError

AUTO, LABELME, CVAT, COCO = 'auto', 'labelme', 'cvat', 'coco'
FIFTYONE, OWN, DECISIONS = 'fiftyone', 'own', 'decisions'
FORMATS = (AUTO, LABELME, CVAT, COCO, FIFTYONE, OWN, DECISIONS)
_PASSED = ('export.json',)


def found_files(root: Path, kind: str = AUTO) -> dict[Path, str]:
    """Return the files with corrections below a folder (or the file itself), and their format.

    Files of other kinds are passed over (see ``other_files``), unless their format was named or
    nothing else is there. Of an annotated folder only its corrections are taken: its masks are
    those of a machine. A dataset of FiftyOne is one "file", by the name of its folder or, if its
    format is named, its own.

    Raises:
        RefusedError: There is none.
    """
    if kind in (AUTO, OWN) and _is_annotated(root):
        paths = _candidates(root / folder.CORRECTIONS)
        if not paths:
            raise RefusedError(f'{root}: an annotated folder, but nobody has corrected it')
        return dict.fromkeys(paths, OWN)  # a damaged one, too: its reader says what is wrong
    on_disk = kind in (AUTO, FIFTYONE) and is_dataset_folder(root)
    if on_disk or (kind == FIFTYONE and not root.exists()):
        return {root: FIFTYONE}
    if not root.exists():
        hint = '; the name of a dataset of FiftyOne goes with --from fiftyone'
        raise RefusedError(f'{root}: no such file or folder{hint * (kind == AUTO)}')
    found = {}
    for path in _candidates(root):
        known = kind_of(path)
        if known is not None and kind in (AUTO, known, FIFTYONE if known == COCO else None):
            found[path] = known
    if not found:
        wanted = (
            'LabelMe, X-AnyLabeling, CVAT, COCO, the report or corrections/'
            if kind == AUTO
            else kind
        )
        raise RefusedError(f'{root}: no file of {wanted} there')
    return found


def other_files(root: Path, found: Collection[Path]) -> list[Path]:
    """Return the JSON and XML files of a folder that ``found_files`` passed over."""
    return [] if root in found or _is_annotated(root) else sorted({*_candidates(root)} - {*found})


def _candidates(root: Path) -> list[Path]:
    paths = [root] if root.is_file() else sorted([*root.rglob('*.json'), *root.rglob('*.xml')])
    return [path for path in paths if path.name not in _PASSED and not path.name.startswith('.')]


def _is_annotated(root: Path) -> bool:
    return (root / folder.META).is_file() and (root / folder.INSTANCES).is_dir()


def kind_of(path: Path) -> str | None:
    """Return the format of a file by what is in it; None if it is none of them.

    A file that is no JSON is taken for LabelMe's, whose reader says what is wrong.
    """
    if path.suffix.lower() == '.xml':
        return CVAT
    try:
        data: Any = load(path.read_bytes())
    except (OSError, ValueError):
        return LABELME
    if is_labelme(data):
        return LABELME
    if isinstance(data, dict) and data.keys() == {'image', 'actions'}:
        return OWN
    if is_decisions(data):
        return DECISIONS
    if isinstance(data, dict) and {'images', 'annotations'} <= data.keys():
        return COCO
    return None


_READERS: dict[str, Callable[[Path], Iterable[EditedImage | EditError]]] = {
    LABELME: lambda path: [read_labelme(path)],
    CVAT: read_cvat,
    COCO: read_coco_edits,
    FIFTYONE: read_fiftyone,
}


def read_edited(path: Path, kind: str) -> Iterator[EditedImage | EditError]:
    """Yield the images of a file, or why it can't be read."""
    try:
        yield from _READERS[kind](path)
    except EditError as error:
        yield error
