"""Packages that are there and can't be imported: named in one line, with the cure."""

import re
import subprocess
import sys

import pytest
from folders import ROOT, link_package

from samrs_mm.compat import broken_library, check_sets, ground
from samrs_mm.compat.broken import why_not_imported
from samrs_mm.core.errors import RefusedError


def write(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder of packages before all others; what is imported of it is forgotten again."""
    folder = tmp_path / 'site-packages'
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    before = set(sys.modules)
    yield folder
    for name in set(sys.modules) - before:
        sys.modules.pop(name)


def failure(code):
    """Return the error of code, as a tool meets it."""
    with pytest.raises(Exception) as found:
        exec(compile(code, 'tool.py', 'exec'), {})
    return found.value


METADATA = 'Metadata-Version: 2.1\nName: {0}\nVersion: {1}\n'


def installed(name, version, module):
    info = f'{name.replace("-", "_")}-{version}.dist-info'
    return {f'{info}/METADATA': METADATA.format(name, version), f'{info}/top_level.txt': module}


@pytest.mark.parametrize(
    ('text', 'says'),
    [
        (
            "raise ImportError('numpy.core.multiarray failed to import')",
            'seer 4.6 does not fit numpy ',
        ),
        (
            "raise ValueError('numpy.dtype size changed, may indicate binary incompatibility')",
            'seer 4.6 does not fit numpy ',
        ),
        ('import numpy\nnumpy.no_such_name', 'seer 4.6 does not fit numpy '),
        (
            'import no_such_package',
            'seer 4.6 needs no_such_package, which is not installed: run `make env`, or `pip '
            'install no_such_package`',
        ),
        (
            'from seer import _gone',
            'seer 4.6 cannot be imported (ImportError: cannot import name',
        ),
        (
            'import seer._gone',
            "seer 4.6 cannot be imported (ModuleNotFoundError: No module named 'seer._gone'",
        ),
        (
            'class Blip(None): pass',
            'seer 4.6 cannot be imported (TypeError: NoneType takes no arguments): `pip install '
            '--upgrade --force-reinstall seer`',
        ),
        (
            "assert False, 'NUMPY==2.2.0 is used but incompatible. Please install numpy<2.'",
            'seer 4.6 does not fit numpy ',
        ),
    ],
)
def test_a_package_that_fails_while_it_is_imported(site, text, says):
    write(site, {'seer/__init__.py': text, **installed('seer', '4.6', 'seer')})
    line = why_not_imported(failure('import seer'))
    assert line.startswith(says)
    assert '\n' not in line
    assert '`pip install' in line


def test_a_package_is_named_as_pip_knows_it(site):
    write(site, {'seer/__init__.py': '1 / 0', **installed('old-seer', '4.6', 'seer')})
    line = why_not_imported(failure('import seer'))
    assert line.startswith('old-seer 4.6 cannot be imported (ZeroDivisionError: division by zero)')
    assert '--force-reinstall old-seer`' in line


def test_what_is_no_failed_import_keeps_its_traceback(site):
    write(site, {'seer.py': 'def look():\n    return [][1]\n'})
    assert why_not_imported(failure('import seer; seer.look()')) is None
    assert why_not_imported(failure('1 / 0')) is None
    assert why_not_imported(failure("raise ImportError('take another')")) is None


def test_two_of_one_library_and_one_without_files(site):
    write(site, installed('mmcv-lite', '9.9', 'mmcv'))
    name = 'onedl-mmcv' if ground.is_onedl() else 'mmcv'
    others = 'these are of two sets' if ground.is_onedl() else 'mmcv-lite 9.9 are the same library'
    with pytest.raises(RefusedError, match=others) as error:
        check_sets()
    assert f'pip uninstall -y {"mmcv-lite" if ground.is_onedl() else name}' in str(error.value)


def test_a_library_without_files_is_named_with_what_brings_them_back(monkeypatch):
    monkeypatch.setattr(ground, '_is_there', lambda name: name != 'mmseg')
    for name in [name for name in sys.modules if name.partition('.')[0] == 'mmseg']:
        monkeypatch.delitem(sys.modules, name)
    name = 'onedl-mmsegmentation' if ground.is_onedl() else 'mmsegmentation'
    cure = rf'no files of mmseg; run `pip install --force-reinstall --no-deps {name}=='
    with pytest.raises(RefusedError, match=cure):
        check_sets()


def test_half_a_library_is_not_called_missing():
    line = broken_library(ModuleNotFoundError(name='mmseg.no_such_part'))
    assert line.startswith('mmseg is half removed: it has no mmseg.no_such_part; run `pip install ')


@pytest.fixture
def run(tmp_path):
    """Run ``python -m samrs_mm`` in a folder with some files; return code, output, errors."""
    link_package(tmp_path / 'installed')

    def start(files, *arguments, path=()):
        folder = tmp_path / 'here'
        write(folder, files)
        paths = [*map(str, path), str(tmp_path / 'installed')]
        done = subprocess.run(
            [sys.executable, '-W', 'ignore', '-m', 'samrs_mm', *arguments],
            cwd=folder,
            capture_output=True,
            text=True,
            env=dict(PATH='', PYTHONPATH=':'.join(paths)),
        )
        return done.returncode, done.stdout, done.stderr

    return start


@pytest.mark.parametrize('name', ['random', 'mmcv', 'numpy'])
def test_files_of_the_current_folder_hide_nothing(run, name):
    code, out, err = run({f'{name}.py': 'x = 1\n'}, 'configs', 'dota_grabcut')
    assert (code, err) == (0, '')
    assert 'dota_grabcut_rbox.py' in out


@pytest.mark.parametrize(
    ('name', 'says'),
    [
        ('random', "hides Python's own module 'random'"),
        ('numpy', "hides the module 'numpy' of the same name"),
        ('PIL', "hides the module 'PIL' of the same name"),
    ],
)
def test_files_on_pythons_path_that_hide_a_package_are_named(run, tmp_path, name, says):
    code, _, err = run({f'{name}.py': 'x = 1\n'}, 'annotate', '--help', path=[tmp_path / 'here'])
    assert code == 1
    assert err.splitlines()[-1].startswith(f'error: {tmp_path / "here" / name}.py {says}')
    assert err.count('\n') == 1


@pytest.mark.parametrize('name', ['packaging', 'numpy', 'cv2'])
def test_a_package_of_which_there_is_nothing_is_named(name):
    """Whichever of the tools' imports comes first."""
    path = ROOT / 'tools/sam_annotate.py'
    code = (
        f'import runpy, sys; sys.modules[{name!r}] = None; sys.path.insert(0, {str(ROOT)!r}); '
        f"sys.argv = [{str(path)!r}, '--help']; runpy.run_path({str(path)!r}, run_name='__main__')"
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.count('\n') == 1
    pip_name = 'opencv-python' if name == 'cv2' else name
    needed = rf'error: (\S+ \S+ needs )?{name}(, which)? is not installed: run `make env`, or `pip '
    assert re.match(needed, done.stderr)
    assert pip_name in done.stderr
