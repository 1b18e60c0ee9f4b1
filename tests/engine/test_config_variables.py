import pytest
from mmengine.config import Config

from samrs_mm.core.errors import RefusedError
from samrs_mm.engine.config_variables import made_of, variable_of
from samrs_mm.engine.run_config import load_run_config

TEXT = """
masks = dict(type='Masks', data_root='a')
other = dict(data_root='a')
train = dict(dataset=dict(datasets=[dict(masks, part='train'), dict(type='Drawn', data_root='a')]))
val = dict(dataset=dict(masks))
changed = dict(dataset=dict(masks, data_root='b'))
"""
PARTS = ('train', 'val', 'changed')


@pytest.fixture
def config(tmp_path):
    (tmp_path / 'mine.py').write_text(TEXT)
    return Config.fromfile(tmp_path / 'mine.py')


def test_what_was_made_of_a_variable(config):
    assert made_of(config, 'masks', PARTS) == ['train.dataset.datasets.0', 'val.dataset']
    assert made_of(config, 'masks', ['val']) == ['val.dataset']
    assert made_of(config, 'other', PARTS) == made_of(config, 'nothing', PARTS) == []


def test_the_variable_of_a_key(config):
    assert variable_of(config, 'val.dataset.data_root') == 'masks.data_root'
    assert variable_of(config, 'train.dataset.datasets.0.data_root') == 'masks.data_root'
    for key in ('changed.dataset.data_root', 'train.dataset.datasets.1.data_root'):
        assert variable_of(config, key) == key
    assert variable_of(config, 'train.dataset.datasets.0.part') == ('train.dataset.datasets.0.part')


def finetune(**options):
    keys = {f'masks.{key}': value for key, value in options.items()}
    return load_run_config('boxnet/boxnet_s_finetune.py', keys, None, 'none')


def test_one_option_changes_all_that_was_made_of_a_variable():
    config = finetune(data_root='mine', held_out=0.4, count=20, options=dict(ann_file='x.json'))
    for entry in (
        config.train_dataloader.dataset.datasets[0],
        config.val_dataloader.dataset,
        config.test_dataloader.dataset,
    ):
        assert (entry.data_root, entry.held_out, entry.count) == ('mine', 0.4, 20)
        assert entry.options == dict(ann_file='x.json')
    assert config.val_dataloader.dataset.part == 'val'


def test_an_option_that_nothing_takes_is_refused():
    with pytest.raises(RefusedError, match='DrawnCrops takes no nothing'):
        load_run_config('boxnet/boxnet_s_finetune.py', {'drawn.nothing': 1}, None, 'none')
    with pytest.raises(RefusedError, match='crop_batch would change nothing'):
        load_run_config('boxnet/boxnet_s_finetune.py', {'crop_batch': 1}, None, 'none')
