"""Overhead scenes drawn from nothing, with exact instance masks.

``draw_scene('harbour', 512, np.random.default_rng(0))`` returns a picture, and for every object its
class, its oriented box and its mask. The same generator state gives the same bytes. Two domains
differ in class names, palettes and sensor, so that training on several sources can be tried without
downloads.

What a mask holds: the pixels whose centres lie inside the object's outline and that no *standing*
object placed later covers (a ship takes its pixels from the jetty below). Things painted on the
ground hide nothing: the soccer field inside a running track belongs to both masks, as both boxes
mean it. Shadows, wakes and a pool's rim belong to no mask. An object that lies less than 70 %
inside the picture is not drawn.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from samrs_mm.drawn.board import Board, DemoObject, DemoScene, Domain
from samrs_mm.drawn.canvas import Material
from samrs_mm.drawn.grounds import sports, stadium, tank_farm, wind_farm
from samrs_mm.drawn.layouts import airport, harbour, parking

__all__ = ['DOMAINS', 'DemoObject', 'DemoScene', 'Domain', 'draw_scene']

LAYOUTS: dict[str, Callable[[Board], None]] = {
    'harbour': harbour,
    'airport': airport,
    'parking': parking,
    'tanks': tank_farm,
    'sports': sports,
    'stadium': stadium,
    'wind_farm': wind_farm,
}

_CARS = (
    (226, 226, 224),
    (206, 208, 210),
    (168, 172, 176),
    (62, 66, 72),
    (34, 36, 40),
    (116, 120, 126),
    (150, 36, 34),
    (46, 72, 124),
    (184, 170, 140),
    (52, 82, 66),
    (88, 34, 38),
    (216, 218, 220),
)

DOMAINS: dict[str, Domain] = {
    'a': Domain(
        categories={
            'ship': 'ship',
            'harbor': 'harbor',
            'plane': 'plane',
            'small_vehicle': 'small-vehicle',
            'large_vehicle': 'large-vehicle',
            'storage_tank': 'storage-tank',
            'tennis_court': 'tennis-court',
            'basketball_court': 'basketball-court',
            'soccer_field': 'soccer-ball-field',
            'ground_track_field': 'ground-track-field',
            'swimming_pool': 'swimming-pool',
        },
        kinds=('harbour', 'airport', 'parking', 'tanks', 'sports', 'stadium'),
        materials={
            'water': Material((24, 52, 54), (34, 66, 62), 150, 1.6, 1.6, ripple=2.4),
            'asphalt': Material((92, 92, 94), (108, 106, 104), 80, 4.0, 4.5),
            'concrete': Material((148, 144, 136), (164, 160, 150), 70, 4.5, 4.0),
            'pavement': Material((170, 164, 154), (182, 176, 166), 50, 3.5, 4.0),
            'grass': Material((80, 100, 54), (100, 110, 66), 90, 4.5, 5.5),
            'turf': Material((78, 112, 56), (92, 120, 66), 60, 3.5, 4.0),
            'soil': Material((132, 122, 98), (112, 114, 82), 90, 6.0, 5.0),
            'gravel': Material((166, 162, 150), (150, 146, 134), 50, 4.0, 6.0),
            'court': Material((110, 116, 108), (120, 124, 114), 40, 3.0, 3.5),
        },
        paints={
            'cars': _CARS,
            'service': (
                (230, 230, 228),
                (214, 186, 66),
                (222, 222, 218),
                (190, 92, 40),
                (70, 90, 130),
            ),
            'buses': ((206, 164, 56), (222, 222, 220), (178, 52, 44), (62, 104, 140)),
            'hulls': (
                (234, 234, 230),
                (226, 226, 224),
                (240, 240, 238),
                (40, 52, 84),
                (210, 204, 190),
                (120, 38, 40),
            ),
            'freighters': ((110, 40, 36), (38, 44, 52), (46, 66, 104), (44, 84, 70)),
            'containers': (
                (160, 58, 44),
                (44, 86, 138),
                (200, 198, 190),
                (66, 116, 78),
                (196, 128, 46),
                (122, 126, 130),
            ),
            'decks': ((142, 92, 70), (150, 132, 108), (164, 158, 148)),
            'liveries': (
                (30, 58, 120),
                (180, 40, 44),
                (220, 150, 40),
                (36, 110, 104),
                (60, 64, 72),
            ),
            'roofs': (
                (160, 156, 150),
                (120, 124, 130),
                (146, 86, 66),
                (190, 188, 182),
                (108, 116, 108),
            ),
            'tanks': (
                (218, 218, 212),
                (206, 208, 206),
                (190, 188, 178),
                (164, 160, 150),
                (158, 112, 84),
            ),
            'courts': ((56, 104, 82), (58, 92, 132), (150, 84, 64), (84, 112, 74)),
            'tracks': ((152, 74, 58), (166, 86, 62), (140, 66, 58)),
            'trees': ((58, 82, 42), (70, 92, 50), (52, 74, 46), (92, 100, 56)),
        },
    ),
    'b': Domain(
        categories={
            'ship': 'ship',
            'harbor': 'harbor',
            'plane': 'airplane',
            'small_vehicle': 'vehicle',
            'large_vehicle': 'vehicle',
            'storage_tank': 'storagetank',
            'tennis_court': 'tenniscourt',
            'basketball_court': 'basketballcourt',
            'ground_track_field': 'groundtrackfield',
            'windmill': 'windmill',
        },
        kinds=('harbour', 'airport', 'wind_farm', 'tanks', 'sports', 'stadium', 'parking'),
        materials={
            'water': Material((30, 84, 104), (46, 112, 122), 120, 2.0, 1.6, ripple=3.0),
            'asphalt': Material((112, 108, 104), (128, 122, 114), 80, 4.0, 4.0),
            'concrete': Material((178, 168, 148), (190, 182, 164), 60, 4.0, 4.0),
            'pavement': Material((196, 184, 160), (184, 172, 150), 50, 4.0, 4.0),
            'grass': Material((136, 130, 84), (160, 146, 104), 70, 6.0, 5.0),
            'turf': Material((98, 126, 62), (116, 132, 76), 60, 4.0, 4.0),
            'soil': Material((176, 152, 116), (190, 170, 134), 90, 5.0, 5.0),
            'gravel': Material((188, 174, 146), (170, 156, 130), 50, 4.0, 6.0),
            'court': Material((140, 128, 110), (150, 138, 118), 40, 3.0, 3.5),
        },
        paints={
            'cars': _CARS,
            'service': ((232, 230, 224), (210, 170, 50), (220, 220, 216)),
            'buses': ((226, 224, 218), (196, 120, 50), (60, 120, 110)),
            'hulls': (
                (236, 232, 224),
                (228, 226, 220),
                (60, 110, 140),
                (196, 70, 50),
                (206, 190, 150),
            ),
            'freighters': ((140, 52, 40), (30, 34, 40), (60, 90, 120)),
            'containers': (
                (176, 70, 44),
                (60, 100, 150),
                (206, 200, 186),
                (206, 150, 60),
                (100, 104, 106),
            ),
            'decks': ((160, 136, 104), (176, 164, 142)),
            'liveries': ((120, 30, 60), (20, 90, 70), (200, 160, 60), (40, 44, 110)),
            'roofs': ((190, 176, 152), (206, 196, 176), (160, 104, 78), (140, 140, 140)),
            'tanks': ((226, 222, 210), (208, 200, 184), (180, 170, 150)),
            'courts': ((156, 78, 54), (66, 116, 92), (74, 100, 150), (176, 120, 84)),
            'tracks': ((172, 88, 64), (70, 100, 140)),
            'trees': ((78, 86, 48), (92, 96, 56), (66, 76, 48)),
        },
        gain=(1.03, 1.0, 0.94),
        haze=16.0,
        blur=0.75,
        noise=4.5,
    ),
}


def draw_scene(
    kind: str, size: int | tuple[int, int], rng: np.random.Generator, domain: str = 'a'
) -> DemoScene:
    """Draw one overhead scene.

    Args:
        kind: One of ``DOMAINS[domain].kinds``.
        size: Side in pixels, or ``(width, height)``.
        rng: Source of all randomness; the same state gives the same bytes.
        domain: Key of ``DOMAINS``: ``a`` has SOTA's class names, ``b`` has SIOR's.

    Returns:
        The picture, ``(H, W, 3)`` uint8 RGB, and its objects, lower ones first.

    Raises:
        ValueError: If the domain has no such kind, or the size is below 64 pixels.
    """
    if domain not in DOMAINS:
        raise ValueError(f'domain is {domain!r}; there are: {", ".join(DOMAINS)}')
    table = DOMAINS[domain]
    if kind not in table.kinds:
        raise ValueError(f'scene kind is {kind!r}; domain {domain!r} has: {", ".join(table.kinds)}')
    width, height = (size, size) if isinstance(size, int) else size
    if min(width, height) < 64:
        raise ValueError(f'size is {width} x {height} pixels; scenes need at least 64 x 64')
    board = Board(width, height, table, rng)
    LAYOUTS[kind](board)
    return board.finish()
