"""SAM on one tile, stage by stage: a plain ``SamPredictor`` loop against the segmentor.

Weights are random, so the masks are drawn: the decoder runs, and logits of blobs take the place of
what it gives. CPU time of one process, both ways side by side, medians of rounds.
"""

import multiprocessing
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gpu_masks import untouched
from pycocotools import mask as coco_mask

from samrs_mm.core import masks as mask_ops
from samrs_mm.core.prompts import PromptBatch, PromptSetting
from samrs_mm.models.prompt_segmentors.frame import Frame
from samrs_mm.models.prompt_segmentors.kept_memory import (
    free_as_usual,
    give_back,
    keep_freed_memory,
)
from samrs_mm.models.prompt_segmentors.sam import SAMSegmentor
from samrs_mm.models.prompt_segmentors.scale_up import scale_up

OBJECTS = {'small (48 px)': 48, 'middle (160 px)': 160, 'large (640 px)': 640}


@dataclass
class Tile:
    """A drawn tile.

    Args:
        image: ``(side, side, 3)`` uint8.
        boxes: ``(n, 4)`` x0, y0, x1, y1 in pixels.
        logits: ``(n, side of logits, the same)`` float32 of a blob in each box.
    """

    image: np.ndarray
    boxes: np.ndarray
    logits: torch.Tensor

    @classmethod
    def drawn(cls, count: int, sizes: Sequence[float], side: int, low_side: int) -> 'Tile':
        """Draw noise and ``count`` boxes of sides within ``sizes``, in pixels."""
        rng = np.random.default_rng(0)
        image = rng.integers(0, 255, (side, side, 3)).astype(np.uint8)
        size = rng.uniform(*sizes, (count, 2))
        low = rng.uniform(0, 1, (count, 2)) * (side - size)
        boxes = np.concatenate([low, low + size], 1)
        y, x = np.mgrid[:low_side, :low_side].astype(np.float32)
        x0, y0, x1, y1 = (boxes * low_side / side).T[:, :, None, None]
        far = np.hypot((2 * x - x0 - x1) / (x1 - x0), (2 * y - y0 - y1) / (y1 - y0))
        logits = (12 * (1 - far)).clip(-18, 10) + rng.normal(0, 0.4, far.shape)
        return cls(image, boxes, torch.as_tensor(logits, dtype=torch.float32))


class Plain:
    """The loop of SAM's notebook: a predictor, masks of the image's size, their RLE, painted."""

    def __init__(self, model: Any, tile: Tile, chunk: int = 20):
        from segment_anything import SamPredictor

        self.predictor, self.tile, self.chunk = SamPredictor(untouched(model)), tile, chunk

    def begin(self) -> None:
        """Let the process take large blocks from the system each time."""
        free_as_usual()

    def encode(self) -> None:
        """Encode the image."""
        self.predictor.set_image(self.tile.image)

    @torch.no_grad()
    def decode(self) -> None:
        """Decode all boxes, chunk by chunk."""
        size = self.tile.image.shape[:2]
        for part in self._parts():
            boxes = torch.as_tensor(self.tile.boxes[part], dtype=torch.float32)
            boxes = self.predictor.transform.apply_boxes_torch(boxes, size)
            sparse, dense = self.predictor.model.prompt_encoder(None, boxes, None)
            self.predictor.model.mask_decoder(
                self.predictor.features, self.predictor.model.prompt_encoder.get_dense_pe(),
                sparse, dense, False,
            )  # fmt: skip

    @torch.no_grad()
    def finish(self) -> list[dict]:
        """Make masks of the drawn logits, and return them as RLE."""
        from segment_anything.utils.amg import calculate_stability_score

        size, coded = self.tile.image.shape[:2], []
        for part in self._parts():
            logits = self.predictor.model.postprocess_masks(
                self.tile.logits[part, None], size, size
            )
            calculate_stability_score(logits[:, 0], 0.0, 1.0)
            for mask in (logits[:, 0] > 0).numpy():
                coded.append(coco_mask.encode(np.asfortranarray(mask).view(np.uint8)))
        return coded

    def paint(self, coded: list[dict]) -> np.ndarray:
        """Paint masks into a label map, small ones on top."""
        labels = np.full(self.tile.image.shape[:2], 255, np.uint8)
        for i in sorted(range(len(coded)), key=lambda i: -int(coco_mask.area(coded[i]))):
            labels[coco_mask.decode(coded[i]) > 0] = i % 255
        return labels

    def _parts(self) -> Iterator[slice]:
        for start in range(0, len(self.tile.boxes), self.chunk):
            yield slice(start, start + self.chunk)


class Ours:
    """The same by the segmentor and the driver's own functions."""

    def __init__(self, segmentor: SAMSegmentor, tile: Tile):
        self.segmentor, self.tile = segmentor, tile
        self.prompts = PromptBatch(PromptSetting('hbox'), boxes=tile.boxes)
        self.frame = Frame(segmentor.side, tile.image.shape[:2])

    def begin(self) -> None:
        """Let the process keep its memory, as ``load`` does."""
        keep_freed_memory()

    def encode(self) -> None:
        """Encode the image."""
        self.encoded = self.segmentor.encode([self.tile.image])[0]

    def decode(self) -> None:
        """Decode all boxes, chunk by chunk."""
        for start in range(0, len(self.prompts), self.segmentor.chunk):
            part = slice(start, start + self.segmentor.chunk)
            self.segmentor._predict_part(self.encoded, self.prompts, part)

    def finish(self) -> list[dict]:
        """Make masks of the drawn logits, and return them as RLE."""
        return [
            mask_ops.encode_window(made.mask, made.y, made.x, *self.frame.original_size)
            for made in scale_up(self.tile.logits, self.frame)
        ]

    def paint(self, coded: list[dict]) -> np.ndarray:
        """Paint masks into a label map, small ones on top."""
        instances = [
            mask_ops.Instance(i % 255, mask, mask_ops.area(mask), None)
            for i, mask in enumerate(coded)
        ]
        return mask_ops.compose(instances, *self.frame.original_size, 'small_on_top')[0]


STAGES = ('encode', 'decode', 'finish', 'paint')


def stages(ways: Sequence[Any], rounds: int, names: Sequence[str] = STAGES) -> list[dict]:
    """Return the median CPU seconds of each stage of each way, the ways in turn."""
    times: list[dict[str, list[float]]] = [{name: [] for name in names} for _ in ways]
    for _ in range(rounds):
        for way, found in zip(ways, times, strict=True):
            coded = None
            way.begin()
            for name in names:
                start = time.process_time()
                result = way.paint(coded) if name == 'paint' else getattr(way, name)()
                found[name].append(time.process_time() - start)
                coded = result if name == 'finish' else coded
    return [{name: statistics.median(each) for name, each in found.items()} for found in times]


def same(plain: Any, ours: Any) -> str:
    """Say whether both ways give the same masks and the same label map."""
    one, other = plain.finish(), ours.finish()
    equal = sum(a['counts'].decode() == b['counts'] for a, b in zip(one, other, strict=True))
    maps = np.array_equal(plain.paint(one), ours.paint(other))
    return f'{equal} of {len(one)} masks equal' + ', label map equal' * maps


def load(arch: Any, **options: Any) -> SAMSegmentor:
    """Return a loaded segmentor with random weights."""
    segmentor = SAMSegmentor(arch=arch, threads=1, device='cpu', **options)
    segmentor.load()
    return segmentor


def print_after_decoder(arch: Any, rounds: int, count: int = 24) -> None:
    """Print the ratio of what follows the decoder, by the size of objects."""
    segmentor = load(arch)
    side = segmentor.side
    print(f'\nafter the decoder: {count} masks of {side} px, ms of CPU time per mask')
    print(
        f'{"objects":<18}{"plain":>8}{"ours":>8}{"ratio":>7}{"painted":>9}{"ours":>8}{"ratio":>7}'
    )
    for name, size in OBJECTS.items():
        sizes = size * side / 1024 * np.array([0.8, 1.2])
        tile = Tile.drawn(count, sizes, side, segmentor.low_side)
        ways = Plain(segmentor.model, tile), Ours(segmentor, tile)
        plain, ours = stages(ways, rounds, ('finish', 'paint'))
        cells = ''
        for stage in ('finish', 'paint'):
            a, b = 1000 * plain[stage] / count, 1000 * ours[stage] / count
            cells += f'{a:>8.2f}{b:>8.2f}{a / b:>6.1f}x'
        print(f'{name:<18}{cells}  {same(*ways)}')


def print_whole_tiles(arch: Any, rounds: int, counts: Sequence[int] = (16, 200)) -> None:
    """Print the ratio of each stage and of a whole tile, for exact and for fast kernels."""
    exact, fast = load(arch), load(arch, kernels='fast')
    side = exact.side
    for count in counts:
        tile = Tile.drawn(count, np.array([24, 160]) * side / 1024, side, exact.low_side)
        ways = Plain(exact.model, tile), Ours(exact, tile), Ours(fast, tile)
        plain, *others = stages(ways, rounds)
        print(f'\none tile of {side} px, {count} boxes: seconds of CPU time, and the ratio to them')
        print(f'{"stage":<10}{"plain":>9}{"exact":>9}{"fast":>9}')
        for name in (*STAGES, 'total'):
            a, *b = (sum(t.values()) if name == 'total' else t[name] for t in (plain, *others))
            print(f'{name:<10}{a:>8.3f}s' + ''.join(f'{a / each:>8.2f}x' for each in b))


def peak_of(way: str, count: int, side: int, queue: Any) -> None:
    """Report the MB that the peak of memory grows by after the decoder."""
    tile = Tile.drawn(count, np.array([24, 160]) * side / 1024, side, side // 4)
    torch.set_num_threads(1)
    stub = SAMSegmentor(arch=dict(_TINY, img_size=side), threads=1, device='cpu')
    stub.load()
    made = Plain(stub.model, tile) if way == 'plain' else Ours(stub, tile)
    made.begin()
    give_back()
    Path('/proc/self/clear_refs').write_text('5')  # the peak so far is forgotten
    before = peak_kb()
    made.paint(made.finish())
    queue.put((peak_kb() - before) / 1024)


def peak_kb() -> int:
    """Return the peak memory of this process, as Linux tells it."""
    status = Path('/proc/self/status').read_text()
    return int(status.split('VmHWM:')[1].split()[0])


_TINY = dict(embed_dim=24, depth=1, num_heads=1, global_attn_indexes=[0], seed=0)


def print_memory(side: int, count: int = 200) -> None:
    """Print what the peak of memory grows by after the decoder, both ways."""
    fresh, grown = multiprocessing.get_context('spawn'), []
    for way in ('plain', 'ours'):
        queue = fresh.Queue()
        child = fresh.Process(target=peak_of, args=(way, count, side, queue))
        child.start()
        grown.append(queue.get())
        child.join()
    print(f'\nafter the decoder, {count} masks of {side} px: peak of memory grows by')
    print(f'plain {grown[0]:.0f} MB, ours {grown[1]:.0f} MB')
