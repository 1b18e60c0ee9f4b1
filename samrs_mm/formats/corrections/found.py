"""Which files of a folder hold corrections, and in which format."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from samrs_mm.core.atomic import load
from samrs_mm.core.errors import RefusedError
from samrs_mm.formats.corrections.decisions import is_decisions
from samrs_mm.formats.corrections.labelme import is_labelme, read_labelme
from samrs_mm.formats.corrections.shapes import EditedImage, EditError

AUTO, LABELME, OWN, DECISIONS = 'auto', 'labelme', 'own', 'decisions'
FORMATS = (AUTO, LABELME, OWN, DECISIONS)
_PASSED = ('export.json',)


def found_files(root: Path, kind: str = AUTO) -> dict[Path, str]:
    """Return the files with corrections below a folder (or the file itself), and their format.

    Files of other kinds are passed over, unless their format was named or nothing else is there.

    Raises:
        RefusedError: There is none.
    """
    if not root.exists():
        raise RefusedError(f'{root}: no such file or folder')
    paths = [root] if root.is_file() else sorted(root.rglob('*.json'))
    found = {}
    for path in paths:
        if path.name in _PASSED or path.name.startswith('.'):
            continue
        known = kind_of(path)
        if known is not None and kind in (AUTO, known):
            found[path] = known
    if not found:
        wanted = 'LabelMe, X-AnyLabeling, the report or corrections/' if kind == AUTO else kind
        raise RefusedError(f'{root}: no file of {wanted} there')
    return found


def kind_of(path: Path) -> str | None:
    """Return the format of a file by what is in it; None if it is none of them.

    A file that is no JSON is taken for LabelMe's, whose reader says what is wrong.
    """
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
    return None


_READERS: dict[str, Callable[[Path], EditedImage]] = {LABELME: read_labelme}


def read_edited(path: Path, kind: str) -> Iterator[EditedImage | EditError]:
    """Yield the images of a file, or why it can't be read."""
    try:
        yield _READERS[kind](path)
    except EditError as error:
        yield error
