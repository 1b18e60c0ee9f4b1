"""Masks of samples by a prompt segmentor: what goes wrong with an image stays with that image."""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

import numpy as np

from samrs_mm.annotate.embeddings import EmbeddingStore
from samrs_mm.annotate.writer import Sample
from samrs_mm.core.errors import describe
from samrs_mm.core.masks import Mask
from samrs_mm.core.prompts import PromptBatch
from samrs_mm.models.prompt_segmentors.base import MaskChunk, PromptSegmentor

Chunks = Iterator[MaskChunk]


def segment(
    segmentor: PromptSegmentor, batch: list[Sample], store: EmbeddingStore | None = None
) -> Iterator[Sample]:
    """Yield each of ``images_per_pass`` samples at most with its masks, or why it has none.

    What the ``store`` has of their images is not encoded; what it has not is stored.
    """
    encoded = _encoded(segmentor, batch, store)
    for sample in batch:
        code = encoded.pop(sample.tile.index, None)
        yield _finished(sample, _begun(segmentor, sample, code))


def segment_all(
    segmentor: PromptSegmentor, batches: Iterable[list[Sample]], store: EmbeddingStore | None = None
) -> Iterator[Sample]:
    """Yield the samples of batches with their masks, as ``segment`` does.

    An asynchronous segmentor is given the next batch to encode before it is asked for anything of
    this one, so that its device has work while features are looked at and masks are taken off it.
    """
    if not segmentor.asynchronous:
        for batch in batches:
            yield from segment(segmentor, batch, store)
        return
    coded: list[tuple[Sample, Any]] = []
    waiting: list[tuple[Sample, list[Chunks]]] = []
    for batch in chain(batches, ([], [])):
        encoded = _encoded(segmentor, batch, store)
        begun = [(sample, _begun(segmentor, sample, code)) for sample, code in coded]
        for sample, chunks in waiting:
            yield _finished(sample, chunks)
        coded = [(sample, encoded.pop(sample.tile.index, None)) for sample in batch]
        waiting = begun


def _begun(segmentor: PromptSegmentor, sample: Sample, code: Any) -> list[Chunks]:
    """Have the prompts of a sample decoded, without waiting for the masks of each setting."""
    if sample.error is not None:
        return []
    if sample.grid is not None:
        return [_proposed(segmentor, sample, code)]
    try:
        return [
            segmentor.decode(code, boxes.prompts) if boxes.prompts else iter(())
            for boxes in sample.prompted
        ]
    except Exception as error:  # noqa: BLE001 (stands in the ledger; the loop goes on)
        sample.error = _failed(sample, error)
        return []


def _finished(sample: Sample, begun: list[Chunks]) -> Sample:
    """Give a sample its masks, or say why it has none."""
    if sample.error is None:
        try:
            notes = sample.record.image.notes
            if sample.grid is not None:
                sample.proposals = list(*begun)
                return sample
            sample.masks = [_taken(chunks, notes, sample.valid) for chunks in begun]
            _check_masks(sample)
        except Exception as error:  # noqa: BLE001 (stands in the ledger; the loop goes on)
            sample.error = _failed(sample, error)
    return sample


def _proposed(segmentor: Any, sample: Sample, code: Any) -> Iterator[Any]:
    """Yield the masks of a grid of points; nothing is done before the first is asked for."""
    yield from segmentor.propose(code, sample.grid, sample.record.image.notes)


def _encoded(
    segmentor: PromptSegmentor, batch: list[Sample], store: EmbeddingStore | None
) -> dict[int, Any]:
    """Return what is to be decoded of the samples with prompts, by their tiles' numbers."""
    missing = [sample for sample in batch if sample.error is None and sample.prompt_count]
    encoded, asked = {}, {}
    try:
        if store is not None:
            for sample in missing:
                found = asked[sample.tile.index] = store.ask(sample.tile.stem, sample.image)  # type: ignore
                if found.code is not None:
                    encoded[sample.tile.index] = found.code
            missing = [sample for sample in missing if sample.tile.index not in encoded]
        if missing:
            codes = segmentor.encode([s.image for s in missing if s.image is not None])
            for sample, code in zip(missing, codes, strict=True):
                key = sample.tile.index
                encoded[key] = code if store is None else store.keep(asked[key], code)
    except Exception as error:  # noqa: BLE001 (stands in the ledger; the loop goes on)
        for sample in missing:
            sample.error = _failed(sample, error)
    return encoded


def _check_masks(sample: Sample) -> None:
    """Raise a ValueError where a segmentor's masks don't fit their prompts and image."""
    if [len(m) for m in sample.masks] != [len(boxes.chosen) for boxes in sample.prompted]:
        raise ValueError('it gave more or fewer masks than it has prompts')
    size = [sample.record.image.height, sample.record.image.width]
    for mask in chain.from_iterable(sample.masks):
        if mask.segmentation['size'] != size:
            raise ValueError(f'a mask of {mask.segmentation["size"]} in an image of {size}')


def _failed(sample: Sample, error: Exception) -> str:
    return f'{sample.record.image.path}: the segmentor failed: {describe(error)}'


def decode(
    segmentor: PromptSegmentor,
    encoded: Any,
    prompts: PromptBatch,
    notes: list[str],
    valid: np.ndarray | None = None,
) -> list[Mask]:
    """Return the masks of all prompts of an image, at least one, run-length coded, in order.

    They are cut to ``valid``, the pixels with data, ``(H, W)`` bool; None leaves them whole.
    ``notes`` gets what the segmentor says of the chunks, each line once.
    """
    return _taken(segmentor.decode(encoded, prompts), notes, valid)


def _taken(chunks: Chunks, notes: list[str], valid: np.ndarray | None) -> list[Mask]:
    found: list[Mask] = []
    for chunk in chunks:
        notes += [note for note in chunk.notes if note not in notes]
        for i, coded in enumerate(chunk.encoded(valid)):
            found.append(Mask(coded, _at(chunk.scores, i), _at(chunk.stability, i)))
    return found


def _at(values: np.ndarray | None, index: int) -> float | None:
    return None if values is None else round(float(values[index]), 6)
