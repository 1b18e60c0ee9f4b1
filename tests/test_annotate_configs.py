"""Every leaf of configs/annotate by the same rules: it loads, it is described, its parts exist."""

import re

import pytest
import yaml
from folders import ROOT

from samrs_mm.annotate.job import no_proposals
from samrs_mm.config_files import REQUIRED_KEYS, load_config
from samrs_mm.core.grid import GridSpec
from samrs_mm.core.masks import check_policy
from samrs_mm.core.prompts import PromptSetting
from samrs_mm.core.tiling import TileSpec
from samrs_mm.registry import BOX_DATASETS, PROMPT_SEGMENTORS

FOLDER = ROOT / 'configs/annotate'
LEAVES = sorted(path.stem for path in FOLDER.glob('*.py'))


@pytest.mark.parametrize('name', LEAVES)
def test_a_leaf_names_what_there_is(name):
    config = load_config(str(FOLDER / f'{name}.py'), None, {})
    assert all(key in config for key in REQUIRED_KEYS)
    segmentor = PROMPT_SEGMENTORS.build(config.model)
    assert BOX_DATASETS.get(config.dataset.type)
    setting = PromptSetting.parse(config.prompt, grid=True, masks=True)
    assert segmentor.takes_masks or not setting.of_labels
    reason = segmentor.unsupported(setting) if setting.of_boxes else no_proposals(segmentor)
    assert reason is None
    assert GridSpec.from_config(config.get('grid'))
    TileSpec.from_config(config.tile)
    check_policy(config.overlap_policy)
    assert name.endswith(f'_{config.prompt}')


@pytest.mark.parametrize('name', LEAVES)
def test_the_subsets_of_samrs_are_prompted_as_their_authors_did(name):
    config = load_config(str(FOLDER / f'{name}.py'), None, {})
    theirs = name.startswith(('sota_', 'sior_', 'fast_'))
    assert config.prompt_style == ('authors' if theirs else 'clipped')


def test_the_readme_has_a_row_for_each():
    rows = re.findall(
        r'^\| \[(\S+)\]\((\S+)\.py\)', (FOLDER / 'README.md').read_text(), re.MULTILINE
    )
    assert sorted(name for name, _ in rows) == LEAVES
    assert all(name == file for name, file in rows)


def test_what_mim_reads_is_there():
    """``mim search`` lists these; entries of a leaf are optional, what they name is not."""
    index = yaml.safe_load((FOLDER / 'metafile.yml').read_text())
    collections = {entry['Name']: entry for entry in index['Collections']}
    assert all((ROOT / entry['README']).is_file() for entry in collections.values())
    assert index['Models']
    for entry in index['Models']:
        assert entry['In Collection'] in collections
        assert entry['Config'] == f'configs/annotate/{entry["Name"]}.py'
        assert (ROOT / entry['Config']).is_file()
