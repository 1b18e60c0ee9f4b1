"""Re-read an annotated folder and everything it was made from, and compare."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import redirect_stdout
from io import StringIO

import numpy as np
from PIL import Image

from samrs_mm.annotate.finalise import Finaliser, Totals
from samrs_mm.annotate.plan import Plan, Unit
from samrs_mm.annotate.samples import Sample, SampleStream
from samrs_mm.annotate.writer import paint
from samrs_mm.core import masks, quality
from samrs_mm.core.boxes import OK
from samrs_mm.core.images import SceneImage
from samrs_mm.core.quality import MaskFilters
from samrs_mm.core.resumable import differences, dump
from samrs_mm.formats.annotated import folder, records

_MASK_KEYS = ('status', 'reason', 'score', 'stability', 'bbox', 'area', 'visible_area',
              'segmentation', *quality.MEASURES)  # fmt: skip


class CheckStream(SampleStream):
    """Yields, for each unit, what is wrong with its files (an empty list for a sound one).

    Args:
        policy: Overlap policy the label maps were made with.
        filters: Limits that the kept masks keep.
        args: As for ``SampleStream``.
    """

    def __init__(self, policy: str, filters: MaskFilters, *args: object):
        super().__init__(*args)
        self.policy, self.filters = policy, filters

    def __iter__(self) -> Iterator[tuple[Unit, list[str]]]:
        for sample in super().__iter__():
            yield sample.unit, self._check(sample)

    def _write_tile(self, unit: Unit, pixels: np.ndarray) -> None:
        """Nothing is written here; ``_check`` compares instead."""

    def _check(self, sample: Sample) -> list[str]:
        if sample.error:
            return [sample.error]
        path = self.out.path(folder.INSTANCES, sample.unit.stem)
        try:
            record = records.load(path)
            problems = self._check_record(sample, record)
            problems += self._check_masks(sample.unit, record)
            problems += self._check_tile(sample)
        except Exception as error:  # noqa: BLE001 (a damaged file may fail in any way)
            problems = [f'{type(error).__name__}: {error}']
        return [f'{path}: {problem}' for problem in problems]

    def _check_record(self, sample: Sample, record: dict) -> list[str]:
        fresh = json.loads(dump(dict(image=sample.entry, boxes=sample.boxes)))
        image, boxes = dict(record['image']), record['boxes']
        notes = image.pop('notes')[: len(fresh['image']['notes'])]
        problems = [
            f'image.{line}' for line in differences(image | {'notes': notes}, fresh['image'])
        ]
        if len(boxes) != len(fresh['boxes']):
            return [*problems, f'{len(boxes)} boxes, the labels give {len(fresh["boxes"])}']
        for box, expected in zip(boxes, fresh['boxes'], strict=True):
            allowed = (records.KEPT, records.EMPTY, records.FILTERED)
            allowed = allowed if expected['status'] == OK else (expected['status'],)
            if box['status'] not in allowed:
                problems.append(f'{box["box_id"]}: status {box["status"]}, not {allowed[0]}')
            same = {key: box.get(key) for key in expected if key not in _MASK_KEYS}
            lines = differences(same, {key: expected[key] for key in same})
            problems += [f'{box["box_id"]}: {line}' for line in lines]
        return problems

    def _check_masks(self, unit: Unit, record: dict) -> list[str]:
        height, width = record['image']['height'], record['image']['width']
        judged, problems = [dict(box) for box in record['boxes']], []
        for box in judged:
            mask = box['segmentation']
            if mask is None:
                if box['status'] in (records.KEPT, records.FILTERED):
                    problems.append(f'{box["box_id"]}: status {box["status"]}, but no mask')
                continue
            stated = {key: box.get(key) for key in ('area', 'bbox', *quality.MEASURES)}
            facts = dict(area=masks.area(mask), bbox=masks.bbox(mask))
            facts |= quality.measure(mask, box['polygon'], box['prompt_box'])
            lines = differences(stated | {'size': [height, width]}, facts | {'size': mask['size']})
            problems += [f'{box["box_id"]}: {line}' for line in lines]
        semantic = paint(record['image'], judged, self.filters, self.policy)
        for box, expected in zip(record['boxes'], judged, strict=True):
            lines = differences(box, expected)
            problems += [f'{box["box_id"]}: {line}' for line in lines]
        with Image.open(self.out.path(folder.SEMANTIC, unit.stem)) as png:
            stored, mode = np.asarray(png), png.mode
        if mode != 'L' or not np.array_equal(stored, semantic):
            problems.append('the label map is not what the masks of the record give')
        return problems

    def _check_tile(self, sample: Sample) -> list[str]:
        if sample.unit.window is None:
            return []
        tile = SceneImage(self.out.path(folder.IMAGES, sample.unit.stem)).read()
        same = np.array_equal(tile, sample.image)
        return [] if same else ['the tile image is not what the scene gives']


class _HashSink:
    """A file that keeps only the hash of what is written."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def write(self, data: bytes) -> None:
        self._hash.update(data)

    def hexdigest(self) -> str:
        return self._hash.hexdigest()


def verify(
    plan: Plan,
    stream: CheckStream,
    finaliser: Finaliser,
    workers: int = 0,
    progress: Callable[[Iterable], Iterator] = iter,
) -> tuple[list[str], Totals]:
    """Re-read labels, images, records, label maps, ledger and COCO file, and reconcile them.

    Args:
        plan: All images of the dataset.
        stream: Checks of the images that are done.
        finaliser: Makes the set-level files again, for comparison.
        workers: Processes that check in parallel.
        progress: Wraps the iterator over images, to show progress.

    Returns:
        What is wrong, one line each, and the totals of the ledger.
    """
    problems = [line for _, found in progress(stream.read(workers)) for line in found]
    out = finaliser.out
    sinks = {name: _HashSink() for name in (folder.ANNOTATIONS, folder.LEDGER, folder.INDEX)}
    totals = finaliser.render(*sinks.values())
    problems += totals.problems
    for name, sink in sinks.items():
        path = out.root / name
        if not path.exists():
            problems.append(f'{path}: missing; --finalise writes it')
        elif hashlib.sha256(path.read_bytes()).hexdigest() != sink.hexdigest():
            problems.append(f'{path}: not what labels and records give; --finalise writes it anew')
    meta, expected = json.loads(out.meta.read_bytes()), finaliser.meta(totals)
    for ignored in ('versions', 'config', 'data_root'):
        meta.pop(ignored, None), expected.pop(ignored, None)
    expected = json.loads(dump(expected))
    problems += [f'{out.meta}: {line}' for line in differences(meta, expected)]
    foreign = out.foreign({unit.stem for unit in plan.units})
    problems += [f'{out.root / name}: not a file of this dataset' for name in foreign]
    if (out.root / folder.ANNOTATIONS).exists():
        problems += _check_coco(finaliser, totals)
    return problems, totals


def _check_coco(finaliser: Finaliser, totals: Totals) -> list[str]:
    """Load the COCO file with COCO's own reader, as its users will."""
    from pycocotools.coco import COCO  # brings matplotlib along

    path = finaliser.out.root / folder.ANNOTATIONS
    try:
        with redirect_stdout(StringIO()):
            coco = COCO(str(path))
    except Exception as error:  # noqa: BLE001 (whatever pycocotools stumbles over)
        return [f'{path}: pycocotools cannot read it: {error}']
    annotations = coco.dataset['annotations']
    problems = []
    if len(coco.anns) != len(annotations):
        problems.append(f'{path}: annotation ids are not unique')
    if len(annotations) != totals.rows[records.KEPT]:
        problems.append(
            f'{path}: {len(annotations)} annotations, {totals.rows[records.KEPT]} kept boxes'
        )
    return problems
