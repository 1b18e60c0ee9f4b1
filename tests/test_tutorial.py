"""The notebook as it stands, and as it runs."""

import ast
import base64
import json
import re
import shutil

import pytest
from folders import ROOT, link_package

import samrs_mm
from samrs_mm.core.installed import TOOLS, find_config

NOTEBOOK = ROOT / 'docs/tutorial.ipynb'
CELLS = json.loads(NOTEBOOK.read_text(encoding='utf-8'))['cells']
CODE = [cell for cell in CELLS if cell['cell_type'] == 'code']
SOURCES = [re.sub(r'^%%\w+.*\n', '', ''.join(cell['source'])) for cell in CODE]
MAKERS = 'BoxNet', 'grabcut', 'box-fill'
OUTPUTS = [output for cell in CODE for output in cell['outputs']]


def said(cells):
    """What cells print and return, as text."""
    outputs = [output for cell in cells for output in cell.get('outputs', ())]
    texts = [output.get('text') or output.get('data', {}).get('text/plain') for output in outputs]
    return '\n'.join(''.join(text) for text in texts if text)


def scores(cells):
    """The mean IoUs of BoxNet's masks, GrabCut's, filled boxes, and the mIoU of the network."""
    text = said(cells)
    masks = [re.search(rf'{name}:? (\d\S+)$', text, re.M)[1] for name in MAKERS]
    return (*map(float, masks), float(re.search(r'^mIoU +(\S+)$', text, re.M)[1]))


def assert_good(cells):
    masks, cut, filled, network = scores(cells)
    assert masks > cut > filled > 0.7
    assert network > 0.3


def test_it_is_a_notebook():
    nbformat = pytest.importorskip('nbformat')
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    assert len({cell.id for cell in notebook.cells}) == len(CELLS)


def test_it_was_run_whole_and_in_order():
    assert [cell['execution_count'] for cell in CODE] == [*range(1, len(CODE) + 1)]
    assert not [output for output in OUTPUTS if output['output_type'] == 'error']
    assert_good(CELLS)


def test_its_pictures_are_there_and_small():
    pictures = [base64.b64decode(''.join(o['data']['image/png'])) for o in OUTPUTS
                if 'image/png' in o.get('data', {})]  # fmt: skip
    assert len(pictures) >= 3
    assert all(picture.startswith(b'\x89PNG') for picture in pictures)
    assert NOTEBOOK.stat().st_size < 1_000_000


def test_it_names_no_place_of_the_machine_it_ran_on():
    text = NOTEBOOK.read_text(encoding='utf-8')
    text = re.sub(r'"image/png": "[^"]*"', '', text)
    assert not re.search(r'(?<![\w.])/(home|root|tmp|work|usr|Users|var|opt)/', text)


@pytest.mark.parametrize('source', SOURCES, ids=range(1, len(SOURCES) + 1))
def test_a_cell_compiles_and_what_it_names_exists(source):
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == 'samrs_mm':
            assert hasattr(samrs_mm, node.attr), node.attr
        if isinstance(node, ast.ImportFrom) and node.module.startswith('samrs_mm'):
            module = __import__(node.module, fromlist=['x'])
            assert all(hasattr(module, alias.name) for alias in node.names)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == 'samrs':
            assert node.args[0].value in TOOLS
    for name in re.findall(r"'samrs_mm::([^']+)'", source) + re.findall(r"'(dota_\w+)'", source):
        assert find_config(name).is_file()


def test_its_links_lead_somewhere():
    text = '\n'.join(''.join(cell['source']) for cell in CELLS if cell['cell_type'] == 'markdown')
    links = re.findall(r'\]\((?!https?:)([^)#]+)', text)
    assert 'api.md' in links
    assert all((NOTEBOOK.parent / link).is_file() for link in links)


def test_without_the_package_the_first_cell_says_what_to_do(monkeypatch):
    monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
    with pytest.raises(SystemExit, match='set REPOSITORY'):
        exec(SOURCES[0], {})
    monkeypatch.undo()
    monkeypatch.setattr('subprocess.run', lambda *_, **__: pytest.fail('something was installed'))
    exec(SOURCES[0], {})


@pytest.mark.slow
def test_it_runs(tmp_path, monkeypatch):
    pytest.importorskip('nbclient')
    pytest.importorskip('ipykernel')
    link_package(tmp_path / 'site')
    monkeypatch.setenv('PYTHONPATH', str(tmp_path / 'site'))
    shutil.copy(ROOT / 'docs/run_tutorial.py', tmp_path)
    shutil.copy(NOTEBOOK, tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    import run_tutorial

    (tmp_path / 'work').mkdir()
    notebook = run_tutorial.execute(tmp_path / 'work')
    assert run_tutorial.NOTEBOOK == tmp_path / 'tutorial.ipynb'
    assert_good(notebook.cells)
    assert (tmp_path / 'work/tutorial/work/iter_80.pth').is_file()
