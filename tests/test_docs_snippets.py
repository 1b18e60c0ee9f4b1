"""Every Python snippet of these pages is run, in a folder as the demo leaves it."""

import json
import re

import numpy as np
import pytest
import torch
from folders import ROOT, load_tool
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from PIL import Image

from samrs_mm.engine.run_config import load_run_config

SNIPPET_PAGES = ('README.md', 'docs/annotated_dataset.md', 'docs/api.md')
# by page and number, with the line before it
SNIPPETS = {
    f'{page} {number}: {lead}': snippet
    for page in SNIPPET_PAGES
    for number, (lead, snippet) in enumerate(
        re.findall(r'\n([^\n]+)\n\n```python\n(.*?)```', (ROOT / page).read_text(), re.S)
    )
}


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Demo scenes, annotated without weights, and their SAMRS export."""
    root = tmp_path_factory.mktemp('checkout')
    scenes, masks = root / 'data/demo/scenes', root / 'data/demo/masks'
    demo = load_tool('dataset_converters/make_demo_data').main
    assert demo([str(scenes), '--size', '128', '--scenes', '7']) == 0
    config = str(ROOT / 'configs/annotate/dota_grabcut_rbox.py')
    flags = ['--data-root', str(scenes), '--out', str(masks), '--workers', '0']
    options = ['--cfg-options', 'model.type=BoxFillSegmentor']
    assert load_tool('sam_annotate').main([config, *flags, *options]) == 0
    export = load_tool('dataset_converters/export_dataset').main
    flags = ['--to', 'samrs', '--out', str(root / 'data/demo_samrs'), '--workers', '0']
    assert export([str(masks), *flags]) == 0
    write_network(root / 'data/demo/work')
    return root


def write_network(work):
    """Write what the demo's training leaves, but for the training."""
    work.mkdir()
    config = load_run_config(str(ROOT / 'configs/examples/sep_demo.py'), None, str(work), 'none')
    config.dump(work / 'sep_demo.py')
    init_default_scope('mmseg')
    state = MODELS.build(config.model).state_dict()
    torch.save(dict(meta={}, state_dict=state), work / 'iter_80.pth')


def run(snippet: str) -> dict:
    """Run a snippet and return its variables."""
    variables = {}
    exec(compile(snippet, 'snippet', 'exec'), variables)
    return variables


@pytest.fixture
def in_folder(folder, monkeypatch):
    monkeypatch.chdir(folder)


def find(words: str) -> dict:
    """Run the snippet whose code holds some words."""
    (snippet,) = (code for code in SNIPPETS.values() if words in code)
    return run(snippet)


def test_all_are_found():
    written = sum((ROOT / page).read_text().count('```python') for page in SNIPPET_PAGES)
    assert len(SNIPPETS) == written >= 8 + 5


@pytest.mark.parametrize('name', SNIPPETS)
def test_a_snippet_runs(in_folder, name):
    assert run(SNIPPETS[name])


def test_what_they_find_in_a_folder_is_right(in_folder, folder):
    record = json.loads((folder / 'data/demo/masks/instances/harbour_000.json').read_bytes())
    kept = [box for box in record['boxes'] if box['status'] == 'kept']
    assert find("box['status'] == 'kept':\n        pixels")['pixels'].sum() == (kept[-1]['area'])
    instances = find('instances = np.zeros')['instances']
    assert set(np.unique(instances)) - {0} <= {box['id'] for box in kept}
    labels = np.asarray(Image.open(folder / 'data/demo/masks/semantic/harbour_000.png'))
    np.testing.assert_array_equal(instances == 0, labels == 255)
    found = find('unlabelled')
    assert sum(found['fractions'].values()) + found['unlabelled'] == pytest.approx(1)
    found = find('missing =')
    assert sum(found['statuses'].values()) == len(found['rows'])
    assert len(found['missing']) == len(found['rows']) - found['statuses']['kept']
    coverages = [float(row['coverage']) for row in find('worst')['worst']]
    assert coverages == sorted(coverages)
    assert find('load_released')['label'] == kept[-1]['category_id'] - 1


def test_what_the_api_finds_is_right(in_folder, folder):
    found = find("['ship', 'plane']")
    assert found['found'].statuses == ('kept', 'outside')
    assert found['areas'].tolist() == [pytest.approx(120 * 40, rel=0.01), 0]
    harbour = find("dataset['harbour_000']")['harbour']
    assert len(harbour) == len(harbour.record.boxes) == 3
    found = find('load_network')
    assert found['labels'].shape == (128, 128)
    assert set(found['names']) <= set(found['network'].classes)
    chosen = np.take_along_axis(found['shares'], found['labels'][None].astype(int), 0)[0]
    np.testing.assert_array_equal(chosen, found['shares'].max(0))  # in steps: there are ties
    assert find('np.zeros((9, 9, 3))')['message'].startswith('image: float64 (9, 9, 3); expected')


FOUND = [*ROOT.glob('docs/**/*.md'), *ROOT.glob('configs/*/README.md')]
PAGES = [
    'README.md',
    'README_zh-CN.md',
    'CONTRIBUTING.md',
    *sorted(str(path.relative_to(ROOT)) for path in FOUND),
]


@pytest.mark.parametrize('name', PAGES)
def test_links_lead_somewhere(name):
    page = ROOT / name
    links = re.findall(r'\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)', page.read_text())
    assert links
    for file, anchor in links:
        target = page.parent / file if file else page
        assert target.exists(), file
        if anchor:
            titles = re.findall(r'^#+ (.*)$', target.read_text(), re.M)
            assert anchor in [re.sub(r'[^\w -]', '', t.lower()).replace(' ', '-') for t in titles]
