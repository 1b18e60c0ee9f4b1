"""The wheel in an environment of its own, without the checkout, from an empty folder."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest
from folders import ROOT, write_dota

pytestmark = pytest.mark.slow
PARTS = (
    'samrs_mm', 'configs', 'tools', 'requirements', 'setup.py', 'pyproject.toml', 'MANIFEST.in',
    'README.md', 'LICENSE', 'CHANGELOG.md', 'CITATION.cff', 'model-index.yml',
)  # fmt: skip


def build(kind: str, source: Path, out: Path) -> Path:
    """Build a wheel or sdist with what is installed here."""
    command = [sys.executable, '-m', 'build', f'--{kind}', '--no-isolation', '-o', out, source]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(out.iterdir())


@pytest.fixture(scope='module')
def checkout(tmp_path_factory):
    folder = tmp_path_factory.mktemp('checkout')
    for part in PARTS:
        copy = shutil.copy2 if (ROOT / part).is_file() else shutil.copytree
        copy(ROOT / part, folder / part)
    for path in ROOT.glob('constraints*.txt'):
        shutil.copy2(path, folder)
    shutil.rmtree(folder / 'samrs_mm/.mim', ignore_errors=True)
    return folder


@pytest.fixture(scope='module')
def wheel(checkout, tmp_path_factory):
    return build('wheel', checkout, tmp_path_factory.mktemp('wheel'))


class Environment:
    """A virtual environment with the wheel, beside the libraries of this one.

    Of this one only the folder of libraries is added: what its ``.pth`` files add, such as the
    checkout, is out of reach, except for setuptools' distutils, which mmengine asks for.
    """

    def __init__(self, folder: Path, wheel: Path):
        venv.create(folder / 'env', with_pip=True)
        self.bin = folder / 'env' / ('Scripts' if os.name == 'nt' else 'bin')
        self.folder = folder / 'empty'
        self.folder.mkdir()
        self.run('python', '-m', 'pip', 'install', '-q', '--no-deps', '--no-index', wheel)
        code = 'import sysconfig; print(sysconfig.get_paths()["purelib"])'
        site = Path(self.run('python', '-c', code).stdout.strip())
        libraries = Path(sysconfig.get_paths()['purelib'])
        (site / 'libraries.pth').write_text(f'{libraries}\n')
        for path in libraries.glob('distutils-precedence.pth'):
            shutil.copy2(path, site / 'z-distutils.pth')

    def run(self, program: str, *argv: object, code: int = 0) -> subprocess.CompletedProcess:
        """Run a program of the environment in the folder, and check its exit code."""
        env = {key: value for key, value in os.environ.items() if not key.startswith('PYTHON')}
        env['PATH'] = f'{self.bin}{os.pathsep}{env["PATH"]}'
        command = [self.bin / program, *map(str, argv)]
        done = subprocess.run(command, cwd=self.folder, env=env, capture_output=True, text=True)
        assert done.returncode == code, done.stdout + done.stderr
        return done


@pytest.fixture(scope='module')
def environment(wheel, tmp_path_factory):
    return Environment(tmp_path_factory.mktemp('bare'), wheel)


@pytest.fixture(scope='module')
def demo(environment):
    """What the demo said, run in the empty folder."""
    return environment.run('samrs-mm', 'demo', '--iterations', 8).stdout


def test_the_package_is_that_of_the_wheel(environment):
    code = (
        'import samrs_mm; from mmengine.config import Config; print(samrs_mm.__file__); '
        "print(Config.fromfile('mine.py').model.type)"
    )
    (environment.folder / 'mine.py').write_text("_base_ = 'samrs_mm::annotate/coco_boxnet_hbox.py'")
    place, model = environment.run('python', '-c', code).stdout.splitlines()
    assert Path(place).is_relative_to(environment.bin.parent)
    assert model == 'BoxNetSegmentor'


def test_all_names_are_listed(environment):
    listed = environment.run('samrs-mm').stdout
    assert listed == environment.run('python', '-m', 'samrs_mm', '--help').stdout
    assert len(re.findall(r'^  (\w+) +[A-Z].*\.$', listed, re.M)) > 15
    assert environment.run('samrs-mm', '--version').stdout.startswith('samrs_mm ')
    assert 'did you mean annotate?' in environment.run('samrs-mm', 'anotate', code=2).stderr


def test_the_demo_runs_in_an_empty_folder(environment, demo):
    pictures = re.findall(r'^picture +(\S+)', demo, re.M)
    assert len(pictures) >= 2
    assert re.search(r'^mIoU +\d', demo, re.M)
    assert all((environment.folder / picture).stat().st_size > 50_000 for picture in pictures)
    assert (environment.folder / 'pretrain/sep/sep_demo.pth').is_file()
    shown = re.findall(r'^\$ (.*)', demo, re.M)
    assert len(shown) >= 6
    assert all(command.startswith('samrs-mm ') for command in shown)
    assert 'tools/' not in demo


def test_the_commands_that_the_demo_shows_can_be_typed(environment, demo):
    (first,) = (line for line in re.findall(r'^\$ samrs-mm (annotate .*--show.*)', demo, re.M))
    assert 'done before' in environment.run('samrs-mm', *first.split()).stdout


def test_the_tools_work_on_what_the_demo_made(environment, demo):
    run, masks = environment.run, 'data/demo/masks'
    common = 'annotate', 'dota_boxnet_rbox', '--data-root', 'data/demo/scenes', '--out', 'mine'
    assert 'images   12 (12 done)' in run('samrs-mm', *common, '--report').stdout
    assert 'sound' in run('samrs-mm', *common, '--verify').stdout
    assert (environment.folder / 'mine/report/index.html').is_file()
    run('samrs-mm', 'stats', masks, '--out', 'stats', '--format', 'csv,json')
    run('samrs-mm', 'export', masks, '--to', 'coco', '--out', 'coco')
    run('samrs-mm', 'browse', masks, '--out', 'look', '--number', 2)
    run('samrs-mm', 'browse', 'dota_grabcut_rbox', '--data-root', 'data/demo/scenes', '--out', 'b')
    image = 'data/demo/scenes/images/airport_000.png'
    run('samrs-mm', 'predict', 'sep_demo', 'pretrain/sep/sep_demo.pth', image, '--source', 'city',
        '--out', 'predicted')  # fmt: skip
    assert (environment.folder / 'predicted/labels/airport_000.png').is_file()


def test_ranks_by_torchrun(environment):
    write_dota(environment.folder / 'dota', scenes=4)
    done = environment.run(
        'python', '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node', 2,
        '-m', 'samrs_mm', 'annotate', 'dota_grabcut_rbox', '--data-root', 'dota', '--out', 'ranks',
        '--workers', 0,
    )  # fmt: skip
    assert 'shard 1/2' in done.stdout
    assert 'images   4 (4 done)' in done.stdout


def test_the_source_distribution_gives_the_same_wheel(checkout, wheel, tmp_path):
    archive = build('sdist', checkout, tmp_path / 'sdist')
    with tarfile.open(archive) as packed:
        packed.extractall(tmp_path, filter='data')
    (source,) = tmp_path.glob('samrs_mm-*')
    assert not (source / 'tests').exists()
    again = build('wheel', source, tmp_path / 'again')
    names = [sorted(zipfile.ZipFile(path).namelist()) for path in (wheel, again)]
    assert names[0] == names[1]
