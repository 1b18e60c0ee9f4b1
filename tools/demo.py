"""The whole way on drawn scenes: boxes in, masks out and scored, a network pre-trained on them."""

import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections import deque
from itertools import takewhile
from pathlib import Path

from samrs_mm.cli import ToolParser, positive, run_command
from samrs_mm.core.installed import spoken
from samrs_mm.drawing.layout import grid

TOOLS = Path(__file__).parent
BOXES = 'configs/annotate/dota_boxnet_rbox.py'
OTHERS = (
    ('beside it GrabCut', 'grabcut', 'configs/annotate/dota_grabcut_rbox.py', ()),
    ('the baseline: fill the box', 'box-fill', 'configs/annotate/dota_grabcut_rbox.py',
     ('--cfg-options', 'model.type=BoxFillSegmentor')),
)  # fmt: skip
TEACH = 'configs/examples/boxnet_demo.py'
SEP = 'configs/examples/sep_demo.py'
WEIGHTS = Path('pretrain/sep/sep_demo.pth')
STEPS, SIZE = 9, 512
EXPECT = """\
First boxes become masks: their picture is there in about half a minute on two quiet cores.
Then BoxNet, which made them, learns from twenty true masks, and a small network is trained on what
it made, for some minutes; the time to go is shown."""
# Reading processes need torch, whose import takes longer than reading these few small images.
FEW_IMAGES = '--workers', 0


class Demo:
    """One run of the demo.

    Args:
        folder: Where everything goes, but for the trained weights.
        iterations: Length of the training.
        size: Side of a scene in pixels.
    """

    def __init__(self, folder: Path, iterations: int, size: int):
        self.folder, self.iterations, self.size = folder, iterations, size
        self.scenes, self.masks = folder / 'scenes', folder / 'masks'
        self.begun, self.step = time.perf_counter(), 0

    def run(self) -> int:
        """Take all steps; return the exit code."""
        try:
            self.first_picture()
            self.score()
            self.teach()
            self.pretrain()
        except subprocess.CalledProcessError as error:
            print(f'error: the step above ended with exit code {error.returncode}', file=sys.stderr)
            return 1
        print('\nThere are now')
        for path, content in (
            (self.folder / 'demo.jpg', 'boxes by status, masks by class'),
            (self.masks, 'the dataset made of the boxes: label maps, records, COCO, ledger'),
            (
                self.folder / 'taught',
                'BoxNet taught on twenty masks: log, weights if better',
            ),
            (self.folder / 'sep.jpg', 'image, label, prediction of held-out scenes'),
            (WEIGHTS, 'the trained weights'),
        ):
            print(f'  {path!s:<28}{content}')
        print(f'done in {self.seconds():.0f} s')
        return 0

    def first_picture(self) -> None:
        """Draw scenes, make masks of their boxes, and show them."""
        draw = 'dataset_converters/make_demo_data.py'
        size = self.of_size()
        title = 'draw overhead scenes with known masks'
        self.run_tool(title, draw, self.scenes, '--scenes', 12, *size)
        flags = '--data-root', self.scenes, '--out', self.masks, *FEW_IMAGES, '--show', 12
        self.run_tool('boxes to masks with BoxNet', 'sam_annotate.py', BOXES, *flags)
        shown = sorted((self.masks / 'show').iterdir())
        first = [path for path in shown if path.stem.endswith('_000')]
        # docs/images/demo.jpg
        self.show('demo.jpg', 'boxes by status, masks by class', first, columns=3, scale=0.78)

    def score(self) -> None:
        """Score the masks beside those of GrabCut and of filled boxes."""
        folders = [self.masks]
        for title, name, config, options in OTHERS:
            folders.append(self.folder / name)
            flags = '--data-root', self.scenes, '--out', folders[-1], *FEW_IMAGES
            self.run_tool(title, 'sam_annotate.py', config, *flags, *options)
        truth = self.scenes / 'annotations.json'
        scores = 'analysis_tools/score_masks.py'
        self.run_tool('score them against the known masks', scores, *folders, '--truth', truth)

    def teach(self) -> None:
        """Teach BoxNet on twenty true masks; print its scores on a held-out scene."""
        title = 'teach BoxNet on twenty of the true masks, and try it on another scene'
        work = self.folder / 'taught'
        log = self.train(title, TEACH, '--work-dir', work, '--restart', may_fail=True)
        table = before_and_after(log)
        if not table:
            sys.stderr.writelines(log)
            raise subprocess.CalledProcessError(1, TEACH)
        print('\n'.join(table))
        weights = work / f'{Path(TEACH).stem}.safetensors'
        if weights.exists():
            print(f'written  {weights}   annotate with them: --checkpoint {weights}')
        else:
            print('not better on that scene: the old weights stay')

    def pretrain(self) -> None:
        """Annotate a second source with other classes, and pre-train one network on both."""
        scenes, masks, work = (self.folder / name for name in ('scenes-b', 'masks-b', 'work'))
        draw = 'dataset_converters/make_demo_data.py'
        flags = '--domain', 'b', '--scenes', 14, *self.of_size()
        self.run_tool('draw a second source with other classes', draw, scenes, *flags)
        flags = '--data-root', scenes, '--out', masks, *FEW_IMAGES
        self.run_tool('boxes to masks', 'sam_annotate.py', BOXES, *flags)
        for source in (self.masks, masks):
            hold_out(source)
        title = f'pre-train one network on both, {self.iterations} iterations'
        if WEIGHTS.exists():
            WEIGHTS.replace(f'{WEIGHTS}.bak')  # of an earlier demo, maybe a longer one
        keys = [f'train_cfg.{key}' for key in ('max_iters', 'val_interval')]
        keys += [f'param_scheduler.0.{key}' for key in ('T_max', 'end')]
        length = [f'{key}={self.iterations}' for key in keys]
        self.train(title, SEP, '--work-dir', work, '--restart', '--cfg-options', *length)
        for line in scores_in_log(work):
            print(line)
        pictures = sorted((work / 'pictures').rglob('*.png'))
        self.show('sep.jpg', 'image, label, prediction of held-out scenes', pictures, columns=2)

    def of_size(self) -> tuple[object, ...]:
        """Return the flags of a size that is not the usual one."""
        return () if self.size == SIZE else ('--size', self.size)

    def seconds(self) -> float:
        """Return the time since the start."""
        return time.perf_counter() - self.begun

    def announce(self, title: str, tool: str, args: tuple) -> list[str]:
        """Print the command that a user would type; return the one to run."""
        self.step += 1
        words = [str(word) for word in args]
        shown = spoken(shlex.join(['python', f'tools/{tool}', *words]))
        print(
            f'\n== {self.step} of {STEPS}, {self.seconds():.0f} s: {title}\n$ {shown}', flush=True
        )
        return [sys.executable, str(TOOLS / tool), *words]

    def run_tool(self, title: str, tool: str, *args: object) -> None:
        """Run one of the tools."""
        subprocess.run(self.announce(title, tool, args), check=True)

    def train(self, title: str, *args: object, may_fail: bool = False) -> list[str]:
        """Run ``tools/train.py``, showing its progress only; return the end of its log."""
        command = self.announce(title, 'train.py', args)
        print('  loading PyTorch, then a validation before training', flush=True)
        log: deque[str] = deque(maxlen=40)
        environment = {**os.environ, 'PYTHONUNBUFFERED': '1'}
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
        ) as process:
            for line in process.stdout or ():
                log.append(line)
                if said := progress(line):
                    print(f'  {said}', flush=True)
        if process.returncode and not may_fail:
            sys.stderr.writelines(log)
            raise subprocess.CalledProcessError(process.returncode, command)
        return list(log)

    def show(
        self, name: str, content: str, pictures: list[Path], columns: int, scale: float = 1
    ) -> None:
        """Write pictures, reduced by a scale, in rows of ``columns``, and say where they are."""
        import cv2

        images = [cv2.imread(str(path)) for path in pictures]
        images = [
            cv2.resize(i, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) for i in images
        ]
        target = self.folder / name
        cv2.imwrite(str(target), grid(images, columns, margin=0), [cv2.IMWRITE_JPEG_QUALITY, 85])
        print(
            f'\npicture  {target}   {content}   ({self.seconds():.0f} s after the start)',
            flush=True,
        )


def progress(line: str) -> str:
    """Return what a line of mmengine's log says of the progress, in a few words; else nothing."""
    step = re.search(r'Iter\((train|val)\) *\[ *(\d+)/ *(\d+)\] .*?eta: (\S+)', line)
    if step is None:
        return ''
    if step[1] == 'val':
        return f'validating, image {step[2]} of {step[3]}'
    loss = re.search(r' loss: (\S+)', line)
    return f'iteration {step[2]} of {step[3]}, loss {loss[1] if loss else "?"}, {step[4]} to go'


def before_and_after(log: list[str]) -> list[str]:
    """Return the table that ends the log of a taught BoxNet, line by line; else nothing."""
    lines = [line.rstrip() for line in log]
    starts = [number for number, line in enumerate(lines) if line.endswith('before and after:')]
    if not starts:
        return []
    rows = lines[starts[-1] + 1 :]
    return list(takewhile(re.compile(r'held out|\S+ +\S+ +\S+$').match, rows))


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
    add = parser.add_argument
    add('--iterations', type=positive, default=80, help='default: %(default)s')
    add('--size', type=positive, default=SIZE,
        help='side of a scene in pixels; less is quicker (default: %(default)s)')  # fmt: skip
    args = parser.parse_args(argv)
    print(EXPECT)
    demo = Demo(Path('data/demo'), args.iterations, args.size)
    return run_command(demo.run, 'run it again to start over')


if __name__ == '__main__':
    sys.exit(main())
