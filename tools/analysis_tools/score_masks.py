"""Score annotated folders against known instance masks, side by side."""

import argparse
import sys
from pathlib import Path

from samrs_mm.cli import ToolParser, run_command
from samrs_mm.core.wording import counted
from samrs_mm.evaluation.mask_iou import FolderScore, MaskIoU, score_folder

EPILOG = """\
mIOU_I is the mean over objects of their IoU, mIOU_P the sum of intersections over the sum of unions
(arXiv:2305.02034, equation 1). A box that got no mask counts as 0. Masks are compared before
overlap.

example
  python tools/analysis_tools/score_masks.py data/demo/masks data/demo/box-fill \\
      --truth data/demo/scenes/annotations.json
exit codes: 0 done; 1 a record can't be read; 2 refused"""


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = ToolParser(__doc__, EPILOG)
    parser.add_argument(
        'folders', nargs='+', type=Path, metavar='ANNOTATED_DIR', help='made with tile=None'
    )
    parser.add_argument(
        '--truth', required=True, type=Path, metavar='JSON', help='COCO file with the true masks'
    )
    return parser.parse_args(argv)


def table(scores: dict[str, FolderScore]) -> str:
    """Return a row per class, and for each folder the number of objects, mIOU_I and mIOU_P."""
    classes = sorted({name for score in scores.values() for name in score.classes})
    first = max(len(name) for name in [*classes, 'all classes'])
    width = max(24, *(len(name) for name in scores))
    cells = ' '.join(['objects', ' mIOU_I', ' mIOU_P'])
    lines = [
        ' '.join([' ' * first, *(f'{name:>{width}}' for name in scores)]),
        ' '.join([f'{"class":<{first}}', *(f'{cells:>{width}}' for _ in scores)]),
    ]
    for name in classes:
        row = [_cells(score.classes.get(name, MaskIoU())) for score in scores.values()]
        lines.append(' '.join([f'{name:<{first}}', *(f'{cell:>{width}}' for cell in row)]))
    row = [_cells(score.overall) for score in scores.values()]
    lines.append(' '.join([f'{"all classes":<{first}}', *(f'{cell:>{width}}' for cell in row)]))
    return '\n'.join(lines)


def _cells(measured: MaskIoU) -> str:
    if not len(measured):
        return f'{0:>7} {"-":>7} {"-":>7}'
    return f'{len(measured):>7} {measured.miou_i:>7.3f} {measured.miou_p:>7.3f}'


def main(argv: list[str] | None = None) -> int:
    """Run the tool and return its exit code."""
    args = parse_args(argv)
    return run_command(lambda: run(args), 'run it again')


def run(args: argparse.Namespace) -> None:
    """Score the folders and print the table."""
    scores = {str(path): score_folder(path, args.truth) for path in args.folders}
    print(table(scores), end='\n\n')
    for name, score in scores.items():
        left = [counted(len(score.overall), 'object')]
        left += [f'{counted(score.unscored, "box")} without a true mask'] if score.unscored else []
        left += [f'{counted(score.missing, "true mask")} without a box'] if score.missing else []
        left += (
            [f'{counted(score.regions, "crowd or ignored region", "crowds or ignored regions")}']
            if score.regions
            else []
        )
        overall = score.overall
        print(f'{name}: mIOU_I {overall.miou_i:.3f}  mIOU_P {overall.miou_p:.3f}  '
              f'({", ".join(left)})')  # fmt: skip


if __name__ == '__main__':
    sys.exit(main())
