"""All prompt settings on every image: each image is encoded once, each setting decoded from that.

Records, resume and failures are those of the annotation driver.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from samrs_mm.annotate.driver import Annotator, decode_prompts, segment
from samrs_mm.annotate.plan import Plan, Unit
from samrs_mm.annotate.samples import Sample, SampleStream, build_prompts, enclosing_boxes
from samrs_mm.annotate.writer import MaskResult, ResultWriter
from samrs_mm.core import boxes as box_ops
from samrs_mm.core import masks
from samrs_mm.core.boxes import BoxGeometry, BoxLabel
from samrs_mm.core.errors import LabelReadError
from samrs_mm.core.prompts import PromptBatch, PromptSetting
from samrs_mm.evaluation.mask_overlap import MaskRegion, boundary_width, measure
from samrs_mm.formats.annotated import folder, records
from samrs_mm.formats.annotated.folder import AnnotatedFolder
from samrs_mm.models.prompt_segmentors.base import PromptSegmentor

FORMAT = 1
"""Version of the records; part of the signature."""

SCORED, UNSCORED = 'scored', 'unscored'


class AblationFolder(AnnotatedFolder):
    """Where one segmentor's records lie: ``instances/STEM.json``, ``failed/`` and ``meta.json``."""

    kinds = (folder.INSTANCES, folder.FAILED)


@dataclass(frozen=True)
class Trial:
    """A prompt setting on one image.

    Args:
        setting: The setting.
        statuses: What became of each box: ``'ok'``, ``'outside'`` or ``'degenerate'``.
        prompted: Positions of the boxes that are prompted, in order.
        prompts: One prompt for each of them; None without any.
    """

    setting: PromptSetting
    statuses: list[str]
    prompted: list[int]
    prompts: PromptBatch | None

    @classmethod
    def of(cls, setting: PromptSetting, shapes: BoxGeometry, width: int, height: int) -> 'Trial':
        """Prompt the boxes of an image, as ``sam_annotate.py`` would with this setting alone."""
        statuses, _ = box_ops.box_statuses(
            enclosing_boxes(setting, shapes), shapes.polygons, width, height
        )
        prompted = [i for i, status in enumerate(statuses) if status == box_ops.OK]
        prompts = None
        if prompted:
            prompts = build_prompts(setting, shapes, np.array(prompted), width, height)
        return cls(setting, statuses, prompted, prompts)


@dataclass
class AblationSample(Sample):
    """An image with all its trials; without a true mask it has none, and isn't encoded."""

    trials: list[Trial] = field(default_factory=list)

    @property
    def prompt_count(self) -> int:
        """How many prompts the segmentor will be given, over all settings."""
        return sum(len(trial.prompted) for trial in self.trials)


class AblationStream(SampleStream):
    """Yields an ``AblationSample`` for each image.

    Args:
        plan: The plan of a dataset with true masks, without tiles.
        groups: Units to do, grouped by scene.
        settings: The prompt settings.
    """

    sample_type = AblationSample

    def __init__(self, plan: Plan, groups: list[list[Unit]], settings: Sequence[PromptSetting]):
        super().__init__(plan, groups, settings[0], None)
        self.settings = settings

    def _add_boxes(
        self,
        sample: AblationSample,
        labels: list[BoxLabel],
        shapes: BoxGeometry,
        width: int,
        height: int,
    ) -> None:
        truth = self._truth(sample.unit.scene, width, height)
        table = self.dataset.table
        sample.entry['encodes'] = 0
        for number, label in enumerate(labels, 1):
            index = table.index(label.category)
            mask = truth.get(label.box_id)
            sample.boxes.append(
                dict(
                    id=number,
                    box_id=label.box_id,
                    category_id=index + 1,
                    category=table.classes[index],
                    status=SCORED if mask else UNSCORED,
                    area=masks.area(mask) if mask else None,
                    truth=mask,
                    results={},
                )
            )
        if any(box['truth'] for box in sample.boxes):
            sample.trials = [Trial.of(each, shapes, width, height) for each in self.settings]

    def _truth(self, scene: int, width: int, height: int) -> dict[str, dict]:
        """Return the true masks that have a pixel, as RLE by box id."""
        found = {}
        for box_id, segmentation in self.dataset.ground_truth_of(scene).items():
            try:
                mask = masks.from_coco(segmentation, height, width)
                empty = mask is None or masks.area(mask) == 0
            except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
                raise LabelReadError(
                    f'{box_id}: the true mask is neither polygons nor COCO RLE'
                ) from error
            if empty:
                continue
            if list(mask['size']) != [height, width]:
                raise LabelReadError(
                    f'{box_id}: the true mask is of {mask["size"]} (height, width), the image of '
                    f'{[height, width]} px'
                )
            found[box_id] = mask
        return found


class AblationWriter(ResultWriter):
    """Measures the masks of each setting against the true ones, and commits the image."""

    def _store(self, sample: AblationSample, results: Sequence[Sequence[MaskResult]]) -> None:
        width = boundary_width(sample.entry['height'], sample.entry['width'])
        truth = {
            position: MaskRegion.of(box['truth'], width)
            for position, box in enumerate(sample.boxes)
            if box['truth']
        }
        for trial, found in zip(sample.trials, results or [()] * len(sample.trials), strict=True):
            by_box = dict(zip(trial.prompted, found, strict=True))
            for position, region in truth.items():
                result = by_box.get(position)
                entry = _judge(trial.statuses[position], result, region, width)
                sample.boxes[position]['results'][trial.setting.name] = entry

    def _fail(self, sample: AblationSample, error: str) -> None:
        sample.boxes.clear()
        super()._fail(sample, error)


def _judge(status: str, result: MaskResult | None, truth: MaskRegion, width: int) -> dict:
    """Return a setting's entry of one box; without a mask all counts but the unions are 0."""
    region = None
    status = status
    if result is not None:
        region = MaskRegion.of(result.segmentation, width)
        status = records.KEPT if region.mask.size else records.EMPTY
    overlap = measure(region, truth)
    kept = status == records.KEPT
    return dict(
        status=status,
        score=result.score if kept else None,
        area=overlap.area,
        intersection=overlap.intersection,
        union=overlap.union,
        boundary_intersection=overlap.boundary_intersection,
        boundary_union=overlap.boundary_union,
        segmentation=result.segmentation if kept else None,
    )


class Ablator(Annotator):
    """Runs one segmentor with all settings over the images of a plan.

    Args:
        plan: The images, without tiles.
        segmentor: A loaded segmentor.
        settings: Prompt settings that it takes.
        out: The segmentor's folder, opened with these settings.
        signature: Signature of the settings.
        workers: DataLoader workers that read ahead; 0 reads in this process.
    """

    def __init__(
        self,
        plan: Plan,
        segmentor: PromptSegmentor,
        settings: Sequence[PromptSetting],
        out: AblationFolder,
        signature: str,
        workers: int = 0,
    ):
        super().__init__(plan, segmentor, settings[0], '', out, signature, workers)
        self.settings = settings

    def _writer(self) -> AblationWriter:
        return AblationWriter(self.out, self.signature, self.policy)

    def _stream(self, groups: list[list[Unit]]) -> AblationStream:
        return AblationStream(self.plan, groups, self.settings)

    def _segment(self, batch: list[AblationSample]) -> Iterator[tuple[Sample, Any]]:
        return segment(self.segmentor, batch, _decode_all)


def _decode_all(
    segmentor: PromptSegmentor, sample: AblationSample, encoded: Any
) -> list[list[MaskResult]]:
    """Return the masks of each trial, all from one encoding."""
    sample.entry['encodes'] = 1
    notes = sample.entry['notes']
    return [
        decode_prompts(segmentor, encoded, trial.prompts, notes) if trial.prompts else []
        for trial in sample.trials
    ]
