import numpy as np
import pytest

from samrs_mm.core import masks as coded
from samrs_mm.core.prompts import SETTINGS, PromptBatch, PromptSetting
from samrs_mm.models.prompt_segmentors.box_fill import BoxFillSegmentor

HEIGHT, WIDTH = 20, 30
DIAMOND = np.array([[15.0, 2], [23, 10], [15, 18], [7, 10]])


def masks_of(prompts):
    segmentor = BoxFillSegmentor()
    segmentor.load()
    encoded = segmentor.encode([np.zeros((HEIGHT, WIDTH, 3), np.uint8)])[0]
    chunks = list(segmentor.decode(encoded, prompts))
    assert all(chunk.scores is None and chunk.stability is None for chunk in chunks)
    return np.concatenate([chunk.whole() for chunk in chunks])


def rectangle(x0, y0, x1, y1):
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[y0:y1, x0:x1] = True
    return mask


@pytest.mark.parametrize('name', ['hbox', 'rhbox'])
def test_a_box_is_filled(name):
    boxes = np.array([[2.0, 3, 8, 9], [0, 0, WIDTH, HEIGHT]])
    masks = masks_of(PromptBatch(PromptSetting(name), boxes=boxes))
    assert masks.dtype == bool
    np.testing.assert_array_equal(masks[0], rectangle(2, 3, 8, 9))
    assert masks[1].all()


def test_an_oriented_box_is_filled():
    mask = masks_of(PromptBatch(PromptSetting('rbox'), polygons=DIAMOND[None]))[0]
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    distance = np.abs(x - 15) + np.abs(y - 10)
    assert mask[distance < 7].all()
    assert not mask[distance > 9].any()


@pytest.mark.parametrize('name', ['rbox-m', 'hbox+hbox-m'])
def test_the_region_of_a_mask_prompt_is_filled_inside_the_image(name):
    region = np.array([[[-5.0, -5], [8, -5], [8, 9], [-5, 9]]])
    boxes = np.array([[0.0, 0, 8, 9]]) if 'hbox' in name else None
    masks = masks_of(PromptBatch(PromptSetting(name), boxes=boxes, regions=region))
    np.testing.assert_array_equal(masks[0], rectangle(0, 0, 8, 9))


def test_settings_with_a_point_are_not_taken():
    segmentor = BoxFillSegmentor()
    reasons = {name: segmentor.unsupported(PromptSetting(name)) for name in SETTINGS}
    assert {name for name, reason in reasons.items() if reason} == {
        name for name in SETTINGS if 'cp' in name
    }
    assert 'no extent' in reasons['cp']
    assert 'leave out cp' in reasons['cp+hbox']


def test_a_mask_of_the_label_is_taken_as_it_is():
    ring = rectangle(3, 4, 20, 15) & ~rectangle(8, 6, 12, 10)
    for name, boxes in (('mask', None), ('hbox+mask', np.array([[0.0, 0, 30, 20]]))):
        prompts = PromptBatch(PromptSetting(name), boxes, masks=[coded.encode(ring)])
        assert (masks_of(prompts)[0] == ring).all()
