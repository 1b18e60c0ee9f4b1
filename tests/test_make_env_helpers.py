"""The Python parts of `make env`: pip's settings for uv, and the check at its end."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[1] / 'requirements'


def load(name: str):
    spec = importlib.util.spec_from_file_location(name, FOLDER / f'{name}.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


uv_like_pip = load('uv_like_pip')
check_env = load('check_env')

LISTING = """\
:env:.index-url='https://env/simple'
global.cert='/etc/site.crt'
global.extra-index-url='https://one/simple\\nhttps://two/simple'
global.index-url='https://global/simple'
install.index-url='https://install/simple'
install.find-links='/wheels /more'
download.proxy='http://other-command'
"""


def test_python_keeps_what_it_compiles_also_in_a_container():
    recipe = 'shown: ; @echo "[$$PYTHONDONTWRITEBYTECODE]"'
    command = ['make', '-s', '-C', FOLDER.parent, f'--eval={recipe}', 'shown']
    env = os.environ | dict(PYTHONDONTWRITEBYTECODE='1')
    assert subprocess.check_output(command, env=env, text=True) == '[]\n'


def test_pip_settings_by_their_rank():
    settings = uv_like_pip.pip_settings(LISTING)
    assert settings == {
        'cert': '/etc/site.crt',
        'extra-index-url': 'https://one/simple https://two/simple',
        'find-links': '/wheels /more',
        'index-url': 'https://env/simple',
    }
    assert uv_like_pip.pip_settings('') == {}


def test_pip_settings_of_pip_itself():
    env = os.environ | {'PIP_CONFIG_FILE': os.devnull, 'PIP_INDEX_URL': "https://it's/simple"}
    pip = [sys.executable, '-m', 'pip', 'config', 'list']
    listing = subprocess.run(pip, env=env, check=True, capture_output=True, text=True).stdout
    assert uv_like_pip.pip_settings(listing)['index-url'] == "https://it's/simple"


def test_uv_variables():
    settings = uv_like_pip.pip_settings(LISTING)
    assert uv_like_pip.uv_variables(settings, {'SSL_CERT_FILE': '/mine.crt'}) == {
        'UV_DEFAULT_INDEX': 'https://env/simple',
        'UV_FIND_LINKS': '/wheels,/more',
        'UV_INDEX': 'https://one/simple https://two/simple',
        'UV_INDEX_STRATEGY': 'unsafe-best-match',
    }
    assert uv_like_pip.uv_variables({'no-index': 'false', 'timeout': '9'}, {}) == {}


@pytest.mark.parametrize('name', ['no-index', 'keyring-provider', 'target'])
def test_uv_is_not_called_where_it_would_do_something_else(name):
    with pytest.raises(ValueError, match=f'^{name}$'):
        uv_like_pip.uv_variables({name: 'true'}, {})


def test_a_setting_that_uv_cannot_be_given():
    env = os.environ | {'PIP_CONFIG_FILE': os.devnull, 'PIP_NO_INDEX': 'true'}
    command = [sys.executable, FOLDER / 'uv_like_pip.py', '--version']
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (3, '')
    assert done.stderr == "uv can't be given pip's setting no-index\n"


def test_uv_gets_the_settings_and_the_arguments(tmp_path):
    (tmp_path / 'uv.py').write_text(
        "import os, sys; print(os.environ['UV_DEFAULT_INDEX'], sys.argv[1:]); sys.exit(5)"
    )
    env = os.environ | {'PIP_CONFIG_FILE': os.devnull, 'PIP_INDEX_URL': 'https://mine/simple'}
    command = [sys.executable, FOLDER / 'uv_like_pip.py', 'pip', 'install', 'x y']
    options = dict(env=env, cwd=tmp_path, capture_output=True, text=True)
    done = subprocess.run(command, **options)
    assert (done.returncode, done.stdout) == (5, "https://mine/simple ['pip', 'install', 'x y']\n")


def test_broken_requirements():
    imaug = 'onedl-mmdetection 3.5.1 requires imaug, which is not installed.'
    other = 'onedl-mmrotate 1.2.1 requires six, which is not installed.'
    old = 'scipy 1.18.1 has requirement numpy>=2, but you have numpy 1.26.4.'
    assert check_env.broken_requirements(f'{imaug}\n') == []
    assert check_env.broken_requirements('No broken requirements found.\n') == []
    assert check_env.broken_requirements(f'{other}\n{imaug}\n{old}\n') == [other, old]


def test_check_libraries_of_this_environment():
    line = check_env.check_libraries()
    assert line.endswith(f' {"with" if check_env.has_compiled_ops() else "without"} compiled ops')
    assert line.startswith('torch 2.')


def test_main_names_what_does_not_fit(monkeypatch, capsys):
    monkeypatch.setattr(check_env, 'broken_requirements', lambda listing: ['x requires y'])
    assert check_env.main('cpu') == 1
    assert capsys.readouterr().out == 'x requires y\n'
    monkeypatch.setattr(check_env, 'broken_requirements', lambda listing: [])
    monkeypatch.setattr(check_env, 'check_libraries', lambda: 'all is well')
    no_listing = subprocess.CompletedProcess([], 0, stdout='')  # pip looks at all that is installed
    monkeypatch.setattr(check_env.subprocess, 'run', lambda *args, **options: no_listing)
    for has_ops, wanted, other in ((True, 'cuda13.0-sm90', 'pure'), (False, 'pure', 'cpu')):
        monkeypatch.setattr(check_env, 'has_compiled_ops', lambda has_ops=has_ops: has_ops)
        assert check_env.main(other) == 1
        assert capsys.readouterr().out == f'mmcv was to be {other} and is not\n'
        assert check_env.main(wanted) == 0
        assert capsys.readouterr().out == 'all is well\n'
