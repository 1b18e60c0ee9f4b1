"""Training on a GPU: steps of segmentation pre-training, and two ranks. Parts of gpu_check.py."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from bench_sep_step import draw_batch, our_loss
from mmengine.config import Config, ConfigDict
from torch import nn

from samrs_mm.compat.ops import offer_stand_in
from samrs_mm.core.errors import describe

ROOT = Path(__file__).resolve().parents[1]
LEAVES = (
    'upernet_resnet50_scratch', 'upernet_swin', 'upernet_vitae', 'upernet_internimage',
    'upernet_vit', 'upernet_vit-adapter', 'upernet_vit-rvsa_mae',
)  # fmt: skip
PRECISIONS = dict(fp32=None, bf16=torch.bfloat16, fp16=torch.float16)


def build(leaf: str, device: str) -> nn.Module:
    """Build the network of a leaf of configs/sep from random weights."""
    offer_stand_in()
    from mmseg.registry import MODELS
    from mmseg.utils import register_all_modules

    from samrs_mm.registry import register_all

    register_all_modules(init_default_scope=True)
    register_all()
    model = Config.fromfile(ROOT / f'configs/sep/{leaf}.py').model
    model = ConfigDict(model | dict(data_preprocessor=None))
    model.backbone.init_cfg = None
    torch.manual_seed(0)
    return MODELS.build(model).to(device).train()


def part_sep(scale: Any, rows: dict) -> None:
    """Measure a training step of each backbone, in float32 and with mixed precision."""
    small = scale.device == 'cpu'
    for leaf in LEAVES[:1] if small else LEAVES:
        for precision in ('fp32', 'bf16') if small else PRECISIONS:
            row = f'{leaf}, {precision}'
            try:
                rows[row] = steps(leaf, precision, scale.device)
            except Exception as error:  # noqa: BLE001 (the other rows are of use)
                rows[row] = f'failed: {describe(error)}'[:300]
                rows.setdefault('problem', f'{row} failed')


def steps(leaf: str, precision: str, device: str) -> dict[str, Any]:
    """Take some steps on one random batch; return ms a step, memory and the losses' way."""
    count, shares, size = (2, [1, 1, 1], 64) if device == 'cpu' else (8, [8, 8, 10], 224)
    model = build(leaf, device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.05)
    dtype = PRECISIONS[precision]
    scaler = torch.amp.GradScaler(device, enabled=dtype is torch.float16)
    images, samples = draw_batch(model.heads, shares, size, device)
    if device == 'cuda':
        torch.cuda.reset_peak_memory_stats()
    spent, losses = [], []
    for _ in range(count):
        start = time.perf_counter()
        optimizer.zero_grad()
        with torch.autocast(device, dtype or torch.bfloat16, enabled=dtype is not None):
            loss = our_loss(model, images, samples)
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 5)
        scaler.step(optimizer)
        scaler.update()
        losses.append(loss.item())
        spent.append(time.perf_counter() - start)
    step = statistics.median(spent[count // 2 :])
    row = dict(ms_a_step=round(1000 * step, 1), images_a_second=round(sum(shares) / step, 1))
    if device == 'cuda':
        row['memory_mb'] = round(torch.cuda.max_memory_allocated() / 2**20)
    return row | dict(loss=f'{losses[0]:.3f} to {losses[-1]:.3f}')


def part_ranks(scale: Any, rows: dict) -> None:
    """Compare the gradients of two ranks with those of one process; measure a sum over both."""
    if scale.device == 'cuda' and torch.cuda.device_count() < 2:
        rows['two ranks'] = 'not run: one GPU here'
        return
    with tempfile.TemporaryDirectory() as folder:
        meeting, target = Path(folder, 'meeting').as_uri(), Path(folder, 'rank.json')
        command = [sys.executable, __file__, scale.device, meeting, str(target)]
        ranks = [subprocess.Popen([*command, str(rank)], cwd=ROOT) for rank in range(2)]
        if any([rank.wait() for rank in ranks]):
            raise RuntimeError('a rank failed; see above')
        rows['two ranks'] = json.loads(target.read_text())


def rank_main(device: str, meeting: str, target: str, rank: int) -> None:
    """Be one of two ranks; the first writes the row."""
    if device == 'cuda':
        torch.cuda.set_device(rank)
        torch.backends.cudnn.allow_tf32 = False
    backend = 'nccl' if device == 'cuda' else 'gloo'
    dist.init_process_group(backend, init_method=meeting, world_size=2, rank=rank)
    model = still(build(LEAVES[0], device))
    shares, size = ([1, 1, 1], 64) if device == 'cpu' else ([4, 4, 4], 224)
    torch.manual_seed(7)
    parts = [draw_batch(model.heads, shares, size, device) for _ in range(2)]
    ids = [rank] if device == 'cuda' else None
    wrapped = nn.parallel.DistributedDataParallel(model, device_ids=ids)
    images, samples = parts[rank]
    model.parse_losses(wrapped(images, samples, mode='loss'))[0].backward()
    ours = {name: weight.grad.clone() for name, weight in model.named_parameters()}
    block = torch.ones(2**24 if device == 'cuda' else 2**16, device=device)
    dist.all_reduce(block)
    if device == 'cuda':
        torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(5):
        dist.all_reduce(block)
    if device == 'cuda':
        torch.cuda.synchronize()
    spent = (time.perf_counter() - start) / 5
    dist.destroy_process_group()
    if rank:
        return
    model.zero_grad()
    whole = torch.cat([images for images, _ in parts])
    our_loss(model, whole, parts[0][1] + parts[1][1]).backward()
    furthest = max(
        float((ours[name] - weight.grad).abs().max() / weight.grad.abs().max().clamp_min(1e-12))
        for name, weight in model.named_parameters()
    )
    row = dict(backend=backend, gradients_differ_by=f'{furthest:.1e}')
    row |= {'sum_mb': block.nbytes / 1e6, 'sum_ms': round(1000 * spent, 2)}
    Path(target).write_text(json.dumps(row))


def still(model: nn.Module) -> nn.Module:
    """Take out what makes a batch's loss other than that of its parts: batch norm and dropout."""
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()
        elif isinstance(module, nn.modules.dropout._DropoutNd):
            module.p = 0.0
    return model


if __name__ == '__main__':
    os.environ.setdefault('NCCL_DEBUG', 'WARN')
    rank_main(*sys.argv[1:4], int(sys.argv[4]))
