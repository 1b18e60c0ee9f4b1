"""Tiles a second of SAM on a GPU, by stage and into an annotated folder. A part of gpu_check.py.

Weights are random, and what they give as masks is noise all over the image, which takes a CPU far
longer than masks of objects. So the decoder runs, and logits of blobs in the boxes take the place
of what it gives; how far masks agree is asked of the decoder's own.
"""

import json
import tempfile
import time
from collections.abc import Callable
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from gpu_masks import (
    Scale,
    agreement,
    decoded,
    draw,
    draw_boxes,
    encode,
    enliven,
    guarded,
    predictor_masks,
    untouched,
    wait,
)

from samrs_mm.annotate.job import AnnotationJob
from samrs_mm.annotate.record_writer import RecordWriter
from samrs_mm.config_files import load_config
from samrs_mm.models.prompt_segmentors.base import PromptSegmentor
from samrs_mm.models.prompt_segmentors.encoded_image import EncodedImage, SquarePrompts
from samrs_mm.models.prompt_segmentors.sam import SAMSegmentor
from samrs_mm.models.prompt_segmentors.torch_device import fix_rounding

ROOT = Path(__file__).resolve().parents[1]
WAYS: dict[str, dict[str, Any]] = dict(
    exact={}, fast=dict(kernels='fast'), fp16=dict(kernels='fast', precision='fp16')
)
COMPILED = WAYS['fp16'] | dict(compile=True, images_per_pass=4)


class Blobs:
    """Draws logits of an object in each box of a square of ``side`` pixels."""

    def __init__(self, side: int, device: torch.device):
        self.side, self.low = side, side // 4
        steps = torch.arange(self.low, device=device) * 4.0
        self.y, self.x = steps[:, None], steps[None]
        generator = torch.Generator().manual_seed(0)
        noise = torch.randn(self.low, self.low, generator=generator)
        self.noise = 0.4 * noise.to(device)

    def __call__(self, boxes: torch.Tensor) -> torch.Tensor:
        """Return logits ``(n, side / 4, side / 4)`` of boxes ``(n, 4)``."""
        x0, y0, x1, y1 = boxes.reshape(-1, 4).t()[..., None, None]
        far = torch.hypot((2 * self.x - x0 - x1) / (x1 - x0), (2 * self.y - y0 - y1) / (y1 - y0))
        return (12 * (1 - far)).clip(-18, 10) + self.noise


class DrawnSAM(SAMSegmentor):
    """SAM whose masks are drawn after its decoder ran, while ``blobs`` says how."""

    blobs: Callable[[torch.Tensor], torch.Tensor] | None = None

    def _predict(
        self, encoded: EncodedImage, prompts: SquarePrompts
    ) -> tuple[torch.Tensor, torch.Tensor]:
        logits, scores = super()._predict(encoded, prompts)
        return logits if self.blobs is None else self.blobs(prompts.boxes), scores


class Loop:
    """The loop that anyone would write, in float32: ``SamPredictor``, then pycocotools."""

    def __init__(self, segmentor: SAMSegmentor, blobs: Blobs):
        from segment_anything import SamPredictor

        self.predictor, self.blobs = SamPredictor(untouched(segmentor.model)), blobs

    def masks(self, boxes: np.ndarray) -> np.ndarray:
        """Return the masks ``(n, H, W)`` bool of boxes of the image that is set."""
        return predictor_masks(self.predictor, boxes)

    def drawn(self, boxes: np.ndarray) -> np.ndarray:
        """Do the same, and put blobs in the place of the decoder's logits."""
        model, size = self.predictor.model, self.predictor.original_size
        scale = model.postprocess_masks
        square = self.predictor.transform.apply_boxes(boxes, size)
        square = torch.as_tensor(square, device=self.predictor.device).float()
        model.postprocess_masks = lambda low, *sizes: scale(self.blobs(square)[:, None], *sizes)
        try:
            return self.masks(boxes)
        finally:
            del model.postprocess_masks


def part_tiles(scale: Scale, rows: dict) -> None:
    """Measure tiles a second, by stage and end to end, against the loop of ``SamPredictor``."""
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        weights = write_weights(scratch, scale)
        tiles = write_tiles(scratch / 'tiles', scale, 400 if scale.device == 'cuda' else 8)
        options = dict(arch=scale.arch, checkpoint=str(weights), device=scale.device)
        loop, masks = plain_loop(tiles[: scale.staged], options)
        rows['loop of SamPredictor'] = loop
        ways = WAYS if scale.device == 'cpu' else WAYS | {'fp16, compiled': COMPILED}
        for way, more in ways.items():
            with guarded(rows, way):
                segmentor = DrawnSAM(**options, **more)
                segmentor.load()
                row = stages(segmentor, tiles[: scale.staged], masks)
                segmentor.blobs = Blobs(segmentor.side, segmentor.device)
                row |= end_to_end(segmentor, scratch, way, scale, row['all'])
                row['times_the_loop'] = round(loop['all'] * row['tiles_a_second'] / 1000, 2)
                rows[way] = row
                if way == list(ways)[-1]:
                    name = f'{way}, written by threads'
                    rows[name] = end_to_end(segmentor, scratch, name, scale, row['all'], 0)
            segmentor = None
            if scale.device == 'cuda':
                torch.cuda.empty_cache()


def write_tiles(
    folder: Path, scale: Scale, count: int, differ: int = 32
) -> list[tuple[Path, np.ndarray]]:
    """Write a COCO dataset of so many tiles, of which so many differ; return files and boxes."""
    rng = np.random.default_rng(1)
    (folder / 'images').mkdir(parents=True)
    tiles, images, entries = [], [], []
    drawn = []
    for i in range(count):
        if i < differ:
            pixels = draw(scale.side, scale.side, rng)
            boxes = np.rint(draw_boxes(scale.side, scale.side, scale.boxes, rng))
            drawn.append((cv2.imencode('.png', pixels)[1].tobytes(), boxes))
        png, found = drawn[i % differ]
        name = f't{i:04d}'
        (folder / f'images/{name}.png').write_bytes(png)
        images.append(dict(id=i + 1, file_name=f'{name}.png', width=scale.side, height=scale.side))
        for x0, y0, x1, y1 in found.tolist():
            box, area = [x0, y0, x1 - x0, y1 - y0], (x1 - x0) * (y1 - y0)
            entry = dict(id=len(entries) + 1, image_id=i + 1, category_id=1, bbox=box)
            entries.append(entry | dict(area=area, iscrowd=0))
        tiles.append((folder / f'images/{name}.png', found))
    categories = [dict(id=1, name='thing')]
    data = dict(images=images, annotations=entries, categories=categories)
    (folder / 'annotations.json').write_text(json.dumps(data))
    return tiles


def write_weights(scratch: Path, scale: Scale) -> Path:
    """Write random weights of SAM, without zeros."""
    from segment_anything import sam_model_registry

    if isinstance(scale.arch, str):
        model = sam_model_registry[scale.arch]()
    else:
        made = SAMSegmentor(arch=scale.arch | dict(seed=0), device='cpu')
        made.load()
        model = made.model
    enliven(model)
    torch.save(model.state_dict(), scratch / 'sam.pth')
    return scratch / 'sam.pth'


def plain_loop(
    tiles: list[tuple[Path, np.ndarray]], options: dict
) -> tuple[dict, list[list[dict]]]:
    """Return ms a tile by stage of the loop that anyone would write, and its own masks."""
    segmentor = SAMSegmentor(**options)
    segmentor.load()
    fix_rounding(segmentor.threads)
    loop = Loop(segmentor, Blobs(segmentor.side, segmentor.device))
    spent, masks = [], []
    for path, boxes in tiles:
        marks = [time.perf_counter()]
        image = read(path)
        marks.append(time.perf_counter())
        loop.predictor.set_image(image)
        wait(segmentor.device.type)
        marks.append(time.perf_counter())
        found = loop.drawn(boxes)
        marks.append(time.perf_counter())
        for mask in found:
            encode(mask)
        marks.append(time.perf_counter())
        spent.append([b - a for a, b in pairwise(marks)])
        masks.append([encode(mask) for mask in loop.masks(boxes)])
    return summary(spent, 'read', 'encode', 'decode', 'code'), masks


def read(path: Path) -> np.ndarray:
    """Return a picture ``(H, W, 3)`` uint8 RGB."""
    return np.ascontiguousarray(cv2.imread(str(path))[..., ::-1])


def summary(spent: list[list[float]], *names: str) -> dict[str, float]:
    """Return the median ms of each stage, the first tiles left out, and their sum."""
    kept = np.array(spent[len(spent) // 4 :])
    row = {name: round(1000 * float(np.median(kept[:, i])), 1) for i, name in enumerate(names)}
    return row | dict(all=round(sum(row.values()), 1))


def stages(
    segmentor: DrawnSAM, tiles: list[tuple[Path, np.ndarray]], theirs: list[list[dict]]
) -> dict[str, Any]:
    """Return ms a tile by stage of ours, one after the other, and how far its masks agree."""
    spent, ours, step = [], [], segmentor.images_per_pass
    blobs = Blobs(segmentor.side, segmentor.device)
    for start in range(0, len(tiles), step):
        group = tiles[start : start + step]
        images = [read(path) for path, _ in group]
        begun = time.perf_counter()
        codes = segmentor.encode(images)
        wait(segmentor.device.type)
        encoding = (time.perf_counter() - begun) / len(group)
        for code, (_, boxes) in zip(codes, group, strict=True):
            segmentor.blobs, begun = blobs, time.perf_counter()
            decoded(segmentor, code, boxes)
            spent.append([encoding, time.perf_counter() - begun])
            segmentor.blobs = None
            ours.append(decoded(segmentor, code, boxes))
    row: dict[str, Any] = summary(spent, 'encode', 'decode_and_code')
    return row | agreement([*chain(*ours)], [*chain(*theirs)])


def end_to_end(
    segmentor: PromptSegmentor,
    scratch: Path,
    way: str,
    scale: Scale,
    ms: float,
    processes: int | None = None,
) -> dict[str, float]:
    """Return what a tile takes in an annotated folder, from two runs of different length.

    Args:
        segmentor: A loaded segmentor.
        scratch: Has the dataset, and gets the folder.
        way: Name of the folder.
        scale: How long it may take, and how many processes read ahead.
        ms: What a tile takes, about.
        processes: How many write; 0 leaves that to threads, None to the driver.

    Returns:
        Count of tiles, ms a tile, tiles a second, and ms of CPU time that a tile takes of this
        process; waiting for a GPU counts as such.
    """
    flags = dict(data_root=str(scratch / 'tiles'), out=str(scratch / way))
    config = load_config(
        str(ROOT / 'configs/annotate/coco_grabcut_hbox.py'), dict(prompt='hbox'), flags
    )
    job = AnnotationJob(config, 'gpu_check')
    job.segmentor = segmentor
    job.collect_classes()
    most = len(job.plan.tiles)
    long = min(most, max(4, int(scale.seconds * 1000 / ms) // 4 * 4))
    seconds, own, done = [], [], 0
    for limit in (long // 4, long):
        groups = job.plan.shard(0, 1, limit)
        job.open(groups)
        annotator = job.annotator(job.settings(), groups, scale.workers, quiet=True)
        if processes is not None:
            writer = annotator.writer
            annotator.writer = RecordWriter(
                writer.out, writer.signature, writer.complete, processes=processes
            )
        start, cpu = time.perf_counter(), time.process_time()
        result = annotator.run()
        seconds.append(time.perf_counter() - start)
        own.append(time.process_time() - cpu)
        assert result.images == limit - done, result.failures
        done = limit
    spent, cpu = (max(each[1] - each[0], 1e-4) / (long // 2) for each in (seconds, own))
    return dict(
        tiles=long,
        ms_a_tile=round(1000 * spent, 1),
        tiles_a_second=round(1 / spent, 1),
        own_cpu_ms=round(1000 * cpu, 1),
    )
