"""`make env` says in one line why it cannot work, and goes on from where it was."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PARTS = ('constraints.txt', 'setup.py', 'pyproject.toml')
LITTLE_DISK = 'echo Filesystem; echo disk 9 9 5242880 1% /'

# An interpreter that answers what the script asks, notes each call in CALLS and installs nothing.
# FAILS: a word of the calls that fail, KILLED: of the one at which the whole script is killed,
# INTERRUPTED: of the one at which Ctrl-C is pressed.
PYTHON = r"""
echo $* >> "$CALLS"
case "$*" in
    *"${FAILS:-%}"*) echo "no luck"; exit 1 ;;
    *"${KILLED:-%}"*) kill -9 0 ;;
    *"${INTERRUPTED:-%}"*) trap '' INT; kill -INT 0; exit 1 ;;
    *_base_executable*) echo "$0 3.12.1" ;;
    *ctypes*) printf '%s' "$MISSING" ;;
    *get_paths*) echo "$HEADERS" ;;
    *version\(*) echo 2.11.0 ;;
    *'-m venv'*) mkdir -p "$3/bin"; cp "$0" "$3/bin/python" ;;
    *'show -q torch'*) [ -e "${0%/python}/all" ] ;;
    *'-r '*) touch "${0%/python}/all" ;;
    *'--no-deps uv') printf '#!/bin/sh\n' > "${0%/python}/uv"; chmod +x "${0%/python}/uv" ;;
    *' wheel '*) mkdir -p .venv/mmcv_wheel; touch .venv/mmcv_wheel/onedl_mmcv-2.3.6-any.whl ;;
esac
"""


class Result:
    """What a run of the script said, and what it asked of the interpreter."""

    def __init__(self, done: subprocess.CompletedProcess, calls: Path, checkout: Path):
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr
        self.calls = calls.read_text().splitlines() if calls.exists() else []
        self.venv = checkout / '.venv'

    def called(self, word: str) -> list[str]:
        return [call for call in self.calls if word in call]


@pytest.fixture
def make_env(tmp_path):
    """Run the script of a checkout of its own with stand-ins for programs and the interpreter."""
    checkout, stubs, calls = tmp_path / 'my [check]out', tmp_path / 'bin', tmp_path / 'calls'
    shutil.copytree(ROOT / 'requirements', checkout / 'requirements')
    for name in PARTS:
        shutil.copy2(ROOT / name, checkout)
    stubs.mkdir()
    inherited = {key: value for key, value in os.environ.items() if key[:4] not in ('PIP_', 'OPS')}

    def run(programs: dict[str, str] | None = None, **variables: str) -> Result:
        calls.unlink(missing_ok=True)
        for name, script in ({'python-stub': PYTHON} | (programs or {})).items():
            (stubs / name).write_text(f'#!/bin/sh\n{script}\n')
            (stubs / name).chmod(0o755)
        (stubs / 'Python.h').touch()
        env = inherited | {
            'PATH': f'{stubs}:{os.environ["PATH"]}',
            'PYTHON': str(stubs / 'python-stub'),
            'CALLS': str(calls),
            'HEADERS': str(stubs),
            'XDG_CACHE_HOME': str(tmp_path / 'my [ca]che'),
        }
        script = checkout / 'requirements' / 'make_env.sh'
        options = dict(capture_output=True, text=True, start_new_session=True)
        done = subprocess.run(['bash', script], env=env | variables, **options)
        return Result(done, calls, checkout)

    return run


def of_version(version: str) -> str:
    """Return an interpreter that is this one but for its version."""
    info = tuple(map(int, version.split('.')))
    code = f'import sys; sys.version_info = {info}; exec(sys.argv[1])'
    return f'[ "$1" = -V ] && echo Python {version} || exec {sys.executable} -c "{code}" "$2"'


NONE = {f'python3.{minor}': 'exit 127' for minor in range(10, 14)}
OPS = {'OPS': '1'}
REFUSALS = {
    'Python named': ({}, {'PYTHON': '/bin/false'}, 'needs Python 3.10 to 3.13, found /bin/false'),
    'Python too old': (
        {**NONE, 'python3': of_version('3.9.18')},
        {'PYTHON': ''},
        'needs Python 3.10 to 3.13, found Python 3.9.18; install one of them',
    ),
    'Python too new': (
        {**NONE, 'python3': of_version('3.14.0')},
        {'PYTHON': ''},
        'needs Python 3.10 to 3.13, found Python 3.14.0; install one of them',
    ),
    'no venv': ({}, {'FAILS': 'ensurepip'}, "has no venv module; install Debian's python3.12-venv"),
    'libraries': ({}, {'MISSING': 'libGL.so.1 '}, 'OpenCV needs libGL.so.1 ; install Debian'),
    'disk': ({'df': LITTLE_DISK}, {'CXX': 'no-such-c++'}, 'needs 7 GB of free disk'),
    'compiler': ({}, {'CXX': 'no-such-c++', **OPS}, 'OPS=1 needs a C++ compiler, found no no-such'),
    'headers': ({}, {'HEADERS': '/nowhere', **OPS}, "OPS=1 needs Python's headers, found no /nowh"),
    'OPS': ({}, {'OPS': 'yes'}, 'OPS=yes: OPS=1 compiles'),
    'system': ({'uname': 'echo Darwin'}, {}, 'make env runs on Linux'),
}


@pytest.mark.parametrize('case', REFUSALS)
def test_it_refuses_before_it_begins(make_env, case):
    programs, variables, line = REFUSALS[case]
    result = make_env(programs, **variables)
    assert result.code == 1
    assert result.err.startswith('make env: ')
    assert line in result.err
    assert result.err.count('\n') == 1
    assert not result.venv.exists()


def test_no_registry(make_env):
    nowhere = {'PIP_CONFIG_FILE': os.devnull, 'PIP_INDEX_URL': 'http://127.0.0.1:9/simple'}
    result = make_env(PYTHON=sys.executable, **nowhere)
    assert result.code == 1
    assert 'make env: no package registry answers' in result.err.splitlines()[-1]
    assert not (result.venv / 'stamp').exists()


def test_a_foreign_environment_is_left_alone(make_env):
    venv = make_env(PYTHON='/bin/false').venv
    venv.mkdir()
    (venv / 'mine').write_text('')
    result = make_env()
    assert result.code == 1
    assert 'was not made by make env' in result.err
    assert (venv / 'mine').exists()


def test_the_newest_supported_interpreter_is_taken_and_named(make_env):
    newest = 'echo "/stub/python3.12 3.12.9"'
    result = make_env({**NONE, 'python3.12': newest, 'python3.11': PYTHON}, PYTHON='')
    assert "/stub/python3.12 has no venv module; install Debian's python3.12-venv" in result.err
    result = make_env({'python3.12': 'exit 127'}, PYTHON='')
    assert 'creating .venv with Python 3.12.1, ' in result.out
    assert '/python3.11' in result.out


def test_a_whole_build_and_nothing_to_do(make_env):
    result = make_env(CXX='no-such-c++')
    assert result.code == 0, result.err
    assert 'done: Python 3.12.1' in result.out
    (libraries,) = result.called('-r ')
    assert 'uv_like_pip.py pip install --python' in libraries
    (wheel,) = result.called(' wheel -v')
    assert '--no-build-isolation' not in wheel
    assert result.called('check_env.py pure')
    assert [path.name for path in result.venv.glob('installing')] == []
    assert [call for call in make_env().calls if '_base_executable' not in call] == []


def test_wheels_are_kept_apart_and_used_again(make_env, tmp_path):
    make_env()
    result = make_env(OPS='1')
    (wheel,) = result.called(' wheel -v')
    assert wheel.endswith('--no-build-isolation')
    folders = sorted(path.name for path in (tmp_path / 'my [ca]che/samrs_mm/wheels').iterdir())
    assert [name.partition('-torch')[0] for name in folders] == [
        'onedl-mmcv2.3.6-pure',
        'onedl-mmcv2.3.6',
    ]
    assert not make_env(OPS='0', CXX='no-such-c++').called(' wheel ')
    assert not make_env(OPS='1', CXX='no-such-c++').called(' wheel ')


def test_a_compiler_may_have_a_launcher(make_env):
    result = make_env({'launcher': ''}, CXX='launcher no-such-c++', OPS='1')
    assert result.code == 0, result.err


def test_ops_stay_until_they_are_sent_away(make_env):
    assert make_env(OPS='1').called('check_env.py cpu')
    assert [call for call in make_env().calls if '_base_executable' not in call] == []
    (make_env().venv / 'stamp').unlink()
    assert make_env().called('check_env.py cpu')
    result = make_env(OPS='0')
    assert result.called('check_env.py pure')
    assert result.called('onedl-mmcv2.3.6-pure/onedl_mmcv-2.3.6-any.whl')


def test_pip_takes_over_in_every_step_where_uv_fails(make_env):
    result = make_env(FAILS='uv_like_pip.py')
    assert result.code == 0, result.err
    assert 'going on with pip' in result.out
    assert [call for call in result.called('-r ') if call.startswith('-m pip install')]
    assert len(result.called('uv_like_pip.py')) == 3


def test_pip_alone_where_no_uv_can_be_had(make_env):
    result = make_env(FAILS='--no-deps uv')
    assert result.code == 0, result.err
    assert 'going on with pip' in result.out
    assert not result.called('uv_like_pip.py')


def test_a_library_that_neither_installs_ends_it_in_one_line(make_env):
    result = make_env(FAILS='-r ')
    assert result.code == 1
    assert result.err.splitlines()[-1].startswith('make env: a library could not be installed')
    assert 'run `make env` again' in result.err


@pytest.mark.parametrize('step', ['--no-deps uv', 'uv_like_pip.py'])
def test_an_interrupt_ends_it_at_once(make_env, step):
    """Where another installer failed, pip would take over."""
    result = make_env(INTERRUPTED=step)
    assert result.code == 1
    # bash itself may write a line before, on the ticker that had only begun
    assert result.err.splitlines()[-1] == 'make env: interrupted; run it again to go on from here'
    assert step in result.calls[-1]


def test_an_interrupted_look_at_an_environment_leaves_it(make_env):
    venv = make_env().venv
    (venv / 'stamp').unlink()
    assert make_env(INTERRUPTED='show -q torch').code == 1
    result = make_env()
    assert 'anew' not in result.out
    assert result.code == 0


@pytest.mark.parametrize('step', ['-m venv', '--no-deps uv', '-r ', ' wheel ', '-e .', 'check_env'])
def test_a_killed_build_is_gone_on_with(make_env, step):
    killed = make_env(KILLED=step)
    assert killed.code == -9
    result = make_env()
    assert result.code == 0, result.err
    halves = step not in (' wheel ', 'check_env')
    assert ('anew: an installation in it did not end' in result.out) == halves
    assert bool(result.called('-m venv')) == halves
    assert not (result.venv / 'installing').exists()


@pytest.mark.parametrize(
    'name', ['mmcv-2.1.0', 'mmdet-3.3.0', 'mmengine-0.10.7', 'mmcv_lite-2.1.0']
)
def test_classic_packages_in_the_environment_lead_to_a_new_one(make_env, name):
    venv = make_env().venv
    own = venv / 'lib/python3.12/site-packages/onedl_mmcv-2.3.6.dist-info'
    own.mkdir(parents=True)
    assert make_env().out == ''
    (own.parent / f'{name}.dist-info').mkdir()
    result = make_env()
    assert f"anew: it holds OpenMMLab's own {name.partition('-')[0]}, whose files" in result.out
    assert not own.exists()
    assert 'done' in result.out


def test_an_environment_of_the_classic_set_is_built_anew(make_env):
    venv = make_env().venv
    (venv / 'made_for').write_text((venv / 'made_for').read_text().replace(' onedl', ''))
    assert 'anew: it was made for another Python, folder or set of mm libraries' in make_env().out


def test_cuda_ops_that_do_not_compile_leave_those_of_the_cpu(make_env):
    tools = {
        'nvidia-smi': 'echo 9.0',
        'nvcc': 'echo Cuda compilation tools, release 13.0, V13.0.1',
        'env': 'case "$*" in *FORCE_CUDA=1*) exit 1 ;; *) exec /usr/bin/env "$@" ;; esac',
    }
    result = make_env(tools, OPS='1', CUDA_HOME='/nowhere')
    assert result.code == 0, result.err
    assert "compiling mmcv's ops for cuda13.0-sm90" in result.out
    assert 'going on with its CPU ops' in result.out
    assert result.called('check_env.py cuda13.0-sm90')
    assert (result.venv / 'mmcv_from').read_text().count('-cpu-cp312-') == 1
