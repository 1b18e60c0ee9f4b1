"""A batch parted by source: rows are the places of each source's samples in it."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmseg.structures import SegDataSample
from torch import Tensor

Rows = Mapping[str, Sequence[int]]


def split(batch: Any, rows: Rows) -> dict[str, Any]:
    """Part a batch ``(N, ...)``, or each in a nesting of lists, by source.

    The parts are views of it where the sources already follow each other.
    """
    if not isinstance(batch, Tensor):
        parts = [split(item, rows) for item in batch]
        return {source: [part[source] for part in parts] for source in rows}
    order = [row for group in rows.values() for row in group]
    if order != sorted(order):
        batch = batch.index_select(0, torch.tensor(order, device=batch.device))
    return dict(zip(rows, batch.split([len(group) for group in rows.values()]), strict=True))


def labels_of(samples: Sequence[SegDataSample], rows: Rows) -> dict[str, Tensor]:
    """Return the labels of each source, ``(n, H, W)``."""
    return {
        source: torch.cat([samples[row].gt_sem_seg.data for row in group])
        for source, group in rows.items()
    }
