"""Layouts of the demo scenes: what all share (roads, trees, bays), harbour, airport, car park.

Every layout works in a frame at the middle of the picture, turned at random: u along it, v across
it, both in pixels. Larger pictures hold more things, not larger ones.
"""

from __future__ import annotations

import numpy as np

from samrs_mm.drawn import objects as draw
from samrs_mm.drawn import structures
from samrs_mm.drawn.board import Board
from samrs_mm.drawn.canvas import Pose, ellipse, rectangle, stroke

HALF_TURN = np.pi
QUARTER_TURN = np.pi / 2
YELLOW = (206, 176, 62)
MARKING = (206, 206, 200)


def vehicle(board: Board, pose: Pose, large: bool = False, gap: float | None = None) -> bool:
    """Place a car, or a lorry or bus; see :meth:`Board.put`."""
    paints = board.domain.paints
    if not large:
        return board.put('small_vehicle', draw.car(board.rng, paints['cars']), pose, gap)
    sprite = (
        draw.bus(board.rng, paints['buses'])
        if board.rng.random() < 0.4
        else draw.truck(board.rng, paints['cars'])
    )
    return board.put('large_vehicle', sprite, pose, gap)


def road(board: Board, frame: Pose, v: float, width: float, cars: int, dashes: bool = True) -> None:
    """Draw a road along u with traffic on both lanes."""
    far = board.radius + 20
    board.area(frame, [rectangle(-far, far, v - width / 2 - 2, v + width / 2 + 2)], 'pavement')
    board.area(frame, [rectangle(-far, far, v - width / 2, v + width / 2)], 'asphalt')
    if dashes:
        board.area(
            frame,
            [rectangle(u, u + 10, v - 0.6, v + 0.6) for u in np.arange(-far, far, 24)],
            MARKING,
            0.7,
        )
    for u in board.rng.uniform(-board.radius, board.radius, cars):
        lane = board.rng.choice([-1, 1])
        turn = board.rng.normal(0, 0.02) + (HALF_TURN if lane < 0 else 0)
        vehicle(board, frame.child(u, v + lane * width / 4, turn), board.rng.random() < 0.12, gap=4)


def trees(
    board: Board, frame: Pose, u: tuple[float, float], v: tuple[float, float], count: int
) -> None:
    """Scatter trees over a rectangle, where they cover nothing."""
    if min(u[1] - u[0], v[1] - v[0]) <= 0:
        return  # the picture is too small to show that strip
    for _ in range(count):
        sprite = structures.tree(board.rng, board.rng.uniform(5, 11), board.domain.paints['trees'])
        board.decorate(sprite, frame.child(board.rng.uniform(*u), board.rng.uniform(*v)))


def parking_row(
    board: Board,
    frame: Pose,
    u: tuple[float, float],
    v: float,
    heading: float,
    filled: float,
    pitch: float = 11.5,
) -> None:
    """Draw bays side by side along u and park cars in some of them."""
    marks = np.arange(u[0], u[1] + 1, pitch)
    board.area(frame, [rectangle(a - 0.5, a + 0.5, v - 12, v + 12) for a in marks], MARKING, 0.65)
    for a in marks[:-1]:
        if board.rng.random() < filled:
            turn = (
                heading + board.rng.normal(0, 0.03) + (HALF_TURN if board.rng.random() < 0.3 else 0)
            )
            vehicle(
                board,
                frame.child(
                    a + pitch / 2 + board.rng.normal(0, 0.5), v + board.rng.normal(0, 0.8), turn
                ),
            )


def _berths(board: Board, pier: Pose, length: float, pitch: float, filled: float) -> None:
    """Moor boats on both sides of a jetty that points along the pier's +x, side by side."""
    rng, hulls = board.rng, board.domain.paints['hulls']
    for x in np.arange(-length / 2 + pitch, length / 2 - 10, pitch):
        for side in (-1, 1):
            if rng.random() > filled:
                continue
            size = rng.uniform(29, 42)
            sprite = (draw.sailing_boat if rng.random() < 0.35 else draw.motor_boat)(
                rng, size, hulls
            )
            turn = (
                side * QUARTER_TURN + (HALF_TURN if rng.random() < 0.3 else 0) + rng.normal(0, 0.03)
            )
            board.put('ship', sprite, pier.child(x, side * (7 + size / 2), turn))


def _wake(board: Board, ship: Pose, length: float) -> None:
    for side in (-1, 1):
        tail = np.array(
            [
                (length * 0.45, 0),
                (-length * 1.6, side * length * 0.42),
                (-length * 1.7, side * length * 0.3),
            ]
        )
        board.area(ship, [tail], (214, 226, 224), 0.22, soft=2.0)
    for reach, strength in ((0.9, 0.35), (1.5, 0.22), (2.3, 0.14)):
        churned = [
            (-length * 0.42, -2),
            (-length * reach, -length * 0.09),
            (-length * reach, length * 0.09),
            (-length * 0.42, 2),
        ]
        board.area(ship, [np.array(churned)], (214, 226, 224), strength, soft=2.5)


def _quayside(board: Board, frame: Pose, edge: float) -> None:
    """Draw the land behind the quay's edge: kerb, road, parked cars, warehouses."""
    rng, far = board.rng, board.radius + 20
    board.area(frame, [rectangle(-far, far, edge, edge + 9)], (12, 22, 24), 0.5, soft=2.5)
    board.area(frame, [rectangle(-far, far, -far - 200, edge)], 'concrete')
    board.area(frame, [rectangle(-far, far, edge - 3, edge)], (196, 192, 182), 0.8)
    road(board, frame, edge - 34, 26, cars=round(board.side / 90))
    board.area(frame, [rectangle(-far, far, edge - 76, edge - 49)], 'asphalt')
    parking_row(board, frame, (-board.radius, board.radius), edge - 62, QUARTER_TURN, 0.18)
    for u in np.arange(-board.radius, board.radius, 118):
        sprite = structures.building(
            rng, rng.uniform(70, 104), rng.uniform(40, 62), board.domain.paints['roofs']
        )
        board.decorate(sprite, frame.child(u + rng.uniform(0, 12), edge - 124))
    trees(
        board, frame, (-board.radius, board.radius), (edge - 260, edge - 80), round(board.side / 9)
    )


def harbour(board: Board) -> None:
    """Draw a basin with jetties full of boats, coasters rafted at the quay, boats under way."""
    rng, frame, paints = board.rng, board.frame(), board.domain.paints
    edge, length = -board.side * 0.24, board.side * 0.46
    board.ground('water')
    _quayside(board, frame, edge)
    fingers = np.arange(-length / 2 + 19, length / 2 - 16, 27.0)
    quay = board.side * 0.31
    for u in np.arange(quay - 134, -board.radius, -124):
        pier = frame.child(u, edge + length / 2, QUARTER_TURN)
        if board.put('harbor', structures.jetty(rng, length, fingers, 24, _deck(board)), pier):
            _berths(board, pier, length, 13.5, 0.62)
    for row, (u, size) in enumerate([(quay, 116), (quay + 4, 104)]):
        heading = HALF_TURN * (rng.random() < 0.5) + rng.normal(0, 0.01)
        sprite = draw.cargo_ship(rng, size, paints['freighters'], paints['containers'])
        board.put('ship', sprite, frame.child(u, edge + 13 + row * 20.5, heading))
    for _ in range(round(board.side / 64)):
        size, v = rng.uniform(30, 62), rng.uniform(edge + 70, max(edge + 71, board.side * 0.6))
        pose = frame.child(rng.uniform(-0.6, 0.6) * board.side, v, rng.uniform(0, 2 * HALF_TURN))
        if board.put('ship', draw.motor_boat(rng, size, paints['hulls']), pose, gap=25):
            _wake(board, pose, size)


def _deck(board: Board) -> draw.Colour:
    """Return the colour of a jetty's planks."""
    return draw.pick(board.rng, board.domain.paints['decks'], 5)


def airport(board: Board) -> None:
    """Draw an apron: jets at the terminal, remote stands, light planes, service vehicles."""
    rng, frame, paints = board.rng, board.frame(), board.domain.paints
    far, gate = board.radius + 20, -board.side * 0.36
    board.ground('grass')
    board.area(frame, [rectangle(-far, far, gate - 170, board.side * 0.42)], 'concrete')
    joints = [
        rectangle(-far, far, v - 0.4, v + 0.4) for v in np.arange(gate, board.side * 0.42, 22)
    ]
    joints += [
        rectangle(u - 0.4, u + 0.4, gate, board.side * 0.42) for u in np.arange(-far, far, 22)
    ]
    board.area(frame, joints, (70, 70, 68), 0.3)
    for v in (gate + 150, board.side * 0.42 - 14):
        board.area(frame, [rectangle(-far, far, v - 0.8, v + 0.8)], YELLOW, 0.8)
    for _ in range(round(board.side / 22)):
        u, v = rng.uniform(-board.radius, board.radius), rng.uniform(gate + 30, board.side * 0.4)
        board.area(
            frame,
            [ellipse(u, v, rng.uniform(4, 26), rng.uniform(2, 7))],
            (42, 42, 42),
            0.22,
            soft=4.0,
        )
    terminal = structures.building(rng, 2 * far, 54, paints['roofs'])
    board.decorate(terminal, frame.child(0, gate - 27))
    _stands(board, frame, gate + 8, 124, jetways=True)
    for nose in np.arange(gate + 160, board.side * 0.42 - 150, 170):
        _stands(board, frame, nose, 132, jetways=False)
    for u in np.arange(-board.radius, board.radius, 46):
        turn = QUARTER_TURN + rng.normal(0, 0.06)
        sprite = draw.light_plane(rng, paints['liveries'])
        board.put(
            'plane', sprite, frame.child(u, board.side * 0.42 - 40 + rng.normal(0, 2), turn), gap=2
        )
    road(board, frame, board.side * 0.42 + 32, 24, cars=round(board.side / 80))
    trees(
        board,
        frame,
        (-board.radius, board.radius),
        (board.side * 0.42 + 50, board.radius),
        round(board.side / 12),
    )


def _stands(board: Board, frame: Pose, nose: float, pitch: float, jetways: bool) -> None:
    """Park jets side by side, noses at v = ``nose``, with service vehicles around them."""
    rng = board.rng
    for u in np.arange(-board.radius, board.radius, pitch) + rng.uniform(0, pitch):
        length = rng.uniform(86, 116)
        board.area(frame, [rectangle(u - 0.7, u + 0.7, nose - 8, nose + 140)], YELLOW, 0.8)
        if jetways:
            board.area(
                frame,
                stroke([(u - 26, nose - 12), (u - 24, nose + 14), (u - 7, nose + 18)], 6),
                (176, 178, 180),
            )
        if rng.random() < 0.82:
            turn = -QUARTER_TURN + rng.normal(0, 0.02 if jetways else 0.12)
            sprite = draw.airliner(rng, length, board.domain.paints['liveries'])
            board.put('plane', sprite, frame.child(u, nose + length / 2 + 2, turn), gap=1)
        for _ in range(3):
            pose = frame.child(
                u + rng.uniform(-58, 58), nose + rng.uniform(4, 110), rng.uniform(0, 2 * HALF_TURN)
            )
            board.put('small_vehicle', draw.car(rng, board.domain.paints['service']), pose, gap=3)
        pose = frame.child(
            u + rng.choice([-42, 42]), nose + rng.uniform(10, 30), rng.normal(QUARTER_TURN, 0.3)
        )
        vehicle(board, pose, large=rng.random() < 0.5, gap=2)


def parking(board: Board) -> None:
    """Draw a car park with planted islands, a yard of lorries and buses, a store and a street."""
    rng, frame = board.rng, board.frame()
    far, top = board.radius + 20, -board.side * 0.16
    board.ground('asphalt')
    for module, v in enumerate(np.arange(top, board.radius, 84)):
        if module % 2 == 0:
            board.area(frame, [rectangle(-far, far, v - 5, v + 5)], 'pavement')
            board.area(frame, [rectangle(-far, far, v - 4, v + 4)], 'grass')
            trees(
                board, frame, (-board.radius, board.radius), (v - 2, v + 2), round(board.side / 24)
            )
        for row, heading in ((17, QUARTER_TURN), (58, -QUARTER_TURN)):
            parking_row(
                board,
                frame,
                (-board.radius, board.radius),
                v + row,
                heading,
                rng.uniform(0.06, 0.17),
            )
    _lorry_yard(board, frame, top - 46)
    road(board, frame, top - 108, 30, cars=round(board.side / 55))
    board.area(frame, [rectangle(-far, far, top - far - 300, top - 126)], 'grass')
    for u in np.arange(-board.radius, board.radius, 150):
        sprite = structures.building(
            rng, rng.uniform(90, 128), rng.uniform(50, 76), board.domain.paints['roofs']
        )
        board.decorate(sprite, frame.child(u + rng.uniform(0, 20), top - 182))
    trees(
        board, frame, (-board.radius, board.radius), (top - 320, top - 132), round(board.side / 6)
    )


def _lorry_yard(board: Board, frame: Pose, v: float) -> None:
    """Park lorries and buses side by side, some of them touching."""
    board.area(
        frame, [rectangle(-board.radius - 20, board.radius + 20, v - 38, v + 34)], 'concrete'
    )
    for u in np.arange(-board.radius, board.radius, 14.5):
        board.area(frame, [rectangle(u - 0.5, u + 0.5, v - 32, v + 30)], MARKING, 0.5)
        if board.rng.random() < 0.42:
            turn = QUARTER_TURN * board.rng.choice([-1, 1]) + board.rng.normal(0, 0.025)
            vehicle(board, frame.child(u + 7.2, v + board.rng.normal(0, 2), turn), large=True)
