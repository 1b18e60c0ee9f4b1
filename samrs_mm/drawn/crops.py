"""Endless drawn crops of overhead things with their boxes and masks, to train a mask maker on.

Nothing is learned or copied: kinds of things are put on a ground among others, lit, covered, and
seen by a sensor, all at random (domain randomisation). A crop is a function of a seed and an index.
"""

from collections.abc import Collection
from pathlib import Path
from typing import Literal, NamedTuple

import cv2
import numpy as np

from samrs_mm.core.crop_sample import DrawnCrop
from samrs_mm.drawn import light, sensor, views
from samrs_mm.drawn.crop_canvas import CropCanvas, Placed, Thing
from samrs_mm.drawn.dice import Dice
from samrs_mm.drawn.ground import lay_ground, paint_slots
from samrs_mm.drawn.kinds import KINDS
from samrs_mm.drawn.outlines import turned
from samrs_mm.drawn.paint import Colour, colour
from samrs_mm.drawn.placement import neighbours
from samrs_mm.drawn.textures import TextureBank

Mode = Literal['box', 'point', 'refine']
MODES: tuple[Mode, ...] = ('box', 'point', 'refine')
SMALLEST, LARGEST = 8.0, 500.0
"""Native lengths of objects in pixels, but for those of the borders' windows."""
_ANY_SIZE = 0.3  # how often a thing has any size, not one that is usual for its kind
_LOOSEST, _FURTHEST = 0.06, 0.02
"""Masks are wider and off by no more than these shares of a thing's thickness."""
_LEAST = 0.012  # of a crop's pixels are the object's


class Habit(NamedTuple):
    """How labels are drawn: pixels wider than the thing, ``shift`` ``(2,)`` off it, and how many
    boxes are tight.
    """

    loose: float
    shift: np.ndarray
    tight: float


class CropDrawer:
    """Draws crops; holds nothing but its textures, so that a crop depends on its dice alone.

    Args:
        seed: Of the textures, and of ``at``.
        textures: Folder of pictures to take patches of, besides the drawn textures.
        kinds: Names of ``KINDS`` to draw; None draws all, by their shares.
        covered_roofs: How often the mask of a building goes on below trees: labels of buildings are
            footprints, and their boxes go around what is hidden. Other things lose what is covered.
        looseness: Largest number of pixels of the picture by which masks, and so boxes, are wider
            than the thing, as outlines drawn by people are; each crop takes any up to it, but no
            more than 6 % of the thing's thickness. In a real scene of iSAID the strongest edge lay
            1 px inside the outlines (median of 131 vehicles, most of them 20 px wide).
        misfit: Standard deviation of the shift of mask and box against the picture, in its pixels
            along x and y, but no more than 2 % of the thickness: labels were often drawn on another
            picture or by eye. A tight box then tells more of where the label ends than the
            picture's edges do.
        tight_boxes: Share of boxes that are tight up to 1 %.

    Raises:
        RefusedError: The folder has no usable picture.
        ValueError: There is no such kind.
    """

    def __init__(
        self,
        seed: int = 0,
        textures: str | Path | None = None,
        kinds: Collection[str] | None = None,
        covered_roofs: float = 0.85,
        looseness: float = 0.8,
        misfit: float = 0.1,
        tight_boxes: float = 0.2,
    ):
        _check_kinds(kinds or ())
        self.seed = seed
        self.bank = TextureBank(seed, textures)
        self.covered_roofs, self.tight_boxes = covered_roofs, tight_boxes
        self.looseness, self.misfit = looseness, misfit
        self._names = [name for name in KINDS if kinds is None or name in kinds]
        shares = np.cumsum([KINDS[name].share for name in self._names])
        self._shares = shares / shares[-1]

    def at(
        self, index: int, side: int = 96, mode: Mode = 'box', kind: str | None = None
    ) -> DrawnCrop:
        """Return crop number ``index`` of the seed; see ``draw``."""
        return self.draw(np.random.default_rng([self.seed, index]), side, mode, kind)

    def draw(
        self,
        rng: np.random.Generator,
        side: int = 96,
        mode: Mode = 'box',
        kind: str | None = None,
    ) -> DrawnCrop:
        """Return a crop.

        Args:
            rng: What decides; crops of equal states are equal.
            side: Of the crop in pixels.
            mode: ``box`` is the crop around a loosened H-Box or R-Box; ``point`` an upright one
                around a point of the object, with a click there and no box; ``refine`` a window at
                the border of a large object, with its box and a coarse mask.
            kind: Of the object, by name; None takes any of the drawer's, by their shares.

        Raises:
            ValueError: There is no such mode or kind.
        """
        if mode not in MODES:
            raise ValueError(f'mode is {mode!r}; there are: {", ".join(MODES)}')
        if kind is not None:
            _check_kinds([kind])
        dice = Dice(rng)
        while True:
            crop = self._attempt(dice, side, mode, kind or self._kind(dice))
            if _shows(crop.target, mode):
                return crop

    def _kind(self, dice: Dice) -> str:
        return self._names[int(np.searchsorted(self._shares, dice.between(0, 1), side='right'))]

    def _thing(self, dice: Dice, name: str | None, paint: Colour | None = None) -> Thing:
        """Return a new thing of a kind, or of any."""
        kind = KINDS[name or self._kind(dice)]
        return Thing(kind, kind.draw(dice, colour(dice) if paint is None else paint))

    def _object(self, dice: Dice, name: str) -> Thing:
        """Return the crop's object: mirrored or not, its width varied."""
        thing = self._thing(dice, name)
        stretch = (1, dice.sign() * np.exp(dice.rng.normal(0, 0.12)))
        parts = [part._replace(points=part.points * stretch) for part in thing.parts]
        return Thing(thing.kind, parts)

    def _attempt(self, dice: Dice, side: int, mode: Mode, name: str) -> DrawnCrop:
        thing = self._object(dice, name)
        angle = dice.count(0, 3) * np.pi / 2 + dice.pick(
            [0, dice.angle(), dice.angle(), dice.rng.normal(0, 0.06)]
        )
        scale = _native(dice, thing, side, mode) / thing.size().max()
        outline = views.Silhouette(thing)
        habit = self._habit(dice, outline.thickness() * scale)
        view = _view(dice, thing, outline, angle, scale, habit, side, mode)
        canvas = CropCanvas(view.frame, scale, side)
        self._paint(dice, canvas, thing, name, angle)
        _loosen(canvas, habit.loose)
        _move(canvas, habit.shift)
        image = self._sense(dice, canvas)
        target, valid = canvas.target(), np.ones((side, side), bool)
        if dice.chance(0.07):
            data, valid = sensor.cut_off(dice, image)
            target *= data
        middle = np.array([[side / 2, side / 2, 1.0]])
        return DrawnCrop(
            image=image,
            valid=valid,
            reach=view.frame.reach,
            half=view.half,
            centre=view.centre,
            oriented=view.oriented,
            clicks=middle if mode == 'point' else np.zeros((0, 3)),
            previous=views.coarse(dice, target) if mode == 'refine' else None,
            target=target,
            kind=name,
        )

    def _habit(self, dice: Dice, thickness: float) -> Habit:
        """Return how the label of a thing of so many pixels of thickness was drawn."""
        loose = dice.between(0, min(self.looseness, _LOOSEST * thickness))
        shift = dice.rng.normal(0, min(self.misfit, _FURTHEST * thickness), 2)
        return Habit(loose, shift, self.tight_boxes)

    def _paint(self, dice: Dice, canvas: CropCanvas, thing: Thing, name: str, angle: float) -> None:
        """Paint the ground, the object among others, and what covers it."""
        lay_ground(dice, canvas, self.bank, thing, angle)
        window = np.hypot(*canvas.frame.reach) / canvas.scale + 0.75

        def near(place: np.ndarray) -> bool:
            return bool(np.hypot(*(place - canvas.frame.centre / canvas.scale)) < window)

        def make(kind: str | None) -> Thing:
            return self._thing(dice, kind, thing.paint if dice.chance(0.5) else None)

        standing = [
            Placed(canvas, other, turn, place * canvas.scale)
            for other, turn, place in neighbours(dice, thing, angle, make, name, near)
            if near(place)
        ]
        if thing.kind.grounds[0] == 'paved' and dice.chance(0.4 if standing else 0.1):
            paint_slots(dice, canvas, thing, angle)
        meant = Placed(canvas, thing, angle)
        for item in (*standing, meant):
            item.paint_ground(dice.between(20, 80))
        step = _sun(dice, thing)
        if step.any():
            light.cast_shadows(dice, canvas, (*standing, meant), step)
        strength = dice.between(128, 228)
        order = [*standing, meant]
        dice.rng.shuffle(order)
        for item in order:
            item.paint_thing(strength, item is meant)
        if thing.kind.height and dice.chance(0.25):
            light.fall_off(dice, canvas)
        self._cover(dice, canvas, thing, angle, step)

    def _cover(
        self, dice: Dice, canvas: CropCanvas, thing: Thing, angle: float, step: np.ndarray
    ) -> None:
        """Paint trees, glints, wires and large shadows."""
        footprint = thing.kind.footprint
        if dice.chance(0.45 if footprint else 0.1):
            kept = footprint and dice.chance(self.covered_roofs)
            most = 7 if footprint else 3
            light.grow_trees(dice, canvas, step, thing.size(), most, kept)
        if dice.chance(0.1):
            light.glint(dice, canvas, angle)
        if dice.chance(0.1):
            light.wire(dice, canvas)
        if dice.chance(0.1):
            light.overcast(dice, canvas)

    def _sense(self, dice: Dice, canvas: CropCanvas) -> np.ndarray:
        """Return the crop's picture ``(S, S, 3)`` uint8: with its texture, seen by a sensor."""
        small = cv2.resize(canvas.pixels, (canvas.side,) * 2, interpolation=cv2.INTER_AREA)
        texture, _ = self.bank.patch(dice, canvas.side, (0.15, 0.6))
        strength = small[..., 3:].astype(np.float32) * np.float32(dice.between(0, 1.1) / 255)
        return sensor.seen(dice, small[..., :3] + texture * strength, canvas.frame)


def _check_kinds(names: Collection[str]) -> None:
    unknown = sorted(set(names) - KINDS.keys())
    if unknown:
        raise ValueError(f'kind is {unknown[0]!r}; there are: {", ".join(KINDS)}')


def _native(dice: Dice, thing: Thing, side: int, mode: Mode) -> float:
    """Return a thing's length in pixels of the picture."""
    if mode == 'refine':
        return dice.spread(1.2 * side, 8 * side)
    if dice.chance(_ANY_SIZE):
        return dice.spread(SMALLEST, LARGEST)
    return dice.spread(*thing.kind.sizes)


def _view(
    dice: Dice,
    thing: Thing,
    outline: views.Silhouette,
    angle: float,
    scale: float,
    habit: Habit,
    side: int,
    mode: Mode,
) -> views.View:
    """Return where the crop of an object lies, and what is known of it."""
    points = turned(thing.outline(), angle) * scale + habit.shift
    if mode == 'point':
        inner = turned([outline.inner_point(dice)], angle)[0] * scale + habit.shift
        return views.point_view(dice, inner, points)
    oriented = dice.chance(0.5)
    tight = views.tight_box(points, oriented)
    corners = views.loosened(dice, tight, oriented, habit.loose, habit.tight)
    if mode == 'box':
        return views.box_view(corners, oriented)
    at = turned([outline.border_point(dice)], angle)[0] * scale + habit.shift
    return views.border_view(dice, corners, oriented, at, side)


def _loosen(canvas: CropCanvas, pixels: float) -> None:
    """Widen the mask by pixels of the picture, in whole samples of the canvas."""
    reach = np.rint(pixels / canvas.frame.shrink(canvas.big)).astype(int)
    if reach.any():
        shape = tuple((2 * reach + 1).tolist())
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, shape)
        cv2.dilate(canvas.mask, kernel, canvas.mask)


def _move(canvas: CropCanvas, shift: np.ndarray) -> None:
    """Move the mask by pixels of the picture ``(2,)``, in whole samples of the canvas."""
    x, y = np.rint(canvas.matrix[:, :2] @ shift).tolist()
    if x or y:
        matrix = np.array([[1, 0, x], [0, 1, y]])
        cv2.warpAffine(
            canvas.mask.copy(), matrix, canvas.mask.shape, canvas.mask, cv2.INTER_NEAREST
        )


def _sun(dice: Dice, thing: Thing) -> np.ndarray:
    """Return the step ``(2,)`` from a thing to its shadow's end, in units of its length."""
    high = thing.kind.height
    if not high:  # what lies flat stands among things that don't
        high = 0.1 if dice.chance(0.3) else 0.0
    high *= dice.pick([0, dice.between(0.05, 0.4), dice.between(0.2, 1), dice.between(0.2, 1)])
    return dice.aside(1, 1) * high * (min(float(thing.size()[1]), 0.5) + 0.1)


def _shows(target: np.ndarray, mode: Mode) -> bool:
    """Return whether a crop has enough of its object, and a window enough beside it."""
    share, middle = float(target.mean()), target.shape[0] // 2
    if mode == 'point':
        return share > _LEAST / 3 and target[middle, middle] > 0.5
    if mode == 'refine':
        return 0.05 < share < 0.95
    return share > _LEAST
