"""A whole SEP training step, joint, against the authors' three forwards with heads at full size.

UPerNet + ResNet-50, random weights, the same random batch of three sources; forward, backward,
clipping and AdamW. Each way runs in processes of its own, in turn, so that a busy machine hits all
alike; `--device cuda` measures on a GPU.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from mmengine.config import Config, ConfigDict
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from mmseg.utils import register_all_modules
from torch import Tensor, nn

ROOT = Path(__file__).resolve().parents[1]
WAYS = {
    'authors': 'three forwards, classifier at full size',
    'sequential': "forward_mode='sequential'",
    'joint': "forward_mode='joint'",
}


def build_model(way: str) -> nn.Module:
    """Build the network of the config, from random weights."""
    register_all_modules(init_default_scope=True)
    cfg = Config.fromfile(ROOT / 'configs/sep/upernet_resnet50_scratch.py').model
    torch.manual_seed(0)
    mode = 'joint' if way == 'joint' else 'sequential'
    return MODELS.build(ConfigDict(cfg | dict(forward_mode=mode, data_preprocessor=None))).train()


def draw_batch(
    heads: nn.ModuleDict, shares: list[int], size: int, device: str
) -> tuple[Tensor, list[SegDataSample]]:
    """Draw normal images and labels of which a quarter of the pixels has a class."""
    images = torch.randn(sum(shares), 3, size, size).to(device)
    samples = []
    for (source, head), share in zip(heads.items(), shares, strict=True):
        for _ in range(share):
            label = torch.randint(head.out_channels, (1, size, size))
            label[torch.rand(1, size, size) > 0.25] = 255
            sample = SegDataSample(metainfo=dict(source=source))
            sample.gt_sem_seg = PixelData(data=label.to(device))
            samples.append(sample)
    return images, samples


def authors_loss(model: nn.Module, images: Tensor, samples: list[SegDataSample]) -> Tensor:
    """Sum the losses of a forward per source, the features upsampled before dropout and head."""
    total = 0
    for source, head in model.heads.items():
        rows = [row for row, sample in enumerate(samples) if sample.source == source]
        features = model.decode_head(model.extract_feat(images[rows]))
        features = F.interpolate(features, size=images.shape[2:], mode='bilinear')
        logits = head(F.dropout2d(features, 0.1))
        label = torch.cat([samples[row].gt_sem_seg.data for row in rows])
        total = total + F.cross_entropy(logits, label, ignore_index=255)
    return total


def our_loss(model: nn.Module, images: Tensor, samples: list[SegDataSample]) -> Tensor:
    """Return what mmengine's train_step differentiates."""
    return model.parse_losses(model.loss(images, samples))[0]


def take_steps(args: argparse.Namespace, loss_of: Callable, model: nn.Module) -> Iterator[float]:
    """Yield the seconds of each step; the first warms up."""
    model = model.to(args.device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.05)
    batch = draw_batch(model.heads, args.batch, args.size, args.device)
    for _ in range(args.steps + 1):
        start = time.perf_counter()
        optimizer.zero_grad()
        with torch.autocast('cuda', torch.float16, enabled=args.amp):
            loss = loss_of(model, *batch)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5)
        optimizer.step()
        loss.item()
        yield time.perf_counter() - start


def measure(args: argparse.Namespace) -> None:
    """Print one way's seconds per step and memory in MB as JSON.

    ``peak`` is of the whole process (on a GPU, of its tensors); ``step`` is what is left of it
    without weights, gradients, AdamW's moments and, on a CPU, the loaded libraries.
    """
    torch.set_num_threads(args.threads)
    model = build_model(args.way)
    if args.way == 'authors':
        model.decode_head.dropout = None  # it comes after upsampling there
    weights = sum(weight.numel() for weight in model.parameters()) * 4 / 2**20
    at_rest = 4 * weights if args.device == 'cuda' else peak_rss() + 3 * weights
    seconds = list(take_steps(args, authors_loss if args.way == 'authors' else our_loss, model))
    peak = torch.cuda.max_memory_allocated() / 2**20 if args.device == 'cuda' else peak_rss()
    print(json.dumps(dict(seconds=seconds[1:], peak=peak, step=peak - at_rest)))


def peak_rss() -> float:
    """Return the process's peak resident memory in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def compare(arguments: list[str], repeats: int) -> None:
    """Run all ways in turn; print the fastest step and the median memory, and their ratios."""
    results: dict[str, list[dict]] = {way: [] for way in WAYS}
    for _ in range(repeats):
        for way in WAYS:
            command = [sys.executable, '-W', 'ignore', __file__, '--way', way, *arguments]
            output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            results[way].append(json.loads(output.splitlines()[-1]))
    print(f'{"":<42}{"s/step":>8}{"faster":>8}{"peak MB":>10}{"":>8}{"of the step":>13}')
    base: tuple[float, float, float] | None = None
    for way, title in WAYS.items():
        now = (
            min(second for run in results[way] for second in run['seconds']),
            statistics.median(run['peak'] for run in results[way]),
            statistics.median(run['step'] for run in results[way]),
        )
        base = base or now
        print(
            f'{title:<42}{now[0]:>8.3f}{base[0] / now[0]:>7.2f}x{now[1]:>10.0f}'
            f'{now[1] / base[1]:>7.2f}x{now[2]:>13.0f}{now[2] / base[2]:>7.2f}x'
        )


def main() -> int:
    """Compare, or measure one way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--size', type=int, default=112, help='pixels; default: %(default)s')
    parser.add_argument('--batch', type=int, nargs=3, default=[2, 2, 8], help='per source')
    parser.add_argument('--steps', type=int, default=2, help='timed steps a process')
    parser.add_argument('--repeats', type=int, default=2, help='processes a way')
    parser.add_argument('--threads', type=int, default=2, help='CPU threads')
    parser.add_argument('--device', default='cpu', choices=['cpu', 'cuda'])
    parser.add_argument('--amp', action='store_true', help='float16 autocast, on a GPU')
    parser.add_argument('--way', choices=WAYS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.way:
        measure(args)
    else:
        print(
            f'UPerNet + ResNet-50, {args.size} px, batch {"+".join(map(str, args.batch))}, '
            f'{args.device}, {args.threads} threads, torch {torch.__version__}'
        )
        compare(sys.argv[1:], args.repeats)
    return 0


if __name__ == '__main__':
    sys.exit(main())
