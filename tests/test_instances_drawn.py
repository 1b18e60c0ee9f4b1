"""The data of benchmarks/instances_drawn.py, and the config that it trains."""

import json

import numpy as np
import pytest
from folders import ROOT, load_tool
from mmengine.config import Config
from PIL import Image

from samrs_mm.core import masks
from samrs_mm.datasets.instances.annotated import AnnotatedInstanceDataset
from samrs_mm.drawn.scenes import DOMAINS
from samrs_mm.engine.class_match import miscounts


@pytest.fixture(scope='module')
def bench():
    return load_tool('../benchmarks/instances_drawn')


@pytest.fixture(scope='module')
def out(bench, tmp_path_factory):
    out = tmp_path_factory.mktemp('bench')
    bench.make_data(out, 6)
    return out


def test_masks_are_the_drawn_ones(out):
    drawn = json.loads((out / 'scenes/annotations.json').read_text())
    wanted = {each['id']: [] for each in drawn['images']}
    for each in drawn['annotations']:
        wanted[each['image_id']].append(each['segmentation'])
    dataset = AnnotatedInstanceDataset(str(out / 'masks'), semantic=True)
    names = {each['file_name'].split('/')[-1]: each['id'] for each in drawn['images']}
    assert len(dataset) == 6
    for index in range(6):
        info = dataset.get_data_info(index)
        found = [each['mask'] for each in info['instances'] if not each['ignore_flag']]
        assert found == wanted[names[info['img_path'].split('/')[-1]]]
        label = np.array(Image.open(info['seg_map_path']))
        np.testing.assert_array_equal(label != 255, np.any([*map(masks.decode, found)], axis=0))
    assert {*(out / 'masks/val.txt').read_text().split()}.isdisjoint(
        (out / 'masks/train.txt').read_text().split()
    )


def test_the_config_fits_the_scenes(bench, out):
    cfg = Config.fromfile(ROOT / bench.CONFIG, import_custom_modules=False)
    classes = sorted({*DOMAINS['a'].categories.values()})
    assert {*AnnotatedInstanceDataset(str(out / 'masks')).metainfo['classes']} <= {*classes}
    assert not [*miscounts(cfg.model, {None: classes}, 'train_dataloader')]
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        sizes = {tuple(step[key]) for step in loader.dataset.pipeline
                 for key in ('scale', 'crop_size') if key in step}  # fmt: skip
        assert sizes == {(256, 256)}
    assert cfg.param_scheduler[-1].end == cfg.train_cfg.max_iters


def test_scores_are_those_of_the_last_run(bench, tmp_path):
    for name, value in (('20260101_000000', 0.2), ('20260102_000000', 0.7)):
        folder = tmp_path / name / 'vis_data'
        folder.mkdir(parents=True)
        lines = [dict(loss=1.0, step=100), dict.fromkeys(bench.SCORES.values(), value)]
        lines[1]['step'] = 100
        (folder / 'scalars.json').write_text('\n'.join(map(json.dumps, lines)))
    assert bench.scores(tmp_path) == {100: dict(bbox=0.7, segm=0.7, segm_AP=0.7)}
