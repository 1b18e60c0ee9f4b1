"""The whole way on drawn scenes: boxes in, masks out, scored against the known truth."""

import argparse
import shlex
import subprocess
import sys
import time
from pathlib import Path

import cv2

TOOLS = Path(__file__).resolve().parent
CONFIG = TOOLS.parent / 'configs' / 'annotate' / 'dota_grabcut_rbox.py'


def run(title: str, tool: str, *args: object) -> None:
    """Run one of the tools, showing the command a user would type."""
    command = [str(TOOLS / tool), *map(str, args)]
    print(f'\n== {title}\n$ {shlex.join(["python", *command])}', flush=True)
    subprocess.run([sys.executable, *command], check=True)


def contact_sheet(pictures: list[Path], target: Path, columns: int = 3) -> None:
    """Write pictures of one size side by side, ``columns`` in a row."""
    images = [cv2.imread(str(path)) for path in pictures]
    images = images[: len(images) // columns * columns] or images[:1]
    rows = [cv2.hconcat(images[i : i + columns]) for i in range(0, len(images), columns)]
    cv2.imwrite(str(target), cv2.vconcat(rows))


def main(argv: list[str] | None = None) -> int:
    """Run the demo and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--dir', type=Path, default=Path('data/demo'), help='default: %(default)s')
    folder = parser.parse_args(argv).dir
    scenes, masks, fill = folder / 'scenes', folder / 'masks', folder / 'box-fill'
    start = time.perf_counter()
    try:
        run('draw overhead scenes with known masks', 'dataset_converters/make_demo_data.py', scenes)
        common = '--data-root', scenes, '--out'
        run('boxes to masks with GrabCut', 'sam_annotate.py', CONFIG, *common, masks, '--show', 6)
        options = '--cfg-options', 'model.type=BoxFillSegmentor'
        run('the honest baseline: fill the box', 'sam_annotate.py', CONFIG, *common, fill, *options)
        truth = scenes / 'annotations.json'
        scores = 'analysis_tools/score_masks.py'
        run('score both against the known masks', scores, masks, fill, '--truth', truth)
    except subprocess.CalledProcessError as error:
        print(f'error: the step above ended with exit code {error.returncode}', file=sys.stderr)
        return 1
    picture = folder / 'demo.jpg'
    contact_sheet(sorted((masks / 'show').iterdir()), picture)
    print(f'\npicture  {picture}   (boxes white, masks tinted)')
    print(f'done in {time.perf_counter() - start:.0f} s')
    return 0


if __name__ == '__main__':
    sys.exit(main())
