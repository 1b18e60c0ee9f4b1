"""Prompts: each kind has its own look, and records tell what was prompted."""

import json

import numpy as np
import pytest
from folders import ROOT, write_dota
from PIL import Image

import samrs_mm.datasets.boxes  # noqa: F401 (registers)
from samrs_mm.annotate.driver import BoxPrompter, SampleStream
from samrs_mm.annotate.plan import Plan
from samrs_mm.browse.box_pages import BoxBrowser
from samrs_mm.browse.prompt_panels import (
    POINT,
    STYLES,
    draw_prompts,
    prompt_name,
    prompt_swatches,
    prompts_of_record,
)
from samrs_mm.config_files import load_config
from samrs_mm.core.prompts import CLIPPED, PROMPT_STYLES, SETTINGS, PromptSetting
from samrs_mm.drawing.panels import pixel_panel
from samrs_mm.registry import BOX_DATASETS


@pytest.fixture(scope='module')
def dataset(tmp_path_factory):
    root = write_dota(tmp_path_factory.mktemp('dota'), scenes=3)
    label = root / 'labelTxt/P0001.txt'
    label.write_text(label.read_text() + '-9 40 15 40 15 60 -9 60 ship 0\n')
    dataset = BOX_DATASETS.build(dict(type='DOTABoxDataset', data_root=str(root)))
    dataset.collect_classes()
    return dataset


def samples(dataset, setting, style=CLIPPED):
    plan = Plan(dataset, None)
    prompter = BoxPrompter(setting, dataset.table, style)
    return list(SampleStream(plan, list(plan.by_scene.values()), prompter))


@pytest.mark.parametrize('style', PROMPT_STYLES)
@pytest.mark.parametrize('name', SETTINGS)
def test_records_give_back_what_the_segmentor_was_given(dataset, name, style):
    setting = PromptSetting(name)
    compared = 0
    for sample in samples(dataset, setting, style):
        height, width = sample.image.shape[:2]
        (prompted,) = sample.prompted
        boxes = [sample.record.boxes[row] for row in prompted.chosen]
        found = prompts_of_record(setting, boxes, width, height, style)
        if prompted.prompts is None:
            assert found is None
            continue
        for part in ('boxes', 'points', 'polygons'):
            expected = getattr(prompted.prompts, part)
            if expected is None:
                assert getattr(found, part) is None
            else:
                np.testing.assert_allclose(getattr(found, part), expected, atol=1e-3)
        if prompted.prompts.regions is not None:
            regions = [found.regions, prompted.prompts.regions]
            if setting.mask != 'rbox':  # a record's box is clipped to the image
                regions = [np.clip(region, 0, [width, height]) for region in regions]
            np.testing.assert_allclose(*regions, atol=1e-3)
        compared += len(prompted.prompts)
    assert compared == 8


@pytest.mark.parametrize('name', SETTINGS)
def test_each_prompt_of_a_setting_is_seen_and_in_the_key(dataset, name):
    setting = PromptSetting(name)
    sample = samples(dataset, setting)[0]
    panel = pixel_panel(np.full(sample.image.shape, 100, np.uint8), 512)
    draw_prompts(panel, sample.prompted[0].prompts)

    def seen(colour):
        return (panel.picture == colour).all(2).any()

    kinds = {swatch.kind for swatch in prompt_swatches(setting)}
    assert seen(POINT) == ('cross' in kinds) == setting.point
    assert ('hatch' in kinds) == (setting.mask is not None)
    for box, (_, colour, _) in STYLES.items():
        assert seen(colour) == (box in (setting.box, setting.mask))
    for swatch in prompt_swatches(setting):
        assert seen(swatch.colour)


def test_settings_are_spelled_as_in_the_paper():
    assert prompt_name(PromptSetting('cp+rhbox+rhbox-m')) == 'CP + RH-Box + RH-Box-M'
    assert prompt_name(PromptSetting('rbox-m')) == 'R-Box-M'


def test_masks_of_labels_are_seen_and_in_the_key(tmp_path):
    (tmp_path / 'images').mkdir()
    Image.new('RGB', (60, 40), (100, 100, 100)).save(tmp_path / 'images/a.png')
    ring = [10, 10, 40, 10, 40, 30]
    box = dict(image_id=1, category_id=1, bbox=[10, 10, 30, 20], segmentation=[ring])
    doc = dict(images=[dict(id=1, file_name='a.png')], categories=[dict(id=1, name='x')])
    (tmp_path / 'annotations.json').write_text(json.dumps(doc | dict(annotations=[box])))
    flags = dict(data_root=str(tmp_path), prompt='hbox+mask')
    config = load_config(str(ROOT / 'configs/annotate/coco_boxnet_hbox.py'), None, flags)
    browser = BoxBrowser(config)
    page = browser.page('a', ['prompts'], ())
    assert [swatch.text for swatch in page.swatches] == [
        'H-Box prompt', 'mask of the label (mask prompt)',
    ]  # fmt: skip
    plain = BoxBrowser(config, ['hbox']).page('a', ['prompts'], ())
    inside = [shown.panels[-1].picture for shown in (page, plain)]
    changed = (inside[0] != inside[1]).any(2)
    scale = changed.shape[1] / 60
    assert changed[round(14 * scale), round(36 * scale)]
    assert not changed[: round(8 * scale)].any()
