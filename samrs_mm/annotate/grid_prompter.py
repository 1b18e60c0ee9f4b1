"""Prompts a grid of points instead of boxes."""

from collections.abc import Sequence
from pathlib import Path

from samrs_mm.annotate.plan import Plan
from samrs_mm.annotate.writer import Sample
from samrs_mm.core.boxes import BoxGeometry, BoxLabel
from samrs_mm.core.grid import GridPrompts, GridSpec
from samrs_mm.formats.annotated.record import Record


class GridPrompter:
    """Prompts a grid of points in each window of a plan; see ``driver.Prompter``."""

    record_type = Record
    circumscribed = False
    holds_boxes = True
    from_labels = False

    def __init__(self, spec: GridSpec, plan: Plan):
        self.spec, self.plan = spec, plan

    def facts(self, scene: int) -> str:
        """See ``Prompter``."""
        return ''

    def files(self, scene: int) -> list[Path]:
        """See ``Prompter``."""
        return []

    def prompt(
        self, sample: Sample, labels: Sequence[BoxLabel], shapes: BoxGeometry,
        size: tuple[int, int],
    ) -> None:  # fmt: skip
        """Lay the grid over the tile, unless it has no data at all."""
        if sample.valid is not None and not sample.valid[: size[1], : size[0]].any():
            return
        layer, number = self.plan.place(sample.tile)
        first = number * self.spec.side[layer] ** 2
        [category] = self.plan.dataset.classes
        sample.grid = GridPrompts(self.spec, layer, first, size, sample.valid, category)
