"""What a user installs: the wheel, its `.mim` folder, its requirements and their pins."""

import ast
import email
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import samrs_mm

ROOT = Path(__file__).resolve().parents[1]
LISTS = sorted(path.stem for path in (ROOT / 'requirements').glob('*.txt'))
SOURCES = ('samrs_mm', 'configs', 'tools', 'tests', 'requirements')
JUNK = shutil.ignore_patterns('__pycache__', '.mim')


def requirements(name: str) -> list[Requirement]:
    lines = (ROOT / 'requirements' / f'{name}.txt').read_text(encoding='utf-8').splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith('#')]


def normalised(name: str) -> str:
    return re.sub('[-_.]+', '-', name).lower()


def copy_checkout(target: Path) -> None:
    for path in ROOT.iterdir():
        if path.name in SOURCES:
            shutil.copytree(path, target / path.name, ignore=JUNK)
        elif path.is_file():
            shutil.copy2(path, target / path.name)


@pytest.fixture(scope='module')
def checkout(tmp_path_factory):
    folder = tmp_path_factory.mktemp('checkout')
    copy_checkout(folder)
    # What an older build may have left: a module and a tool that are gone since.
    for stale in ('build/lib/samrs_mm/gone.py', 'samrs_mm/.mim/tools/gone.py'):
        (folder / stale).parent.mkdir(parents=True)
        (folder / stale).write_text('')
    return folder


@pytest.fixture(scope='module')
def wheel(checkout, tmp_path_factory):
    before = {path for path in checkout.rglob('*') if 'egg-info' not in str(path)}
    out = tmp_path_factory.mktemp('dist')
    command = [sys.executable, '-m', 'build', '--wheel', '--no-isolation', '-o', out, checkout]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    after = {path for path in checkout.rglob('*') if 'egg-info' not in str(path)}
    assert after == before, 'the build left files behind in the checkout'
    (path,) = out.glob('*.whl')
    with zipfile.ZipFile(path) as archive:
        yield archive


def test_wheel_holds_the_package_and_its_mim_folder_only(wheel, checkout):
    info = f'samrs_mm-{samrs_mm.__version__}.dist-info'
    names = {name for name in wheel.namelist() if not name.endswith('/')}
    assert {name.split('/')[0] for name in names} == {'samrs_mm', info}
    assert {name.split('/')[2] for name in names if '/.mim/' in name} == {
        'configs',
        'tools',
        'model-index.yml',
    }
    expected = {
        str(path.relative_to(checkout))
        for path in checkout.joinpath('samrs_mm').rglob('*')
        if path.suffix in ('.py', '.yml') and '.mim' not in path.parts
    }
    for part in ('configs', 'tools'):
        expected |= {
            f'samrs_mm/.mim/{path.relative_to(checkout)}'
            for path in checkout.joinpath(part).rglob('*')
            if path.is_file()
        }
    assert 'samrs_mm/.mim/tools/sam_annotate.py' in expected
    assert 'samrs_mm/evaluation/paper/paper.yml' in expected
    assert {name for name in names if name.endswith(('.py', '.yml', '.md', '.sh'))} == {
        *expected,
        'samrs_mm/.mim/model-index.yml',
    }


def test_configs_of_an_installed_package_are_found_from_any_folder(wheel, tmp_path):
    wheel.extractall(tmp_path / 'site')
    (tmp_path / 'mine.py').write_text("_base_ = 'samrs_mm::annotate/dota_grabcut_rbox.py'")
    code = (
        'import mmengine.hub, samrs_mm\n'
        'from mmengine.config import Config\n'
        "print(mmengine.hub.get_config('samrs_mm::annotate/coco_sam-vit-h_hbox.py').model.type)\n"
        "print(Config.fromfile('mine.py').model.type, samrs_mm.__file__)"
    )
    env = os.environ | dict(PYTHONPATH=str(tmp_path / 'site'))
    argv = [sys.executable, '-c', code]
    done = subprocess.run(argv, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    here = tmp_path / 'site/samrs_mm/__init__.py'
    assert done.stdout == f'SAMSegmentor\nGrabCutSegmentor {here}\n'


def test_metadata(wheel):
    metadata = email.message_from_bytes(
        wheel.read(f'samrs_mm-{samrs_mm.__version__}.dist-info/METADATA')
    )
    assert metadata['Requires-Python'].replace(' ', '') in ('>=3.11,<3.12', '<3.12,>=3.11')
    assert metadata['License'] == 'Apache-2.0'
    needed = {
        Requirement(line).name
        for line in metadata.get_all('Requires-Dist')
        if 'extra ==' not in line
    }
    assert needed == {requirement.name for requirement in requirements('runtime')}
    # Each of these, required, breaks `mim install` or replaces a build made for the machine.
    assert not needed & {'mmrotate', 'openmim', 'mmcv', 'torch', 'torchvision'}


def test_model_index_points_to_files():
    imports = re.findall(r'- (\S+)', (ROOT / 'model-index.yml').read_text(encoding='utf-8'))
    assert imports
    assert all((ROOT / path).is_file() for path in imports)


def test_config_base_names_are_unique():
    """`mim` finds a config by its base name and refuses when two folders hold it."""
    names = [path.name for path in (ROOT / 'configs').rglob('*.py') if '_base_' not in path.parts]
    assert names
    assert len(names) == len(set(names))


@pytest.mark.parametrize('name', LISTS)
def test_every_requirement_is_pinned(name):
    pins = {}
    for line in (ROOT / 'constraints.txt').read_text(encoding='utf-8').splitlines():
        if not line.startswith('#'):
            library, version = line.split('==')
            pins[normalised(library)] = version
    for requirement in requirements(name):
        pin = pins.get(normalised(requirement.name))
        assert pin, f'{requirement.name} has no pin in constraints.txt'
        assert requirement.specifier.contains(pin, prereleases=True)


def test_every_import_is_a_declared_requirement():
    """What `samrs_mm` imports must be installed by pip, by `mim` or by step 1 of make env."""
    modules = {'cv2': 'opencv-python', 'PIL': 'pillow', 'mmseg': 'mmsegmentation', 'yaml': 'pyyaml'}
    declared = {
        normalised(requirement.name)
        for name in ('build', 'mminstall', 'runtime', 'optional')
        for requirement in requirements(name)
    }
    used = {
        name.split('.')[0]
        for path in (ROOT / 'samrs_mm').rglob('*.py')
        if '.mim' not in path.parts
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8')))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module] if isinstance(node, ast.ImportFrom) else [node.names[0].name])
    } - sys.stdlib_module_names
    used.discard('samrs_mm')
    assert {normalised(modules.get(name, name)) for name in used} <= declared
