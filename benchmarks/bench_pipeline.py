"""Data pipeline of segmentation pre-training: the authors' way, plain files, the packed store.

Samples per second of one core, all ways on the same tiles in alternating rounds; `make bench`
prints the table of docs/benchmark.md. The authors' way is that of the paper's recipe: Pillow
decodes image and label as a whole, the whole image is resized, padded, cropped, flipped, turned and
recoloured. All ways end with the uint8 tensor that the data preprocessor normalises.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine import Config
from mmengine.registry import init_default_scope
from mmseg.registry import TRANSFORMS
from PIL import Image

from samrs_mm.core import masks
from samrs_mm.datasets.segmentation.image_index import read_released
from samrs_mm.datasets.segmentation.multi_source import MultiSourceDataset
from samrs_mm.datasets.segmentation.samrs import SAMRSDataset
from samrs_mm.datasets.segmentation.store import Packer, Store
from samrs_mm.drawn.dataset import write_demo_dataset

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ROOT / 'configs' / '_base_' / 'datasets' / 'samrs.py'


def draw_tiles(root: Path, count: int, side: int) -> None:
    """Write drawn scenes and their known masks in the released layout."""
    for _ in write_demo_dataset(root, count, side, formats=('coco',)):
        pass
    coco = json.loads((root / 'annotations.json').read_bytes())
    target = root / 'semlabels' / 'gray'
    target.mkdir(parents=True)
    for image in coco['images']:
        label = np.full((side, side), 255, np.uint8)
        for item in coco['annotations']:
            if item['image_id'] == image['id']:
                label[masks.decode(item['segmentation'])] = item['category_id'] - 1
        Image.fromarray(label).save(target / f'{Path(image["file_name"]).stem}.png')


def copy_tiles(root: Path, scenes: list[Path], count: int, side: int) -> None:
    """Write windows of the user's images, with ellipses for labels, in the released layout."""
    rng = np.random.default_rng(0)
    for name in ('images', 'semlabels/gray'):
        (root / name).mkdir(parents=True)
    for number in range(count):
        scene = np.asarray(Image.open(scenes[number % len(scenes)]).convert('RGB'))
        missing = [(0, max(side - length, 0)) for length in scene.shape[:2]]
        scene = np.pad(scene, (*missing, (0, 0)), 'symmetric')
        y, x = (int(rng.integers(length - side + 1)) for length in scene.shape[:2])
        tile = np.rot90(scene[y : y + side, x : x + side], number % 4)
        label = np.full((side, side), 255, np.uint8)
        for _ in range(80):
            centre, radius = rng.integers(0, side, 2).tolist(), int(rng.integers(4, 30))
            turn, value = float(rng.uniform(0, 180)), int(rng.integers(18))
            cv2.ellipse(label, centre, (radius, radius // 2), turn, 0, 360, value, -1)
        Image.fromarray(np.ascontiguousarray(tile)).save(root / 'images' / f'{number:04}.png')
        Image.fromarray(label).save(root / 'semlabels/gray' / f'{number:04}.png')


class AuthorsWay:
    """Decode all, resize all, then crop; the order and parts of the paper's recipe.

    Args:
        files: Image and label path of each tile.
        rest: The transforms after the crop, the same for all ways.
    """

    def __init__(self, files: list[tuple[str, str]], rest: list):
        self.files, self.rest = files, rest

    def __getitem__(self, index: int) -> dict:
        image, label = (np.array(Image.open(path)) for path in self.files[index])
        image, label = self.crop(image, label)
        results = dict(img=image, gt_seg_map=label, seg_fields=['gt_seg_map'], img_path='',
                       reduce_zero_label=False)  # fmt: skip
        for transform in self.rest:
            results = transform(results)
        return results

    def crop(self, image: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Random scale, pad, random crop of 224."""
        if np.random.random() < 0.5:
            scale = np.random.uniform(0.5, 2)
            size = int(image.shape[1] * scale), int(image.shape[0] * scale)
            image = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
            label = cv2.resize(label, size, interpolation=cv2.INTER_NEAREST)
        missing = [max(224 - side, 0) for side in label.shape]
        sides = [part for m in missing for part in (m // 2, m - m // 2)]
        if any(sides):
            image = cv2.copyMakeBorder(image, *sides, cv2.BORDER_CONSTANT, value=0)
            label = cv2.copyMakeBorder(label, *sides, cv2.BORDER_CONSTANT, value=255)
        y, x = (np.random.randint(side - 223) for side in label.shape)
        return image[y : y + 224, x : x + 224], label[y : y + 224, x : x + 224]


def measure(ways: dict, tiles: int, samples: int, rounds: int) -> dict[str, float]:
    """Return the least CPU milliseconds per sample of each way over alternating rounds."""
    best = dict.fromkeys(ways, float('inf'))
    for number in range(rounds):
        for name, dataset in ways.items():
            np.random.seed(number)
            start = time.process_time()
            for index in range(samples):
                dataset[index % tiles]
            best[name] = min(best[name], (time.process_time() - start) / samples * 1e3)
    return best


def megabytes(paths: list[Path]) -> float:
    return sum(path.stat().st_size for path in paths) / 1e6


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--tiles', type=int, default=12, help='default %(default)s')
    parser.add_argument('--side', type=int, default=1024, help='default %(default)s px')
    parser.add_argument('--samples', type=int, default=96, help='per round, %(default)s')
    parser.add_argument('--rounds', type=int, default=5, help='default %(default)s')
    parser.add_argument('--images', type=Path, nargs='+', help='cut tiles from these instead')
    args = parser.parse_args(argv)
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    init_default_scope('mmseg')
    with tempfile.TemporaryDirectory() as temp:
        root = Path(temp) / 'tiles'
        if args.images:
            copy_tiles(root, args.images, args.tiles, args.side)
        else:
            draw_tiles(root, args.tiles, args.side)
        run(root, args)
    return 0


def run(root: Path, args: argparse.Namespace) -> None:
    pipeline = Config.fromfile(CONFIG).train_pipeline
    entries, store = read_released(root, {}), Store(root / 'packed')
    store.open(None)
    start = time.process_time()
    Packer(store, entries, None, workers=1).pack(entries, iter)
    store.close(None, None, {entry.stem for entry in entries})
    packing = (time.process_time() - start) / len(entries)
    classes = tuple(f'class {number}' for number in range(37))
    common = dict(source='x', data_root=str(root), metainfo=dict(classes=classes))
    rest = [TRANSFORMS.build(transform) for transform in pipeline[1:]]
    ways = {
        "the authors' way": AuthorsWay([(e.image, e.label) for e in entries], rest),
        'plain files': MultiSourceDataset([SAMRSDataset(pipeline=pipeline, **common)]),
        'packed store': MultiSourceDataset(
            [SAMRSDataset(pipeline=pipeline, packed='packed', **common)]
        ),
    }
    best = measure(ways, len(entries), args.samples, args.rounds)
    plain = megabytes([Path(path) for e in entries for path in (e.image, e.label)])
    sizes = [plain, plain, megabytes(list((store.root / 'tiles').iterdir()))]
    first = best["the authors' way"]
    print(f'{len(entries)} tiles of {args.side} px; CPU time of one core, files in memory\n')
    print('| way | ms/sample | samples/s | ratio | MB/tile |\n| --- | ---: | ---: | ---: | ---: |')
    for (name, cost), size in zip(best.items(), sizes, strict=True):
        print(f'| {name} | {cost:.2f} | {1e3 / cost:.0f} | {first / cost:.1f} | '
              f'{size / len(entries):.2f} |')  # fmt: skip
    print(f'\npacking takes {packing * 1e3:.0f} ms of CPU time per tile')


if __name__ == '__main__':
    sys.exit(main())
