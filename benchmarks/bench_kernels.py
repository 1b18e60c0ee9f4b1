"""Time kernels='fast' of SAM against its exact way, side by side, with random weights.

CPU time of one thread, so that other work on the machine matters little; medians of ratios::

    python benchmarks/bench_kernels.py                  # ViT-B at 1024 px: some minutes
    python benchmarks/bench_kernels.py --side 256 --depth 2 --repeats 3
"""

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from samrs_mm.core.prompts import PromptBatch, PromptSetting
from samrs_mm.models.prompt_segmentors.sam import SAMSegmentor

BOXES = (16, 200)


def segmentors(args: argparse.Namespace) -> dict[str, SAMSegmentor]:
    arch = dict(
        embed_dim=args.width, depth=args.depth, num_heads=args.width // 64, img_size=args.side,
        global_attn_indexes=range(args.depth // 4 or 1, args.depth + 1, args.depth // 4 or 1),
        seed=0,
    )  # fmt: skip
    arch['global_attn_indexes'] = [i - 1 for i in arch['global_attn_indexes']]
    made = {
        kernels: SAMSegmentor(arch, threads=1, device='cpu', kernels=kernels)
        for kernels in ('exact', 'fast')
    }
    for segmentor in made.values():
        segmentor.load()
    return made


def boxes(count: int, side: int) -> PromptBatch:
    rng = np.random.default_rng(0)
    low = rng.uniform(0, 0.9 * side, (count, 2))
    high = np.minimum(low + rng.uniform(0.02, 0.1, (count, 2)) * side, side)
    return PromptBatch(PromptSetting('hbox'), boxes=np.concatenate([low, high], 1))


def ratios(ways: dict[str, Callable[[], object]], repeats: int) -> list[float]:
    """Return CPU time of the first way over that of the second, call by call in turn."""
    found = []
    for _ in range(repeats):
        seconds = []
        for work in ways.values():
            start = time.process_time()
            work()
            seconds.append(time.process_time() - start)
        found.append(seconds[0] / seconds[1])
    return found


def logits(segmentor: SAMSegmentor, encoded, prompts: PromptBatch) -> torch.Tensor:
    step = segmentor.chunk
    parts = [slice(i, i + step) for i in range(0, len(prompts), step)]
    return torch.cat([segmentor._predict_part(encoded, prompts, part)[0] for part in parts])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--side', type=int, default=1024, help='pixels of the input')
    parser.add_argument('--width', type=int, default=768)
    parser.add_argument('--depth', type=int, default=12)
    parser.add_argument('--repeats', type=int, default=3)
    args = parser.parse_args()
    made = segmentors(args)
    image = np.random.default_rng(0).integers(0, 255, (args.side, args.side, 3), np.uint8)
    codes = {name: each.encode([image])[0] for name, each in made.items()}
    features = [code.features[0] for code in codes.values()]
    rows = {'encoder': (
        ratios({name: partial(each.encode, [image]) for name, each in made.items()}, args.repeats),
        (features[0] - features[1]).abs().max().item(),
    )}  # fmt: skip
    for count in BOXES:
        work = partial(logits, encoded=codes['exact'], prompts=boxes(count, args.side))
        ways = {name: partial(work, each) for name, each in made.items()}
        first, second = (way() for way in ways.values())
        difference = (first - second).abs().max().item()
        rows[f'decoder, {count} boxes'] = ratios(ways, args.repeats), difference
    for name, (found, difference) in rows.items():
        print(f'{name:<20} {statistics.median(found):.2f}x ({min(found):.2f} to {max(found):.2f}), '
              f'largest difference {difference:.1e}')  # fmt: skip


if __name__ == '__main__':
    main()
