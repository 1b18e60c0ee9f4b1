"""Registries of prompt segmentors and box datasets: light, linked to mmseg's, clear about typos."""

import os
import subprocess
import sys

import pytest
from folders import link_package
from mmengine.config import ConfigDict

from samrs_mm.core.errors import RefusedError
from samrs_mm.models.prompt_segmentors.box_fill import BoxFillSegmentor
from samrs_mm.registry import BOX_DATASETS, PROMPT_SEGMENTORS, PartRegistry, build, register_all


@pytest.mark.parametrize('registry', [PROMPT_SEGMENTORS, BOX_DATASETS])
def test_every_listed_type_is_where_the_list_says(registry):
    for name, module in registry._modules.items():
        found = registry.get(name)
        assert (found.__name__, found.__module__) == (name, module)
    assert registry.load_all().keys() >= registry._modules.keys()


def run(code: str) -> str:
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_building_loads_no_training_library():
    code = (
        'import sys\n'
        'from samrs_mm.registry import BOX_DATASETS, PROMPT_SEGMENTORS\n'
        "PROMPT_SEGMENTORS.build(dict(type='GrabCutSegmentor'))\n"
        "BOX_DATASETS.get('DOTABoxDataset')\n"
        "heavy = {'mmseg.models', 'mmdet', 'mmpretrain', 'mmseg', 'mmcv'}\n"
        'print(sorted(heavy & sys.modules.keys()))'
    )
    assert run(code) == '[]'


@pytest.mark.parametrize('where', ['mmseg', 'mmengine'])
def test_types_of_the_parents_and_by_path_are_found(where):
    """In a process of its own, for in this one mmseg is loaded already."""
    code = (
        f'from {where}.registry import MODELS\n'
        'from samrs_mm.registry import PROMPT_SEGMENTORS\n'
        'class Mine: pass\n'
        "MODELS.register_module('Theirs', module=Mine)\n"
        "PROMPT_SEGMENTORS.register_module('Ours', module=Mine)\n"
        "for name in ('Theirs', 'Ours', 'samrs_mm.Ours', 'collections.Counter'):\n"
        '    print(PROMPT_SEGMENTORS.get(name).__name__)'
    )
    assert run(code).split() == ['Mine', 'Mine', 'Mine', 'Counter']


def test_mmseg_finds_ours_by_scope():
    from mmseg.registry import MODELS

    register_all()
    assert MODELS.get('samrs_mm.BoxFillSegmentor') is BoxFillSegmentor
    assert PROMPT_SEGMENTORS.parent is MODELS
    assert MODELS.children['samrs_mm'] is PROMPT_SEGMENTORS


def test_all_that_configs_name_is_registered():
    """In a process of its own, for tests register by importing."""
    names = ('MultiHeadEncoderDecoder', 'ViTAEv2', 'UNetHead', 'MultiHeadMask2Former')
    code = (
        'from samrs_mm.registry import register_all\n'
        'register_all()\n'
        'from mmseg.registry import DATASETS, HOOKS, METRICS, MODELS, TRANSFORMS\n'
        f'for name in {names}: assert MODELS.get(name), name\n'
        "assert DATASETS.get('MultiSourceDataset') and DATASETS.get('samrs_mm.PotsdamDataset')\n"
        "assert HOOKS.get('ExportWeightsHook') and METRICS.get('SegScoreMetric')"
    )
    assert run(code) == ''


@pytest.mark.slow
def test_configs_are_found_by_package_from_any_folder(tmp_path):
    """As after an installation: from a folder that knows nothing of the checkout."""
    link_package(tmp_path / 'site')
    (tmp_path / 'mine.py').write_text("_base_ = 'samrs_mm::sep/upernet_vitae.py'\nmine = 1\n")
    (tmp_path / 'boxes.py').write_text("_base_ = 'samrs_mm::annotate/dota_grabcut_rbox.py'\n")
    code = (
        'import mmengine.hub, samrs_mm\n'
        'from mmengine.config import Config\n'
        'from mmengine.registry import MODELS, TRANSFORMS\n'
        "leaf = mmengine.hub.get_config('samrs_mm::sep/upernet_vitae.py')\n"
        "print(leaf.model.backbone.type, mmengine.hub.get_config('samrs_mm::annotate/'\n"
        "      'dota_grabcut_rbox.py').model.type)\n"
        "mine = Config.fromfile('mine.py')\n"
        'mine.model.backbone.init_cfg = None\n'
        'print(type(MODELS.build(mine.model)).__name__, mine.model._scope_)\n'
        'print(*(type(TRANSFORMS.build(step)).__name__ for step in mine.train_pipeline))\n'
        'from samrs_mm.config_files import load_config\n'
        "print('_scope_' in load_config('boxes.py', None, {}).pretty_text)\n"
    )
    env = os.environ | dict(PYTHONPATH=str(tmp_path / 'site'))
    argv = [sys.executable, '-W', 'ignore', '-c', code]
    done = subprocess.run(argv, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    first, second, third, last = done.stdout.splitlines()[-4:]
    assert first == 'ViTAEv2 GrabCutSegmentor'
    assert second == 'MultiHeadEncoderDecoder samrs_mm'
    assert 'LoadWindow' in third
    assert 'PackSegInputs' in third
    assert last == 'False'


def test_one_name_is_one_type():
    with pytest.raises(KeyError, match=r'already registered in prompt segmentor at samrs_mm\.'):

        @PROMPT_SEGMENTORS.register_module()
        class GrabCutSegmentor:
            pass


@pytest.mark.parametrize(
    ('registry', 'entry', 'says'),
    [
        (
            PROMPT_SEGMENTORS,
            dict(type='GrabCut'),
            "config: model.type='GrabCut': no such prompt segmentor; did you mean "
            "'GrabCutSegmentor'? there are BoxFillSegmentor, BoxNetSegmentor, ",
        ),
        (PROMPT_SEGMENTORS, dict(type='sam'), "did you mean 'SAMSegmentor'?"),
        (PROMPT_SEGMENTORS, dict(type='BoxfilSegmentor'), "did you mean 'BoxFillSegmentor'?"),
        (PROMPT_SEGMENTORS, dict(type=3), 'model.type=3: no such prompt segmentor; there are'),
        (PROMPT_SEGMENTORS, dict(arch=3), 'model.type=None: no such prompt segmentor; there are'),
        (
            BOX_DATASETS,
            dict(type='DOTADataset'),
            "config: dataset.type='DOTADataset': no such box dataset; did you mean "
            "'DOTABoxDataset'? there are AutoBoxDataset, COCOBoxDataset, ",
        ),
        (
            PROMPT_SEGMENTORS,
            dict(type='collections.Counter'),
            "model.type='collections.Counter': collections.Counter is no prompt segmentor, it has "
            "no method 'unsupported'",
        ),
        (
            PROMPT_SEGMENTORS,
            dict(type='GrabCutSegmentor', iteration=3),
            'config: model.iteration=3: GrabCutSegmentor takes no iteration; did you mean '
            "'iterations'? it takes iterations, margin, ",
        ),
    ],
)
def test_a_typo_gets_what_is_allowed(registry, entry, says):
    with pytest.raises(RefusedError) as caught:
        registry.build(ConfigDict(entry))
    assert says in str(caught.value)
    assert '\n' not in str(caught.value)


def test_a_part_that_is_no_dict():
    with pytest.raises(RefusedError, match=r"config: model=\['SAM'\]: expected dict\(type="):
        build(PROMPT_SEGMENTORS, ['SAM'], 'model')


def test_none_is_not_given():
    registry = PartRegistry('toy', 'model', 'MODELS', (), {})

    @registry.register_module()
    class Toy:
        def __init__(self, size=None, **more):
            self.size, self.more = size, more

    @registry.register_module()
    class Strict:
        def __init__(self, size=None):
            self.size = size

    assert registry.build(dict(type='Strict', size=None, checkpoint=None)).size is None
    assert registry.build(dict(type='Toy', checkpoint=None)).more == dict(checkpoint=None)


def test_without_torch_there_is_a_way_out(monkeypatch):
    registry = PartRegistry('toy', 'model', 'MODELS', (), {})

    @registry.register_module()
    def toy(missing):
        raise ModuleNotFoundError(f'No module named {missing!r}', name=missing)

    with pytest.raises(RefusedError) as caught:
        build(registry, dict(type='toy', missing='torch.nn'), 'model')
    assert str(caught.value) == (
        'config: model toy: needs torch, which is not installed: run `make env`, or `pip install '
        'torch`; without it GrabCut makes masks: the configs dota_grabcut_rbox and '
        'coco_grabcut_hbox, or model.type=GrabCutSegmentor'
    )
    with pytest.raises(RefusedError, match=r'`pip install shapely`$'):
        build(registry, dict(type='toy', missing='shapely'), 'model')
