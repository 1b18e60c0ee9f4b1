"""The ground of a crop: a colour and a texture, strips across it, painted slots."""

import cv2
import numpy as np

from samrs_mm.drawn.crop_canvas import CropCanvas, Thing
from samrs_mm.drawn.dice import Dice
from samrs_mm.drawn.outlines import block, rectangle
from samrs_mm.drawn.paint import ANY_GROUND, GROUNDS, PALE, Colour, colour, marking, shade
from samrs_mm.drawn.textures import TextureBank

_USUAL = 0.75  # how often a thing stands where it belongs
_ALIKE, _CAMOUFLAGED = 35, 0.1


def ground_colour(dice: Dice, thing: Thing) -> tuple[str, Colour]:
    """Return a kind of ground and its colour: mostly one that a thing belongs to and differs from.

    One in ten has about the thing's own colour.
    """
    name = dice.pick(thing.kind.grounds) if dice.chance(_USUAL) else dice.pick(list(GROUNDS))
    if dice.chance(_CAMOUFLAGED):
        near = thing.paint * dice.between(0.85, 1.2) + dice.rng.normal(0, 5, 3)
        return name, np.clip(near, 5, 250)
    found = colour(dice, GROUNDS[name], 0.1)
    for _ in range(2):
        if np.abs(found - thing.paint).max() < _ALIKE:
            found = colour(dice, GROUNDS[name], 0.3)
    return name, found


def lay_ground(
    dice: Dice, canvas: CropCanvas, bank: TextureBank, thing: Thing, angle: float
) -> None:
    """Fill a canvas with ground, and strips of other ground or a quay."""
    name, base = ground_colour(dice, thing)
    texture, mean = bank.patch(dice, canvas.side)
    rough = dice.between(0.03, 0.5) if name == 'water' else dice.between(0.1, 1.2)
    if dice.chance(0.3):
        base = np.asarray(mean, float)
    flat = np.clip(base.astype(np.float32) + texture * np.float32(rough), 0, 255)
    flat = flat.astype(np.uint8)
    canvas.pixels[..., :3] = cv2.resize(flat, (canvas.big, canvas.big))
    if name != 'water' or dice.chance(0.3):
        _strips(dice, canvas, base, angle)
    elif dice.chance(0.35):
        _quay(dice, canvas, thing, angle)


def _strips(dice: Dice, canvas: CropCanvas, base: Colour, angle: float) -> None:
    """Paint roads, verges and fields: bands along the object, across it, or anyhow."""
    for _ in range(dice.count(0, 3)):
        band = rectangle(-9, 9, -dice.between(0.02, 1), 0)
        turn = angle + dice.pick([0, np.pi / 2, dice.angle()])
        other = colour(dice, ANY_GROUND, 0.1) if dice.chance(0.6) else shade(dice, base)
        where = dice.rng.uniform(-1.6, 1.6, 2) * canvas.scale
        canvas.paint(canvas.place(band, turn, where), other, dice.between(0, 80))


def _quay(dice: Dice, canvas: CropCanvas, thing: Thing, angle: float) -> None:
    """Paint a quay or a jetty beside, before or behind a ship."""
    long, wide = thing.size()
    ahead = dice.chance(0.6)
    gap = (long if ahead else wide) / 2 * dice.between(1, 1.25)
    deep = 9 if dice.chance(0.4) else dice.between(0.05, 0.4)
    band = rectangle(gap, gap + deep, -9, 9)
    turn = angle + (0 if ahead else np.pi / 2) + np.pi * dice.chance(0.5)
    stone = colour(dice, np.concatenate([GROUNDS['paved'], PALE]))
    canvas.paint(canvas.place(band, turn), stone, dice.between(20, 80))


def paint_slots(dice: Dice, canvas: CropCanvas, thing: Thing, angle: float) -> None:
    """Paint the lines between parking bays, or a road's."""
    long, wide = thing.size()
    step, reach, white = wide * dice.between(1.1, 1.8), dice.between(0.9, 1.4) * long, marking(dice)
    thin = dice.between(0.006, 0.02)
    for row in range(-4, 5):
        line = block(reach, 2 * thin, 0, (row + 0.5) * step)
        canvas.paint(canvas.place(line, angle), white, 20)
