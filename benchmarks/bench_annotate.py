"""The annotation driver against the naive loop, a tile of 20 boxes against one of 2,000, and SAM
stage by stage against a plain loop of ``SamPredictor``.

Ratios of runs side by side on this machine; `make bench` prints the tables of docs/benchmark.md.
"""

import argparse
import multiprocessing
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from sam_stages import print_after_decoder, print_memory, print_whole_tiles
from writer_stages import print_writing

from samrs_mm.annotate.driver import Annotator, BoxPrompter, SampleStream
from samrs_mm.annotate.plan import Plan
from samrs_mm.annotate.record_writer import RecordWriter
from samrs_mm.annotate.writer import LabelMapWriter, MaskFilters
from samrs_mm.core import masks
from samrs_mm.core.atomic import dump
from samrs_mm.core.boxes import geometry
from samrs_mm.core.prompts import PromptSetting, build_prompts
from samrs_mm.datasets.boxes.dota import DOTABoxDataset
from samrs_mm.formats.annotated.folder import AnnotatedFolder
from samrs_mm.models.prompt_segmentors.box_fill import BoxFillSegmentor
from samrs_mm.models.prompt_segmentors.grabcut import GrabCutSegmentor
from samrs_mm.models.prompt_segmentors.sam import SAMSegmentor

SMALL_SAM = dict(embed_dim=96, depth=4, num_heads=3, global_attn_indexes=[3], img_size=256, seed=0)
VIT_B = dict(
    embed_dim=768, depth=12, num_heads=12, global_attn_indexes=[2, 5, 8, 11], img_size=1024, seed=0
)
SEGMENTORS = {
    'box fill': (BoxFillSegmentor, 'rbox', {}),
    'GrabCut': (GrabCutSegmentor, 'rbox', {}),
    'small SAM': (SAMSegmentor, 'rhbox', dict(arch=SMALL_SAM, threads=2)),
}


def draw_folder(root: Path, scenes: int, side: int, boxes: int) -> None:
    """Write scenes of noise with ``boxes`` bright slanted rectangles each, in DOTA's layout."""
    rng = np.random.default_rng(0)
    (root / 'images').mkdir(parents=True)
    (root / 'labelTxt').mkdir()
    for number in range(scenes):
        image = cv2.GaussianBlur(rng.integers(0, 120, (side, side, 3)).astype(np.uint8), (5, 5), 0)
        lines = []
        for _ in range(boxes):
            centre, size = rng.uniform(20, side - 20, 2), rng.uniform(8, 24, 2)
            box = cv2.boxPoints((tuple(centre), tuple(size), float(rng.uniform(0, 180))))
            cv2.fillPoly(image, [np.rint(box).astype(np.int32)], rng.integers(140, 255, 3).tolist())
            lines.append(' '.join(f'{value:.1f}' for value in box.ravel()) + ' ship 0\n')
        Image.fromarray(image).save(root / 'images' / f'{number:04}.png')
        (root / 'labelTxt' / f'{number:04}.txt').write_text(''.join(lines))


def build(name: str, root: Path) -> tuple:
    """Return plan, loaded segmentor and setting."""
    kind, prompt, options = SEGMENTORS[name]
    dataset = DOTABoxDataset(str(root))
    dataset.collect_classes()
    segmentor = kind(**options)
    segmentor.load()
    return Plan(dataset, None), segmentor, PromptSetting(prompt)


def naive(plan: Plan, segmentor: object, setting: PromptSetting, out: Path) -> None:
    """One image after the other: read, segment, compose, write; nothing at the same time."""
    out.mkdir()
    for index, scene in enumerate(plan.dataset.scenes):
        image = np.asarray(Image.open(plan.dataset.root / scene.image).convert('RGB'))
        height, width = image.shape[:2]
        shapes = geometry(plan.dataset.labels(index).boxes)
        prompts = build_prompts(setting, shapes, np.arange(len(shapes)), width, height)
        chunks = segmentor.decode(segmentor.encode([image])[0], prompts)
        coded = [mask for chunk in chunks for mask in chunk.encoded()]
        instances = [masks.Instance(0, mask, masks.area(mask), None) for mask in coded]
        semantic, _ = masks.compose(instances, height, width, 'small_on_top')
        cv2.imwrite(str(out / f'{scene.stem}.png'), semantic)
        (out / f'{scene.stem}.json').write_bytes(dump(dict(masks=coded)))


def driver(plan: Plan, segmentor: object, setting: PromptSetting, out: Path, workers: int) -> None:
    """The same work by the product: read-ahead, background writes, fsync, full records."""
    folder = AnnotatedFolder(out)
    folder.open({})
    stream = SampleStream(plan, plan.shard(0, 1), BoxPrompter(setting, plan.dataset.table))
    maps = LabelMapWriter(folder, 'small_on_top', MaskFilters())
    result = Annotator(stream, segmentor, RecordWriter(folder, 'bench', maps), workers).run()
    assert result.images == len(plan.tiles), result.failures


def compare_loops(scratch: Path, scenes: int) -> None:
    """Print seconds of both loops and their ratio."""
    root = scratch / 'scenes'
    draw_folder(root, scenes, side=1024, boxes=60)
    print(f'\n{scenes} images of 1024 px with 60 boxes, seconds (2 workers)')
    print(f'{"segmentor":<12}{"naive loop":>12}{"driver":>10}{"ratio":>8}')
    for name in SEGMENTORS:
        plan, segmentor, setting = build(name, root)
        times = []
        for number, run in enumerate((naive, driver)):
            out = scratch / f'{name}-{number}'
            start = time.perf_counter()
            run(plan, segmentor, setting, out, *((2,) if run is driver else ()))
            times.append(time.perf_counter() - start)
            shutil.rmtree(out)
        print(f'{name:<12}{times[0]:>12.2f}{times[1]:>10.2f}{times[0] / times[1]:>7.2f}x')


def measure_tile(name: str, root: Path, out: Path, queue: multiprocessing.Queue) -> None:
    """Annotate one tile; report seconds per box and the growth of peak memory in MB."""
    plan, segmentor, setting = build(name, root)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    driver(plan, segmentor, setting, out, workers=0)
    seconds = time.perf_counter() - start
    queue.put((seconds, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024))


def compare_counts(scratch: Path) -> None:
    """Print time per box and memory of tiles with 20, 200 and 2,000 boxes."""
    print(
        '\none tile of 1024 px: ms per box, and MB that the peak grows by beyond the loaded model'
    )
    print(f'{"segmentor":<12}' + ''.join(f'{n:>10} boxes' for n in (20, 200, 2000)))
    fresh = multiprocessing.get_context('spawn')
    for name in SEGMENTORS:
        cells = []
        for boxes in (20, 200, 2000):
            root = scratch / f'{boxes}-boxes'
            if not root.exists():
                draw_folder(root, 1, side=1024, boxes=boxes)
            queue = fresh.Queue()
            out = scratch / f'{name}-{boxes}'
            child = fresh.Process(target=measure_tile, args=(name, root, out, queue))
            child.start()
            seconds, grown = queue.get()
            child.join()
            cells.append(f'{1000 * seconds / boxes:>7.1f} ms{grown:>5.0f}')
        print(f'{name:<12}' + ' '.join(cells))


def print_overhead(scratch: Path, images: int) -> None:
    """Print what an image costs beside its segmentor, and what starting the tool costs."""
    root = scratch / 'tiny'
    draw_folder(root, images, side=64, boxes=1)
    plan, segmentor, setting = build('box fill', root)
    start = time.process_time()
    driver(plan, segmentor, setting, scratch / 'tiny-out', workers=0)
    each = 1000 * (time.process_time() - start) / images
    tool = Path(__file__).parents[1] / 'tools/sam_annotate.py'
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, tool, '--help'], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(
        f'\nCPU time: {each:.1f} ms an image of 64 px with one filled box; --help {seconds:.2f} s'
    )


def compare_stages(rounds: int) -> None:
    """Print SAM's stages on one thread, exact and fast, against a plain loop."""
    print_after_decoder(SMALL_SAM | dict(img_size=1024), rounds)
    print_memory(side=1024)
    print_whole_tiles(VIT_B, rounds)
    with tempfile.TemporaryDirectory() as scratch:
        print_writing(Path(scratch), rounds)


def main() -> int:
    """Run all comparisons, or those of SAM's stages alone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--scenes', type=int, default=24, help='default: %(default)s')
    parser.add_argument('--rounds', type=int, default=3, help='of medians; default: %(default)s')
    parser.add_argument('--stages', action='store_true', help='SAM stage by stage, nothing else')
    args = parser.parse_args()
    compare_stages(args.rounds)
    if args.stages:
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        print_overhead(Path(scratch), images=100)
        compare_counts(Path(scratch))
        compare_loops(Path(scratch), args.scenes)
    return 0


if __name__ == '__main__':
    sys.exit(main())
