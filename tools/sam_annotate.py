"""Turn a detection dataset into a segmentation dataset by prompting SAM with its boxes."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from samrs_mm.annotate import closing_table, fidelity
from samrs_mm.annotate.job import AnnotationJob
from samrs_mm.annotate.refilter import refilter
from samrs_mm.annotate.taking_back import Taker, tell_taken, user
from samrs_mm.annotate.telling import tell_changes, tell_entered, tell_gone, tell_plan
from samrs_mm.annotate.totals import OUTDATED, Totals
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
from samrs_mm.core.atomic import atomic_write
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.images import SceneImage
from samrs_mm.core.parallel import reading_processes
from samrs_mm.core.wording import counted
from samrs_mm.drawing.overlays import overlay
from samrs_mm.formats.annotated import folder
from samrs_mm.formats.annotated.record import Record
from samrs_mm.formats.corrections.found import DECISIONS, found_files
from samrs_mm.review.report import write_report

if TYPE_CHECKING:
    from samrs_mm.annotate.ray_crew import Crew

EPILOG = """examples:
  # BoxNet, whose weights are in the package: any folder with images/ and DOTA-style labelTxt/
  tools/sam_annotate.py configs/annotate/dota_boxnet_rbox.py --data-root data/demo/scenes \\
      --out data/mine
  # the SOTA subset of SAMRS, on one GPU; killed? the same command goes on where it stopped
  tools/sam_annotate.py configs/annotate/sota_sam-vit-h_hbox.py --data-root data/DOTA-v2
  # on 8 GPUs
  torchrun --nproc-per-node 8 tools/sam_annotate.py configs/annotate/sota_sam-vit-h_hbox.py
  # on the machines of a Ray cluster, which may differ, come and go
  RAY_ADDRESS=head:6379 tools/sam_annotate.py configs/annotate/sota_sam-vit-h_hbox.py --launcher ray
  # encode once, then try other prompts (SAM: 4.2 MB an image, 2.1 MB as fp16)
  tools/sam_annotate.py CONFIG --data-root DIR --embeddings data/embeddings --prompt hbox
  tools/sam_annotate.py CONFIG --data-root DIR --embeddings data/embeddings --prompt rhbox --out B
  # a GeoTIFF and boxes on the map, in any CRS: masks.gpkg and label maps on the map, too
  tools/sam_annotate.py configs/annotate/geo_boxnet_rbox.py --data-root scene.tif \\
      --boxes boxes.gpkg --out data/mine
  # no boxes: all that SAM finds in a folder of images
  tools/sam_annotate.py configs/annotate/images_sam-vit-h_grid.py --data-root DIR --out OUT
  # how long, how much disk, and what would be skipped?
  tools/sam_annotate.py CONFIG --data-root DIR --dry-run
run again after labels or images changed: what changed is done anew, all else stays as it is, lists
of unchanged records too (times and hashes of files are in OUT/inputs.tsv and OUT/lists.json); other
class names only rename boxes, their masks stay
an embedding of another picture or other weights, or a damaged one, is encoded anew, which is said
exit codes: 0 every image was processed and the ledger reconciles; 1 something could not be read or
written (named in ledger.csv), or images are in OUT that the data has no longer (named; masks cost
time, so only --prune deletes them); 2 refused before work began"""


_WAYS = ('dry_run', 'verify', 'finalise', 'refilter', 'restart', 'decisions')
"""Flags of which one at most can be given."""
LAUNCHERS = 'none', 'pytorch', 'slurm', 'ray'


def add_data_flags(parser: ToolParser) -> None:
    """Add what is annotated with what, and where it goes."""
    add = parser.add_argument
    add('config', help='annotate config, such as configs/annotate/dota_boxnet_rbox.py')
    add('--data-root', metavar='DIR',
        help='the detection dataset, as downloaded; of geo configs GeoTIFFs')  # fmt: skip
    add('--boxes', metavar='FILE[:LAYER]',
        help='boxes, polygons or points on the map, of a geo config, in any CRS')  # fmt: skip
    add(
        '--out',
        metavar='DIR',
        help="where the segmentation dataset goes (default: the config's out)",
    )
    add('--checkpoint', metavar='FILE', help="the segmentor's weights")
    add('--prompt', metavar='NAME', help="the paper's prompt names joined by +, such as cp+hbox; "
        'grid: masks without boxes, of a folder of images')  # fmt: skip
    add_source_flag(add)
    add_fit_flags(add)
    add_embeddings_flags(add)


def add_work_flags(parser: ToolParser) -> None:
    """Add what is done with it, and by whom."""
    add = parser.add_argument
    add('--limit', type=positive, metavar='N', help='only the first N images')
    add('--workers', type=whole_number, metavar='N', default=reading_processes(),
        help='processes that read ahead (default %(default)s); changes no byte')  # fmt: skip
    add('--shard', metavar='I/N', help='do part I (from 0) of N; torchrun and srun set it')
    add('--launcher', choices=LAUNCHERS,
        help='who started this process: pytorch (torchrun), slurm or none (default: as the '
        'environment says); ray hands out the scenes to actors, one a GPU, or one for as many '
        'cores as model.threads, of the cluster that RAY_ADDRESS names or of this machine; those '
        'that die lose nothing')  # fmt: skip
    add('--dry-run', action='store_true', help='say what would be done, how long and how much disk')
    add('--verify', action='store_true', help='re-read and reconcile everything in OUT')
    add(
        '--finalise', action='store_true', help='only write annotations.json, ledger.csv, meta.json'
    )
    add('--refilter', action='store_true',
        help="apply the config's filters to OUT again, without segmenting")  # fmt: skip
    add(
        '--prune',
        action='store_true',
        help='delete what is there of images that the data has no longer',
    )
    add('--restart', action='store_true', help='delete what earlier runs made, then start over')
    add('--show', type=positive, metavar='N', default=0,
        help='draw the first N images with their masks into OUT/show')  # fmt: skip
    add('--fidelity', type=Path, metavar='DIR', default=fidelity.FOLDER,
        help='where reports of tools/analysis_tools/fidelity.py are, without which a reduced '
        'model.precision is refused (default %(default)s)')  # fmt: skip
    add('--decisions', type=Path, metavar='FILE',
        help='only take over what somebody decided in the report and saved; see '
        'docs/corrections.md')  # fmt: skip
    add('--report', action='store_true', help='write OUT/report/index.html, to look at the masks')
    add('--cfg-options', nargs='+', action=OptionsAction, metavar='K=V',
        help='change config keys, such as tile.size=800 model.arch=vit_b')  # fmt: skip


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = ToolParser(__doc__, EPILOG)
    add_data_flags(parser)
    add_work_flags(parser)
    args = parser.parse_args(argv)
    ways = [way for way in _WAYS if getattr(args, way)]
    if len(ways) > 1:
        first, second, *_ = (f'--{way.replace("_", "-")}' for way in ways)
        parser.error(f'{first} and {second} exclude each other; run one after the other')
    if args.launcher == 'ray' and args.shard:
        parser.error('--launcher ray and --shard exclude each other: Ray hands out all the work')
    return args


def main(argv: list[str] | None = None) -> int:
    """Run the tool and return its exit code."""
    args = parse_args(argv)
    return run_command(lambda: run(args))


def run(args: argparse.Namespace) -> int:
    """Do what the flags say."""
    flags = {
        'data_root': args.data_root,
        'out': args.out,
        'prompt': args.prompt,
        'model.checkpoint': args.checkpoint,
        'dataset.boxes': args.boxes,
        'dataset.source': args.source,
        **fit_flags(args),
    }
    shard = find_shard(args.shard, args.launcher)
    config = load_config(args.config, args.cfg_options, flags)
    job = AnnotationJob(config, Path(config.filename).name)
    if job.tile and not job.tile.images and (args.show or args.report):
        raise RefusedError(
            f'{"--show" if args.show else "--report"} needs the pictures of tiles; give '
            'tile.images=True, or leave the flag out'
        )
    enough = fidelity.Enough.from_config(config.get('fidelity'))
    if args.embeddings is not None:
        job.use_embeddings(args.embeddings, args.embeddings_dtype)
    choose_gpu()
    looking = args.verify or args.finalise or args.refilter or args.decisions is not None
    by_ray = args.launcher == 'ray' and not (looking or args.dry_run)
    crew = None
    if not looking:
        if not args.restart and (line := job.keep_threads()):
            print(f'threads  {line}')
        if by_ray:
            from samrs_mm.annotate.ray_crew import hire

            crew = hire(job, config, args, flags)
        else:
            job.load()
            refuse_unchecked(job, args, enough)
    job.collect_classes(progress('reading labels'))
    for line in job.label_counts.label_notes:
        print(f'labels   {line}')
    for line in job.label_counts.notes:
        print(f'classes  {line}')
    if args.dry_run:
        return tell_plan(job)
    if args.refilter:
        old = job.settings_of_folder(refilter=True)
        settings = refilter(job.out, old, job.filters, progress('filtering'))
        return finish(job, settings, args)
    if looking:
        settings = job.settings_of_folder()
        if args.verify:
            return check(job, settings, args.workers)
        failed = args.decisions is not None and take_decisions(job, args.decisions)
        return max(finish(job, settings, args), int(failed))
    if crew is None:
        return annotate(job, args, shard)
    with crew:
        job.segmentor = crew.load()
        refuse_unchecked(job, args, enough)
        return annotate(job, args, shard, crew)


def refuse_unchecked(job: AnnotationJob, args: argparse.Namespace, enough: fidelity.Enough) -> None:
    """Refuse a reduced precision without a report; see ``fidelity.refuse_unchecked``."""
    way = fidelity.command_of(args)
    fidelity.refuse_unchecked(job.segmentor, job.setting.name, args.fidelity, way, enough)


def annotate(
    job: AnnotationJob, args: argparse.Namespace, shard: tuple[int, int], crew: 'Crew | None' = None
) -> int:
    """Do this shard's images, and write the set-level files if it is the last to finish."""
    job.out.refuse_other_data(job.dataset.root)
    if args.restart:
        if shard[1] > 1:
            raise RefusedError('--restart can not be combined with shards; run it once by itself')
        removed = job.out.restart({tile.stem for tile in job.plan.tiles})
        print(f'restart: removed {counted(removed, "file")} of earlier runs from {job.out.root}')
    groups = job.plan.shard(*shard, args.limit)
    changes = job.open(groups, progress('comparing'))
    settings = job.settings()
    if args.prune:
        removed = sum(map(job.out.remove, changes.gone)) + sum(
            map(job.out.remove_scene, job.scenes_gone(changes))
        )
        print(f'prune: removed {counted(removed, "file")} of {counted(len(changes.gone), "image")}')
    tell_changes(changes)
    if crew is None:
        result = run_images(job.annotator(settings, groups, args.workers).run)
    else:
        result = run_images(crew.run, settings, groups)
    for line in job.store.lines() if job.store and crew is None else ():
        print(line)
    if result is None:
        return 1
    if shard[1] > 1:
        print(f'shard {shard[0]}/{shard[1]}: {counted(result.images, "image")} done')
        if not job.finished(args.limit):
            print('other shards are still at work; the last one writes the set-level files')
            return 1 if result.failures else 0
    return max(finish(job, settings, args, True), 1 if result.failures else 0)


def finish(
    job: AnnotationJob, settings: dict, args: argparse.Namespace, annotated: bool = False
) -> int:
    """Write the set-level files, draw overlays and report, print the closing table.

    Once it has ``annotated``, the images of this shard have been compared with the data.
    """
    try:
        tell_entered(job)
        changes = job.compare(() if annotated else None, progress('comparing'))
        job.out.notes.add(changes.notes)
        finaliser = job.finaliser(settings, progress('writing annotations.json'), changes)
        totals = finaliser.write(anew=not annotated)
        on_map = job.write_map_files(changes, progress('writing masks.gpkg'))
        draw(job, args.show)
        if args.report:
            report = write_report(job.out.root, job.dataset.root, progress=progress)
            print(f'report: {report.path}')
    except OSError as error:
        print(f'error: {error.filename or job.out.root}: {error.strerror}', file=sys.stderr)
        return 1
    print_totals(job, totals)
    if on_map:
        print(f'on a map {", ".join(on_map[:3])}' + ', ...' * (len(on_map) > 3))
    tell_changes(changes, OUTDATED, OUTDATED)
    left = tell_gone(job, changes) or changes.outdated or changes.stale
    return 1 if totals.problems or totals.unread or left else 0


def take_decisions(job: AnnotationJob, path: Path) -> bool:
    """Add the decisions of the report to the corrections; return whether some could not be.

    Raises:
        RefusedError: No such file.
    """
    files = found_files(path, DECISIONS)
    job.enter_corrections()
    taker = Taker(job.out, list(job.dataset.classes), user())
    for file in files:
        taker.take(file, DECISIONS)
    tell_taken(taker.taken)
    return bool(taker.taken.problems)


def check(job: AnnotationJob, settings: dict, workers: int) -> int:
    """Verify the folder and print what is wrong."""
    problems, totals = job.verify(settings, workers, progress('verifying'))
    for line in problems:
        print(f'wrong: {line}', file=sys.stderr)
    print_totals(job, totals)
    line = f'verify: {counted(totals.images["done"], "image")}, {counted(len(problems), "problem")}'
    if totals.unread:
        line += (
            f'; {counted(totals.unread, "ledger row names", "ledger rows name")} what could '
            'not be read or written'
        )
    print(line if problems or totals.unread else f'{line}: sound')
    return 1 if problems or totals.unread else 0


def draw(job: AnnotationJob, count: int) -> None:
    """Write overlays of the first ``count`` images that are done."""
    import cv2

    done = job.out.done()
    for tile in [tile for tile in job.plan.tiles if tile.stem in done][:count]:
        record = Record.load_checked(job.out.path(folder.INSTANCES, tile.stem))
        source = job.dataset.root / record.image.path
        path = job.out.path(folder.IMAGES, tile.stem) if job.plan.pictured(tile) else source
        picture = overlay(SceneImage(path).read(), record.boxes)
        target = job.out.path(folder.SHOW, tile.stem)
        target.parent.mkdir(exist_ok=True)
        atomic_write(target, cv2.imencode('.jpg', picture[..., ::-1])[1].tobytes())
        print(f'overlay: {target}')


def print_totals(job: AnnotationJob, totals: Totals) -> None:
    """Print what does not reconcile, and the closing table."""
    for line in totals.problems:
        print(f'does not reconcile: {line}', file=sys.stderr)
    for line in closing_table.lines(job, totals):
        print(line)


if __name__ == '__main__':
    sys.exit(main())
