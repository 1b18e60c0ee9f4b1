"""How many tiles a second the CPU's side of annotating keeps up with, without a GPU.

The segmentor's device is a clock: it takes a GPU's time for a tile, in which nothing is computed.
What it gives are masks of drawn objects, on the way that masks take off a GPU. All else is the
product's: reading ahead, codes of masks, records, label maps, files. Threads and processes write in
turn; printed are medians.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gpu_masks import Scale
from gpu_tiles import Blobs, end_to_end, write_tiles

from samrs_mm.core.prompts import PromptBatch, PromptSetting
from samrs_mm.models.prompt_segmentors.base import MaskChunk, PromptSegmentor
from samrs_mm.models.prompt_segmentors.device_masks import DeviceMasks
from samrs_mm.models.prompt_segmentors.frame import Frame
from samrs_mm.models.prompt_segmentors.scale_up import mask_chunks, taken


@dataclass(frozen=True)
class Pace:
    """What a tile costs: seconds of the device, and calls of torch by the process.

    The seconds are those of ViT-H, fp16, compiled, four tiles a pass, on an H200. The calls stand
    for launches of kernels, at each of which Python's lock is let go.
    """

    encode: float = 0.0171
    decode: float = 0.0036
    encode_calls: int = 100
    decode_calls: int = 150


@dataclass(frozen=True)
class Event:
    """A moment at which work of a device is done."""

    moment: float

    def synchronize(self) -> None:
        """Wait for it."""
        time.sleep(max(0.0, self.moment - time.perf_counter()))


class PretendedGPU(PromptSegmentor):
    """Takes the time of a GPU, and gives masks of objects drawn in the boxes beforehand.

    Args:
        side: Of all tiles in pixels.
        boxes: Of each tile ``(n, 4)``.
        pace: How fast it is.
    """

    images_per_pass = 4
    provided_scores = ('score', 'stability')

    def __init__(self, side: int, boxes: Sequence[np.ndarray], pace: Pace):
        self.frame, self.pace, self.busy_until = Frame(side, (side, side)), pace, 0.0
        blobs = Blobs(side, torch.device('cpu'))
        self.drawn = {
            each.tobytes(): DeviceMasks.queue(blobs(torch.as_tensor(each).float()), self.frame, 0.0)
            for each in boxes
        }
        self.numbers = torch.zeros(16)

    @property
    def asynchronous(self) -> bool:
        """See ``PromptSegmentor``."""
        return True

    @property
    def settings(self) -> dict[str, Any]:
        """See ``PromptSegmentor``."""
        return dict(type='PretendedGPU')

    def unsupported(self, setting: PromptSetting) -> str | None:
        """See ``PromptSegmentor``."""
        return None if setting.box == 'hbox' else 'takes upright boxes'

    def _launch(self, seconds: float, calls: int) -> Event:
        """Give the device work, after what it has; a thread has Python's lock again and again."""
        for _ in range(calls):
            torch.add(self.numbers, 1, out=self.numbers)
        self.busy_until = max(self.busy_until, time.perf_counter()) + seconds
        return Event(self.busy_until)

    def encode(self, images: Sequence[np.ndarray]) -> list[Any]:
        """See ``PromptSegmentor``; a pass that isn't full costs as much."""
        for image in images:
            torch.as_tensor(image).clone()  # into pinned memory, from which a GPU takes it
        count = self.images_per_pass
        self._launch(count * self.pace.encode, count * self.pace.encode_calls)
        return [None] * len(images)

    def decode(self, encoded: Any, prompts: PromptBatch) -> Iterator[MaskChunk]:
        """See ``PromptSegmentor``."""
        assert prompts.boxes is not None
        masks = self.drawn[prompts.boxes.tobytes()]
        masks = replace(masks, ready=self._launch(self.pace.decode, self.pace.decode_calls))
        scores = torch.full((len(prompts),), 0.9)
        return mask_chunks(taken([masks]), [scores], self.frame, ())


def compare(
    scratch: Path, scale: Scale, tiles: int, rounds: int, pace: Pace, ways: Sequence[int]
) -> dict[int, dict[str, float]]:
    """Return the medians of ``end_to_end`` by the number of processes that write, 0 for threads."""
    written = write_tiles(scratch / 'tiles', scale, tiles, differ=8)
    segmentor = PretendedGPU(scale.side, [boxes for _, boxes in written[:8]], pace)
    found: dict[int, list[dict[str, float]]] = {processes: [] for processes in ways}
    for number in range(rounds):
        for processes, rows in found.items():
            way = f'{processes}-{number}'
            rows.append(end_to_end(segmentor, scratch, way, scale, 1, processes))
    return {
        processes: {name: statistics.median(row[name] for row in rows) for name in rows[0]}
        for processes, rows in found.items()
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add('--tiles', type=int, default=160, help='default: %(default)s')
    add('--rounds', type=int, default=3, help='default: %(default)s')
    add('--readers', type=int, default=2, help='processes that read ahead; default: %(default)s')
    args = parser.parse_args()
    torch.set_num_threads(1)
    scale = Scale('cpu', '', side=1024, boxes=16, staged=0, seconds=3600, workers=args.readers)
    pace = Pace()
    with tempfile.TemporaryDirectory() as scratch:
        rows = compare(Path(scratch), scale, args.tiles, args.rounds, pace, (0, 1, 2))
    device = 1000 * (pace.encode + pace.decode)
    print(f'{args.tiles} tiles of 1024 px, 16 boxes; the device alone takes {device:.1f} ms a tile')
    print(f'{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}')
    print(f'{"written by":<14}{"tiles/s":>9}{"ms a tile":>11}{"own CPU, ms a tile":>20}')
    for processes, row in rows.items():
        by = f'{processes} process' + 'es' * (processes > 1) if processes else '2 threads'
        print(
            f'{by:<14}{row["tiles_a_second"]:>9.1f}{row["ms_a_tile"]:>11.1f}'
            f'{row["own_cpu_ms"]:>20.1f}'
        )


if __name__ == '__main__':
    main()
