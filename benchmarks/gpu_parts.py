"""The parts of gpu_check.py, which runs `gpu_parts.py PART OUT.json` for each."""

import argparse
import importlib
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from gpu_training import part_ranks, part_sep
from pycocotools import mask as coco

from samrs_mm.annotate.job import AnnotationJob
from samrs_mm.config_files import load_config
from samrs_mm.core.errors import describe
from samrs_mm.core.prompts import PromptBatch, PromptSetting
from samrs_mm.models.prompt_segmentors.base import PromptSegmentor
from samrs_mm.models.prompt_segmentors.sam import SAMSegmentor
from samrs_mm.models.prompt_segmentors.sam_base import SAMFamilySegmentor
from samrs_mm.models.prompt_segmentors.torch_device import fix_rounding
from samrs_mm.registry import PROMPT_SEGMENTORS

ROOT = Path(__file__).resolve().parents[1]
SMALL = dict(embed_dim=96, depth=2, num_heads=3, global_attn_indexes=[1], img_size=256)
HIERA = dict(embed_dim=24, stages=[1, 1, 2, 1], num_heads=1, global_attn_indexes=[3])
ROPE = dict(embed_dim=64, depth=4, num_heads=2, mlp_dim=128, global_attn_indexes=[1, 3])
TINY = dict(
    embed_dims=[64, 128, 160, 320],
    depths=[1, 1, 2, 1],
    num_heads=[4, 5, 10],
    window_sizes=[7, 14, 7],
)
NETWORKS: dict[str, dict[str, Any]] = dict(
    SAMSegmentor=dict(SMALL, seed=0),
    SAM2Segmentor=dict(HIERA, img_size=256, seed=0),
    SAM3Segmentor=dict(ROPE, img_size=224, window_size=4, pretrain_size=112, seed=0),
    HQSAMSegmentor=dict(SMALL, seed=0),
    MobileSAMSegmentor=dict(TINY, seed=0),
)
"""Small random networks of the family, by its members' names."""
PREDICTORS = dict(
    SAMSegmentor='segment_anything',
    HQSAMSegmentor='segment_anything_hq',
)
"""Packages whose ``SamPredictor`` a member's exact way equals."""
SHAPES = dict(square=(256, 256), wide=(200, 600), tall=(600, 200), tiny=(30, 40))
WAYS: dict[str, dict[str, Any]] = dict(
    exact={}, fast=dict(kernels='fast'), fp16=dict(kernels='fast', precision='fp16')
)
COMPILED = WAYS['fp16'] | dict(compile=True)


@dataclass(frozen=True)
class Scale:
    """How much is done: sizes in pixels, counts of images."""

    device: str
    arch: str | dict[str, Any]
    side: int
    boxes: int
    staged: int
    seconds: float
    workers: int


FULL = Scale('cuda', 'vit_h', side=1024, boxes=16, staged=16, seconds=7, workers=8)
REHEARSAL = Scale('cpu', SMALL, side=256, boxes=3, staged=2, seconds=0.2, workers=0)


def wait(device: str) -> None:
    """Wait for the device's work."""
    if device == 'cuda':
        torch.cuda.synchronize()


@contextmanager
def guarded(rows: dict, row: str) -> Iterator[None]:
    """Let a row fail alone: it says why."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 (whatever it is, the other rows are of use)
        rows[row] = f'failed: {describe(error)}'[:300]
        rows.setdefault('problem', f'{row} failed')


def enliven(model: torch.nn.Module) -> None:
    """Fill what is zero in a fresh SAM, and smooth its masks, which would be noise."""
    torch.manual_seed(0)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if 'rel_pos' in name or name.endswith('pos_embed'):
                weight.copy_(torch.randn(weight.shape) * 0.3)
            if 'output_upscaling' in name and weight.ndim == 4:
                weight.copy_(weight.mean((2, 3), keepdim=True).expand_as(weight))


def draw(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Return a smooth picture ``(height, width, 3)`` uint8."""
    noise = rng.integers(0, 255, (48, 48, 3), np.uint8)
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)


def draw_boxes(height: int, width: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return boxes ``(count, 4)``: x0, y0, x1, y1 of some 2 to 20 % of the sides."""
    low = rng.random((count, 2)) * 0.75
    high = low + 0.02 + rng.random((count, 2)) * 0.2
    return np.hstack([low, high]) * [width, height, width, height]


def prompts_of(boxes: np.ndarray) -> PromptBatch:
    """Return the prompts of upright boxes ``(N, 4)``."""
    return PromptBatch(PromptSetting('hbox'), boxes, None, None)


def masks_of(segmentor: PromptSegmentor, image: np.ndarray, boxes: np.ndarray) -> list[dict]:
    """Return the masks of boxes as COCO's run-length codes."""
    encoded = segmentor.encode([image])[0]
    chunks = segmentor.decode(encoded, prompts_of(boxes))
    return [code for chunk in chunks for code in chunk.encoded()]


def predictor_masks(predictor: Any, boxes: np.ndarray) -> np.ndarray:
    """Return the masks ``(N, H, W)`` bool that ``SamPredictor`` makes of its image, in chunks."""
    found = []
    for start in range(0, len(boxes), 20):
        scaled = predictor.transform.apply_boxes(boxes[start : start + 20], predictor.original_size)
        scaled = torch.as_tensor(scaled, device=predictor.device).float()
        masks = predictor.predict_torch(None, None, boxes=scaled, multimask_output=False)[0]
        found.append(masks[:, 0].cpu().numpy())
    return np.concatenate(found)


def agreement(ours: list[dict], theirs: list[dict]) -> dict[str, Any]:
    """Return how far two runs' masks agree: pixels that differ, and IoU."""
    differ = total = 0
    for one, other in zip(ours, theirs, strict=True):
        differ += int((coco.decode(one) != coco.decode(other)).sum())
        total += one['size'][0] * one['size'][1]
    pairs = ((dict(a), dict(b)) for a, b in zip(ours, theirs, strict=True))  # no subclasses
    ious = [float(coco.iou([a], [b], [0])[0, 0]) for a, b in pairs if coco.area([a, b]).any()]
    return dict(
        pixels=f'{differ} of {total}',
        iou_mean=round(float(np.mean(ious)), 5) if ious else None,
        iou_least=round(min(ious), 4) if ious else None,
        below_099=f'{sum(iou < 0.99 for iou in ious)} of {len(ious)}',
    )


def part_parity(scale: Scale, rows: dict) -> None:
    """Compare each member of the family on the device with the CPU, SAM with its predictor too."""
    kinds = PROMPT_SEGMENTORS.load_all().items()
    for name, kind in kinds:
        if not issubclass(kind, SAMFamilySegmentor):
            continue
        if name not in NETWORKS:
            rows[name] = 'no small network of it here'
        else:
            with guarded(rows, name):
                compare_devices(name, kind, scale, rows)


def compare_devices(name: str, kind: type, scale: Scale, rows: dict) -> None:
    """Add a row for each shape of image to those of a member of the family."""
    made = [kind(arch=NETWORKS[name], device=device) for device in (scale.device, 'cpu')]
    for segmentor in made:
        segmentor.load()
        enliven(segmentor.model.cpu())
        segmentor.model.to(segmentor.device)
    rng, exact = np.random.default_rng(1), {}
    for shape, (height, width) in SHAPES.items():
        image, boxes = draw(height, width, rng), draw_boxes(height, width, 12, rng)
        here, there = (masks_of(each, image, boxes) for each in made)
        exact[shape] = image, boxes, here
        row = agreement(here, there)
        if name in PREDICTORS:
            theirs = predicted(PREDICTORS[name], made[0].model, image, boxes)
            row['as_predictor'] = here == theirs
        rows[f'{name}, {shape}'] = row
    made[0].kernels = 'fast'
    made[0]._use_fast_kernels()
    for shape, (image, boxes, here) in exact.items():
        fast = agreement(masks_of(made[0], image, boxes), here)
        rows[f'{name}, {shape}'] |= dict(fast_pixels=fast['pixels'], fast_least=fast['iou_least'])


def predicted(
    package: str, model: torch.nn.Module, image: np.ndarray, boxes: np.ndarray
) -> list[dict]:
    """Return the run-length codes of the masks of a package's ``SamPredictor``."""
    predictor = importlib.import_module(package).SamPredictor(model)
    predictor.set_image(image)
    return [encode(mask) for mask in predictor_masks(predictor, boxes)]


def encode(mask: np.ndarray) -> dict:
    """Return a mask ``(H, W)`` bool as COCO's run-length code, with text, as ours."""
    code = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    return code | dict(counts=code['counts'].decode())


def write_tiles(folder: Path, scale: Scale, count: int) -> dict[str, np.ndarray]:
    """Write a COCO dataset of so many tiles, of which 32 differ; return each tile's boxes."""
    rng = np.random.default_rng(1)
    (folder / 'images').mkdir(parents=True)
    boxes, images, entries = {}, [], []
    drawn = []
    for i in range(count):
        if i < 32:
            pixels = draw(scale.side, scale.side, rng)
            drawn.append(cv2.imencode('.png', pixels)[1].tobytes())
        name = f't{i:04d}'
        (folder / f'images/{name}.png').write_bytes(drawn[i % 32])
        images.append(dict(id=i + 1, file_name=f'{name}.png', width=scale.side, height=scale.side))
        found = np.rint(draw_boxes(scale.side, scale.side, scale.boxes, rng))
        for x0, y0, x1, y1 in found.tolist():
            box, area = [x0, y0, x1 - x0, y1 - y0], (x1 - x0) * (y1 - y0)
            entry = dict(id=len(entries) + 1, image_id=i + 1, category_id=1, bbox=box)
            entries.append(entry | dict(area=area, iscrowd=0))
        boxes[name] = found
    categories = [dict(id=1, name='thing')]
    data = dict(images=images, annotations=entries, categories=categories)
    (folder / 'annotations.json').write_text(json.dumps(data))
    return boxes


def part_tiles(scale: Scale, rows: dict) -> None:
    """Measure tiles a second, by stage and end to end, against the loop of ``SamPredictor``."""
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        weights = write_weights(scratch, scale)
        boxes = write_tiles(scratch / 'tiles', scale, 400 if scale.device == 'cuda' else 8)
        options = dict(arch=scale.arch, checkpoint=str(weights), device=scale.device)
        loop, masks = plain_loop(scratch, scale, options, boxes)
        rows['loop of SamPredictor'] = loop
        ways = WAYS if scale.device == 'cpu' else WAYS | {'fp16, compiled': COMPILED}
        for way, more in ways.items():
            with guarded(rows, way):
                segmentor = SAMSegmentor(**options, **more)
                segmentor.load()
                row = stages(segmentor, scratch, scale, boxes, masks)
                row |= end_to_end(segmentor, scratch, way, scale, row['all'])
                row['times_the_loop'] = round(loop['all'] * row['tiles_a_second'] / 1000, 2)
                rows[way] = row
            segmentor = None
            if scale.device == 'cuda':
                torch.cuda.empty_cache()


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
    scratch: Path, scale: Scale, options: dict, boxes: dict[str, np.ndarray]
) -> tuple[dict, dict[str, list[dict]]]:
    """Return ms a tile by stage of the loop that anyone would write, in float32, and its masks."""
    from segment_anything import SamPredictor

    segmentor = SAMSegmentor(**options)
    segmentor.load()
    fix_rounding(segmentor.threads)
    predictor = SamPredictor(segmentor.model)
    spent: list[list[float]] = []
    masks = {}
    for name in list(boxes)[: scale.staged]:
        marks = [time.perf_counter()]
        image = cv2.imread(str(scratch / f'tiles/images/{name}.png'))[..., ::-1]
        marks.append(time.perf_counter())
        predictor.set_image(image)
        wait(scale.device)
        marks.append(time.perf_counter())
        found = predictor_masks(predictor, boxes[name])
        marks.append(time.perf_counter())
        masks[name] = [encode(mask) for mask in found]
        marks.append(time.perf_counter())
        spent.append([b - a for a, b in pairwise(marks)])
    return summary(spent, 'read', 'encode', 'decode', 'code'), masks


def summary(spent: list[list[float]], *names: str) -> dict[str, float]:
    """Return the median ms of each stage, the first tiles left out, and their sum."""
    kept = np.array(spent[len(spent) // 4 :])
    row = {name: round(1000 * float(np.median(kept[:, i])), 1) for i, name in enumerate(names)}
    return row | dict(all=round(sum(row.values()), 1))


def stages(
    segmentor: SAMSegmentor,
    scratch: Path,
    scale: Scale,
    boxes: dict[str, np.ndarray],
    theirs: dict[str, list[dict]],
) -> dict[str, Any]:
    """Return ms a tile by stage of ours, one after the other, and how far its masks agree."""
    spent, ours = [], {}
    for name in theirs:
        image = cv2.imread(str(scratch / f'tiles/images/{name}.png'))[..., ::-1]
        image = np.ascontiguousarray(image)
        marks = [time.perf_counter()]
        encoded = segmentor.encode([image])[0]
        wait(scale.device)
        marks.append(time.perf_counter())
        chunks = segmentor.decode(encoded, prompts_of(boxes[name]))
        ours[name] = [code for chunk in chunks for code in chunk.encoded()]
        marks.append(time.perf_counter())
        spent.append([b - a for a, b in pairwise(marks)])
    row: dict[str, Any] = summary(spent, 'encode', 'decode_and_code')
    pairs = [(a, b) for name in theirs for a, b in zip(ours[name], theirs[name], strict=True)]
    return row | agreement([a for a, _ in pairs], [b for _, b in pairs])


def end_to_end(
    segmentor: SAMSegmentor, scratch: Path, way: str, scale: Scale, ms: float
) -> dict[str, float]:
    """Return what a tile takes in an annotated folder, from two runs of different length."""
    flags = dict(data_root=str(scratch / 'tiles'), out=str(scratch / way))
    config = load_config(
        str(ROOT / 'configs/annotate/coco_grabcut_hbox.py'), dict(prompt='hbox'), flags
    )
    job = AnnotationJob(config, 'gpu_check')
    job.segmentor = segmentor
    job.collect_classes()
    most = len(job.plan.tiles)
    long = min(most, max(4, int(scale.seconds * 1000 / ms) // 4 * 4))
    seconds, done = [], 0
    for limit in (long // 4, long):
        groups = job.plan.shard(0, 1, limit)
        job.open(groups)
        start = time.perf_counter()
        result = job.annotator(job.settings(), groups, scale.workers).run()
        seconds.append(time.perf_counter() - start)
        assert result.images == limit - done, result.failures
        done = limit
    spent = max(seconds[1] - seconds[0], 1e-4) / (long // 2)
    return dict(tiles=long, ms_a_tile=round(1000 * spent, 1), tiles_a_second=round(1 / spent, 1))


PARTS: dict[str, Callable[[Any, dict], None]] = dict(
    parity=part_parity, tiles=part_tiles, sep=part_sep, ranks=part_ranks
)


def main(argv: list[str] | None = None) -> int:
    """Run a part and write its rows, also those of a part that fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('part', choices=PARTS)
    parser.add_argument('out', type=Path)
    parser.add_argument('--small', action='store_true')
    args = parser.parse_args(argv)
    rows: dict[str, Any] = {}
    with guarded(rows, args.part):
        PARTS[args.part](REHEARSAL if args.small else FULL, rows)
    args.out.write_bytes(json.dumps(rows).encode())
    return 0


if __name__ == '__main__':
    sys.exit(main())
