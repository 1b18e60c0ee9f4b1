"""Score a trained model on the test data of its config, and write its predictions."""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samrs_mm.cli import ToolParser, run_command
from samrs_mm.core.atomic import atomic_write
from samrs_mm.core.errors import RefusedError
from samrs_mm.engine.checkpoint_match import check_match, read_checkpoint
from samrs_mm.engine.cpu_dist import leave_ranks, prepare_cpu_ranks
from samrs_mm.engine.data_check import check_data, check_folders, refuse_together
from samrs_mm.engine.run_config import add_run_flags, build_runner, load_run_config, need
from samrs_mm.evaluation.results import RUN_KEY, run_entry

if TYPE_CHECKING:
    from mmengine.config import Config

EPILOG = """examples:
  tools/test.py CONFIG work_dirs/CONFIG/iter_80000.pth --out results
  # with each image's mirror image, and at six scales
  tools/test.py CONFIG work_dirs/CONFIG/iter_80000.pth --tta
  tools/test.py CONFIG work_dirs/CONFIG/iter_80000.pth --tta multi_scale
  # each pixel of a scene once, where test tiles overlap
  tools/test.py CONFIG FILE --cfg-options test_evaluator.type=SceneScoreMetric
exit codes: 0 scored; 1 interrupted or failed; 2 refused before work began"""


_LOADERS = ('test_dataloader',)
_OF_OBJECTS = ('CocoMetric', 'DOTAMetric')


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = ToolParser(__doc__, EPILOG)
    add = parser.add_argument
    add('config', help='config file the model was trained with')
    add('checkpoint', help='its weights')
    add('--out', metavar='DIR', help='write metrics.json and the predicted maps there')
    add('--tta', nargs='?', const=True, metavar='NAME',
        help="test-time augmentation: the config's tta_pipeline (image and mirror image), with "
        'NAME its NAME_tta_pipeline, such as multi_scale')  # fmt: skip
    add_run_flags(parser)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run the tool and return its exit code."""
    args = parse_args(argv)
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return run_command(lambda: run(args), 'run it again')


def run(args: argparse.Namespace) -> None:
    """Check everything that can be known beforehand, then score."""
    from mmengine.dist import is_main_process

    config = load_run_config(args.config, args.cfg_options, args.work_dir, args.launcher)
    need(config, args.config, 'model', 'test_dataloader', 'test_cfg', 'test_evaluator')
    if args.tta:
        use_tta(config, args.config, '' if args.tta is True else args.tta)
    config.load_from, config.resume = args.checkpoint, False
    _, found = refuse_together(
        lambda: check_folders(config, _LOADERS), lambda: read_checkpoint(args.checkpoint)
    )
    if args.out:
        name_output(config.test_evaluator, os.path.join(args.out, 'predictions'))
    prepare_cpu_ranks(config, args.launcher)
    data = check_data(config, args.config, _LOADERS, found.classes)
    runner = build_runner(config, args.config)
    data.hand_over(runner)
    line = check_match(runner.model, found.shapes, args.checkpoint, whole=True)
    runner.logger.info(f'{line}; {found.origin}')
    metrics = runner.test()
    if args.out and is_main_process():
        target = Path(args.out) / 'metrics.json'
        target.parent.mkdir(parents=True, exist_ok=True)
        about = run_entry(args.config, args.checkpoint, args.tta, args.cfg_options)
        record = metrics | {RUN_KEY: about}
        atomic_write(target, (json.dumps(record, indent=1) + '\n').encode())
    leave_ranks()


def name_output(evaluators: Any, folder: str) -> None:
    """Have metrics write what was predicted: maps below a folder, objects into files in it."""
    for evaluator in evaluators if isinstance(evaluators, list) else [evaluators]:
        kind = str(evaluator.type).rpartition('.')[2]
        if kind == 'DetectorMetric':
            evaluator.metric.outfile_prefix = os.path.join(folder, evaluator.detector)
        elif kind in _OF_OBJECTS:
            evaluator.outfile_prefix = os.path.join(folder, 'objects')
        else:
            evaluator.output_dir = folder


def use_tta(config: 'Config', path: str, name: str = '') -> None:
    """Wrap the model and have every test dataset yield the augmented views.

    Args:
        config: The run's config.
        path: Its file, for the message.
        name: Which views: ``tta_pipeline``, or ``{name}_tta_pipeline``.

    Raises:
        RefusedError: The config has no such pipeline.
    """
    key = f'{name}_tta_pipeline' if name else 'tta_pipeline'
    if config.get(key) is None:
        flags = [f'--tta {known.removesuffix("tta_pipeline").rstrip("_")}'.rstrip()
                 for known in config if known.endswith('tta_pipeline')]  # fmt: skip
        raise RefusedError(
            f'config {path}: has no {key!r}; it takes {" and ".join(flags) or "no --tta"}'
        )
    wrapper = config.get('tta_model') or dict(type='SegTTAModel')
    config.model = dict(wrapper, module=config.model)
    _set_pipeline(config.test_dataloader.dataset, config[key])


def _set_pipeline(dataset: Any, pipeline: list) -> None:
    if 'datasets' in dataset:
        for part in dataset.datasets:
            _set_pipeline(part, pipeline)
    else:
        dataset.pipeline = pipeline


if __name__ == '__main__':
    sys.exit(main())
