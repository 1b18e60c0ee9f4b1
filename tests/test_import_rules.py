"""Who may import whom; the picture behind it is in CONTRIBUTING.md."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / 'samrs_mm'
MODULES = sorted(PACKAGE.rglob('*.py'))
# Floor by floor: a room imports itself and rooms of lower floors only.
FLOORS = (
    {'__init__', 'version', 'start'},
    {'core'},
    {'formats', 'compat', 'registry'},
    {'cli', 'config_files'},
    {'datasets', 'models', 'drawing', 'registered'},
    {'engine', 'evaluation', 'predict', 'annotate'},
    {'prepare', 'statistics', 'annotate.ablation', 'browse', 'review', 'drawn', 'propose'},
    {'command', 'api'},
    {'__main__'},
)
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
WITHOUT_TORCH = {'core', 'formats'}
HEAVY = {'torch', 'torchvision', 'mmengine', 'mmcv', 'mmseg', 'mmdet', 'mmrotate', 'mmpretrain'}
# mmcv-lite without mmdet has to be enough until a part that needs more is built.
NOT_AT_MODULE_LEVEL = (
    'mmcv.ops', 'mmdet', 'mmpretrain', 'segment_anything', 'segment_anything_hq', 'timm',
    'transformers',
)  # fmt: skip


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f'line {node.lineno}: relative import; write samrs_mm....'
            yield node.module
            yield from (f'{node.module}.{alias.name}' for alias in node.names)


def at_module_level(tree: ast.Module) -> ast.Module:
    """Drop what runs only later, or never: function bodies and `if TYPE_CHECKING`."""

    class Drop(ast.NodeTransformer):
        def visit_FunctionDef(self, node):
            return None

        visit_AsyncFunctionDef = visit_Lambda = visit_FunctionDef  # noqa: N815

        def visit_If(self, node):
            return None if 'TYPE_CHECKING' in ast.unparse(node.test) else self.generic_visit(node)

    return Drop().visit(tree)


def room_of(name: str) -> str:
    """Return the room of a module, such as ``annotate.ablation`` of one in that folder."""
    parts = name.split('.')[1:] or ['__init__']
    return '.'.join(parts[:2]) if '.'.join(parts[:2]) in FLOOR_OF else parts[0]


def name_of(path: Path) -> str:
    name = '.'.join(path.relative_to(ROOT).with_suffix('').parts)
    return name.removesuffix('.__init__')


@pytest.fixture(params=MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def module(request):
    return request.param


def test_every_room_has_a_floor():
    rooms = {room_of(name_of(path)) for path in MODULES}
    assert rooms == FLOOR_OF.keys()


def test_rooms_import_only_what_lies_below_them(module):
    names = list(imported(ast.parse(module.read_text(encoding='utf-8'))))
    room = room_of(name_of(module))
    ours = {room_of(name) for name in names if name.startswith('samrs_mm.')} - {room, '__version__'}
    up = sorted(other for other in ours if FLOOR_OF[other] >= FLOOR_OF[room])
    assert not up or room == '__init__', f'{room} imports {up}'
    outside = {name.split('.')[0] for name in names} & {'tools', 'configs', 'tests', 'benchmarks'}
    assert not outside


def test_quirky_and_heavy_imports_stay_where_they_belong(module):
    tree = ast.parse(module.read_text(encoding='utf-8'))
    roots = {name.split('.')[0] for name in imported(tree)}
    assert 'mmrotate' not in roots, 'use samrs_mm.compat.mmrotate_boxes()'
    if room_of(name_of(module)) in WITHOUT_TORCH:
        assert not roots & HEAVY
    early = [
        name
        for name in imported(at_module_level(tree))
        if name.startswith(tuple(f'{heavy}.' for heavy in NOT_AT_MODULE_LEVEL))
        or name in NOT_AT_MODULE_LEVEL
    ]
    assert not early, f'import {early} where they are used'


def import_all(parts: tuple[str, ...], blocked: set[str]) -> subprocess.CompletedProcess:
    names = [name_of(path) for path in MODULES if str(path.relative_to(PACKAGE)).startswith(parts)]
    assert len(names) >= len(parts)
    code = (
        'import importlib, sys\n'
        f'sys.modules.update(dict.fromkeys({sorted(blocked)!r}))\n'
        f'for name in {names!r}: importlib.import_module(name)'
    )
    return subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True)


def test_core_and_formats_run_without_torch_and_mm():
    result = import_all(('core/', 'formats/'), HEAVY)
    assert result.returncode == 0, result.stderr


def test_the_annotating_tool_imports_with_mmcv_lite_and_without_mmdet():
    """On purpose narrower than the next: mmseg.datasets and mmseg.models need mmcv.ops."""
    annotating = ('datasets/boxes/', 'models/prompt_segmentors/', 'annotate/job.py')
    result = import_all(annotating, {'mmcv._ext', 'mmdet', 'mmrotate'})
    assert result.returncode == 0, result.stderr


def test_everything_imports_without_mmdet_and_mmrotate():
    result = import_all(('',), {'mmdet', 'mmrotate', 'mmpretrain'})
    assert result.returncode == 0, result.stderr
