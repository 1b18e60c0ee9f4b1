"""Try every prompt setting of the paper's table 1 against true masks, encoding each image once."""

import argparse
import sys
from pathlib import Path
from typing import Any

from samrs_mm.annotate.ablation.run import AblationJob
from samrs_mm.annotate.ablation.scores import EMPTY_TRUTHS
from samrs_mm.annotate.changes import Changes
from samrs_mm.cli import (
    ToolParser,
    add_embeddings_flags,
    add_fit_flags,
    add_source_flag,
    choose_gpu,
    find_shard,
    fit_flags,
    positive,
    progress,
    run_command,
    run_images,
    whole_number,
)
from samrs_mm.config_files import OptionsAction, load_config
from samrs_mm.core import input_notes
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.input_notes import some
from samrs_mm.core.parallel import reading_processes
from samrs_mm.core.prompts import AUTHORS, PROMPT_STYLES
from samrs_mm.core.wording import counted, plural

EPILOG = """\
what is written
  OUT/ablation.json   every measure of every setting: mIOU_I, mIOU_P (arXiv:2305.02034, equation 1)
                      and boundary IoU with 95 % intervals, COCO mask AP, all by object size
  OUT/ablation.csv    the same as a table       OUT/ablation.md    in the paper's layout
  OUT/ablation.png    bars with intervals       OUT/coco/          masks as COCO files
  OUT/runs/           a record for each image; the same command goes on from them

true masks come from HRSC2016's LandMask pictures, iSAID's instance pictures, or a COCO file's
segmentations (as make_demo_data.py writes them)

examples
  # the paper's table 1
  tools/prompt_ablation.py configs/annotate/hrsc2016_sam-vit-h_hbox.py --out data/ablation
  # the same with embeddings that sam_annotate.py stored with this config, so nothing is encoded;
  # those of each --segmentor lie in DIR/NAME
  tools/prompt_ablation.py CONFIG --out data/ablation --embeddings data/embeddings
  # nothing to fetch: BoxNet, GrabCut and plainly filled boxes in one table, on the drawn scenes
  tools/prompt_ablation.py configs/annotate/coco_boxnet_hbox.py --data-root data/demo/scenes \\
      --out data/ablation --segmentor coco_grabcut_hbox configs/_base_/prompt_segmentors/box_fill.py
exit codes: 0 every image was processed; 1 something could not be read or written (named on the
way); 2 refused before work began"""


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = ToolParser(__doc__, EPILOG)
    add = parser.add_argument
    add('config', help='annotate config of a dataset with true masks; its prompt does not matter')
    add('--out', metavar='DIR', required=True, help='where the tables and records go')
    add('--data-root', metavar='DIR', help='the dataset, as downloaded')
    add('--checkpoint', metavar='FILE', help="the weights of the config's segmentor")
    add('--segmentor', metavar='CONFIG', nargs='+', default=(),
        help='more segmentors for the same table: the model of each config')  # fmt: skip
    add('--prompt-style', choices=PROMPT_STYLES, default=AUTHORS,
        help='prompts as in the code of the paper (default), or clipped to the image, with the '
        "H-Box's own centre and COCO's fill, as sam_annotate.py makes them by default")  # fmt: skip
    add('--empty-truth', choices=EMPTY_TRUTHS,
        help='an object whose true mask has no pixel is left out, or counts as IoU 0 (default for '
        'HRSC2016, as in the code of the paper; else skip)')  # fmt: skip
    add('--limit', type=positive, metavar='N', help='only the first N images')
    add('--workers', type=whole_number, metavar='N', default=reading_processes(),
        help='processes that read ahead (default %(default)s); changes no byte')  # fmt: skip
    add('--shard', metavar='I/N', help='do part I (from 0) of N; torchrun and srun set it')
    add('--restart', action='store_true', help='delete what earlier runs made, then start over')
    add_source_flag(add)
    add_fit_flags(add)
    add_embeddings_flags(add)
    add('--cfg-options', nargs='+', action=OptionsAction, metavar='K=V',
        help='change config keys, such as model.arch=vit_b dataset.split=all')  # fmt: skip
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run the tool and return its exit code."""
    args = parse_args(argv)
    return run_command(lambda: run(args))


def run(args: argparse.Namespace) -> int:
    """Do this shard's images for each segmentor, and write the tables if it is the last."""
    flags = {
        'data_root': args.data_root,
        'out': args.out,
        'model.checkpoint': args.checkpoint,
        'dataset.source': args.source,
        **fit_flags(args),
    }
    shard = find_shard(args.shard)
    if args.restart and shard[1] > 1:
        raise RefusedError('--restart can not be combined with shards; run it once by itself')
    config = load_config(args.config, args.cfg_options, flags)
    job = AblationJob(
        config, Path(args.config).stem, args.segmentor, args.prompt_style, args.empty_truth
    )
    if args.embeddings is not None:
        for line in job.use_embeddings(args.embeddings, args.embeddings_dtype):
            print(line)
    choose_gpu()
    for line in [] if args.restart else job.keep_threads():
        print(f'threads  {line}')
    job.load()
    counts = job.collect_classes(progress('reading labels'))
    for line in counts.label_notes:
        print(f'labels   {line}')
    for line in counts.notes:
        print(f'classes  {line}')
    if args.restart:
        print(f'restart: removed {counted(job.restart(), "file")} of earlier runs from {job.out}')
    groups = job.plan.shard(*shard, args.limit)
    print_changes(job.open(groups, progress('comparing')))
    failed = False
    for part in job.runs:
        print(f'{part.name}: {counted(len(part.settings["prompts"]), "prompt setting")}')
        result = run_images(job.run, part, groups, args.workers)
        for line in job.stores[part.name].lines() if part.name in job.stores else ():
            print(line)
        if result is None:
            return 1
        failed |= bool(result.failures)
    if shard[1] > 1 and not job.finished(args.limit):
        print(f'shard {shard[0]}/{shard[1]} done; the last shard writes the tables')
        return int(failed)
    return max(finish(job), int(failed))


def print_changes(changes: dict[str, Changes]) -> None:
    """Print what has changed since images were done, by segmentor."""
    for name, found in changes.items():
        for line in found.lines():
            print(f'{name}: {line}')
        if found.unnoted:
            print(
                f'{name}: {counted(found.unnoted, "image")} had no note of '
                f'{plural(found.unnoted, "its", "their")} input in {input_notes.NAME}; '
                'their records were compared, which do not hold where boxes are'
            )
        if found.gone:
            gone = counted(len(found.gone), 'image is', 'images are')
            print(f'{name}: {gone} not in the data any more, and in no table: '
                  f'{some(found.gone)}')  # fmt: skip


def finish(job: AblationJob) -> int:
    """Write the tables and print the paper's."""
    table, problems = job.write_tables(progress('scoring'))
    for line in problems:
        print(f'does not reconcile: {line}', file=sys.stderr)
    if not table['instances'] and not any(s['failed'] for s in table['segmentors']):
        print(
            f'error: none of the images that are done has a true mask; {job.dataset.root}: '
            f'expected {job.dataset.layout}',
            file=sys.stderr,
        )
        return 1
    print_table(table)
    if empty := table['ground_truth']['masks_without_pixel']:
        print(
            f'{counted(empty, "true mask")} without a pixel: IoU 0 (--empty-truth skip: left out)'
        )
    print(f'written  {job.out}' + (' (partial: images are missing)' if table['partial'] else ''))
    return 1 if problems else 0


def print_table(table: dict[str, Any]) -> None:
    """Print a line for each segmentor and setting."""
    print(f'{"setting":<20}{"mIOU_I":>8}{"mIOU_P":>8}{"AP":>8}{"boundary":>10}')
    for segmentor in table['segmentors']:
        print(
            f'{segmentor["name"]}: {counted(segmentor["done"], "image")}, '
            f'{segmentor["encodes"]} encoded'
        )
        for row in segmentor['rows']:
            if row['reason'] is not None:
                print(f'{row["setting"]:<20}  {row["reason"]}')
                continue
            cells = (row[name] for name in ('mIOU_I', 'mIOU_P', 'AP', 'boundary_IoU'))
            shown = ['-' if cell is None else f'{cell:.4f}' for cell in cells]
            print(f'{row["setting"]:<20}{shown[0]:>8}{shown[1]:>8}{shown[2]:>8}{shown[3]:>10}')


if __name__ == '__main__':
    sys.exit(main())
