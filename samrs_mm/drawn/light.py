"""Light on a canvas: cast shadows, light that falls off, glints; and what covers an object."""

from collections.abc import Iterable

import cv2
import numpy as np

from samrs_mm.drawn.canvas import fill
from samrs_mm.drawn.crop_canvas import CropCanvas, Placed
from samrs_mm.drawn.dice import Dice
from samrs_mm.drawn.kinds.free import blob_outline
from samrs_mm.drawn.outlines import oval, rectangle
from samrs_mm.drawn.paint import LEAVES, THINGS, colour

_STEPS = (0.3, 0.65, 1.0)  # of a concave outline's shadow


def cast_shadows(
    dice: Dice, canvas: CropCanvas, standing: Iterable[Placed], step: np.ndarray
) -> None:
    """Darken the ground where things cast a shadow.

    Args:
        dice: How dark and how soft.
        canvas: Has its ground, but not yet the things.
        standing: The things.
        step: ``(2,)`` from a thing to its shadow's end, in units of the object's length.
    """
    dark = np.zeros((canvas.big, canvas.big), np.uint8)
    origin, end = canvas.place(np.array([(0.0, 0.0), step]))
    shift = end - origin
    for item in standing:
        for polygon in item.solid():
            if cv2.isContourConvex(polygon):
                both = np.concatenate([polygon, polygon + shift])
                fill(dark, cv2.convexHull(both), 255)
            else:
                for share in _STEPS:
                    fill(dark, polygon + np.rint(shift * share).astype(np.int32), 255)
    if dice.chance(0.5):
        soft = dice.pick([3, 5, 7, 11])
        cv2.blur(dark, (soft, soft), dark)
    canvas.shade(dark, dice.between(0.35, 0.9) if dice.chance(0.8) else dice.between(0.1, 0.35))


def fall_off(dice: Dice, canvas: CropCanvas) -> None:
    """Let the light on the object grow or fade from one side to the other."""
    ramp = np.linspace(dice.between(0.6, 1), dice.between(0.9, 1.3), canvas.big, dtype=np.float32)
    ramp = ramp[None, :, None] if dice.chance(0.5) else ramp[:, None, None]
    lit = np.clip(canvas.pixels[..., :3] * ramp, 0, 255).astype(np.uint8)
    np.copyto(canvas.pixels[..., :3], lit, where=canvas.mask[..., None] > 0)


def grow_trees(
    dice: Dice, canvas: CropCanvas, step: np.ndarray, reach: np.ndarray, most: int, kept: bool
) -> None:
    """Draw tree tops at the edge of an object or over it.

    Args:
        dice: What decides.
        canvas: Has the things on it.
        step: ``(2,)`` from a thing to its shadow's end, in units of the object's length.
        reach: ``(2,)`` the object's length and width in the same units.
        most: How many there are at most.
        kept: Whether the object's mask goes on below them.
    """
    far, base = np.hypot(*reach) / 2, LEAVES[dice.count(0, len(LEAVES) - 1)]
    for _ in range(dice.count(1, most)):
        where = dice.aside(0.35 * far, 1.1 * far)
        crown = blob_outline(dice) * dice.between(0.08, 0.45) * min(1.0, 2 * float(reach[1]) + 0.1)
        leaf = np.clip(base * dice.rng.uniform(0.7, 1.3, 3), 0, 255)
        top = canvas.place(crown + where)
        canvas.paint(canvas.place(crown + where + step * 0.3), leaf * 0.4, 0)
        canvas.paint(top, leaf, 255)
        for _ in range(dice.count(0, 3)):  # clumps of leaves in the light
            clump = (
                crown * dice.between(0.2, 0.5) + where + crown[dice.count(0, len(crown) - 1)] * 0.5
            )
            canvas.paint(canvas.place(clump), np.clip(leaf * dice.between(0.7, 1.5), 0, 255), 255)
        if not kept:
            fill(canvas.mask, top, 0)


def glint(dice: Dice, canvas: CropCanvas, angle: float) -> None:
    """Draw a spot that the sun blinds the sensor with, and the streaks through it."""
    where = dice.aside(0, 0.3)
    long, turn = dice.between(0.1, 0.7), dice.pick([0, angle, dice.angle()])
    white = np.full(3, 255.0)
    for outline in (
        oval(dice.between(0.05, 0.3), dice.between(0.04, 0.2), 2, 18),
        oval(long, dice.between(0.02, 0.07), 2, 18),
        oval(dice.between(0.02, 0.06), long * dice.between(0.2, 1), 2, 18),
    ):
        canvas.paint(canvas.place(outline, turn, where * canvas.scale), white, 0)


def wire(dice: Dice, canvas: CropCanvas) -> None:
    """Draw a wire or a mast across everything; the mask goes on below."""
    line = rectangle(-3, 3, -0.008, 0.008)
    where = dice.rng.uniform(-0.4, 0.4, 2) * canvas.scale
    canvas.paint(canvas.place(line, dice.angle(), where), colour(dice, THINGS[:6]), 0)


def overcast(dice: Dice, canvas: CropCanvas) -> None:
    """Let the shadow of something high fall over a half of everything."""
    dark = np.zeros((canvas.big, canvas.big), np.uint8)
    where = dice.rng.uniform(-0.5, 0.5, 2) * canvas.scale
    fill(dark, canvas.place(rectangle(-2, 2, 0, 3), dice.angle(), where), 255)
    if dice.chance(0.4):
        cv2.blur(dark, (9, 9), dark)
    strength = canvas.pixels[..., 3].copy()
    canvas.shade(dark, dice.between(0.2, 0.7))
    canvas.pixels[..., 3] = strength
