"""The weights that come with the package, on drawn scenes that they never saw."""

import numpy as np
import pytest

import samrs_mm
from samrs_mm.core import boxes as box_ops
from samrs_mm.drawn.scenes import draw_scene
from samrs_mm.evaluation.mask_iou import MaskIoU
from samrs_mm.models.boxnet.network import BoxNet
from samrs_mm.models.boxnet.weights import default_weights, load_weights

SIZE = 256
KINDS = 'harbour', 'airport', 'tanks'
GOOD = {'hbox': 0.87, 'rbox': 0.91}
AHEAD = 0.1
MEGABYTES = 3


@pytest.fixture(scope='module')
def scenes():
    """Images, oriented boxes ``(N, 4, 2)`` and visible masks ``(N, H, W)`` bool."""
    drawn = [
        draw_scene(kind, SIZE, np.random.default_rng([7, number]))
        for number, kind in enumerate(KINDS)
    ]
    return [
        (
            scene.image,
            np.array([item.polygon for item in scene.objects]),
            np.array([item.full_mask(SIZE, SIZE) for item in scene.objects]),
        )
        for scene in drawn
    ]


def mean_iou(name, scenes, prompt, **options):
    """Return the mean IoU over the objects of all scenes, by a segmentor's name."""
    segmentor, score = samrs_mm.load_segmentor(name, **options), MaskIoU()
    for image, polygons, truth in scenes:
        boxes = polygons if prompt == 'rbox' else box_ops.bounding_boxes(polygons)
        found = segmentor.segment(image, boxes, prompt=prompt)
        for mask, true in zip(found.masks, truth, strict=True):
            score.add_masks(mask, true)
    return score.miou_i


@pytest.mark.parametrize('prompt', GOOD)
def test_they_beat_box_fill_and_grabcut_on_drawn_scenes(scenes, prompt):
    ours = mean_iou('boxnet', scenes, prompt, threads=1, device='cpu')
    others = {name: mean_iou(name, scenes, prompt) for name in ('box-fill', 'grabcut')}
    assert ours > GOOD[prompt]
    assert ours > max(others.values()) + AHEAD, others


def test_they_are_small_and_say_what_made_them():
    path = default_weights()
    assert path.stat().st_size < MEGABYTES * 1e6
    network, info = load_weights(path)
    assert network.widths == BoxNet().widths == info.widths
    assert info.recipe['config'] == 'boxnet_s'
    assert info.recipe['iterations'] > 0
    assert info.recipe['seed'] is not None
