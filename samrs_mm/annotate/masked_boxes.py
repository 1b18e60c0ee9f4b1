"""Boxes that are prompted with the masks that their labels have."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from samrs_mm.annotate.driver import BoxPrompter
from samrs_mm.annotate.writer import Sample
from samrs_mm.core import masks as mask_ops
from samrs_mm.core.boxes import BoxGeometry, BoxLabel
from samrs_mm.core.images import image_size
from samrs_mm.core.prompts import CLIPPED, PromptSetting
from samrs_mm.datasets.boxes.base import BoxDataset
from samrs_mm.datasets.boxes.true_masks import TrueMasks


def box_prompter(setting: PromptSetting, dataset: BoxDataset, style: str = CLIPPED) -> BoxPrompter:
    """Return what prompts the boxes of a dataset, whose classes are known, with a setting."""
    if setting.of_labels:
        return MaskedBoxPrompter(setting, dataset, style)
    return BoxPrompter(setting, dataset.table, style)


class LabelMaskReader:
    """What a ``Prompter`` says of boxes whose labels' masks it reads."""

    holds_boxes = False
    true_masks: TrueMasks

    def facts(self, scene: int) -> str:
        """See ``Prompter``: masks that stand in the label file."""
        return self.true_masks.facts(scene)

    def files(self, scene: int) -> list[Path]:
        """See ``Prompter``."""
        return self.true_masks.files(scene)


class MaskedBoxPrompter(LabelMaskReader, BoxPrompter):
    """Prompts the boxes of a dataset with the masks of its labels.

    Args:
        setting: One of ``prompts.LABEL_MASK_SETTINGS``.
        dataset: It was opened with ``true_masks.truth_options``; its classes are known.
        style: One of ``prompts.PROMPT_STYLES``.
    """

    def __init__(self, setting: PromptSetting, dataset: BoxDataset, style: str = CLIPPED):
        super().__init__(setting, dataset.table, style)
        self.true_masks = TrueMasks(dataset)
        self._scene: int | None = None
        self._masks: dict[str, dict] = {}
        self._broken: dict[str, str] = {}

    def prompt(
        self, sample: Sample, labels: Sequence[BoxLabel], shapes: BoxGeometry,
        size: tuple[int, int],
    ) -> None:  # fmt: skip
        """See ``Prompter``; a polygon that is none is noted at its box.

        Raises:
            LabelReadError: A mask of the scene is none, or of another size.
        """
        self._read(sample.tile.scene)
        super().prompt(sample, [self._noted(label) for label in labels], shapes, size)

    def _read(self, scene: int) -> None:
        if self._scene == scene:
            return
        self._broken = {}
        image = image_size(self.true_masks.dataset.image_path(scene))
        self._masks = self.true_masks.of_scene(scene, *image, self._broken)
        self._scene = scene

    def _noted(self, label: BoxLabel) -> BoxLabel:
        why = self._broken.get(label.box_id)
        if why is None:
            return label
        return replace(label, notes=(*label.notes, f'the mask of its label: {why}'))

    def label_masks(self, sample: Sample, labels: Sequence[BoxLabel]) -> list[dict | None]:
        """Return the masks of the labels in a tile, cut to it."""
        whole, image = self._masks, sample.record.image
        if sample.tile.window is None:
            return [whole.get(label.box_id) for label in labels]
        assert image.offset is not None
        window = (*image.offset, image.width, image.height)
        found = (whole.get(label.box_id) for label in labels)
        return [None if mask is None else mask_ops.cut(mask, *window) for mask in found]
