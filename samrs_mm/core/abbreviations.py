"""Short class names for figures, as the paper has them.

Source: Wang et al. 2023, arXiv:2305.02034, appendix A.1.
"""

from collections.abc import Sequence

from samrs_mm.core.classes import NAMED_CLASSES, class_key

_SHORT = {
    'sota': 'LV SP HC BR PL SH SBF BC GTF SV BD TC RA ST HA CC AP HP',
    'sior': 'APL APO BF BC BR CH ESA ETS DA GF GTF HA OP SH STD STT TC TS VH WD',
    'fast': (
        'A2 A3 A4 A5 ARJ BF BC B3 B4 B7 B8 BR BU C9 CT DCS DT ES EV FB '  # codespell:ignore bu
        'FF IN LCS MB OA OS OV PS RA SC TC TRT TRL TUT TB VA WS'
    ),
}
ABBREVIATIONS = {
    subset: dict(zip(map(class_key, NAMED_CLASSES[subset]), text.split(), strict=True))
    for subset, text in _SHORT.items()
}
"""Abbreviation by ``class_key`` for each of SAMRS's subsets; they mean other classes in another."""


def abbreviations(classes: Sequence[str]) -> tuple[str, ...]:
    """Return short names of classes, in their order.

    Args:
        classes: Class names of one dataset.

    Returns:
        The paper's abbreviations where all classes are of one subset, else the names themselves.

    Example:
        >>> abbreviations(('ship', 'plane')), abbreviations(('ship', 'submarine'))
        (('SH', 'PL'), ('ship', 'submarine'))
    """
    keys = [class_key(name) for name in classes]
    for table in ABBREVIATIONS.values():
        if table.keys() >= set(keys):
            return tuple(table[key] for key in keys)
    return tuple(classes)
