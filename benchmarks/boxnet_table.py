"""Box fill, GrabCut and BoxNet on pictures with known masks: tables in Markdown.

Boxes are made from the masks: tight, or each side moved outwards by a random 0 to 5 or 15 % of the
box, the same for all segmentors. All run in one process on one thread. Drawn scenes come by seed;
real pictures from folders on the command line.
"""

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from samrs_mm.core import masks, segmentations
from samrs_mm.core.images import SceneImage
from samrs_mm.core.mask_boxes import box_of_mask, loosened
from samrs_mm.core.prompts import PromptBatch, PromptSetting
from samrs_mm.datasets.boxes.coco import COCOBoxDataset
from samrs_mm.datasets.boxes.isaid import ISAIDInstanceDataset
from samrs_mm.drawn.dataset import write_demo_dataset
from samrs_mm.drawn.scenes import DOMAINS, Painter
from samrs_mm.evaluation.calibration import rank_correlation
from samrs_mm.formats.annotated.doubt import doubt
from samrs_mm.formats.annotated.entries import KEPT, BoxEntry
from samrs_mm.models.boxnet.simulated_clicks import next_click
from samrs_mm.models.boxnet.weights import default_weights
from samrs_mm.models.prompt_segmentors.box_fill import BoxFillSegmentor
from samrs_mm.models.prompt_segmentors.boxnet import BoxNetSegmentor
from samrs_mm.models.prompt_segmentors.grabcut import GrabCutSegmentor

METHODS = ('fill', 'GrabCut', 'BoxNet')
PROMPTS = ('hbox', 'rbox')
LOOSE = (0.0, 0.05, 0.15)
GOOD = 0.75
LEAST = 30  # pixels of a mask
OVER = ('plane', 'tank', 'boat', 'lorry', 'windmill', 'car')
TRIES, COPIES = 10, 4
CLICKS = 3
KINDS = {
    'small-vehicle': 'vehicle', 'large-vehicle': 'vehicle', 'Small_Vehicle': 'vehicle',
    'Large_Vehicle': 'vehicle',
}  # fmt: skip


@dataclass(frozen=True)
class Object:
    """A true mask ``(H, W)`` bool and its class."""

    mask: np.ndarray
    kind: str


@dataclass(frozen=True)
class Picture:
    """A scene of a set, its pixels and objects."""

    group: str
    name: str
    pixels: np.ndarray
    objects: list[Object]


@dataclass(frozen=True)
class Row:
    """What a segmentor made of an object's box; ``doubt`` of those that score their masks."""

    group: str
    kind: str
    prompt: str
    loose: float
    method: str
    iou: float
    score: float | None
    ms: float
    doubt: float | None = None


def pictures_of(group: str, dataset: Any, every: int) -> Iterator[Picture]:
    """Yield the scenes of a box dataset with true masks; of the objects each ``every``-th."""
    for index, scene in enumerate(dataset.scenes):
        if scene.image is None:
            continue
        pixels = SceneImage(dataset.image_path(index)).read()
        height, width = pixels.shape[:2]
        true, objects = dataset.ground_truth_of(index), []
        for box in dataset.labels(index).boxes:
            if box.meaning or box.box_id not in true:
                continue
            rle = segmentations.from_coco(true[box.box_id], height, width)
            if rle is not None and masks.area(rle) >= LEAST:
                objects.append(Object(masks.decode(rle), KINDS.get(box.category, box.category)))
        yield Picture(group, scene.stem, pixels, objects[::every])


def drawn_over(path: str, seed: int) -> Iterator[Picture]:
    """Yield copies of a real picture with the demo's things all over it; large ones come first."""
    pixels = SceneImage(path).read()
    height, width = pixels.shape[:2]
    for copy in range(COPIES):
        rng = np.random.default_rng([seed, copy])
        painter = Painter(width, height, DOMAINS['b'], rng)
        painter.image[:] = pixels
        for kind in np.repeat(OVER, TRIES):
            u, v = rng.uniform(-0.5, 0.5, 2) * painter.size[::-1]
            painter.add(kind, u, v, rng.uniform(0, 2 * np.pi), gap=3)
        objects = [
            Object(mask, item.category)
            for item in painter.objects()
            if (mask := item.full_mask(height, width)).sum() >= LEAST
        ]
        name = Path(path).stem
        yield Picture(f'over {name}', f'{name}_{copy}', painter.photo(), objects)


def all_pictures(args: argparse.Namespace, scratch: Path) -> Iterator[Picture]:
    """Yield what is asked for: real pictures, what is drawn over them, drawn scenes."""
    for folder in args.isaid:
        yield from pictures_of(Path(folder).name, ISAIDInstanceDataset(folder), args.every)
    for folder in args.coco:
        dataset = COCOBoxDataset(folder, ground_truth=True, unlisted=False)
        yield from pictures_of(Path(folder).name, dataset, args.every)
    for path in args.over:
        yield from drawn_over(path, args.seed)
    for domain in 'ab' if args.drawn else '':
        root = scratch / domain
        for _ in write_demo_dataset(root, args.drawn, seed=args.seed, domain=domain):
            pass
        dataset = COCOBoxDataset(str(root), ground_truth=True)
        yield from pictures_of('drawn', dataset, args.drawn_every)


def corners_of(picture: Picture, prompt: str, loose: float) -> np.ndarray:
    """Return boxes ``(N, 4, 2)`` around a picture's objects."""
    made = []
    for number, item in enumerate(picture.objects):
        moves = np.random.default_rng([0, number]).uniform(0, loose, 4)
        made.append(loosened(box_of_mask(item.mask, prompt == 'rbox'), moves))
    return np.array(made)


def prompts_of(picture: Picture, prompt: str, corners: np.ndarray) -> PromptBatch:
    """Return boxes as the annotating tool prompts with them."""
    setting = PromptSetting.parse(prompt)
    if prompt == 'rbox':
        return PromptBatch(setting, polygons=corners)
    height, width = picture.pixels.shape[:2]
    boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    return PromptBatch(setting, boxes=np.clip(boxes, 0, [width, height, width, height]))


def whole(chunk: Any, size: tuple[int, int]) -> Iterator[np.ndarray]:
    """Yield the masks of a chunk, ``(H, W)`` bool."""
    if getattr(chunk, 'window', None) is None:
        yield from chunk.masks
        return
    y, x = chunk.window[:2]
    for mask in chunk.masks:
        full = np.zeros(size, bool)
        full[y : y + mask.shape[0], x : x + mask.shape[1]] = mask
        yield full


def scores_of(chunk: Any) -> list[tuple[Any, Any]]:
    """Return the predicted IoU and the stability of each mask; None where there is none."""
    columns = (getattr(chunk, name, None) for name in ('scores', 'stability'))
    return list(zip(*([None] * len(chunk.masks) if c is None else c for c in columns), strict=True))


def iou_of(one: np.ndarray, other: np.ndarray) -> float:
    """Return the IoU of two masks."""
    return float((one & other).sum() / max((one | other).sum(), 1))


def doubt_of(mask: np.ndarray, corners: np.ndarray, said: float, stability: float) -> float:
    """Return how little the review report would trust a mask ``(H, W)`` bool in a box."""
    box = BoxEntry.new(1, '', 0, '', '', corners, None, None, KEPT)
    box.enter_mask(masks.Mask(masks.encode(mask), said, stability), '')
    return doubt(box)


def score(picture: Picture, methods: dict[str, Any]) -> Iterator[Row]:
    """Yield a row for each object, prompt, looseness and segmentor; time is of the process."""
    size = picture.pixels.shape[:2]
    for prompt in PROMPTS:
        for loose in LOOSE:
            corners = corners_of(picture, prompt, loose)
            batch = prompts_of(picture, prompt, corners)
            for name, segmentor in methods.items():
                begun = time.process_time()
                chunks = list(segmentor.decode(segmentor.encode([picture.pixels])[0], batch))
                ms = (time.process_time() - begun) * 1000 / len(picture.objects)
                made = (mask for chunk in chunks for mask in whole(chunk, size))
                told = (each for chunk in chunks for each in scores_of(chunk))
                for item, box, mask, (said, stability) in zip(
                    picture.objects, corners, made, told, strict=True
                ):
                    doubted = None if said is None else doubt_of(mask, box, said, stability)
                    iou = iou_of(mask, item.mask)
                    yield Row(picture.group, item.kind, prompt, loose, name, iou, said, ms, doubted)


def clicked(picture: Picture, segmentor: BoxNetSegmentor, prompt: str) -> Iterator[list[float]]:
    """Yield the IoUs of each object after 0 to 3 clicks on the largest error.

    Boxes are up to 5 % loose; without a box (``cp``) the first click is at the object's middle, and
    the first IoU is the one after it.
    """
    boxed = prompt != 'cp'
    corners = corners_of(picture, prompt if boxed else 'hbox', 0.05)
    for item, box in zip(picture.objects, corners, strict=True):
        given = box if prompt == 'rbox' else np.concatenate([box.min(axis=0), box.max(axis=0)])
        clicks, answer, ious = np.zeros((0, 3)), None, []
        if not boxed:
            clicks = np.array([next_click(np.zeros_like(item.mask), item.mask)], float)
        for _ in range(CLICKS + 1):
            answer = segmentor.click(picture.pixels, clicks, given if boxed else None, answer)
            ious.append(iou_of(answer.mask, item.mask))
            click = next_click(answer.mask, item.mask)
            clicks = clicks if click is None else np.concatenate([clicks, [click]])
        yield ious


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [header, ['---'] * len(header), *rows]
    return '\n'.join('| ' + ' | '.join(line) + ' |' for line in lines)


def by_place(rows: list[Row], place: Callable[[Row], str], least: int = 1) -> str:
    """Return mean IoU and share over 0.75 by prompt, looseness and segmentor; a place a column."""
    cells: dict[tuple, list[float]] = defaultdict(list)
    for row in rows:
        cells[row.prompt, row.loose, row.method, place(row)].append(row.iou)
    methods = list(dict.fromkeys(row.method for row in rows))
    first = (PROMPTS[0], LOOSE[0], methods[0])
    counts = {key[3]: len(ious) for key, ious in cells.items() if key[:3] == first}
    places = [name for name in sorted(counts) if counts[name] >= least]
    header = ['boxes', 'prompt', 'masks by', *(f'{name} ({counts[name]})' for name in places)]
    lines = []
    for prompt in PROMPTS:
        for loose in LOOSE:
            values = {m: [cells[prompt, loose, m, name] for name in places] for m in methods}
            best = np.max([[np.mean(ious) for ious in each] for each in values.values()], axis=0)
            for method, columns in values.items():
                texts = [_cell(ious, top) for ious, top in zip(columns, best, strict=True)]
                lines.append([f'0 to {loose:.0%}' if loose else 'tight', prompt, method, *texts])
    return table(header, lines)


def _cell(ious: list[float], best: float) -> str:
    text = f'{np.mean(ious):.3f}'
    text = f'**{text}**' if np.mean(ious) == best else text
    return f'{text} ({np.mean(np.array(ious) >= GOOD):.0%})'


def calibration(rows: list[Row]) -> str:
    """Return what the predicted IoU, and the review report's doubt, are worth, by group."""
    lines = []
    for group in sorted({row.group for row in rows}):
        own = [row for row in rows if row.group == group and row.score is not None]
        said, true = np.array([row.score for row in own]), np.array([row.iou for row in own])
        doubted = np.array([row.doubt for row in own])
        worst = said <= np.quantile(said, 0.2)
        lines.append([
            group, str(len(own)), f'{rank_correlation(said, true):.2f}',
            f'{rank_correlation(-doubted, true):.2f}', f'{said.mean():.3f}',
            f'{true.mean():.3f}', f'{true[worst].mean():.3f}', f'{true[~worst].mean():.3f}',
        ])  # fmt: skip
    return table(
        ['set', 'masks', 'rank correlation', "of the report's doubt, turned", 'said', 'true',
         'true, worst fifth by score', 'true, the others'], lines,
    )  # fmt: skip


def costs(rows: list[Row], segmentors: dict[str, Any], loading: float, weights: Path) -> str:
    """Return CPU milliseconds a box, and what weights and start cost."""
    lines = []
    for method in segmentors:
        spent = [np.mean([r.ms for r in rows if (r.method, r.prompt) == (method, p)])
                 for p in PROMPTS]  # fmt: skip
        lines.append([method, *(f'{ms:.1f}' for ms in spent)])
    made = table(['CPU ms a box, one thread', *PROMPTS], lines)
    size = weights.stat().st_size / 1e6
    return f'{made}\n\nWeights of {size:.2f} MB; loading them took {1000 * loading:.0f} ms.'


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add('--isaid', nargs='*', default=[], metavar='DIR', help='folders of iSAID images and labels')
    add('--coco', nargs='*', default=[], metavar='DIR', help='folders with annotations.json')
    add('--over', nargs='*', default=[], metavar='FILE', help='pictures to draw things over')
    add(
        '--drawn',
        type=int,
        default=6,
        help="the demo's scenes of each of its domains; 0: none",
    )
    add('--drawn-every', type=int, default=4, help='take every N-th object of them')
    add('--every', type=int, default=1, help='take every N-th object of the other sets')
    add('--seed', type=int, default=0, help='of the drawn scenes')
    add('--checkpoint', help='weights of BoxNet (default: those of the package)')
    add('--methods', nargs='+', default=METHODS, choices=METHODS)
    add('--no-clicks', action='store_true', help='leave the table of clicks out')
    return parser.parse_args()


def main() -> int:
    """Print all tables."""
    args = parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    boxnet = BoxNetSegmentor(args.checkpoint, threads=1, device='cpu')
    begun = time.perf_counter()
    boxnet.load()
    loading = time.perf_counter() - begun
    known = {'fill': BoxFillSegmentor(), 'GrabCut': GrabCutSegmentor(threads=1), 'BoxNet': boxnet}
    methods = {name: known[name] for name in args.methods}
    rows: list[Row] = []
    steps: dict[tuple, list[list[float]]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as scratch:
        for picture in all_pictures(args, Path(scratch)):
            if not picture.objects:
                continue
            rows += score(picture, methods)
            for prompt in () if args.no_clicks else (*PROMPTS, 'cp'):
                steps[picture.group, prompt] += clicked(picture, boxnet, prompt)
            print(f'{picture.name}: {len(picture.objects)} objects', file=sys.stderr)
    weights = Path(args.checkpoint) if args.checkpoint else default_weights()
    print('## Mean IoU, and share of masks from IoU 0.75 on\n')
    print(by_place(rows, lambda row: row.group))
    print('\n## By class\n')
    print(by_place(rows, lambda row: f'{row.group}: {row.kind}', least=4))
    print(f'\n## Cost\n\n{costs(rows, methods, loading, weights)}')
    if steps:
        print('\n## Clicks: mean IoU after the prompt (boxes up to 5 % loose), +1, +2, +3\n')
        print(table(
            ['set', 'prompt', 'prompt alone', *(f'+{n}' for n in range(1, CLICKS + 1))],
            [[*key, *(f'{v:.3f}' for v in np.mean(ious, axis=0))] for key, ious in steps.items()],
        ))  # fmt: skip
    if 'BoxNet' in methods:
        own = [row for row in rows if row.method == 'BoxNet']
        print(f"\n## BoxNet's own score, all prompts and boxes together\n\n{calibration(own)}")
    return 0


if __name__ == '__main__':
    sys.exit(main())
