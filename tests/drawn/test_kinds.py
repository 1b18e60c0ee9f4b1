import ast
from pathlib import Path

import cv2
import numpy as np
import pytest

from samrs_mm.drawn import crops
from samrs_mm.drawn.crops import CropDrawer
from samrs_mm.drawn.dice import Dice
from samrs_mm.drawn.kinds import KINDS
from samrs_mm.drawn.paint import GROUNDS, colour

FOLDER = Path(crops.__file__).parent


def drawn(name: str, count: int = 20):
    for seed in range(count):
        dice = Dice(np.random.default_rng([9, seed]))
        yield KINDS[name].draw(dice, colour(dice))


def corners(parts, solid: bool = True) -> np.ndarray:
    return np.concatenate([part.points for part in parts if part.solid >= solid])


@pytest.mark.parametrize('name', KINDS)
def test_a_kind_is_about_1_long_along_x_and_painted_in_rgb(name):
    for parts in drawn(name):
        long, wide = np.ptp(corners(parts), axis=0)
        assert 0.55 < max(long, wide) < 1.8
        assert np.abs(corners(parts)).max() < 1.6
        for part in parts:
            assert part.points.ndim == 2
            assert part.points.shape[1] == 2
            assert np.isfinite(part.points).all()
            assert np.shape(part.paint) == (3,)
            assert 0 <= min(part.paint) <= max(part.paint) <= 260
            assert part[3:] == (1.0, 0.0, 1.0), 'the canvas of crops has neither lines nor tones'


@pytest.mark.parametrize('name', KINDS)
def test_details_lie_on_the_silhouette(name):
    """What sticks out of it would be painted over neighbours, or seem to be of the object."""
    scale, size = 120, 480
    for parts in drawn(name, 12):
        first = next(k for k, part in enumerate(parts) if part.solid)
        mask = np.zeros((size, size), np.uint8)
        details = mask.copy()
        for part in parts[first:]:
            points = np.rint(part.points * scale + size / 2).astype(np.int32)
            cv2.fillPoly(mask if part.solid else details, [points], 1)
        outside = details & (1 - mask)
        assert outside.sum() < 0.04 * mask.sum() + 60, outside.sum() / mask.sum()


@pytest.mark.parametrize('name', KINDS)
def test_a_kind_draws_differently_each_time(name):
    sizes = {tuple(np.ptp(corners(parts), axis=0).round(6)) for parts in drawn(name)}
    paints = {tuple(np.round(parts[-1].paint)) for parts in drawn(name)}
    assert len(sizes) > 5 or len(paints) > 12


@pytest.mark.parametrize('native', [8, 500])
@pytest.mark.parametrize('name', KINDS)
def test_every_kind_can_be_drawn_small_and_large(monkeypatch, drawer, name, native):
    monkeypatch.setattr(crops, '_native', lambda *_: native)
    crop = drawer.at(3, 32, kind=name)
    assert crop.half[0] * 2 > 0.72 * native
    assert 0.01 < crop.target.mean() < 0.9
    assert crop.image.std() > 0


@pytest.fixture(scope='module')
def drawer():
    return CropDrawer()


def test_kinds_stand_on_grounds_that_exist_and_sizes_are_in_order():
    for kind in KINDS.values():
        assert set(kind.grounds) <= GROUNDS.keys()
        assert kind.stands in ('rows', 'docks', 'alone')
        assert 8 <= kind.sizes[0] < kind.sizes[1] <= 500
        assert kind.share > 0


def test_the_outlines_of_the_demo_stay_out_of_training():
    """Its scenes are a test of what was trained on crops; they share ground, light and canvas."""
    of_the_demo = {'shapes', 'board', 'scenes', 'dataset'}
    seen, queue = set(), ['crops', 'sheet', 'class_kinds']
    while queue:
        name = queue.pop()
        if name in seen:
            continue
        seen.add(name)
        path = FOLDER / f'{name.replace(".", "/")}.py'
        path = path if path.exists() else FOLDER / name.replace('.', '/') / '__init__.py'
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            if isinstance(node, ast.ImportFrom) and node.module.startswith('samrs_mm.drawn'):
                module = node.module.removeprefix('samrs_mm.drawn').strip('.')
                names = [f'{module}.{alias.name}'.strip('.') for alias in node.names]
                queue += [module] if module else []
                queue += [n for n in names if (FOLDER / f'{n.replace(".", "/")}.py').exists()]
    assert len(seen) > 15
    assert {'kinds.vehicles', 'outlines', 'textures', 'sensor'} <= seen
    assert not seen & of_the_demo
