"""How little a mask can be trusted, by what the ledger knows of it."""

from typing import Any

from samrs_mm.formats.annotated.entries import EMPTY


def doubt(mask: Any) -> float:
    """Return how little a mask can be trusted, from 0 to 1: what "worst" means in the report.

    The mean of 1 - score, 1 - stability, 1 - coverage, leakage and 1 - 1 / components, of those
    that are known; 1 for a box that got no mask, 0 where a person decided. ``mask`` is a row of the
    ledger, a box of a record, or whatever has these.
    """
    if mask.edited:
        return 0.0
    doubts = [
        1 - value for value in (mask.score, mask.stability, mask.coverage) if value is not None
    ]
    if mask.leakage is not None:
        doubts.append(mask.leakage)
    if mask.components:
        doubts.append(1 - 1 / mask.components)
    if mask.status == EMPTY or not doubts:
        return 1.0
    return round(min(max(sum(doubts) / len(doubts), 0), 1), 4)
