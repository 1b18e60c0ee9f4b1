"""What the code must not need, so that it runs on macOS and Windows too; read, not run."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from mmengine.config import Config

ROOT = Path(__file__).resolve().parents[1]
TOOLS = sorted((ROOT / 'tools').rglob('*.py'))
FILES = [ROOT / 'setup.py', *sorted((ROOT / 'samrs_mm').rglob('*.py')), *TOOLS]
FILES = [path for path in FILES if '.mim' not in path.parts]

UNIX_MODULES = {'crypt', 'fcntl', 'grp', 'posix', 'pty', 'pwd', 'resource', 'syslog', 'termios'}
UNIX_NAMES = {
    'O_DIRECTORY', 'SIGALRM', 'SIGHUP', 'SIGKILL', 'SIGUSR1', 'WNOHANG', 'chown', 'fork', 'forkpty',
    'geteuid', 'getpgid', 'getuid', 'killpg', 'mkfifo', 'nice', 'pause', 'sched_getaffinity',
    'setsid', 'statvfs', 'symlink', 'symlink_to', 'sync', 'uname', 'wait3',
}  # fmt: skip
UNIX_PLACES = ('/dev/', '/proc/', '/tmp/', '/etc/')
# Where one of them is used there is a way out beside it, with a test of its own.
WITH_A_WAY_OUT = {
    'samrs_mm/core/parallel.py': {'sched_getaffinity'},
    'samrs_mm/core/system.py': {'fcntl', 'fork', 'resource'},
    'samrs_mm/annotate/exporter.py': {'symlink_to'},
    'samrs_mm/formats/exports/refsegrs.py': {'symlink_to'},  # after the exporter has tried one
    'setup.py': {'symlink_to'},
}


def called(node: ast.Call) -> str:
    return getattr(node.func, 'attr', getattr(node.func, 'id', ''))


def text(node: ast.AST | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def mode_of(call: ast.Call) -> str | None:
    """Return the mode of a call that opens a file; None of any other call."""
    if called(call) != 'open':
        return None
    keywords = {keyword.arg: keyword.value for keyword in call.keywords}
    method = isinstance(call.func, ast.Attribute)
    args = call.args if method else call.args[1:]  # path.open(mode), open(path, mode)
    if method and not args and 'mode' not in keywords:
        return None  # of anything: a job, a store
    mode = text(args[0] if args else keywords.get('mode', ast.Constant('r')))
    return mode if mode and set(mode) <= set('rwaxbt+') else None


def careless_texts(tree: ast.AST) -> Iterator[str]:
    """Yield the places at which a file's text would be another on another system."""
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call):
            continue
        keywords = {keyword.arg for keyword in call.keywords}
        method, mode = isinstance(call.func, ast.Attribute), mode_of(call)
        if method and called(call) == 'write_text':
            yield f'line {call.lineno}: write_text ends lines as the system does; use write_bytes'
        if method and called(call) == 'read_text' and not (call.args or 'encoding' in keywords):
            yield f'line {call.lineno}: read_text without encoding'
        if mode is not None and 'b' not in mode:
            wanted = {'encoding'} if set(mode) <= {'r', 't'} else {'encoding', 'newline'}
            if missing := wanted - keywords:
                yield f'line {call.lineno}: open(..., {mode!r}) without {", ".join(missing)}'


def unix_only(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        names = set()
        if isinstance(node, ast.Import):
            names = {alias.name.split('.')[0] for alias in node.names} & UNIX_MODULES
        elif isinstance(node, ast.ImportFrom):
            names = {node.module.split('.')[0]} & UNIX_MODULES
            if node.module in ('os', 'signal'):
                names |= {alias.name for alias in node.names} & UNIX_NAMES
        elif isinstance(node, ast.Attribute):
            names = {node.attr} & UNIX_NAMES
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names = {node.value} & {'fork', 'forkserver'}
            names |= {place for place in UNIX_PLACES if node.value.startswith(place)}
        yield from names


@pytest.mark.parametrize(
    ('code', 'found'),
    [
        ("open('a')", 1), ("open('a', 'w', encoding='utf-8')", 1), ("open('a', 'rb')", 0),
        ("open('a', mode='wb')", 0), ("open('a', encoding='utf-8')", 0),
        ("open('a', 'a', newline='', encoding='utf-8')", 0), ("path.open('w')", 1),
        ("path.open('rb')", 0), ('rasterio.open(path)', 0), ('store.open(None)', 0),
        ('memory.open(count=4)', 0), ('job.open()', 0), ("path.open(mode='a')", 1),
        ('path.read_text()', 1), ("path.read_text('utf-8')", 0), ('read_text(path)', 0),
        ("path.write_text('a', encoding='utf-8')", 1), ("path.write_bytes(b'a')", 0),
    ],
)  # fmt: skip
def test_what_is_careless(code, found):
    assert len(list(careless_texts(ast.parse(code)))) == found


@pytest.mark.parametrize(
    ('code', 'found'),
    [
        ('import fcntl', ['fcntl']), ('from resource import getrusage', ['resource']),
        ('os.sync()', ['sync']), ('from os import fork', ['fork']), ('a.symlink_to(b)',
        ['symlink_to']), ("multiprocessing.get_context('fork')", ['fork']), ('os.fsync(3)', []),
        ("open('/dev/shm/a', 'rb')", ['/dev/']), ('multiprocessing.get_context(method)', []),
    ],
)  # fmt: skip
def test_what_is_unix_only(code, found):
    assert list(unix_only(ast.parse(code))) == found


@pytest.mark.parametrize('path', FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_have_the_same_text_on_every_system(path):
    tree = ast.parse(path.read_text(encoding='utf-8'))
    assert not list(careless_texts(tree))
    allowed = WITH_A_WAY_OUT.get(path.relative_to(ROOT).as_posix(), set())
    assert set(unix_only(tree)) <= allowed


def test_every_exception_is_still_needed():
    for name, allowed in WITH_A_WAY_OUT.items():
        assert set(unix_only(ast.parse((ROOT / name).read_text(encoding='utf-8')))) == allowed


@pytest.mark.parametrize('path', TOOLS, ids=lambda path: path.stem)
def test_a_tool_can_be_imported_by_its_own_processes(path):
    """Where processes are not forked, each imports the tool that started it."""
    *body, last = ast.parse(path.read_text(encoding='utf-8')).body
    assert isinstance(last, ast.If)
    assert ast.unparse(last.test) == "__name__ == '__main__'"
    runs = [
        node for node in body if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    ]
    assert not runs, f'line {runs[0].lineno} runs at import'


@pytest.mark.parametrize(('platform', 'method'), [('linux', 'fork'), ('darwin', 'spawn')])
def test_reading_processes_are_forked_on_linux_only(monkeypatch, platform, method):
    monkeypatch.setattr(sys, 'platform', platform)
    path = ROOT / 'configs/_base_/default_runtime.py'
    config = Config.fromfile(path, import_custom_modules=False)
    assert config.env_cfg.mp_cfg.mp_start_method == method
    assert 'sys' not in config
