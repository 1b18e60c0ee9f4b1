"""Clicks to SAM: what its own predictor gives for them, and going on from its logits."""

import numpy as np
import pytest
import torch
from sam_cases import as_published, lively, loaded, scene

from samrs_mm.core.clicks import ClickedMask
from samrs_mm.core.errors import SegmentorError
from samrs_mm.models.prompt_segmentors.clicking import MASK_LOGIT

CLICKS = [[60, 40, 1], [20, 30, 0], [70, 50, 1]]


@pytest.fixture(scope='module')
def segmentor():
    found = loaded()
    lively(found.model)
    return found


@pytest.fixture(scope='module', params=[(96, 128), (150, 90)])
def image(request):
    return scene(*request.param)[0]


@pytest.fixture(scope='module')
def encoded(segmentor, image):
    return segmentor.encode([image])[0]


@pytest.fixture(scope='module')
def predictor(segmentor, image):
    """Meta's own, with the same network."""
    from segment_anything import SamPredictor

    found = SamPredictor(as_published(segmentor.model))
    found.set_image(image)
    return found


@pytest.mark.parametrize('count', [0, 2, 3])
@pytest.mark.parametrize('box', [None, [10, 12, 80, 70]])
def test_clicks_and_boxes_are_as_metas_predictor_takes_them(
    segmentor, encoded, predictor, count, box
):
    if not count and box is None:
        return
    found = segmentor.click(encoded, CLICKS[:count], box)
    points = np.array(CLICKS[:count], float).reshape(-1, 3)
    masks, scores, logits = predictor.predict(
        point_coords=points[:, :2] if count else None,
        point_labels=points[:, 2].astype(int) if count else None,
        box=None if box is None else np.array(box, float),
        multimask_output=False,
    )
    np.testing.assert_array_equal(found.mask, masks[0])
    assert 0 < found.mask.mean() < 1
    assert found.score == pytest.approx(scores[0], abs=1e-6)
    again = segmentor.click(encoded, CLICKS, box, found)
    masks, *_ = predictor.predict(
        point_coords=np.array(CLICKS, float)[:, :2],
        point_labels=np.array(CLICKS)[:, 2],
        box=None if box is None else np.array(box, float),
        mask_input=logits,
        multimask_output=False,
    )
    np.testing.assert_array_equal(again.mask, masks[0])


def test_a_single_click_gives_the_best_of_three(segmentor, encoded, predictor):
    found = segmentor.click(encoded, CLICKS[:1])
    masks, scores, _ = predictor.predict(np.array([[60.0, 40.0]]), np.array([1]))
    np.testing.assert_array_equal(found.mask, masks[scores.argmax()])
    assert found.score == pytest.approx(scores.max(), abs=1e-6)


def test_a_mask_from_elsewhere_is_shown_with_the_box_around_it(
    segmentor, encoded, image, monkeypatch
):
    mask = np.zeros(image.shape[:2], bool)
    mask[30:50, 40:70] = True
    asked = []
    predict = segmentor._predict
    monkeypatch.setattr(segmentor, '_predict', lambda *a: asked.append(a[1]) or predict(*a))
    segmentor.click(encoded, [[75, 40, 1], [5, 5, 0]], previous=mask)
    (prompts,) = asked
    scale = 128 / max(image.shape[:2])
    assert prompts.boxes[0].tolist() == pytest.approx(
        [40 * scale, 30 * scale, 75 * scale, 50 * scale], abs=0.7
    )
    assert prompts.labels.tolist() == [[1, 0]]
    shown = prompts.masks[0, 0] > 0
    assert prompts.masks.abs().max() == MASK_LOGIT
    share = 20 * 30 / max(image.shape[:2]) ** 2
    assert shown.float().mean().item() == pytest.approx(share, abs=0.012)  # of 32 x 32
    plain = ClickedMask(mask)
    segmentor.click(encoded, [[75, 40, 1], [5, 5, 0]], previous=plain)
    torch.testing.assert_close(asked[1].masks, prompts.masks)


def test_an_oriented_box_is_taken_as_the_upright_one_around_it(segmentor, encoded):
    corners = [[20, 10], [60, 20], [50, 60], [10, 50]]
    found = segmentor.click(encoded, [], corners)
    np.testing.assert_array_equal(found.mask, segmentor.click(encoded, [], [10, 10, 60, 60]).mask)


def test_pixels_without_data_are_no_part_of_it(segmentor, encoded, image):
    valid = np.zeros(image.shape[:2], bool)
    valid[:, :50] = True
    whole = segmentor.click(encoded, [], [10, 12, 80, 70]).mask
    np.testing.assert_array_equal(
        segmentor.click(encoded, [], [10, 12, 80, 70], valid=valid).mask, whole & valid
    )


def test_what_cannot_be_asked_is_named(segmentor, encoded, image):
    with pytest.raises(ValueError, match='one on the object is needed'):
        segmentor.click(encoded, [[5, 5, 0]])
    with pytest.raises(ValueError, match='one on the object is needed'):
        segmentor.click(encoded, [], previous=np.zeros(image.shape[:2], bool))
    with pytest.raises(ValueError, match='lies outside'):
        segmentor.click(encoded, [[500, 5, 1]])
    with pytest.raises(ValueError, match='previous: 3 x 3'):
        segmentor.click(encoded, CLICKS, previous=np.zeros((3, 3), bool))


def test_weights_that_give_no_numbers_are_named(segmentor, encoded, monkeypatch):
    nan = torch.full((1, 32, 32), np.nan), torch.full((1,), np.nan)
    monkeypatch.setattr(segmentor, '_predict', lambda *_: nan)
    with pytest.raises(SegmentorError, match='NaN'):
        segmentor.click(encoded, CLICKS)
