"""The annotation driver: a plain loop over images that no single image can end."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from tqdm import tqdm

from samrs_mm.annotate.plan import Plan, Unit
from samrs_mm.annotate.samples import Sample, SampleStream
from samrs_mm.annotate.writer import MaskResult, ResultWriter
from samrs_mm.core import masks
from samrs_mm.core.errors import describe
from samrs_mm.core.prompts import PromptBatch, PromptSetting
from samrs_mm.core.quality import MaskFilters
from samrs_mm.formats.annotated.folder import AnnotatedFolder
from samrs_mm.models.prompt_segmentors.base import PromptSegmentor


@dataclass(frozen=True)
class RunResult:
    """What a pass over some images came to.

    Args:
        images: Images committed in this run.
        skipped: Images that were done before.
        failures: One line for each image that failed.
        statuses: Boxes of the committed images by status.
    """

    images: int
    skipped: int
    failures: tuple[str, ...]
    statuses: dict[str, int]


class Annotator:
    """Runs a prompt segmentor over the images of a plan and commits what it returns.

    Args:
        plan: The images.
        segmentor: A loaded segmentor.
        setting: The prompt setting.
        policy: Overlap policy of the label maps.
        out: The annotated folder, opened with these settings.
        signature: Signature of the settings.
        workers: DataLoader workers that read ahead; 0 reads in this process.
        filters: Limits that masks must keep.
    """

    def __init__(
        self,
        plan: Plan,
        segmentor: PromptSegmentor,
        setting: PromptSetting,
        policy: str,
        out: AnnotatedFolder,
        signature: str,
        workers: int = 0,
        filters: MaskFilters | None = None,
    ):
        self.plan, self.segmentor, self.setting = plan, segmentor, setting
        self.policy, self.out, self.signature = policy, out, signature
        self.workers, self.filters = workers, filters

    def run(self, groups: list[list[Unit]]) -> RunResult:
        """Do the units that have no record yet.

        Args:
            groups: Units grouped by scene, as ``Plan.shard`` gives them.

        Raises:
            SamrsError: The disk is full; what was committed is safe.
        """
        done = self.out.done()
        todo = [[unit for unit in group if unit.stem not in done] for group in groups]
        todo = [group for group in todo if group]
        count, total = sum(map(len, todo)), sum(map(len, groups))
        prompts = 0
        with (
            self._writer() as writer,
            tqdm(total=count, unit='img', disable=not count, mininterval=0.5) as bar,
        ):
            for batch in _batched(
                self._stream(todo).read(self.workers), self.segmentor.images_per_pass
            ):
                self._do(batch, writer)
                prompts += sum(sample.prompt_count for sample in batch)
                bar.set_postfix_str(f'{prompts} boxes', refresh=False)
                bar.update(len(batch))
        return RunResult(
            writer.images, total - count, tuple(writer.failures), dict(writer.statuses)
        )

    def _writer(self) -> ResultWriter:
        return ResultWriter(self.out, self.signature, self.policy, filters=self.filters)

    def _stream(self, groups: list[list[Unit]]) -> SampleStream:
        return SampleStream(self.plan, groups, self.setting, self.out)

    def _do(self, batch: list[Sample], writer: ResultWriter) -> None:
        for sample, outcome in self._segment(batch):
            if isinstance(outcome, str):
                writer.fail(sample, outcome)
            else:
                writer.commit(sample, outcome)

    def _segment(self, batch: list[Sample]) -> Iterator[tuple[Sample, Any]]:
        return segment(self.segmentor, batch)


def segment(
    segmentor: PromptSegmentor, batch: list[Sample], decode: Callable | None = None
) -> Iterator[tuple[Sample, list[MaskResult] | str]]:
    """Yield each sample with its masks, or with the line that says why it has none.

    Args:
        segmentor: A loaded segmentor.
        batch: At most ``segmentor.images_per_pass`` samples.
        decode: Called with segmentor, sample and encoded image; what it returns is yielded. None
            decodes the sample's prompts.
    """
    prompted = [sample for sample in batch if sample.error is None and sample.prompt_count]
    encoded = {}
    try:
        if prompted:
            images = [sample.image for sample in prompted]
            codes = segmentor.encode(images)
            encoded = {s.unit.index: code for s, code in zip(prompted, codes, strict=True)}
        error = None
    except Exception as failure:  # noqa: BLE001 (told in the ledger; the loop goes on)
        error = f'{prompted[0].entry["path"]}: the segmentor failed: {describe(failure)}'
    for sample in batch:
        if sample.error is not None:
            yield sample, sample.error
        elif not sample.prompt_count:
            yield sample, []
        elif error is not None:
            yield sample, error
        else:
            yield sample, _guarded(decode or _decode, segmentor, sample, encoded)


def _guarded(
    decode: Callable, segmentor: PromptSegmentor, sample: Sample, encoded: dict[int, Any]
) -> Any:
    """Return what decoding gives, or the line that says why it gave nothing."""
    try:
        return decode(segmentor, sample, encoded.pop(sample.unit.index))
    except Exception as failure:  # noqa: BLE001 (told in the ledger; the loop goes on)
        return f'{sample.entry["path"]}: the segmentor failed: {describe(failure)}'


def _decode(segmentor: PromptSegmentor, sample: Sample, encoded: Any) -> list[MaskResult]:
    return decode_prompts(segmentor, encoded, sample.prompts, sample.entry['notes'])


def decode_prompts(
    segmentor: PromptSegmentor, encoded: Any, prompts: PromptBatch, notes: list[str]
) -> list[MaskResult]:
    """Return the masks of all prompts, run-length coded, in order.

    Args:
        segmentor: A loaded segmentor.
        encoded: What its ``encode`` returned for the image.
        prompts: At least one prompt.
        notes: Gets what the segmentor says of the chunks, each line once.
    """
    results: list[MaskResult] = []
    for chunk in segmentor.decode(encoded, prompts):
        notes += [note for note in chunk.notes if note not in notes]
        for i, mask in enumerate(chunk.masks):
            results.append(
                MaskResult(masks.encode(mask), _at(chunk.scores, i), _at(chunk.stability, i))
            )
    return results


def _at(values: np.ndarray | None, index: int) -> float | None:
    return None if values is None else round(float(values[index]), 6)


def _batched(samples: Iterable[Sample], size: int) -> Iterator[list[Sample]]:
    iterator = iter(samples)
    while batch := list(islice(iterator, size)):
        yield batch
