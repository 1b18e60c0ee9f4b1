"""Compare masks of a config's precision and kernels with the exact ones, on your own pictures."""

import argparse
import sys
from pathlib import Path
from typing import Any

from samrs_mm.annotate import fidelity
from samrs_mm.annotate.job import AnnotationJob
from samrs_mm.cli import (
    ToolParser,
    add_fit_flags,
    add_source_flag,
    choose_gpu,
    fit_flags,
    positive,
    progress,
    run_command,
)
from samrs_mm.config_files import OptionsAction, load_config
from samrs_mm.core.wording import counted

EPILOG = f"""\
Images with boxes are drawn from the data and segmented twice: in float32 by the exact kernels, and
as the config says. The report passes where the mean IoU of the masks is at least {fidelity.LEAST},
of {fidelity.Enough()} or more: so what befalls 3 % of the masks, or a quarter of the
images, is seen with a chance of 95 % (config keys fidelity.masks and fidelity.images). Without one
that passes, sam_annotate.py refuses a reduced precision. It is valid for these weights, network,
precision, kernels, device, prompt and library versions.

example
  python tools/analysis_tools/fidelity.py configs/annotate/sota_sam-vit-h_hbox.py \\
      --data-root data/DOTA --images 50 --cfg-options model.precision=fp16 model.kernels=fast
exit codes: 0 it passes; 1 it does not, or an image could not be read or segmented (named);
2 refused"""


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = ToolParser(__doc__, EPILOG)
    add = parser.add_argument
    add('config', help='annotate config, such as configs/annotate/sota_sam-vit-h_hbox.py')
    add('--data-root', metavar='DIR', help='the detection dataset, as downloaded')
    add('--images', type=positive, metavar='N', default=20,
        help='images with boxes to compare (default %(default)s)')  # fmt: skip
    add('--out', type=Path, metavar='DIR', default=fidelity.FOLDER,
        help='where the report goes (default %(default)s; --fidelity of sam_annotate.py)',
    )  # fmt: skip
    add('--checkpoint', metavar='FILE', help="the segmentor's weights")
    add('--prompt', metavar='NAME', help="the paper's prompt names joined by +, such as cp+hbox")
    add_source_flag(add)
    add_fit_flags(add)
    add('--cfg-options', nargs='+', action=OptionsAction, metavar='K=V',
        help='change config keys, such as model.precision=bf16 model.kernels=fast')  # fmt: skip
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run the tool and return its exit code."""
    args = parse_args(argv)
    return run_command(lambda: run(args), 'run it again')


def run(args: argparse.Namespace) -> int:
    """Compare, print the table and write the report."""
    flags = {
        'data_root': args.data_root,
        'prompt': args.prompt,
        'model.checkpoint': args.checkpoint,
        'dataset.source': args.source,
        **fit_flags(args),
    }
    config = load_config(args.config, args.cfg_options, flags)
    job = AnnotationJob(config, Path(config.filename).name)
    enough = fidelity.Enough.from_config(config.get('fidelity'))
    exact = fidelity.exact_of(config.model, job.segmentor)
    choose_gpu()
    job.collect_classes(progress('reading labels'))
    found = fidelity.compare(job, exact, args.images, progress)
    about, summary = fidelity.identity(job.segmentor, job.setting.name), found.summary()
    path = fidelity.write_report(args.out, about, summary, str(config.data_root), enough)
    print_table(about, summary)
    reason = fidelity.why_not(summary, enough)
    for line in summary['failed'].values():
        print(f'failed: {line}', file=sys.stderr)
    passed = f'passed: mean IoU {_number(summary["iou_mean"])} of {enough} or more'
    print(passed if reason is None else f'not passed: {reason}')
    print(f'written  {path}')
    return 0 if reason is None and not summary['failed'] else 1


def print_table(about: dict[str, Any], summary: dict[str, Any]) -> None:
    """Print what was compared and how far it agrees."""
    model = about['model']
    way = ', '.join(f'{key}={model[key]}' for key in ('precision', 'kernels', 'compile', 'device'))
    print(f'compared     {model["type"]} {way} with exact fp32; prompt {about["prompt"]}')
    print(f'images       {summary["images"]}, {counted(summary["masks"], "mask")}')
    print(f'IoU          mean {_number(summary["iou_mean"])}  min {_number(summary["iou_min"])}  '
          f'below {fidelity.LEAST}: {_percent(summary["below"])}')  # fmt: skip
    print(f'pixels       {_percent(summary["pixels"])} differ')
    for name in ('score', 'stability'):
        mean, most = summary[name]['mean'], summary[name]['max']
        print(f'{name:<13}differs by {_number(mean)} in the mean, {_number(most)} at most')
    if summary['swapped'] is not None:
        print(f'choice       another mask was chosen for {_percent(summary["swapped"])}')
    if summary['noted']:
        print(f'note         {counted(summary["noted"], "image")} with a note, see the report')
    for each in summary['worst'][:3]:
        print(f'worst        {each["image"]}: {each["box"]}: IoU {_number(each["iou"])}')


def _number(value: float | None) -> str:
    return '-' if value is None else f'{value:.5f}'


def _percent(value: float | None) -> str:
    return '-' if value is None else f'{100 * value:.4g} %'


if __name__ == '__main__':
    sys.exit(main())
