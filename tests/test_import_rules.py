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
BASE = {'annotation', 'compat', 'version'}
ON_TOP = {'engine', 'evaluation', 'visualization'}

# part of the package: the parts it may import besides itself
MAY_IMPORT = {
    '__init__': {'version'},
    'version': set(),
    'compat': set(),
    'annotation': set(),
    'datasets': BASE,
    'models': BASE,
    'engine': BASE | ON_TOP | {'datasets', 'models'},
    'evaluation': BASE | ON_TOP | {'datasets', 'models'},
    'visualization': BASE | ON_TOP | {'datasets', 'models'},
}
HEAVY = {'torch', 'torchvision', 'mmengine', 'mmcv', 'mmseg', 'mmdet', 'mmrotate', 'mmpretrain'}
# mmcv-lite without mmdet has to be enough until a part that needs more is built.
NOT_AT_MODULE_LEVEL = ('mmcv.ops', 'mmdet', 'mmpretrain', 'segment_anything')


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


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix('').parts[0]


@pytest.fixture(params=MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def module(request):
    return request.param


def test_there_is_something_to_check():
    assert {part_of(path) for path in MODULES} >= {'annotation', 'datasets', 'models', 'engine'}


def test_parts_import_only_what_lies_below_them(module):
    names = list(imported(ast.parse(module.read_text(encoding='utf-8'))))
    ours = {name.split('.')[1] for name in names if name.startswith('samrs_mm.')}
    allowed = MAY_IMPORT[part_of(module)] | {part_of(module), '__version__'}
    assert ours <= allowed, f'imports {sorted(ours - allowed)}'
    outside = {name.split('.')[0] for name in names} & {'tools', 'configs', 'tests', 'benchmarks'}
    assert not outside


def test_quirky_and_heavy_imports_stay_where_they_belong(module):
    tree = ast.parse(module.read_text(encoding='utf-8'))
    roots = {name.split('.')[0] for name in imported(tree)}
    assert 'mmrotate' not in roots, 'use samrs_mm.compat.mmrotate_boxes()'
    if part_of(module) == 'annotation':
        assert not roots & HEAVY
    early = [
        name
        for name in imported(at_module_level(tree))
        if name.startswith(tuple(f'{heavy}.' for heavy in NOT_AT_MODULE_LEVEL))
        or name in NOT_AT_MODULE_LEVEL
    ]
    assert not early, f'import {early} where they are used'


def import_all(parts: tuple[str, ...], blocked: set[str]) -> subprocess.CompletedProcess:
    names = [
        '.'.join(path.relative_to(ROOT).with_suffix('').parts).removesuffix('.__init__')
        for path in MODULES
        if str(path.relative_to(PACKAGE)).startswith(parts)
    ]
    assert len(names) >= len(parts)
    code = (
        'import importlib, sys\n'
        f'sys.modules.update(dict.fromkeys({sorted(blocked)!r}))\n'
        f'for name in {names!r}: importlib.import_module(name)'
    )
    return subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True)


def test_annotation_runs_without_torch_and_mm():
    result = import_all(('annotation/',), HEAVY)
    assert result.returncode == 0, result.stderr


def test_the_annotating_tool_imports_with_mmcv_lite_and_without_mmdet():
    """On purpose narrower than the next: mmseg.datasets and mmseg.models need mmcv.ops."""
    annotating = ('datasets/box_annotated/', 'models/prompt_segmentors/', 'engine/job.py')
    result = import_all(annotating, {'mmcv._ext', 'mmdet', 'mmrotate'})
    assert result.returncode == 0, result.stderr


def test_everything_imports_without_mmdet_and_mmrotate():
    result = import_all(('',), {'mmdet', 'mmrotate', 'mmpretrain'})
    assert result.returncode == 0, result.stderr
