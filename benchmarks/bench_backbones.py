"""Forward and backward of every backbone, and their time per FLOP against mmsegmentation's Swin-T.

Random weights and images. Each backbone runs in processes of its own, in turn, so that a busy
machine hits all alike: forward alone as in testing, forward and backward as in training. The
nearest network of another library stands below ours where there is one.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from mmengine.config import Config
from mmseg.registry import MODELS
from mmseg.utils import register_all_modules
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

import samrs_mm.models.backbones  # noqa: F401 (registers them)

ROOT = Path(__file__).resolve().parents[1]
YARDSTICK = 'Swin-T (mmseg)'
# title: file of configs/_base_/backbones, or timm's name
BACKBONES = {
    YARDSTICK: 'swin.py',
    'ResNet-50 (mmseg)': 'resnet50.py',
    'ViTAEv2-S': 'vitae.py',
    'InternImage-T': 'internimage.py',
    'ViT-B': 'vit.py',
    'ViT-B (timm), no pyramid': 'vit_base_patch16_224',
    'ViT-Adapter-B': 'vit-adapter.py',
    'ViT-RVSA-B': 'vit-rvsa.py',
}
COLUMNS = (
    'backbone',
    'parameters, M',
    'GFLOPs forward',
    'ms forward',
    'per GFLOP, to Swin-T',
    'ms forward + backward',
    'per GFLOP, to Swin-T',
    'memory, MB',
)


class TimmTokens(nn.Module):
    """A network of timm's without its classifier.

    Args:
        name: timm's name.
        size: Side of the images in pixels.
    """

    def __init__(self, name: str, size: int):
        super().__init__()
        import timm

        self.body = timm.create_model(name, img_size=size, num_classes=0, global_pool='')

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the last tokens, as the only level."""
        return [self.body(images)]


def build_backbone(title: str, size: int) -> nn.Module:
    """Build a backbone with random weights."""
    torch.manual_seed(0)
    source = BACKBONES[title]
    if not source.endswith('.py'):
        return TimmTokens(source, size)
    register_all_modules(init_default_scope=True)
    return MODELS.build(Config.fromfile(ROOT / 'configs/_base_/backbones' / source).backbone)


def count_gflops(backbone: nn.Module, images: Tensor) -> float:
    """Count a forward on a CPU, a multiply-add as two: products, convolutions, bilinear samples."""

    def four_neighbours(*_: object, out_shape: tuple[int, ...], **__: object) -> int:
        return 2 * 4 * torch.Size(out_shape).numel()

    counter = FlopCounterMode(
        display=False, custom_mapping={torch.ops.aten.grid_sampler_2d: four_neighbours}
    )
    # The counter doesn't see a CPU's fused attention.
    with torch.inference_mode(), sdpa_kernel(SDPBackend.MATH), counter:
        backbone(images)
    return counter.get_total_flops() / 1e9


def time_calls(call: Callable[[], None], device: str, repeats: int) -> list[float]:
    """Return the milliseconds of each call but the first."""
    spans = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        call()
        if device == 'cuda':
            torch.cuda.synchronize()
        spans.append((time.perf_counter() - start) * 1000)
    return spans[1:]


def measure(args: argparse.Namespace) -> None:
    """Print the figures of one backbone as JSON.

    ``memory`` is what forward and backward take beyond weights and gradients: on a GPU of tensors,
    on a CPU by the rise of the process's peak.
    """
    torch.set_num_threads(args.threads)
    backbone = build_backbone(args.backbone, args.size)
    backbone.to(args.device)
    backbone.train()
    for weight in backbone.parameters():
        weight.grad = torch.zeros_like(weight)
    images = torch.randn(args.batch, 3, args.size, args.size).to(args.device)
    at_rest = peak_memory(args.device)

    def step() -> None:
        sum(level.float().mean() for level in backbone(images)).backward()

    def forward() -> None:
        with torch.inference_mode():
            backbone(images)

    both = time_calls(step, args.device, args.steps)
    memory = peak_memory(args.device) - at_rest
    backbone.train(False)
    figures = dict(
        parameters=sum(weight.numel() for weight in backbone.parameters()) / 1e6,
        forward=time_calls(forward, args.device, args.steps),
        both=both,
        memory=memory,
        gflops=count_gflops(backbone.to('cpu'), images[:1].cpu()),
    )
    print(json.dumps(figures))


def peak_memory(device: str) -> float:
    """Return the peak in MB: of tensors on a GPU, else of what is resident."""
    if device == 'cuda':
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run(title: str, arguments: list[str]) -> dict | str:
    """Measure in a process of its own; return its figures, or why there are none."""
    command = [sys.executable, '-W', 'ignore', __file__, '--backbone', title, *arguments]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        return (result.stderr.strip() or f'exit code {result.returncode}').splitlines()[-1]
    return json.loads(result.stdout.splitlines()[-1])


def summarise(runs: list[dict]) -> dict:
    """Take the fastest times and the median memory of all rounds."""
    return dict(
        runs[0],
        forward=min(span for one in runs for span in one['forward']),
        both=min(span for one in runs for span in one['both']),
        memory=statistics.median(one['memory'] for one in runs),
    )


def row(title: str, now: dict, base: dict) -> str:
    """Format a backbone's figures as a row of Markdown."""

    def relative(what: str) -> str:
        return f'{now[what] / now["gflops"] / (base[what] / base["gflops"]):.2f}'

    cells = (
        title,
        f'{now["parameters"]:.1f}',
        f'{now["gflops"]:.1f}',
        f'{now["forward"]:.0f}',
        relative('forward'),
        f'{now["both"]:.0f}',
        relative('both'),
        f'{now["memory"]:.0f}',
    )
    return f'| {" | ".join(cells)} |'


def compare(titles: list[str], arguments: list[str], rounds: int) -> int:
    """Run all backbones in turn and print the table; return how many failed."""
    results: dict[str, list[dict]] = {title: [] for title in titles}
    failed: dict[str, str] = {}
    for _ in range(rounds):
        for title in titles:
            result = run(title, arguments)
            if isinstance(result, dict):
                results[title].append(result)
            elif title == YARDSTICK:
                raise SystemExit(f'{title} failed, and all is measured against it: {result}')
            else:
                failed[title] = result
    print(f'| {" | ".join(COLUMNS)} |')
    print(f'| --- |{" ---: |" * (len(COLUMNS) - 1)}')
    base = summarise(results[YARDSTICK])
    for title in titles:
        if title in failed:
            print(f'| {title} | failed: {failed[title]} |{" |" * (len(COLUMNS) - 2)}')
        else:
            print(row(title, summarise(results[title]), base))
    return len(failed)


def main() -> int:
    """Compare, or measure one backbone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--size', type=int, default=224, help='pixels; default: %(default)s')
    parser.add_argument('--batch', type=int, default=12, help='default: %(default)s')
    parser.add_argument('--steps', type=int, default=2, help='timed steps a process')
    parser.add_argument('--rounds', type=int, default=3, help='processes a backbone')
    parser.add_argument('--threads', type=int, default=torch.get_num_threads(), help='of a CPU')
    parser.add_argument('--device', default='auto', choices=['auto', 'cpu', 'cuda'])
    parser.add_argument('--only', nargs='+', choices=BACKBONES, help='beside Swin-T')
    parser.add_argument('--backbone', choices=BACKBONES, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.device == 'auto':
        args.device = 'cuda' if torch.cuda.is_available() else 'cpu'
    if args.backbone:
        measure(args)
        return 0
    machine = (
        torch.cuda.get_device_name()
        if args.device == 'cuda'
        else f'CPU, threads: {args.threads} on {os.cpu_count()} cores'
    )
    print(f'{args.size} px, batch {args.batch}, float32, {machine}, torch {torch.__version__}\n')
    titles = [t for t in BACKBONES if not args.only or t in args.only or t == YARDSTICK]
    names = ('size', 'batch', 'steps', 'threads', 'device')
    arguments = [text for name in names for text in (f'--{name}', str(getattr(args, name)))]
    return 1 if compare(titles, arguments, args.rounds) else 0


if __name__ == '__main__':
    sys.exit(main())
