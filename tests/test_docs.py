"""Every command and snippet that a newcomer can paste is run."""

import contextlib
import io
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from folders import ROOT, load_tool
from map_cases import box, on_map, write_layer, write_scene
from training_runs import run_tool

from samrs_mm.compat import is_onedl
from samrs_mm.core.installed import TOOLS

# The examples of extending.md need files of the reader's own: tests/test_extending_*.py run them.
PAGES = [
    ROOT / 'README.md',
    *sorted(path for path in (ROOT / 'docs').glob('*.md') if path.stem != 'extending'),
]
WANTS_DATA = ('data/DOTA-v2', 'data/DIOR', 'data/FAIR1M-2.0', 'data/RefSegRS')
WANTS_WEIGHTS = ('sam-vit-h', '-sep_potsdam')
LONG = 'tools/train.py configs/examples/mtp_demo.py'
"""A training of many minutes, which needs compiled ops: two iterations of it are run."""
PLACEHOLDER = re.compile(r'\b(CONFIG|DIR|FILE|FOLDER|NAME|OUT)\b')


def commands() -> list[str]:
    """Return the tool commands of README and docs without placeholders, in order."""
    found = []
    for page in PAGES:
        line = r'^(?:\| \w+ \| `)?((?:python tools/|samrs-mm )[^\n`]*)'
        found += re.findall(line, page.read_text(encoding='utf-8'), re.M)
    return [command for command in dict.fromkeys(found) if not PLACEHOLDER.search(command)]


def run(command: str, folder: Path) -> tuple[int, str]:
    """Run the tool of a command in ``folder``; return its exit code and all that it said.

    tests/test_packaging.py runs the installed command, and the demo most tools as scripts.
    """
    program, name, *arguments = shlex.split(command, comments=True)
    file = TOOLS[name] if program == 'samrs-mm' else name.removeprefix('tools/')
    (code,), said = run_tool(file.removesuffix('.py'), arguments, folder / 'said', folder=folder)
    return code, said


@pytest.fixture(scope='module')
def checkout(tmp_path_factory):
    """A folder in which the demo has been run."""
    folder = tmp_path_factory.mktemp('checkout')
    (folder / 'tools').symlink_to(ROOT / 'tools')
    shutil.copytree(ROOT / 'configs', folder / 'configs')
    teach_less(folder / 'configs/examples/boxnet_demo.py')
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as said:
        patch.chdir(folder)
        demo = load_tool('demo')
        patch.setattr(demo, 'subprocess', Programs)
        code = demo.main(['--iterations', '4', '--size', '288'])
    assert code == 0, said.getvalue()
    (folder / 'demo.txt').write_text(said.getvalue())
    write_trees(folder / 'data')
    write_scene_with_trees(folder / 'data')
    return folder


class Programs:
    """What the demo takes of ``subprocess``: pre-training is spared a new interpreter's imports.

    All other tools, and the other training, are started as users do.
    """

    PIPE, STDOUT = subprocess.PIPE, subprocess.STDOUT
    CalledProcessError = subprocess.CalledProcessError

    @staticmethod
    def run(command, check):
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        print(done.stdout)
        if check:
            done.check_returncode()

    @staticmethod
    def Popen(command, **options):  # noqa: N802
        interpreter, script, *arguments = command
        if 'configs/examples/sep_demo.py' not in arguments:
            return subprocess.Popen(command, **options)
        assert interpreter == sys.executable
        assert Path(script).samefile('tools/train.py')
        return trained(script, arguments)


@contextlib.contextmanager
def trained(script: str, arguments: list[str]):
    """Run a training to its end; yield what a process of its own would have."""
    (code,), said = run_tool(
        Path(script).stem, arguments, Path('said').resolve(), folder=Path.cwd()
    )
    yield SimpleNamespace(stdout=io.StringIO(said), returncode=code)


def teach_less(config: Path) -> None:
    """Have BoxNet taught for fewer and smaller steps than the demo's, which take a minute."""
    text = config.read_text(encoding='utf-8')
    for told, less in (
        ('iterations = 60\n', 'iterations = 12\n'),
        ('train_dataloader = dict(', 'train_dataloader = dict(batch_size=6, '),
    ):
        assert text.count(told) == 1
        text = text.replace(told, less)
    config.write_text(text, encoding='utf-8')


def write_scene_with_trees(data: Path) -> None:
    """Write what docs/geo.md takes from the package deepforest: a GeoTIFF, its boxes as a layer."""
    folder = data / 'deepforest/deepforest/data'
    folder.mkdir(parents=True)
    write_scene(folder / 'OSBS_029.tif', size=(120, 90))
    write_layer(data / 'osbs.gpkg', [on_map(box(10, 20, 40, 50))], label=np.array(['Tree'], object))


def write_trees(data: Path) -> None:
    """Write what docs/annotation.md copies from the package deepforest: an image and a VOC file."""
    scene = 'harbour_000'
    coco = json.loads((data / 'demo/scenes/annotations.json').read_bytes())
    (number,) = (each['id'] for each in coco['images'] if scene in each['file_name'])
    corners = [
        (x, y, x + width, y + height)
        for x, y, width, height in (
            each['bbox'] for each in coco['annotations'] if each['image_id'] == number
        )
    ]
    tags = 'xmin', 'ymin', 'xmax', 'ymax'
    objects = [
        '<object><name>Tree</name><bndbox>'
        + ''.join(f'<{tag}>{value}</{tag}>' for tag, value in zip(tags, box, strict=True))
        + '</bndbox></object>'
        for box in corners
    ]
    (data / 'trees').mkdir()
    shutil.copy(data / 'demo/scenes/images' / f'{scene}.png', data / 'trees')
    (data / f'trees/{scene}.xml').write_text(f'<annotation>{"".join(objects)}</annotation>')


def test_the_demo_scores_and_draws(checkout):
    said = (checkout / 'demo.txt').read_text()
    scores = re.findall(r'^data/demo/(\S+): mIOU_I (\S+)', said, re.M)
    assert [name for name, _ in scores] == ['masks', 'grabcut', 'box-fill']
    boxnet, grabcut, filled = (float(score) for _, score in scores)
    assert 1 > boxnet > grabcut > 0.7
    assert boxnet > filled > 0.7
    before = re.search(r'^before training +city/mIoU .* mIoU (\S+)$', said, re.M)
    after = re.search(r'^after training +city/mIoU .* mIoU (\S+)$', said, re.M)
    assert 0 <= float(before[1]) < float(after[1])
    pictures = re.findall(r'^picture +(\S+)', said, re.M)
    assert pictures == ['data/demo/demo.jpg', 'data/demo/sep.jpg']
    assert all((checkout / picture).stat().st_size > 50_000 for picture in pictures)


def test_the_first_picture_stands_before_anything_else_is_done(checkout):
    said = (checkout / 'demo.txt').read_text()
    picture, teach, train = 'picture  data/demo/demo.jpg', '== 6 of 9', '== 9 of 9'
    order = '== 2 of 9', picture, '== 3 of 9', teach, 'iteration 10 of', 'held out', train
    places = [said.index(words) for words in order]
    assert places == sorted(places)
    listed = said[said.index('There are now') :]
    names = re.findall(r'^  (\S+) ', listed, re.M)
    assert len(names) == 5
    assert all((checkout / name).exists() for name in names)


def test_the_demo_is_a_script(tmp_path):
    command = [sys.executable, ROOT / 'tools/demo.py', '--size', '0']
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert '--size' in done.stderr
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize('command', [command for command in commands() if LONG not in command])
def test_a_command_of_the_docs(checkout, command):
    code, said = run(command, checkout)
    assert 'Traceback' not in said
    if any(name in command for name in WANTS_DATA + WANTS_WEIGHTS):
        assert code == 2
        train = r'(tools/train.py|samrs-mm train) configs/sep/\S+ writes it'
        cures = rf'no such folder|https://\S+\.pth|{train}'
        assert re.search(cures, said), said
    else:
        assert code == 0, said


@pytest.mark.ops
@pytest.mark.skipif(not is_onedl(), reason="OpenMMLab's mmrotate can't be imported")
def test_a_long_training_of_the_docs(checkout):
    (command,) = [command for command in commands() if LONG in command]
    short = '--cfg-options train_cfg.max_iters=2 train_cfg.val_interval=2'
    code, said = run(f'{command} {short}', checkout)
    assert code == 0, said
    assert (checkout / 'pretrain/mtp/mtp_demo.pth').is_file()


def test_there_are_commands():
    assert len(commands()) >= 6


@pytest.mark.parametrize('page', sorted((ROOT / 'docs').glob('*.md')), ids=lambda path: path.name)
def test_a_page_begins_with_the_question_that_it_answers(page):
    assert re.match(r'# (How|Where|What|Which|Why)\b[^\n]*\?\n\n', page.read_text(encoding='utf-8'))
    assert f'(docs/{page.name})' in (ROOT / 'README.md').read_text(encoding='utf-8')
