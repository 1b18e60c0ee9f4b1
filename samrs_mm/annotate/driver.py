"""The annotation driver: a plain loop over images that a bad image never ends."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from tqdm import tqdm

from samrs_mm.annotate.samples import Sample, SampleStream
from samrs_mm.annotate.writer import Masks, RecordWriter
from samrs_mm.core import masks as mask_ops
from samrs_mm.core.errors import describe
from samrs_mm.core.masks import Mask
from samrs_mm.core.prompts import PromptBatch
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


@dataclass(frozen=True)
class Segmented:
    """A sample with what the segmentor made of it.

    Args:
        sample: The sample.
        masks: Its masks; empty for a sample without prompts.
        error: Why it has none, in one line; None if it was segmented.
    """

    sample: Sample
    masks: Masks = ()
    error: str | None = None


class Annotator:
    """Runs a prompt segmentor over a stream of samples and commits what it returns.

    ::

        stream ──► segment ──► writer.commit   masks into the record, label map, record last
        (workers)     │   └──► writer.fail     a failure's record; the next run tries again
                      ├─ segmentor.encode      once for each pass of images
                      └─ segmentor.decode      for each image and prompt setting

    Args:
        stream: The samples.
        segmentor: A loaded segmentor.
        writer: What becomes of the masks.
        workers: Processes that read ahead; 0 reads in this process.
    """

    def __init__(
        self,
        stream: SampleStream,
        segmentor: PromptSegmentor,
        writer: RecordWriter,
        workers: int = 0,
    ):
        self.stream, self.segmentor, self.writer, self.workers = stream, segmentor, writer, workers

    def run(self) -> RunResult:
        """Do all samples of the stream.

        Raises:
            SamrsError: The disk is full; what was committed is safe.
        """
        count, prompts = len(self.stream), 0
        samples = self.stream.read(self.workers)
        with (
            self.writer as writer,
            tqdm(total=count, unit='img', disable=not count, mininterval=0.5) as bar,
        ):
            for batch in _batched(samples, self.segmentor.images_per_pass):
                for result in segment(self.segmentor, batch):
                    if result.error is None:
                        writer.commit(result.sample, result.masks)
                    else:
                        writer.fail(result.sample, result.error)
                prompts += sum(sample.prompt_count for sample in batch)
                bar.set_postfix_str(f'{prompts} boxes', refresh=False)
                bar.update(len(batch))
        return RunResult(
            writer.images, self.stream.skipped, tuple(writer.failures), dict(writer.statuses)
        )


def segment(segmentor: PromptSegmentor, batch: list[Sample]) -> Iterator[Segmented]:
    """Yield each sample with its masks, or with the line that says why it has none.

    Args:
        segmentor: A loaded segmentor.
        batch: At most ``segmentor.images_per_pass`` samples.
    """
    prompted = [sample for sample in batch if sample.error is None and sample.prompt_count]
    encoded, failure = {}, None
    try:
        if prompted:
            codes = segmentor.encode([sample.image for sample in prompted])
            encoded = {s.tile.index: code for s, code in zip(prompted, codes, strict=True)}
    except Exception as error:  # noqa: BLE001 (stands in the ledger; the loop goes on)
        failure = error
    for sample in batch:
        if sample.error is not None:
            yield Segmented(sample, error=sample.error)
        elif not sample.prompt_count:
            yield Segmented(sample, [()] * len(sample.prompted))
        elif failure is not None:
            yield Segmented(sample, error=_failed(sample, failure))
        else:
            yield _decoded(segmentor, sample, encoded.pop(sample.tile.index))


def _failed(sample: Sample, error: Exception) -> str:
    return f'{sample.record.image.path}: the segmentor failed: {describe(error)}'


def _decoded(segmentor: PromptSegmentor, sample: Sample, encoded: Any) -> Segmented:
    notes = sample.record.image.notes
    try:
        masks = [
            decode(segmentor, encoded, boxes.prompts, notes) if boxes.prompts else []
            for boxes in sample.prompted
        ]
    except Exception as error:  # noqa: BLE001 (stands in the ledger; the loop goes on)
        return Segmented(sample, error=_failed(sample, error))
    return Segmented(sample, masks)


def decode(
    segmentor: PromptSegmentor, encoded: Any, prompts: PromptBatch, notes: list[str]
) -> list[Mask]:
    """Return the masks of all prompts, run-length coded, in order.

    Args:
        segmentor: A loaded segmentor.
        encoded: What its ``encode`` returned for the image.
        prompts: At least one prompt.
        notes: Gets what the segmentor says of the chunks, each line once.
    """
    found: list[Mask] = []
    for chunk in segmentor.decode(encoded, prompts):
        notes += [note for note in chunk.notes if note not in notes]
        for i, mask in enumerate(chunk.masks):
            coded = mask_ops.encode(mask)
            found.append(Mask(coded, _at(chunk.scores, i), _at(chunk.stability, i)))
    return found


def _at(values: np.ndarray | None, index: int) -> float | None:
    return None if values is None else round(float(values[index]), 6)


def _batched(samples: Iterable[Sample], size: int) -> Iterator[list[Sample]]:
    iterator = iter(samples)
    while batch := list(islice(iterator, size)):
        yield batch
