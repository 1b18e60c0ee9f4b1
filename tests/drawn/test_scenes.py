import hashlib
import subprocess
import sys

import cv2
import numpy as np
import pytest

from samrs_mm.drawn.board import DrawnObject, coverage
from samrs_mm.drawn.scenes import DOMAINS, draw_scene
from samrs_mm.drawn.shapes import Part

KINDS = [(domain, kind) for domain in DOMAINS for kind in DOMAINS[domain].kinds]
SIZE = 256


@pytest.fixture(scope='module')
def scenes():
    return {key: draw_scene(key[1], SIZE, np.random.default_rng(5), key[0]) for key in KINDS}


def box_coordinates(item: DrawnObject) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Visible pixel centres along the box's length and width, and these two."""
    origin, length_end, width_end = item.polygon[3], item.polygon[0], item.polygon[2]
    length, width = np.hypot(*(length_end - origin)), np.hypot(*(width_end - origin))
    ys, xs = np.nonzero(item.mask)
    centres = np.stack([xs, ys], 1) + np.array(item.offset) + 0.5 - origin
    return (
        centres @ (length_end - origin) / length,
        centres @ (width_end - origin) / width,
        length,
        width,
    )


def touching(a: np.ndarray, b: np.ndarray) -> bool:
    grown = cv2.dilate(a.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    return bool((grown & b).any() and not (a & b).any())


def test_both_domains_have_all_the_kinds():
    assert len(DOMAINS['a'].kinds) >= 6
    assert len(DOMAINS['b'].kinds) >= 6
    assert set(DOMAINS['a'].categories.values()) != set(DOMAINS['b'].categories.values())


@pytest.mark.parametrize(('domain', 'kind'), KINDS)
def test_every_kind_draws(scenes, domain, kind):
    scene = scenes[domain, kind]
    assert scene.image.shape == (SIZE, SIZE, 3)
    assert scene.image.dtype == np.uint8
    assert scene.image.std() > 10
    assert len(scene.objects) >= 2
    assert {item.category for item in scene.objects} <= set(DOMAINS[domain].categories.values())


@pytest.mark.parametrize(('domain', 'kind'), KINDS)
def test_boxes_enclose_their_masks_tightly(scenes, domain, kind):
    for item in scenes[domain, kind].objects:
        assert item.mask.any()
        along, across, length, width = box_coordinates(item)
        assert min(along.min(), across.min(), (length - along).min(), (width - across).min()) > -1.5
        if not item.truncated and item.category != 'harbor':  # ships hide parts of a harbor
            gaps = [along.min(), across.min(), (length - along).min(), (width - across).min()]
            assert max(gaps) < 3, (item.category, gaps)


@pytest.mark.parametrize(('domain', 'kind'), KINDS)
def test_polygons_are_clockwise_rectangles(scenes, domain, kind):
    for item in scenes[domain, kind].objects:
        sides = np.roll(item.polygon, -1, 0) - item.polygon
        nxt = np.roll(sides, -1, 0)
        turns = sides[:, 0] * nxt[:, 1] - sides[:, 1] * nxt[:, 0]
        assert (turns > 0).all()  # y points down, so that clockwise is positive
        np.testing.assert_allclose((sides * nxt).sum(1), 0, atol=1e-6)


@pytest.mark.parametrize(('domain', 'kind'), KINDS)
def test_only_painted_grounds_share_pixels(scenes, domain, kind):
    count = np.zeros((SIZE, SIZE), int)
    for item in scenes[domain, kind].objects:
        if item.category not in ('ground-track-field', 'groundtrackfield'):
            count += item.full_mask(SIZE, SIZE)
    assert count.max() == 1


def test_a_field_inside_a_track_belongs_to_both():
    scene = draw_scene('stadium', SIZE, np.random.default_rng(1))
    masks = {item.category: item.full_mask(SIZE, SIZE) for item in scene.objects}
    field, track = masks['soccer-ball-field'], masks['ground-track-field']
    assert field.any()
    assert (track & field).sum() == field.sum()


def test_some_boats_touch_and_lie_inside_the_harbor_box():
    scene = draw_scene('harbour', 512, np.random.default_rng(0))
    ships = [item for item in scene.objects if item.category == 'ship']
    masks = [item.full_mask(512, 512) for item in ships]
    assert any(touching(a, b) for k, a in enumerate(masks) for b in masks[:k])
    harbor = next(item for item in scene.objects if item.category == 'harbor')
    inside = coverage([Part(harbor.polygon, '')], 0, 0, 512, 512) >= 0.5
    assert sum((mask & inside).sum() > 0.5 * mask.sum() for mask in masks) >= 5


def test_the_same_seed_gives_the_same_bytes_in_another_process():
    code = (
        'import hashlib, numpy as np\n'
        'from samrs_mm.drawn.scenes import draw_scene\n'
        "s = draw_scene('harbour', 160, np.random.default_rng(7), 'b')\n"
        "print(hashlib.sha256(s.image.tobytes() + b''.join(o.polygon.tobytes() + o.mask.tobytes()"
        ' for o in s.objects)).hexdigest())\n'
    )
    outputs = {subprocess.check_output([sys.executable, '-c', code], text=True) for _ in range(2)}
    scene = draw_scene('harbour', 160, np.random.default_rng(7), 'b')
    digest = hashlib.sha256(scene.image.tobytes())
    for item in scene.objects:
        digest.update(item.polygon.tobytes() + item.mask.tobytes())
    assert outputs == {digest.hexdigest() + '\n'}


def test_another_seed_gives_another_scene():
    one, other = (draw_scene('tanks', 96, np.random.default_rng(k)).image for k in (0, 1))
    assert (one != other).any()


@pytest.mark.parametrize('size', [64, (150, 90), (90, 150)])
@pytest.mark.parametrize(('domain', 'kind'), KINDS)
def test_small_and_oblong_pictures(domain, kind, size):
    scene = draw_scene(kind, size, np.random.default_rng(2), domain)
    width, height = (size, size) if isinstance(size, int) else size
    assert scene.image.shape == (height, width, 3)
    for item in scene.objects:
        assert item.full_mask(height, width).sum() == item.mask.sum()


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (('moon', 256), "scene kind is 'moon'; domain 'a' has: harbour"),
        (('wind_farm', 256), "scene kind is 'wind_farm'; domain 'a' has"),
        (('harbour', 32), 'at least 64 x 64'),
        (('harbour', 256, 'z'), "domain is 'z'; there are: a, b"),
    ],
)
def test_bad_arguments_name_what_is_allowed(arguments, message):
    kind, size, *domain = arguments
    with pytest.raises(ValueError, match=message):
        draw_scene(kind, size, np.random.default_rng(0), *domain)
