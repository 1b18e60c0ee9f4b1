import numpy as np
import pytest
from folders import write_dota

from samrs_mm.annotate.plan import Plan
from samrs_mm.annotate.samples import BoxPrompter, SampleStream, build_prompts, enclosing_boxes
from samrs_mm.core.boxes import BoxLabel
from samrs_mm.core.prompts import SETTINGS, PromptSetting
from samrs_mm.core.tiling import TileSpec
from samrs_mm.datasets.boxes.circumscribed import circumscribed_geometry
from samrs_mm.datasets.boxes.dota import DOTABoxDataset

DIAMOND = np.array([[20.0, -10], [50, 20], [20, 50], [-10, 20]])
SHAPES = circumscribed_geometry(
    [BoxLabel('a:1', 'ship', hbox=np.array([5.0, 6, 31, 80]), polygon=DIAMOND)]
)


@pytest.mark.parametrize('name', SETTINGS)
def test_a_setting_sees_only_what_its_name_says(name):
    setting = PromptSetting.parse(name)
    prompts = build_prompts(setting, SHAPES, np.array([0]), 40, 60)
    parts = name.split('+')
    assert (prompts.points is not None) == ('cp' in parts)
    assert (prompts.boxes is not None) == bool({'hbox', 'rhbox'} & set(parts))
    assert (prompts.regions is not None) == any(part.endswith('-m') for part in parts)
    assert (prompts.polygons is not None) == ('rbox' in parts)
    assert len(prompts) == 1
    if 'hbox' in parts:
        np.testing.assert_array_equal(prompts.boxes, [[5, 6, 31, 60]])
    if 'rhbox' in parts:
        np.testing.assert_array_equal(prompts.boxes, [[0, 0, 40, 50]])
    if 'cp' in parts:
        centre = [20, 20] if setting.oriented else [18, 33]
        np.testing.assert_array_equal(prompts.points, [centre])
    if 'rbox-m' in parts or 'rbox' in parts:
        shown = prompts.regions if prompts.polygons is None else prompts.polygons
        np.testing.assert_array_equal(shown[0], DIAMOND)
    if 'hbox-m' in parts:
        np.testing.assert_array_equal(prompts.regions[0], [[5, 6], [31, 6], [31, 80], [5, 80]])


@pytest.mark.parametrize(
    ('name', 'box'), [('cp', [5, 6, 31, 80]), ('rbox', [-10, -10, 50, 50]), ('rhbox-m', None)]
)
def test_enclosing_boxes(name, box):
    boxes = enclosing_boxes(PromptSetting.parse(name), SHAPES)
    np.testing.assert_array_equal(boxes, [box or [-10, -10, 50, 50]])


def stream(tmp_path, tile=None, prompt='rbox'):
    dataset = DOTABoxDataset(str(write_dota(tmp_path / 'data')))
    dataset.collect_classes()
    plan = Plan(dataset, tile)
    prompter = BoxPrompter(PromptSetting.parse(prompt), dataset.table)
    return SampleStream(plan, list(plan.by_scene.values()), prompter)


def test_whole_scenes(tmp_path):
    samples = list(stream(tmp_path))
    assert [sample.tile.stem for sample in samples] == [f'P{i:04}' for i in range(5)]
    assert [len(sample.record.boxes) for sample in samples] == [3, 4, 5, 6, 0]
    assert samples[-1].prompt_count == 0
    assert samples[0].image.shape == (96, 128, 3)
    assert samples[0].record.image.offset == [0, 0]


def test_an_unreadable_scene_does_not_end_the_stream(tmp_path):
    samples = stream(tmp_path, TileSpec(size=64, overlap=0))
    path = tmp_path / 'data/images/P0001.png'
    path.write_bytes(path.read_bytes()[:500])
    result = list(samples)
    failed = [sample for sample in result if sample.error]
    assert {sample.tile.stem.split('__')[0] for sample in failed} == {'P0001'}
    assert len(failed) == 4
    assert len(result) == 20
    assert 'P0001.png: cannot read the image' in failed[0].error
    assert '\n' not in failed[0].error


def test_a_label_that_appears_between_two_tiles_keeps_its_geometry(tmp_path):
    whole = {b.box_id: b for sample in stream(tmp_path / 'a') for b in sample.record.boxes}
    tiles = stream(tmp_path / 'b', TileSpec(size=64, overlap=32, iof=0.3))
    seen = set()
    for sample in tiles:
        for box in sample.record.boxes:
            seen.add(box.box_id)
            assert box.scene_polygon == whole[box.box_id].polygon
    assert seen == set(whole)


def test_what_is_done_is_left_out(tmp_path):
    whole = stream(tmp_path)
    groups = whole.groups
    part = SampleStream(Plan(whole.dataset, None), groups, whole.prompter, done={'P0001', 'P0004'})
    assert (len(part), part.skipped) == (3, 2)
    assert [sample.tile.stem for sample in part] == ['P0000', 'P0002', 'P0003']


def test_workers_read_the_same(tmp_path):
    samples = stream(tmp_path)
    alone = list(samples.read(0))
    ahead = sorted(samples.read(2), key=lambda sample: sample.tile.index)
    assert [sample.record for sample in ahead] == [sample.record for sample in alone]
    for one, other in zip(alone, ahead, strict=True):
        np.testing.assert_array_equal(one.image, other.image)
    counts = samples.read(2, work=lambda sample: sample.prompt_count)
    assert sorted(counts) == [0, 3, 4, 5, 6]
