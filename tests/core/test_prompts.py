import itertools
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from samrs_mm.core import boxes as box_ops
from samrs_mm.core import masks
from samrs_mm.core.boxes import BoxLabel, geometry
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.masks import draw_polygon, fill_polygon
from samrs_mm.core.prompts import (
    AUTHORS,
    CLIPPED,
    NO_DATA,
    PAPER_SETTINGS,
    PROMPT_STYLES,
    SETTINGS,
    PromptBatch,
    PromptSetting,
    build_prompts,
    check_style,
    enclosing_boxes,
    mask_prompt,
    prompt_boxes,
)
from samrs_mm.datasets.boxes.circumscribed import circumscribed_geometry

# name: box, mask, point, oriented
MEANING = {
    'cp': (None, None, True, False),
    'hbox': ('hbox', None, False, False),
    'hbox-m': (None, 'hbox', False, False),
    'cp+hbox': ('hbox', None, True, False),
    'hbox+hbox-m': ('hbox', 'hbox', False, False),
    'cp+hbox-m': (None, 'hbox', True, False),
    'cp+hbox+hbox-m': ('hbox', 'hbox', True, False),
    'rbox-m': (None, 'rbox', False, True),
    'cp+rbox-m': (None, 'rbox', True, True),
    'rhbox': ('rhbox', None, False, True),
    'rhbox-m': (None, 'rhbox', False, True),
    'cp+rhbox': ('rhbox', None, True, True),
    'rhbox+rhbox-m': ('rhbox', 'rhbox', False, True),
    'cp+rhbox-m': (None, 'rhbox', True, True),
    'cp+rhbox+rhbox-m': ('rhbox', 'rhbox', True, True),
    'rbox': ('rbox', None, False, True),
}


def test_there_are_fifteen_of_the_paper_and_ours():
    assert len(PAPER_SETTINGS) == 15
    assert set(MEANING) == set(SETTINGS)
    assert set(SETTINGS) - set(PAPER_SETTINGS) == {'rbox'}


@pytest.mark.parametrize('name', MEANING)
def test_meaning_in_any_order_and_case(name):
    for parts in itertools.permutations(name.split('+')):
        for spelled in ('+'.join(parts), ' + '.join(parts).upper()):
            setting = PromptSetting.parse(spelled)
            assert setting.name == name
            assert (setting.box, setting.mask, setting.point, setting.oriented) == MEANING[name]


@pytest.mark.parametrize('name', ['', 'box', 'hbox+rhbox', 'hbox+rbox-m', 'cp+', 'cp+rbox', None])
def test_anything_else_is_refused(name):
    with pytest.raises(
        RefusedError, match=re.escape(f'unknown prompt {name!r}; allowed: cp, hbox')
    ):
        PromptSetting.parse(name)


def test_batches_are_cut_as_arrays_are():
    setting = PromptSetting.parse('cp+hbox')
    batch = PromptBatch(setting, boxes=np.arange(20.0).reshape(5, 4), points=np.ones((5, 2)))
    assert len(batch) == 5
    part = batch[1:3]
    assert len(part) == 2
    assert part.setting is setting
    np.testing.assert_array_equal(part.boxes, batch.boxes[1:3])
    assert part.regions is part.polygons is None
    assert len(batch[4:9]) == 1
    valid = np.ones((4, 4), bool)
    part = replace(batch, size=(3, 4), valid=valid)[1:3]
    assert part.size == (3, 4)
    assert part.valid is valid
    assert len(PromptBatch(PromptSetting('rbox'), polygons=np.zeros((3, 4, 2)))) == 3
    assert len(PromptBatch(PromptSetting('rbox-m'), regions=np.zeros((2, 4, 2)))) == 2


def by_torch(polygon, height, width, side, dtype=torch.float64, stretched=False):
    """The paper's way, with torch's resize, whose float32 rounds pixel positions coarsely."""
    inside = torch.from_numpy(np.ascontiguousarray(fill_polygon(polygon, height, width)))
    scores = torch.where(inside, 1000.0, -1000.0).to(dtype)[None, None]
    scale = side / max(height, width)
    size = int(height * scale + 0.5), int(width * scale + 0.5)
    size = (side, side) if stretched else size
    scores = F.interpolate(scores, size, mode='bilinear', align_corners=False)
    scores = F.pad(scores, (0, side - size[1], 0, side - size[0]), value=-1000.0)
    return F.interpolate(scores, (side // 4,) * 2, mode='bilinear', align_corners=False)[0, 0]


@settings(max_examples=30)
@given(
    st.integers(4, 90), st.integers(4, 90), st.sampled_from([32, 64]),
    st.lists(st.floats(-20, 110), min_size=8, max_size=8), st.booleans(),
)  # fmt: skip
def test_mask_prompt_against_torch(height, width, side, numbers, stretched):
    polygon = np.array(numbers).reshape(4, 2)
    prompt = mask_prompt(polygon, height, width, side, stretched=stretched)
    assert prompt.dtype == np.float32
    expected = by_torch(polygon, height, width, side, stretched=stretched)
    np.testing.assert_allclose(prompt, expected, atol=1e-3)


@pytest.mark.parametrize(('height', 'width'), [(1024, 1024), (700, 1300), (1500, 400), (333, 251)])
def test_mask_prompt_at_sams_size(height, width):
    polygon = np.array([[20, 30], [240, 60], [200, 300], [10, 250.0]])
    prompt = mask_prompt(polygon, height, width)
    assert prompt.shape == (256, 256)
    assert prompt.max() == 1000
    np.testing.assert_allclose(prompt, by_torch(polygon, height, width, 1024), atol=1e-3)
    single = by_torch(polygon, height, width, 1024, torch.float32)
    np.testing.assert_allclose(prompt, single, atol=0.05)
    if width > height:
        assert (prompt[round(256 * height / width) + 1 :] == -1000).all()


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


MOVED = DIAMOND + np.array([3.25, 0])
ASKEW = circumscribed_geometry(
    [BoxLabel('a:1', 'ship', hbox=np.array([-5.5, 6, 31, 80]), polygon=MOVED)]
)


@pytest.mark.parametrize('name', SETTINGS)
def test_the_authors_prompt_what_is_labelled(name):
    """Nothing is clipped, and the centre is the R-Box's, also where only the H-Box is shown."""
    setting = PromptSetting.parse(name)
    prompts = build_prompts(setting, ASKEW, np.array([0]), 40, 60, AUTHORS)
    assert prompts.style == prompts[:1].style == AUTHORS
    if setting.point:
        np.testing.assert_array_equal(prompts.points, [[23.25, 20]])
    if setting.box == 'hbox':
        np.testing.assert_array_equal(prompts.boxes, [[-5.5, 6, 31, 80]])
    if setting.box == 'rhbox':
        np.testing.assert_array_equal(prompts.boxes, [[-6.75, -10, 53.25, 50]])


def test_styles_choose_which_centre_a_horizontal_setting_shows():
    by_style = {
        style: build_prompts(PromptSetting('cp+hbox'), ASKEW, np.array([0]), 40, 60, style).points
        for style in PROMPT_STYLES
    }
    np.testing.assert_array_equal(by_style[CLIPPED], [[15.5, 33]])
    np.testing.assert_array_equal(by_style[AUTHORS], [[23.25, 20]])


def test_an_unknown_style_is_refused():
    with pytest.raises(RefusedError, match="prompt_style 'theirs' is unknown; allowed: clipped, a"):
        check_style('theirs')
    assert [check_style(style) for style in PROMPT_STYLES] == list(PROMPT_STYLES)


def drawn(box, height, width):
    """An upright box as the authors draw it: from one whole pixel to another, both included."""
    left, top, right, bottom = (int(np.float32(value)) for value in box)
    pixels = np.zeros((height, width), bool)
    for y in range(height):
        for x in range(width):
            pixels[y, x] = left <= x <= right and top <= y <= bottom
    return pixels


@settings(max_examples=40)
@given(st.lists(st.floats(-20, 60, width=32), min_size=4, max_size=4))
def test_an_upright_mask_prompt_of_the_authors(values):
    x0, x1 = sorted(values[:2])
    y0, y1 = sorted(values[2:])
    corners = box_ops.corners(np.array([[x0, y0, x1, y1]]))[0]
    np.testing.assert_array_equal(draw_polygon(corners, 40, 50), drawn((x0, y0, x1, y1), 40, 50))


def test_mask_prompts_of_both_styles_differ_as_was_measured():
    """The mean IoU of boxes of 10 to 40 px, filled by the two rules, was found to be 0.908."""
    rng = np.random.default_rng(0)
    ious = []
    for _ in range(400):
        corner, sides = rng.uniform(5, 60, 2), rng.uniform(10, 40, 2)
        box = box_ops.corners(np.concatenate([corner, corner + sides])[None])[0]
        ours, theirs = fill_polygon(box, 110, 110), draw_polygon(box, 110, 110)
        ious.append((ours & theirs).sum() / (ours | theirs).sum())
    assert np.mean(ious) == pytest.approx(0.908, abs=0.01)


def test_the_style_decides_the_mask_prompt():
    box = box_ops.corners(np.array([[10.2, 10.2, 30.7, 20.7]]))[0]
    filled = {CLIPPED: fill_polygon(box, 64, 64), AUTHORS: drawn((10, 10, 30, 20), 64, 64)}
    for style, pixels in filled.items():
        prompt = mask_prompt(box, 64, 64, 64, style)
        quarter = np.where(pixels, 1000.0, -1000).reshape(16, 4, 16, 4)[:, 1:3, :, 1:3].mean((1, 3))
        np.testing.assert_allclose(prompt, quarter)


def test_a_box_without_a_pixel_of_data_lies_outside():
    valid = np.zeros((40, 60), bool)
    valid[:, :20] = True
    turned = np.array([[[25, 0], [60, 35], [55, 40], [20, 5]]], float)  # its hull meets data
    labels = [
        BoxLabel(f'{i}', 'a', hbox=np.array(box, float))
        for i, box in enumerate([(2, 2, 9, 9), (30, 5, 50, 20), (18, 30, 30, 38)])
    ]
    labels.append(BoxLabel('3', 'a', polygon=turned[0] + [1, 0]))
    shapes = geometry(labels)
    found = prompt_boxes(PromptSetting.parse('rbox'), labels, shapes, 60, 40, valid=valid)
    assert found.statuses == ['ok', 'outside', 'ok', 'outside']
    assert found.reasons[1] == found.reasons[3] == NO_DATA
    assert found.chosen == [0, 2]
    every = prompt_boxes(PromptSetting.parse('rbox'), labels, shapes, 60, 40)
    assert every.statuses == ['ok'] * 4


def test_a_grid_of_points_is_a_setting_only_where_there_need_be_no_boxes():
    assert PromptSetting.parse('Grid', grid=True).name == 'grid'
    assert not PromptSetting.parse('grid', grid=True).of_boxes
    assert PromptSetting.parse('hbox', grid=True).of_boxes
    with pytest.raises(RefusedError, match="prompt 'grid' makes masks without boxes"):
        PromptSetting.parse('grid')
    with pytest.raises(RefusedError, match=r'allowed: .*, rbox, grid$'):
        PromptSetting.parse('points', grid=True)


def test_masks_of_labels_go_with_their_boxes():
    coded = [masks.encode(mask) for mask in np.eye(4, dtype=bool).repeat(6, 1).reshape(4, 4, 6)]
    labels = [BoxLabel(f'a:{i}', 'x', hbox=np.array([0.0, 0, 6, 4])) for i in range(4)]
    setting = PromptSetting('hbox+mask')
    given = [coded[0], None, masks.encode(np.zeros((4, 6), bool)), coded[3]]
    found = prompt_boxes(setting, labels, geometry(labels), 6, 4, masks=given)
    assert found.statuses == ['ok', 'maskless', 'outside', 'ok']
    assert found.chosen == [0, 3]
    assert found.prompts.masks == [coded[0], coded[3]]
    assert len(found.prompts) == 2
    assert found.prompts[1:].masks == [coded[3]]
    assert found.prompts.boxes.shape == (2, 4)
    alone = prompt_boxes(PromptSetting('mask'), labels, geometry(labels), 6, 4, masks=given).prompts
    assert alone.boxes is None
    assert len(alone) == 2
    assert alone.outlines[1].tolist() == [[0, 3], [6, 3], [6, 4], [0, 4]]
