"""RTMDet-Ins tiny from random weights on drawn scenes whose masks are known, on a CPU.

120 scenes of 256 px are drawn; the masks of their records are the drawn ones. A fifth of the scenes
is held out and scored at 100, 200, 300 and 400 iterations. It needs mmcv's compiled ops. The same
command goes on where it stopped.
"""

import argparse
import json
import resource
import sys
import time
from pathlib import Path

from drawn_runs import BOXES, ROOT, parser_of, put_known_masks, run_apart, run_inside

from samrs_mm.cli import run_command
from samrs_mm.core.atomic import atomic_write, dump
from samrs_mm.core.errors import SamrsError

CONFIG = 'configs/examples/instance_demo.py'
WANTED = 0.6
SCORES = dict(bbox='coco/bbox_mAP_50', segm='coco/segm_mAP_50', segm_AP='coco/segm_mAP')


def make_data(out: Path, scenes: int) -> Path:
    """Draw scenes and write their known masks as an annotated folder with lists."""
    raw, masks = out / 'scenes', out / 'masks'
    run_inside('dataset_converters/make_demo_data', raw, '--scenes', scenes, '--size', 256)
    run_inside(
        'sam_annotate', BOXES, '--data-root', raw, '--out', masks, '--cfg-options',
        'model.type=BoxFillSegmentor',
    )  # fmt: skip
    put_known_masks(raw, masks)
    run_inside('dataset_converters/make_splits', masks, '--val', 0.2)
    return masks


def scores(work: Path) -> dict[int, dict[str, float]]:
    """Return the scores of a work dir by iteration; of several runs the last one's."""
    found: dict[int, dict[str, float]] = {}
    for path in sorted(work.glob('*/vis_data/scalars.json')):
        for line in map(json.loads, path.read_text().splitlines()):
            if SCORES['segm'] in line:
                found[line['step']] = {name: line[key] for name, key in SCORES.items()}
    return found


def run(args: argparse.Namespace) -> None:
    """Draw, train, and print the table.

    Raises:
        SamrsError: AP50 of boxes or masks is not above what is wanted.
    """
    out = args.out.absolute()
    masks = out / 'masks'
    if not (masks / 'val.txt').is_file():
        make_data(out, args.scenes)
    begun = time.monotonic()
    run_apart(
        'train', ROOT / CONFIG, '--work-dir', out / 'work', '--resume', '--cfg-options',
        f'train_dataloader.dataset.data_root={masks}', f'val_dataloader.dataset.data_root={masks}',
        f'randomness.seed={args.seed}', f'train_dataloader.sampler.seed={args.seed}',
    )  # fmt: skip
    seconds = time.monotonic() - begun
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = used.ru_utime + used.ru_stime
    table = scores(out / 'work')
    print('| iterations | bbox AP50 | segm AP50 | segm AP |\n| --- | --- | --- | --- |')
    for step, row in sorted(table.items()):
        print(f'| {step} | {row["bbox"]:.3f} | {row["segm"]:.3f} | {row["segm_AP"]:.3f} |')
    print(f'training: {seconds / 60:.1f} minutes, {cpu / 60:.1f} CPU minutes with the drawing')
    atomic_write(out / 'scores.json', dump(dict(scores=table, seconds=seconds, cpu_seconds=cpu)))
    last = table[max(table)] if table else dict(bbox=0.0, segm=0.0)
    if min(last['bbox'], last['segm']) <= WANTED:
        raise SamrsError(
            f'AP50 is {last["bbox"]:.3f} (boxes) and {last["segm"]:.3f} (masks), wanted: > {WANTED}'
        )


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark and return its exit code."""
    parser = parser_of(__doc__, 'instances_drawn')
    add = parser.add_argument
    add('--scenes', type=int, default=120, help='default: %(default)s')
    add('--seed', type=int, default=0, help='default: %(default)s')
    return run_command(lambda: run(parser.parse_args(argv)), 'the same command goes on')


if __name__ == '__main__':
    sys.exit(main())
