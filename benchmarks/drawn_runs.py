"""What benchmarks on drawn scenes share: tools, scenes with known masks, and runs of a study."""

import argparse
import csv
import importlib.util
import inspect
import itertools
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import cv2
from PIL import Image

from samrs_mm.core import masks
from samrs_mm.core.atomic import atomic_write, dump
from samrs_mm.core.classes import UNLABELLED, palette_for
from samrs_mm.core.errors import RefusedError, SamrsError
from samrs_mm.core.masks import Instance, compose
from samrs_mm.core.parallel import usable_cores
from samrs_mm.drawn.scenes import DOMAINS
from samrs_mm.formats.annotated.folder import INDEX, INSTANCES, SEMANTIC
from samrs_mm.formats.annotated.record import Record

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = ROOT / 'benchmarks/configs'
BOXES = ROOT / 'configs/annotate/dota_grabcut_rbox.py'
PRELOAD = [
    'samrs_mm.registered', 'mmdet.models', 'mmseg.datasets', 'mmseg.engine', 'mmseg.evaluation',
    'mmseg.models',
]  # fmt: skip
SEGMENTORS = dict(grabcut='GrabCutSegmentor', fill='BoxFillSegmentor')
"""The sources of domain A, and what makes their masks."""


def parser_of(about: str | None, name: str) -> argparse.ArgumentParser:
    """Return the parser of a benchmark, which ``about`` describes; it writes to its name."""
    parser = argparse.ArgumentParser(
        description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    out = Path('work_dirs', name)
    parser.add_argument('--out', type=Path, default=out, help='default: %(default)s')
    return parser


def parse_study(
    about: str | None, name: str, argv: list[str] | None, full: Any, quick: Any
) -> tuple[argparse.Namespace, Any]:
    """Read the command line of a study, which ``about`` describes; it writes to its name.

    Args:
        about: The study's docstring.
        name: Of the study's folder.
        argv: The command line; None is that of the program.
        full: The dataclass that says how large the study is; each of its numbers is an option.
        quick: The same for ``--quick``.

    Returns:
        Options, and how large the study is to be.
    """
    parser = parser_of(about, name)
    cores = usable_cores()
    add = parser.add_argument
    add('--jobs', type=int, default=cores, help='runs at once (default: cores, %(default)s)')
    add('--threads', type=int, default=1, help='CPU threads of a run (default: %(default)s)')
    add('--quick', action='store_true', help='a few iterations, to see that it works')
    sizes = {key: value for key, value in asdict(full).items() if isinstance(value, int)}
    size = parser.add_argument_group('size', inspect.getdoc(full))
    for key, value in sizes.items():
        option = f'--{key.replace("_", "-")}'
        size.add_argument(option, type=int, metavar='N', help=f'default: {value}')
    args = parser.parse_args(argv)
    given = {key: value for key in sizes if (value := getattr(args, key)) is not None}
    return args, replace(quick if args.quick else full, **given)


def run_apart(name: str, *arguments: object, allowed: int = 0) -> None:
    """Run a tool in a process of its own.

    Args:
        name: Of the tool, without ``.py``.
        *arguments: Its command line.
        allowed: The highest exit code that isn't a failure.

    Raises:
        SamrsError: It failed.
    """
    command = [sys.executable, str(ROOT / 'tools' / f'{name}.py'), *map(str, arguments)]
    environment = os.environ | dict(PYTHONPATH=str(ROOT))
    code = subprocess.run(command, env=environment).returncode
    if not 0 <= code <= allowed:
        raise SamrsError(f'{name}.py ended with exit code {code}')


def run_inside(name: str, *arguments: object) -> None:
    """Run a tool in this process, which spares its start.

    Raises:
        SamrsError: It failed.
    """
    if code := _main(name, arguments):
        raise SamrsError(f'{name}.py ended with exit code {code}')


def _main(name: str, arguments: Sequence[object]) -> int:
    path = ROOT / 'tools' / f'{name}.py'
    spec = importlib.util.spec_from_file_location(f'inside_{path.stem}', path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main([str(argument) for argument in arguments])


def _run_forked(
    name: str, arguments: Sequence[object], folder: Path, log: Path, threads: int
) -> None:
    """Run a tool in a fresh child of a process that has the libraries loaded; then leave."""
    import torch

    with log.open('w') as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.chdir(folder)
    torch.set_num_threads(threads)
    sys.exit(_main(name, arguments))


def known_objects(scenes: Path) -> dict[str, list[tuple[str, dict]]]:
    """Return class and mask (COCO RLE) of the objects of each drawn scene, by its name."""
    coco = json.loads((scenes / 'annotations.json').read_bytes())
    names = {image['id']: Path(image['file_name']).stem for image in coco['images']}
    classes = {each['id']: each['name'] for each in coco['categories']}
    found: dict[str, list[tuple[str, dict]]] = {name: [] for name in names.values()}
    for each in coco['annotations']:
        found[names[each['image_id']]].append((classes[each['category_id']], each['segmentation']))
    return found


def put_known_masks(scenes: Path, folder: Path) -> None:
    """Give every box of an annotated folder its drawn mask; label maps and counts follow.

    Args:
        scenes: What ``make_demo_data.py`` wrote.
        folder: What ``sam_annotate.py`` made of it.
    """
    drawn = json.loads((scenes / 'annotations.json').read_bytes())['annotations']
    known = {entry['box_id']: entry['segmentation'] for entry in drawn}
    labelled = {}
    for path in sorted((folder / INSTANCES).iterdir()):
        record = Record.load(path)
        for box in record.kept:
            box.enter_mask(masks.Mask(known[box.box_id]), 'nothing of it is to be seen')
        label = record.paint('small_on_top')
        picture = Image.fromarray(label)
        picture.putpalette([value for colour in palette_for(256) for value in colour])
        picture.save(folder / SEMANTIC / f'{path.stem}.png')
        record.write(path)
        labelled[path.stem] = int((label != UNLABELLED).sum())
    with open(folder / INDEX, newline='', encoding='utf-8') as file:
        rows = [*csv.DictReader(file)]
    with open(folder / INDEX, 'w', newline='', encoding='utf-8') as file:
        table = csv.DictWriter(file, [*rows[0]], lineterminator='\n')
        table.writeheader()
        table.writerows(dict(row, labelled=labelled[row['stem']]) for row in rows)


def write_tiles(scenes: Path, out: Path, classes: Sequence[str], tile: int) -> int:
    """Cut drawn scenes into tiles with exact labels; return how many.

    Args:
        scenes: What ``make_demo_data.py`` wrote.
        out: Gets ``images`` and ``labels``; pixels of no object have the value 0.
        classes: Names by label value; the first is the background.
        tile: Side of a tile in pixels.
    """
    for name in ('images', 'labels'):
        (out / name).mkdir(parents=True, exist_ok=True)
    for stem, objects in known_objects(scenes).items():
        pixels = cv2.imread(str(scenes / 'images' / f'{stem}.png'))
        height, width = pixels.shape[:2]
        painted = [
            Instance(classes.index(name), mask, masks.area(mask), None) for name, mask in objects
        ]
        label, _ = compose(painted, height, width, 'small_on_top')
        label[label == UNLABELLED] = 0
        for y, x in itertools.product(range(0, height, tile), range(0, width, tile)):
            name = f'{stem}__{tile}__{x}___{y}.png'
            part = slice(y, y + tile), slice(x, x + tile)
            cv2.imwrite(str(out / 'images' / name), pixels[part])
            cv2.imwrite(str(out / 'labels' / name), label[part])
    return len(list((out / 'labels').iterdir()))


@dataclass(frozen=True)
class Place:
    """Where a study's tools run: in a folder, with so many threads each."""

    folder: Path
    threads: int

    def tool(self, name: str, *args: object, log: str) -> None:
        """Run one of the tools in the folder; its output goes to ``logs/{log}.txt``.

        Raises:
            SamrsError: It failed.
        """
        path = self.folder / 'logs' / f'{log}.txt'
        path.parent.mkdir(exist_ok=True)
        os.environ['OMP_NUM_THREADS'] = str(self.threads)
        # torch and OpenMMLab are loaded once, not for each of many short runs
        context = multiprocessing.get_context('forkserver')
        context.set_forkserver_preload(['__main__', *PRELOAD])
        child = context.Process(
            target=_run_forked, args=(name, args, self.folder, path, self.threads)
        )
        child.start()
        child.join()
        if child.exitcode:
            raise SamrsError(f'{name}.py ended with exit code {child.exitcode}; see {path}')

    def draw(self, name: str, domain: str, scenes: int, seed: int, size: int) -> Path:
        """Draw scenes once; return their folder."""
        folder = self.folder / 'scenes' / name
        if not (folder / 'annotations.json').exists():
            options = '--domain', domain, '--scenes', scenes, '--seed', seed, '--size', size
            tool = 'dataset_converters/make_demo_data'
            self.tool(tool, folder, *options, log=f'draw-{name}')
        return folder

    def annotate(self, name: str, scenes: Path, segmentor: str, domain: str) -> Path:
        """Make masks of scenes once, of all classes of a domain; return the annotated folder."""
        folder = self.folder / 'data' / name
        if not (folder / 'meta.json').exists():
            classes = ','.join(sorted({*DOMAINS[domain].categories.values()}))
            options = f'model.type={segmentor}', f'dataset.classes=[{classes}]'
            data = '--data-root', scenes, '--out', folder, '--workers', 0, '--cfg-options', *options
            self.tool('sam_annotate', BOXES, *data, log=f'annotate-{name}')
        return folder

    def draw_sources(self, scenes: int, size: int) -> None:
        """Draw and annotate the two sources of domain A, of so many scenes each."""
        for seed, (source, segmentor) in enumerate(SEGMENTORS.items()):
            self.annotate(source, self.draw(source, 'a', scenes, seed, size), segmentor, 'a')

    def train(self, config: str, work: Path, seed: int, iterations: int, *more: str) -> None:
        """Train from the start; ``config`` is one of ``benchmarks/configs``."""
        keys = ('train_cfg.max_iters', 'param_scheduler.0.T_max', 'param_scheduler.0.end',
                'default_hooks.checkpoint.interval')  # fmt: skip
        options = [f'{key}={iterations}' for key in keys]
        options += [f'{key}.seed={seed}' for key in ('randomness', 'train_dataloader.sampler')]
        name = '-'.join(['train', *work.parts[1:]])
        args = CONFIGS / config, '--work-dir', work, '--restart', '--cfg-options', *options, *more
        self.tool('train', *args, log=name)

    def pretrain(self, config: str, arm: str, seed: int, iterations: int) -> str:
        """Pre-train, for an arm of a study, unless it is done; return what was done."""
        work = Path(f'runs/seed{seed}/{arm}')
        if not (self.folder / work / f'{arm}.pth').exists():
            export = f'default_hooks.export.path={work}/{arm}.pth'
            self.train(config, work, seed, iterations, export)
        return f'pre-trained {work}'

    def finetune(self, config: str, work: Path, seed: int, iterations: int, *more: str) -> str:
        """Fine-tune unless it is done, and score; return what was done."""
        if not (self.folder / work / 'last_checkpoint').exists():
            self.train(config, work, seed, iterations, *more)
        weights = work / f'iter_{iterations}.pth'
        where = '--work-dir', work, '--out', work
        self.tool(
            'test', CONFIGS / config, weights, *where, log='-'.join(['test', *work.parts[1:]])
        )
        return f'fine-tuned and scored {work}'


def open_study(folder: Path, plan: Any, threads: int) -> Place:
    """Return the place of a study; a folder holds one of one size.

    Raises:
        RefusedError: It holds a study of another size.
    """
    folder.mkdir(parents=True, exist_ok=True)
    record, settings = folder / 'study.json', dump(asdict(plan))
    if record.exists() and record.read_bytes() != settings:
        raise RefusedError(f'{folder} holds a study of another size; give another --out')
    atomic_write(record, settings)
    return Place(folder.resolve(), threads)


def spread(values: Iterable[float], sign: str = '') -> str:
    """Return mean and sample standard deviation; without the latter for a single value."""
    values = list(values)
    text = f'{statistics.mean(values):{sign}.1f}'
    return f'{text} ± {statistics.stdev(values):.1f}' if len(values) > 1 else text


def at_once(jobs: int, calls: list[tuple]) -> Iterator[str]:
    """Make calls ``(function, *arguments)``, ``jobs`` at a time; yield results as they come."""
    with ThreadPoolExecutor(jobs) as pool:
        try:
            for future in as_completed([pool.submit(*call) for call in calls]):
                yield future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
