"""The whole way on drawn scenes: boxes in, masks out and scored, a network pre-trained on them."""

import json
import shlex
import subprocess
import sys
import time
from pathlib import Path

import cv2

from samrs_mm.cli import ToolParser
from samrs_mm.core.installed import spoken
from samrs_mm.drawing.layout import grid

TOOLS = Path(__file__).parent
BOXES = 'configs/annotate/dota_grabcut_rbox.py'
SEP = 'configs/examples/sep_demo.py'


def run(title: str, tool: str, *args: object) -> None:
    """Run one of the tools, showing the command a user would type."""
    words = [str(word) for word in args]
    shown = spoken(shlex.join(['python', f'tools/{tool}', *words]))
    print(f'\n== {title}\n$ {shown}', flush=True)
    subprocess.run([sys.executable, str(TOOLS / tool), *words], check=True)


def contact_sheet(pictures: list[Path], target: Path, columns: int, scale: float = 1) -> None:
    """Write pictures side by side in rows of ``columns``, reduced by a scale."""
    images = [cv2.imread(str(path)) for path in pictures]
    images = [cv2.resize(i, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) for i in images]
    cv2.imwrite(str(target), grid(images, columns, margin=0), [cv2.IMWRITE_JPEG_QUALITY, 85])


def annotate(folder: Path) -> None:
    """Draw scenes, make masks of their boxes, and score them beside the baseline's."""
    scenes, masks, fill = folder / 'scenes', folder / 'masks', folder / 'box-fill'
    draw = 'dataset_converters/make_demo_data.py'
    run('draw overhead scenes with known masks', draw, scenes, '--scenes', 12)
    common = '--data-root', scenes, '--out'
    run('boxes to masks with GrabCut', 'sam_annotate.py', BOXES, *common, masks, '--show', 12)
    options = '--cfg-options', 'model.type=BoxFillSegmentor'
    run('the baseline: fill the box', 'sam_annotate.py', BOXES, *common, fill, *options)
    truth = scenes / 'annotations.json'
    scores = 'analysis_tools/score_masks.py'
    run('score both against the known masks', scores, masks, fill, '--truth', truth)
    first = [path for path in sorted((masks / 'show').iterdir()) if path.stem.endswith('_000')]
    contact_sheet(first, folder / 'demo.jpg', columns=3, scale=0.78)  # docs/images/demo.jpg


def pretrain(folder: Path, iterations: int) -> None:
    """Annotate a second source with other classes, and pre-train one network on both."""
    scenes, masks, work = folder / 'scenes-b', folder / 'masks-b', folder / 'work'
    draw = 'dataset_converters/make_demo_data.py'
    run('draw a second source with other classes', draw, scenes, '--domain', 'b', '--scenes', 14)
    run('boxes to masks', 'sam_annotate.py', BOXES, '--data-root', scenes, '--out', masks)
    for source in (folder / 'masks', masks):
        hold_out(source)
    title = f'pre-train one network on both, {iterations} iterations, validated before and after'
    length = f'train_cfg.max_iters={iterations}', f'train_cfg.val_interval={iterations}'
    run(title, 'train.py', SEP, '--work-dir', work, '--cfg-options', *length)
    for line in scores_in_log(work):
        print(line)
    contact_sheet(sorted((work / 'pictures').rglob('*.png')), folder / 'sep.jpg', columns=2)


def hold_out(source: Path) -> None:
    """List the second drawing of each kind of scene for validation."""
    stems = sorted(path.stem for path in (source / 'semantic').iterdir())
    for name, held in (('train.txt', False), ('val.txt', True)):
        lines = [f'{stem}\n' for stem in stems if stem.endswith('_001') == held]
        (source / name).write_bytes(''.join(lines).encode())


def scores_in_log(work: Path) -> list[str]:
    """Return a line per validation of the newest run, from mmengine's scalars."""
    scalars = sorted(work.glob('*/vis_data/scalars.json'))[-1].read_text('utf-8').splitlines()
    found = [json.loads(line) for line in scalars if '"mIoU"' in line]
    return [
        f'{when:<16}'
        + '  '.join(f'{key} {value:.1f}' for key, value in scores.items() if 'mIoU' in key)
        for when, scores in zip(('before training', 'after training'), found, strict=True)
    ]


def main(argv: list[str] | None = None) -> int:
    """Run the demo and return its exit code."""
    parser = ToolParser(__doc__)
    parser.add_argument('--iterations', type=int, default=80, help='default: %(default)s')
    iterations = parser.parse_args(argv).iterations
    folder = Path('data/demo')
    start = time.perf_counter()
    try:
        annotate(folder)
        pretrain(folder, iterations)
    except subprocess.CalledProcessError as error:
        print(f'error: the step above ended with exit code {error.returncode}', file=sys.stderr)
        return 1
    print(f'\npicture  {folder / "demo.jpg"}   boxes by status, masks by class')
    print(f'picture  {folder / "sep.jpg"}   image, label, prediction of held-out scenes')
    print(f'done in {time.perf_counter() - start:.0f} s')
    return 0


if __name__ == '__main__':
    sys.exit(main())
