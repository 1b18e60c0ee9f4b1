import sys

import pytest
from folders import CONFIG, write_dota

from samrs_mm.annotate import record_writer
from samrs_mm.annotate.job import AnnotationJob
from samrs_mm.config_files import load_config
from samrs_mm.core.errors import RefusedError


@pytest.fixture
def job(tmp_path):
    data = write_dota(tmp_path / 'data')

    def build(**options) -> AnnotationJob:
        flags = dict(data_root=str(data), out=str(tmp_path / 'out'))
        config = load_config(CONFIG, options, flags)
        return AnnotationJob(config, 'dota_grabcut_rbox.py')

    return build


def test_settings_hold_what_decides_the_output(job):
    first = job(**{'dataset.labels': 'labelTxt'})
    first.collect_classes()
    settings = first.settings()
    assert settings['dataset'] == dict(
        type='DOTABoxDataset', labels='labelTxt', classes=['plane', 'ship', 'small-vehicle']
    )
    assert settings['prompt'] == 'rbox'
    assert settings['tile'] is None
    assert settings['model']['type'] == 'GrabCutSegmentor'


def test_a_folder_in_one_prompt_style_is_not_continued_in_another(job):
    """Folders from before there were styles hold none, and are clipped."""
    first = job()
    first.collect_classes()
    settings = first.settings()
    assert 'prompt_style' not in settings
    first.out.open(settings)
    again = job(prompt_style='authors')
    again.collect_classes()
    assert again.settings() == settings | dict(prompt_style='authors')
    with pytest.raises(RefusedError, match='prompt_style: null -> "authors"'):
        again.out.open(again.settings())
    with pytest.raises(RefusedError, match='prompt_style: null -> "authors"'):
        again.settings_of_folder()


@pytest.mark.parametrize(
    ('options', 'says'),
    [
        ({'prompt': 'cp'}, "prompt 'cp'"),
        ({'prompt_style': 'ours'}, "prompt_style 'ours' is unknown; allowed: clipped, authors"),
        ({'overlap_policy': 'big'}, "overlap_policy 'big' is unknown; allowed: small_on_top"),
        ({'tile.size': 64, 'tile.overlap': 64}, 'overlap 64 must be in 0..63'),
        ({'model.type': 'NoSegmentor'}, 'NoSegmentor'),
        ({'model.iterations': 0}, 'model.iterations=0; a whole number from 1'),
        ({'dataset.classes': 'sotta'}, 'sotta'),
        ({'dataset': 5}, 'dataset=5: expected dict'),
        ({'model': 5}, 'model=5: expected dict'),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(job, options, says):
    with pytest.raises(RefusedError) as error:
        job(**options)
    assert says in str(error.value)
    assert '\n' not in str(error.value)


def test_rhboxes_without_mmrotate_are_refused(job, monkeypatch):
    monkeypatch.setitem(sys.modules, 'mmrotate.structures.bbox', None)
    with pytest.raises(RefusedError, match=r"^prompt 'rhbox': rotated boxes need mmrotate"):
        job(prompt='rhbox')


@pytest.mark.parametrize(('on_gpu', 'expected'), [(False, 0), (True, 2)])
def test_processes_write_where_a_gpu_computes(job, monkeypatch, on_gpu, expected):
    made = job()
    made.collect_classes()
    monkeypatch.setattr(record_writer, '_IMAGES_A_PROCESS', 1)
    monkeypatch.setattr(type(made.segmentor), 'asynchronous', on_gpu)
    groups = made.plan.shard(0, 1)
    assert made.annotator({}, groups, workers=4).writer._processes == expected
