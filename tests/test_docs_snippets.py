"""Every Python snippet of docs/annotated_dataset.md is run, in a folder as the demo leaves it."""

import json
import re

import numpy as np
import pytest
from folders import ROOT, load_tool
from PIL import Image

PAGE = ROOT / 'docs/annotated_dataset.md'
SNIPPETS = re.findall(r'\n([^\n]+)\n\n```python\n(.*?)```', PAGE.read_text(), re.S)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Demo scenes, annotated without weights, and their SAMRS export."""
    root = tmp_path_factory.mktemp('checkout')
    scenes, masks = root / 'data/demo/scenes', root / 'data/demo/masks'
    demo = load_tool('dataset_converters/make_demo_data').main
    assert demo([str(scenes), '--size', '128', '--scenes', '2']) == 0
    config = str(ROOT / 'configs/annotate/dota_grabcut_rbox.py')
    flags = ['--data-root', str(scenes), '--out', str(masks), '--workers', '0']
    options = ['--cfg-options', 'model.type=BoxFillSegmentor']
    assert load_tool('sam_annotate').main([config, *flags, *options]) == 0
    export = load_tool('dataset_converters/export_dataset').main
    flags = ['--to', 'samrs', '--out', str(root / 'data/demo_samrs'), '--workers', '0']
    assert export([str(masks), *flags]) == 0
    return root


def run(snippet: str) -> dict:
    """Run a snippet and return its variables."""
    variables = {}
    exec(compile(snippet, PAGE.name, 'exec'), variables)
    return variables


@pytest.fixture
def snippets(folder, monkeypatch):
    monkeypatch.chdir(folder)
    return {lead: snippet for lead, snippet in SNIPPETS}


def find(snippets: dict[str, str], words: str) -> dict:
    """Run the snippet whose code holds some words."""
    (snippet,) = (code for code in snippets.values() if words in code)
    return run(snippet)


def test_all_are_found():
    assert len(SNIPPETS) == PAGE.read_text().count('```python') == 8


@pytest.mark.parametrize('lead', [lead for lead, _ in SNIPPETS])
def test_a_snippet_runs(snippets, lead):
    assert run(snippets[lead])


def test_what_they_find_is_right(snippets, folder):
    record = json.loads((folder / 'data/demo/masks/instances/harbour_000.json').read_bytes())
    kept = [box for box in record['boxes'] if box['status'] == 'kept']
    assert (
        find(snippets, "box['status'] == 'kept':\n        pixels")['pixels'].sum()
        == (kept[-1]['area'])
    )
    instances = find(snippets, 'instances = np.zeros')['instances']
    assert set(np.unique(instances)) - {0} <= {box['id'] for box in kept}
    labels = np.asarray(Image.open(folder / 'data/demo/masks/semantic/harbour_000.png'))
    np.testing.assert_array_equal(instances == 0, labels == 255)
    found = find(snippets, 'unlabelled')
    assert sum(found['fractions'].values()) + found['unlabelled'] == pytest.approx(1)
    found = find(snippets, 'missing =')
    assert sum(found['statuses'].values()) == len(found['rows'])
    assert len(found['missing']) == len(found['rows']) - found['statuses']['kept']
    coverages = [float(row['coverage']) for row in find(snippets, 'worst')['worst']]
    assert coverages == sorted(coverages)
    assert find(snippets, 'load_released')['label'] == kept[-1]['category_id'] - 1


FOUND = [*ROOT.glob('docs/*.md'), *ROOT.glob('configs/*/README.md')]
PAGES = ['README.md', 'CONTRIBUTING.md', *sorted(str(path.relative_to(ROOT)) for path in FOUND)]


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
