"""Small training subsets, each within the next larger one."""

from collections.abc import Iterable, Sequence

from samrs_mm.core.errors import RefusedError
from samrs_mm.datasets.segmentation.splits import rank


def subset_name(fraction: float, of: str = 'train') -> str:
    """Return the name of a subset's list, such as ``train_5pct.txt``."""
    return f'{of}_{100 * fraction:g}pct.txt'


def nested_subsets(
    stems: Iterable[str], fractions: Sequence[float], seed: int
) -> dict[float, list[str]]:
    """Return ``round(fraction * n)`` of n images for each fraction, sorted.

    Images are taken in the order of their rank, which follows from name and seed alone: a smaller
    subset is part of every larger one, whichever are asked for together. Fractions are in (0, 1].

    Raises:
        RefusedError: A subset would be empty.
    """
    order = sorted(stems, key=lambda stem: (rank(stem, seed, 'fraction'), stem))
    subsets = {fraction: order[: round(fraction * len(order))] for fraction in fractions}
    for fraction, chosen in subsets.items():
        if not chosen:
            raise RefusedError(
                f'--fraction {fraction:g} of {len(order)} images is none; give at least '
                f'{1 / max(len(order), 1):.2g}'
            )
    return {fraction: sorted(chosen) for fraction, chosen in subsets.items()}
