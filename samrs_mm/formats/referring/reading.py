"""Any of the layouts, told apart by their files."""

from pathlib import Path

from samrs_mm.core.errors import LabelReadError, RefusedError
from samrs_mm.formats.referring import phrase_lists, rrsisd
from samrs_mm.formats.referring.triplets import Triplets

LAYOUT = (
    'output_phrase_*.txt with images/ and masks/ (RefSegRS) or img_rgb/ and mask/ (RISBench), or '
    f'{rrsisd.INSTANCES}, {rrsisd.REFS} and {rrsisd.IMAGES}/ (RRSIS-D)'
)


def read_triplets(root: Path, split: str | None = None) -> Triplets:
    """Return the triplets of a dataset, of the part ``split`` or of all.

    Raises:
        RefusedError: None of the layouts, no such part, nothing in it, or a file can't be read.
    """
    try:
        found = _read(root, split)
    except LabelReadError as error:
        raise RefusedError(str(error)) from error
    if not found.triplets and not found.problems:
        part = f' of {split}' if split else ''
        raise RefusedError(f'{root}: {found.layout}: no phrases{part}; expected {LAYOUT}')
    return found


def _read(root: Path, split: str | None) -> Triplets:
    if (root / rrsisd.REFS).is_file() or (root / rrsisd.INSTANCES).is_file():
        return rrsisd.read_rrsisd(root, split)
    lists = phrase_lists.find_lists(root) if root.is_dir() else {}
    layout = phrase_lists.layout_of(root) if lists else None
    if layout is None:
        raise RefusedError(f'data_root {root}: no phrases found; expected {LAYOUT}')
    if split is not None and split not in lists:
        raise RefusedError(f'dataset.split={split!r}; allowed: {", ".join(lists)}, or None for all')
    return phrase_lists.read_lists(root, layout, [split] if split else lists)
