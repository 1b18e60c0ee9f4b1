"""Layouts of the demo scenes, continued: tank farms, sports grounds, a stadium, wind farms.

Frames are as in ``demo_layouts``.
"""

from __future__ import annotations

import numpy as np

from samrs_mm.drawn import objects as draw
from samrs_mm.drawn import structures
from samrs_mm.drawn.board import Board
from samrs_mm.drawn.canvas import Pose, ellipse, rectangle, stroke
from samrs_mm.drawn.layouts import QUARTER_TURN, parking_row, road, trees, vehicle


def tank_farm(board: Board) -> None:
    """Draw bunded storage tanks, large ones alone and small ones in fours, pipes and roads."""
    rng, frame, cell = board.rng, board.frame(), 134.0
    board.ground('soil')
    count = int(np.ceil(board.radius / cell)) + 1
    for u in np.arange(-count, count) * cell + cell / 2:
        for v in np.arange(-count, count) * cell + cell / 2:
            _bund(board, frame.child(u, v), cell - 30)
    for k in range(-count, count):
        for along, turn in ((k * cell, 0.0), (k * cell, QUARTER_TURN)):
            lane = Pose(frame.x, frame.y, frame.angle + turn)
            board.area(lane, [rectangle(-2000, 2000, along - 8, along + 8)], 'asphalt')
            pipes = [rectangle(-2000, 2000, along + p, along + p + 1.3) for p in (9.5, 12.0, 14.5)]
            board.area(lane, pipes, (188, 186, 178), 0.8)
            for u in rng.uniform(-board.radius, board.radius, round(board.side / 170)):
                vehicle(
                    board,
                    lane.child(u, along + rng.choice([-3.6, 3.6]), 0),
                    rng.random() < 0.3,
                    gap=2,
                )
    trees(
        board,
        frame,
        (-board.radius, board.radius),
        (-board.radius, board.radius),
        round(board.side / 14),
    )


def _bund(board: Board, cell: Pose, size: float) -> None:
    """Draw a walled basin with one large, two or four smaller tanks, a shed or nothing."""
    rng, half, roofs = board.rng, size / 2, board.domain.paints['tanks']
    board.area(cell, [rectangle(-half - 3, half + 3, -half - 3, half + 3)], (186, 178, 160), 0.85)
    board.area(
        cell, [rectangle(-half, half, -half, half)], rng.choice(['gravel', 'gravel', 'concrete'])
    )
    draw_of = rng.random()
    if draw_of < 0.08:
        board.decorate(
            structures.building(rng, size * 0.7, size * 0.45, board.domain.paints['roofs']), cell
        )
        return
    spots, radius = [(0, 0)], (36, 46)
    if draw_of > 0.72:
        spots, radius = (
            [(x * half * 0.5, y * half * 0.5) for x in (-1, 1) for y in (-1, 1)],
            (13, 21),
        )
    elif draw_of > 0.5:
        spots, radius = (
            [(-half * 0.52, -half * 0.4), (half * 0.48, half * 0.44), (half * 0.6, -half * 0.6)],
            (15, 24),
        )
    for x, y in spots:
        at = cell.child(x, y)
        board.area(cell, stroke([(x, y), (x, half), (half + 12, half)], 1.6), (170, 168, 160), 0.9)
        # Labels of tanks are rarely turned: a circle has no head.
        sprite = structures.storage_tank(rng, rng.uniform(*radius), roofs, board.sun)
        board.put('storage_tank', sprite, Pose(at.x, at.y, 0.0), gap=1)


def sports(board: Board) -> None:
    """Draw blocks of tennis and basketball courts, pools with a clubhouse, paths, a car park."""
    frame, cell = board.frame(), 251.0
    far, count = board.radius + 20, int(np.ceil(board.radius / cell))
    board.ground('grass')
    paths = [rectangle(-far, far, k * cell - 7, k * cell + 7) for k in range(-count, count + 1)]
    board.area(frame, paths, 'pavement')
    board.area(frame, [path[:, ::-1] for path in paths], 'pavement')
    for row in range(-count, count):
        for column in range(-count, count):
            corner = frame.child((column + 0.5) * cell, (row + 0.5) * cell)
            content = (2 * row + column) % 4
            if content == 1:
                _court_block(board, corner, 3, 'basketball')
            elif content == 2:
                _pool_terrace(board, corner)
            elif max(abs(row + 0.5), abs(column + 0.5)) < 1 or content == 0:
                _court_block(board, corner, 3, 'tennis', columns=2)
            else:
                _sports_car_park(board, corner, cell)
    reach = (-board.radius, board.radius)
    trees(board, frame, reach, reach, round(board.side / 4))


def _pool_terrace(board: Board, corner: Pose) -> None:
    rng = board.rng
    terrace = rectangle(-102, 102, -102, 102)
    board.area(corner, [terrace], 'pavement')
    for u, v, size in ((-46, -46, 86), (52, -52, 46), (52, 12, 38)):
        pose = corner.child(u, v, rng.uniform(-0.2, 0.2))
        board.put('swimming_pool', structures.swimming_pool(rng, size), pose)
    board.reserve(corner, [rectangle(-98, 84, -84, 40)])
    clubhouse = structures.building(rng, 132, 50, board.domain.paints['roofs'])
    board.decorate(clubhouse, corner.child(0, 68))


def _sports_car_park(board: Board, corner: Pose, cell: float) -> None:
    half = cell / 2 - 9
    board.area(corner, [rectangle(-half, half, -half, half)], 'asphalt')
    for v in np.arange(-half + 20, half - 10, 44):
        parking_row(board, corner, (-half + 6, half - 6), v, QUARTER_TURN, 0.25)


def _court_block(board: Board, pose: Pose, rows: int, game: str, columns: int = 1) -> None:
    """Draw courts side by side on one hard surface with a fence around."""
    rng, courts = board.rng, board.domain.paints['courts']
    pair = rng.choice(len(courts), 2, replace=False)
    surround, colour, key = (
        courts[pair[0]],
        courts[pair[1]],
        draw.tone(courts[pair[1]], rng.choice([0.7, 1.3])),
    )
    length, step = (80.0, (104.0, 53.0)) if game == 'tennis' else (92.0, (112.0, 62.0))
    block = rectangle(
        -step[0] * columns / 2,
        step[0] * columns / 2,
        -step[1] * rows / 2 - 3,
        step[1] * rows / 2 + 3,
    )
    board.area(pose, [block], 'court')
    board.area(pose, [block], surround, 0.8)
    board.area(pose, stroke(block, 1.2, closed=True), (70, 76, 74), 0.7)
    board.reserve(pose, [block])
    for row in range(rows):
        for column in range(columns):
            at = pose.child(
                (column - (columns - 1) / 2) * step[0], (row - (rows - 1) / 2) * step[1]
            )
            if game == 'tennis':
                board.put('tennis_court', structures.tennis_court(length, colour), at)
            else:
                board.put('basketball_court', structures.basketball_court(length, colour, key), at)


def stadium(board: Board) -> None:
    """Draw a running track with a soccer field inside, courts and parked cars around it."""
    rng, frame, paints = board.rng, board.frame(), board.domain.paints
    far, length = board.radius + 20, min(board.side * 0.72, 420)
    width = length * 0.52
    board.ground('grass')
    board.area(
        frame, [rectangle(-length * 0.54, length * 0.54, -width * 0.56, width * 0.56)], 'pavement'
    )
    board.put(
        'ground_track_field',
        structures.running_track(length, width, draw.pick(rng, paints['tracks'], 4), 'turf'),
        frame,
    )
    board.put('soccer_field', structures.soccer_field(length * 0.53, width * 0.66, 'turf'), frame)
    stand = width * 0.56 + 24
    board.decorate(
        structures.building(rng, length * 0.6, 34, paints['roofs']), frame.child(0, -stand)
    )
    board.area(frame, [rectangle(-far, far, stand + 2, stand + 70)], 'asphalt')
    for row, heading in ((16, QUARTER_TURN), (56, -QUARTER_TURN)):
        parking_row(board, frame, (-board.radius, board.radius), stand + row, heading, 0.2)
    for u in (-0.3, 0.3):
        game = rng.choice(['tennis', 'basketball'])
        _court_block(board, frame.child(u * board.side, -stand - 84, QUARTER_TURN), 2, game)
    trees(
        board,
        frame,
        (-board.radius, board.radius),
        (-board.radius, -stand - 20),
        round(board.side / 5),
    )
    trees(
        board,
        frame,
        (-board.radius, board.radius),
        (stand + 80, board.radius),
        round(board.side / 8),
    )


def wind_farm(board: Board) -> None:
    """Draw fields crossed by tracks, wind turbines on their pads, a country road."""
    rng, frame = board.rng, board.frame()
    board.ground('soil')
    for u in np.arange(-board.radius, board.radius, 150):
        for v in np.arange(-board.radius, board.radius, 110):
            field = rectangle(u + 2, u + 148, v + 2, v + 108)
            board.area(
                frame, [field], rng.choice(['grass', 'turf', 'soil', 'gravel']), rng.uniform(0.5, 1)
            )
            rows = [
                rectangle(u + 2, u + 148, a, a + 1)
                for a in np.arange(v + 5, v + 106, rng.uniform(4, 9))
            ]
            board.area(frame, rows, (60, 56, 40), 0.12)
    road(board, frame, board.side * 0.1, 20, cars=round(board.side / 40))
    for u in np.arange(-board.radius, board.radius, 128) + rng.uniform(0, 60):
        for v in np.arange(-board.side * 0.27, board.radius, 307):
            at = frame.child(u + rng.normal(0, 8), v + rng.normal(0, 8))
            board.area(frame, stroke([(u, v), (u + 8, board.side * 0.1)], 5), 'pavement', 0.9)
            board.area(Pose(at.x, at.y), [ellipse(0, 0, 9)], 'pavement')
            _turbine(board, at)
    trees(
        board,
        frame,
        (-board.radius, board.radius),
        (-board.radius, board.radius),
        round(board.side / 14),
    )


def _turbine(board: Board, foot: Pose) -> None:
    """Put up a wind turbine that leans away from its foot, with its tower's shadow."""
    reach = board.rng.uniform(34, 46)
    lean = board.rng.normal(-QUARTER_TURN, 0.1)
    hub = Pose(foot.x, foot.y, lean).child(reach * 0.8, 0)
    if board.put('windmill', structures.windmill(board.rng, reach), hub, gap=0):
        shadow = np.array([(0, 0), board.sun * reach * 1.5])
        board.area(Pose(foot.x, foot.y), stroke(shadow, 2.4), (20, 22, 26), 0.45, soft=0.6)
