"""What a user installs: the wheel, its `.mim` folder, its requirements and their pins."""

import ast
import email
import os
import re
import runpy
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import setuptools
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

import samrs_mm

ROOT = Path(__file__).resolve().parents[1]
PYTHONS = ('3.10', '3.11', '3.12', '3.13')
LISTS = sorted(path.stem for path in (ROOT / 'requirements').glob('*.txt'))
SOURCES = ('samrs_mm', 'configs', 'tools', 'tests', 'requirements')
JUNK = shutil.ignore_patterns('__pycache__', '.mim')
SUFFIXES = '.py', '.yml', '.md', '.safetensors', '.html', '.css', '.js'


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
        if path.suffix in SUFFIXES and '.mim' not in path.parts
    }
    for part in ('configs', 'tools'):
        expected |= {
            f'samrs_mm/.mim/{path.relative_to(checkout)}'
            for path in checkout.joinpath(part).rglob('*')
            if path.is_file()
        }
    assert 'samrs_mm/.mim/tools/sam_annotate.py' in expected
    assert 'samrs_mm/evaluation/paper/paper.yml' in expected
    assert 'samrs_mm/models/boxnet/boxnet_s.safetensors' in expected
    assert 'samrs_mm/review/server/page/main.js' in expected
    assert {name for name in names if name.endswith((*SUFFIXES, '.sh'))} == {
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


@pytest.mark.parametrize('links', [True, False])
def test_an_editable_install_has_links_or_where_none_can_be_made_copies(
    tmp_path, monkeypatch, capsys, links
):
    def refuse(*_):
        raise OSError(1314, 'A required privilege is not held by the client')

    copy_checkout(tmp_path)
    monkeypatch.setattr(setuptools, 'setup', lambda **_: None)
    link_mim_parts = runpy.run_path(str(tmp_path / 'setup.py'))['link_mim_parts']
    if not links:
        monkeypatch.setattr(Path, 'symlink_to', refuse)
    for _ in range(2):
        link_mim_parts()
        parts = list((tmp_path / 'samrs_mm/.mim').iterdir())
        assert {part.is_symlink() for part in parts} == {links}
    assert sorted(part.name for part in parts) == ['configs', 'model-index.yml', 'tools']
    assert (tmp_path / 'samrs_mm/.mim/tools/train.py').read_bytes() == (
        ROOT / 'tools/train.py'
    ).read_bytes()
    assert ('so copies: install again after a change' in capsys.readouterr().out) != links


def test_an_editable_install_is_found_in_the_folder_that_holds_the_checkout(tmp_path):
    checkout, site = tmp_path / 'samrs_mm', tmp_path / 'site'
    checkout.mkdir()
    site.mkdir()
    copy_checkout(checkout)
    build = f'from setuptools.build_meta import build_editable; build_editable({str(site)!r})'
    argv = [sys.executable, '-c', build]
    done = subprocess.run(argv, cwd=checkout, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (path,) = site.glob('*.whl')
    with zipfile.ZipFile(path) as archive:
        archive.extractall(site)
    code = (
        f'import site, sys; site.addsitedir({str(site)!r})\n'
        'sys.path.insert(1, sys.path.pop())  # before the installation that runs the tests\n'
        'import samrs_mm; print(samrs_mm.__file__)'
    )
    env = {name: value for name, value in os.environ.items() if name != 'PYTHONPATH'}
    argv = [sys.executable, '-c', code]
    done = subprocess.run(argv, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.stdout.strip() == str(checkout / 'samrs_mm/__init__.py'), done.stderr


def test_metadata(wheel):
    metadata = email.message_from_bytes(
        wheel.read(f'samrs_mm-{samrs_mm.__version__}.dist-info/METADATA')
    )
    assert SpecifierSet(metadata['Requires-Python']) == SpecifierSet('>=3.10,<3.14')
    classifiers = metadata.get_all('Classifier')
    assert all(f'Programming Language :: Python :: {python}' in classifiers for python in PYTHONS)
    assert metadata['License'] == 'Apache-2.0'
    lists = {extra: set() for extra in (None, *metadata.get_all('Provides-Extra'))}
    for line in metadata.get_all('Requires-Dist'):
        name, _, extra = line.partition('extra == ')
        lists[extra.strip('"\'') or None].add(Requirement(name.rstrip(' ;')).name)
    of_list = {name: {needed.name for needed in requirements(name)} for name in LISTS}
    assert lists == {
        None: of_list['runtime'],
        'onedl': of_list['onedl'],
        'onedl-all': of_list['onedl'] | of_list['onedl-all'],
        'openmmlab': of_list['openmmlab'],
        'openmmlab-all': of_list['openmmlab'] | of_list['openmmlab-all'],
        'onnx': of_list['onnx'],
        'ray': of_list['ray'],
        'review': of_list['review'],
        'sam-family': of_list['sam-family'],
        'tests': of_list['tests'],
    }


def test_no_list_pulls_one_set_of_mm_libraries_over_the_other():
    """Both sets lie in the same folders; and torch is a matter of the machine."""
    classic = {'mmcv', 'mmengine', 'mmsegmentation', 'mmdet', 'mmpretrain', 'mmrotate'}
    onedl = {f'onedl-{name}' for name in classic - {'mmdet'}} | {'onedl-mmdetection'}
    found = {name: {needed.name for needed in requirements(name)} for name in LISTS}
    assert not found['runtime'] & (
        classic | onedl | {'torch', 'torchvision', 'onedl-mim', 'openmim'}
    )
    assert found['onedl'] | found['onedl-all'] == onedl | {'torch', 'torchvision'}
    assert found['openmmlab'] | found['openmmlab-all'] == classic | {
        'torch',
        'torchvision',
        'setuptools',
    }


def test_model_index_points_to_files():
    imports = re.findall(r'- (\S+)', (ROOT / 'model-index.yml').read_text(encoding='utf-8'))
    assert imports
    assert all((ROOT / path).is_file() for path in imports)


def test_config_base_names_are_unique():
    """`mim` finds a config by its base name and refuses when two folders hold it."""
    names = [path.name for path in (ROOT / 'configs').rglob('*.py') if '_base_' not in path.parts]
    assert names
    assert len(names) == len(set(names))


def pins(name: str, python: str) -> dict[str, str]:
    """Return a constraints file's versions by normalised name, of one Python on Linux."""
    found = {}
    here = {'python_full_version': f'{python}.5', 'python_version': python, 'sys_platform': 'linux'}
    for line in (ROOT / name).read_text(encoding='utf-8').splitlines():
        if line.startswith('#'):
            continue
        pin = Requirement(line)
        if pin.marker is None or pin.marker.evaluate(here):
            (version,) = pin.specifier
            assert version.operator == '=='
            assert normalised(pin.name) not in found, f'{pin.name} is pinned twice for {python}'
            found[normalised(pin.name)] = version.version
    return found


@pytest.mark.parametrize('python', PYTHONS)
@pytest.mark.parametrize('name', [name for name in LISTS if not name.startswith('openmmlab')])
def test_every_requirement_is_pinned(name, python):
    check_pins(name, pins('constraints.txt', python), python)


@pytest.mark.parametrize('name', [name for name in LISTS if not name.startswith('onedl')])
def test_every_requirement_of_the_classic_set_is_pinned(name):
    check_pins(name, pins('constraints-openmmlab.txt', '3.11'), '3.11')


def check_pins(name: str, pinned: dict[str, str], python: str) -> None:
    for requirement in requirements(name):
        pin = pinned.get(normalised(requirement.name))
        assert pin, f'{requirement.name} has no pin for Python {python}'
        assert requirement.specifier.contains(pin, prereleases=True)


def test_the_pins_hold_one_set_of_mm_libraries():
    for python in PYTHONS:
        names = pins('constraints.txt', python)
        assert 'onedl-mmcv' in names
        assert not names.keys() & {'mmcv', 'mmengine', 'mmdet', 'mmsegmentation', 'imaug'}
    assert not [name for name in pins('constraints-openmmlab.txt', '3.11') if 'onedl' in name]


def imported(node: ast.AST) -> Iterator[str]:
    """Yield the modules that are imported when the code runs, not only when types are checked."""
    if isinstance(node, ast.ImportFrom):
        yield node.module
    elif isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif not (isinstance(node, ast.If) and ast.unparse(node.test) == 'TYPE_CHECKING'):
        for child in ast.iter_child_nodes(node):
            yield from imported(child)


def test_every_import_is_a_declared_requirement():
    """What `samrs_mm` imports must be installed by pip, with either set of mm libraries."""
    modules = {'cv2': 'opencv-python', 'PIL': 'pillow', 'yaml': 'pyyaml'}
    used = {
        name.split('.')[0]
        for path in (ROOT / 'samrs_mm').rglob('*.py')
        if '.mim' not in path.parts
        for name in imported(ast.parse(path.read_text(encoding='utf-8')))
    } - sys.stdlib_module_names
    used -= {'samrs_mm', 'fiftyone'}  # FiftyOne is the user's own: it comes with a database
    for mm, names in (
        ('onedl', {'mmdet': 'onedl-mmdetection', 'mmseg': 'onedl-mmsegmentation'}),
        ('openmmlab', {'mmseg': 'mmsegmentation'}),
    ):
        lists = ('runtime', 'onnx', 'ray', 'review', 'sam-family', mm, f'{mm}-all')
        declared = {normalised(needed.name) for name in lists for needed in requirements(name)}
        prefix = 'onedl-' if mm == 'onedl' else ''
        names = modules | {name: prefix + name for name in used if name.startswith('mm')} | names
        assert {normalised(names.get(name, name)) for name in used} <= declared
