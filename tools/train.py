"""Train the model of a config: segmentation pre-training, or fine-tuning."""

import argparse
import os
import sys
from functools import partial

from samrs_mm.cli import ToolParser, positive, run_command
from samrs_mm.core.errors import SamrsError
from samrs_mm.core.parallel import reading_processes
from samrs_mm.engine.checkpoint_match import check_match, class_layer_note
from samrs_mm.engine.class_match import classes_of
from samrs_mm.engine.cpu_dist import leave_ranks, prepare_cpu_ranks
from samrs_mm.engine.data_check import (
    check_data,
    check_files,
    check_folders,
    refuse_together,
)
from samrs_mm.engine.hooks.stop_signal_hook import (
    StopSignalHook,
    stop_before_training,
    training_begins,
)
from samrs_mm.engine.initial_weights import check_initial_weights
from samrs_mm.engine.level_check import check_bands, check_levels
from samrs_mm.engine.precision import PRECISIONS, set_precision
from samrs_mm.engine.run_config import (
    accumulation_note,
    add_run_flags,
    batch_note,
    build_runner,
    check_batch,
    check_pretrained,
    load_run_config,
    need,
)
from samrs_mm.engine.run_start import clear_halves, find_start, put_aside, schedule_note

EPILOG = """examples:
  tools/train.py configs/sep/upernet_resnet50_scratch.py
  # stopped? --resume goes on from the newest checkpoint, with the samples that come next
  tools/train.py configs/sep/upernet_resnet50_scratch.py --resume
  # every image and label read, and what is broken named, without training
  tools/train.py configs/sep/upernet_resnet50_scratch.py --check
  # other places and sizes
  tools/train.py CONFIG --cfg-options train_dataloader.dataset.datasets.0.data_root=data/mine
  # several ranks: GPUs, or on a machine without any, CPU processes
  tools/dist_train.sh CONFIG 8
exit codes: 0 trained, or --check found nothing; 1 interrupted, diverged or failed, a better export
was kept, or --check found something; 2 refused before training began; 75 stopped by SIGTERM or
SIGUSR1 with all saved, --resume goes on"""
AFTER_INTERRUPT = 'the same command with --resume goes on from the newest checkpoint, if any'


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = ToolParser(__doc__, EPILOG)
    add = parser.add_argument
    add('config', help='config file, such as configs/sep/upernet_resnet50_scratch.py')
    add('--resume', nargs='?', const='auto', metavar='FILE',
        help='go on from FILE, or from the newest checkpoint in the work dir, if any')  # fmt: skip
    add('--restart', action='store_true',
        help='start over in a work dir that holds checkpoints; they are moved aside')  # fmt: skip
    add('--precision', choices=PRECISIONS,
        help='what to compute in on a GPU (default: as the config key precision says, else float32 '
        'with TF32 in convolutions alone); bf16 and fp16 are mixed')  # fmt: skip
    add('--amp', action='store_true', help='the same as --precision fp16')
    add('--check', nargs='?', type=positive, const=reading_processes(8), metavar='N',
        help='read every image and label, in N processes (default: one a core, at most 8), name '
        'what is broken or does not fit, and end; what was right is remembered in checked.csv of '
        'each folder')  # fmt: skip
    add_run_flags(parser)
    args = parser.parse_args(argv)
    if args.restart and args.resume:
        parser.error('--resume and --restart exclude each other')
    return args


def main(argv: list[str] | None = None) -> int:
    """Run the tool and return its exit code."""
    args = parse_args(argv)
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    if args.check:
        return run_command(lambda: check(args))
    return run_command(lambda: run(args), AFTER_INTERRUPT)


def check(args: argparse.Namespace) -> int:
    """Read all data of the config, and return the exit code."""
    config = load_run_config(args.config, args.cfg_options, args.work_dir, 'none')
    need(config, args.config, 'model', 'train_dataloader')
    check_folders(config)
    return check_files(config, args.config, args.check if args.check > 1 else 0)


def run(args: argparse.Namespace) -> None:
    """Check everything that can be known beforehand, then train."""
    from mmengine.dist import get_world_size, is_main_process

    stop_before_training()
    config = load_run_config(args.config, args.cfg_options, args.work_dir, args.launcher)
    need(config, args.config, 'model', 'train_dataloader', 'train_cfg', 'optim_wrapper')
    precision = set_precision(config, args.precision, args.amp)
    _, start, _ = refuse_together(
        partial(check_folders, config),
        partial(find_start, config, args.resume, args.restart),
        partial(check_pretrained, config),
    )
    prepare_cpu_ranks(config, args.launcher)
    trained = start.checkpoint.classes if start.resume and start.checkpoint else None
    data = check_data(config, args.config, trained=trained)
    runner = build_runner(config, args.config)
    data.hand_over(runner)
    runner.logger.info(precision)
    check_bands(config, runner.model)
    if note := check_levels(runner.model):
        start.notes.append(note)
    if not start.resume:
        check_initial_weights(runner.model)
    if start.path and start.checkpoint:
        shapes, resume = start.checkpoint.shapes, start.resume
        line = check_match(runner.model, shapes, start.path, whole=resume, resume=resume)
        runner.logger.info(f'{line}; {start.checkpoint.origin}')
        if not resume:
            classes = classes_of(getattr(data.datasets['train_dataloader'], 'metainfo', {}))
            note = class_layer_note(runner.model, start.checkpoint, start.path, classes)
            start.notes += [note] if note else []
    check_batch(config, get_world_size())
    if is_main_process():
        clear_halves(config)
    if not start.resume and is_main_process():
        aside = put_aside(config, args.restart)
        start.notes += [f'What an earlier run left is in {aside} now'] if aside else []
    notes = batch_note(config, get_world_size()), accumulation_note(config), schedule_note(config)
    for note in (*start.notes, *notes):
        if note:
            runner.logger.warning(note)
    if not any(isinstance(hook, StopSignalHook) for hook in runner.hooks):
        training_begins()  # else the hook does it, as late as can be
    runner.train()
    leave_ranks()
    kept = [hook.kept for hook in runner.hooks if getattr(hook, 'kept', None)]
    if kept:
        raise SamrsError(kept[0])


if __name__ == '__main__':
    sys.exit(main())
