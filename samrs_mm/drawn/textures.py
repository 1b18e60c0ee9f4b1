"""Noise and textures: smooth bumps, furrows, tree tops, or patches of pictures."""

from pathlib import Path

import cv2
import numpy as np

from samrs_mm.core.errors import RefusedError
from samrs_mm.drawn.dice import Dice

_SIDE, _COUNT = 256, 40
_LEAST_SIDE = 150
_ENDINGS = {'.jpg', '.jpeg', '.png', '.tif', '.tiff', '.bmp'}


def noise(
    rng: np.random.Generator, size: tuple[int, int], cell: float, stretch: float = 1
) -> np.ndarray:
    """Return smooth noise ``(H, W)`` float32 of about unit deviation.

    Its bumps are ``cell`` pixels high, and ``stretch`` times as wide.
    """
    cells = [int(size[0] / cell) + 4, int(size[1] / (cell * stretch)) + 4]
    whole = int(cells[1] * cell * stretch), int(cells[0] * cell)
    grid = rng.standard_normal(cells, np.float32)
    return 1.3 * cv2.resize(grid, whole, interpolation=cv2.INTER_CUBIC)[-size[0] :, -size[1] :]


def _octaves(dice: Dice) -> np.ndarray:
    """Return noise ``(256, 256)`` float32 of bumps of many sizes."""
    out = np.zeros((_SIDE, _SIDE), np.float32)
    for octave in range(1, 7):
        weight = np.float32(dice.between(0.2, 1) * 0.75**octave)
        out += weight * noise(dice.rng, out.shape, _SIDE / 2**octave)
    return out + dice.rng.normal(0, dice.between(0, 0.4), out.shape).astype(np.float32)


def _furrows(dice: Dice, out: np.ndarray) -> None:
    """Add stripes of any direction and width: fields, decks, tiles, parking rows."""
    ys, xs = np.mgrid[:_SIDE, :_SIDE]
    turn = dice.between(0, np.pi)
    wave = np.sin((xs * np.cos(turn) + ys * np.sin(turn)) * dice.between(0.05, 0.8))
    out += dice.between(0.3, 1) * np.sign(wave + dice.between(-0.9, 0.9))


def _tree_tops(dice: Dice, out: np.ndarray) -> None:
    """Draw round crowns, each with its shadow to one side."""
    dark, top = float(out.min()) * 0.6, dice.between(4, 20)
    for x, y in dice.rng.integers(0, _SIDE, (150, 2)).tolist():
        radius = int(dice.between(3, top))
        shift = int(radius * 0.4)
        cv2.circle(out, (x + shift, y + shift), radius, dark, -1)
        cv2.circle(out, (x, y), radius, dice.between(-0.5, 1.2), -1)


def _drawn(dice: Dice) -> np.ndarray:
    out, style = _octaves(dice), dice.count(0, 3)
    if style == 0:
        _furrows(dice, out)
    elif style == 1:
        _tree_tops(dice, out)
    out = (out - out.mean()) / (out.std() + 1e-6)
    tint = 1 + dice.rng.normal(0, 0.15, 3)
    return np.clip(128 + 32 * out[..., None] * tint, 0, 255).astype(np.uint8)


def _pictures(folder: Path) -> list[np.ndarray]:
    """Return a folder's pictures at full, half and a quarter of their size, RGB uint8.

    Raises:
        RefusedError: It has no picture that can be read, or none large enough.
    """
    found = []
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    for path in files:
        picture = cv2.imread(str(path)) if path.suffix.lower() in _ENDINGS else None
        if picture is None:
            continue
        for scale in (1, 0.5, 0.25):
            view = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            if min(view.shape[:2]) > _LEAST_SIDE:
                found += [np.ascontiguousarray(view[..., ::-1])] * 2
    if not found:
        raise RefusedError(
            f'{folder}: no picture of more than {_LEAST_SIDE} px a side '
            f'({", ".join(sorted(_ENDINGS))}) is in this folder of textures; '
            'leave textures out to use drawn ones only'
        )
    return found


class TextureBank:
    """Textures that crops take patches of: a function of the seed and of the folder alone.

    Args:
        seed: Of the drawn textures.
        folder: Overhead pictures or photographs of surfaces, besides the drawn ones.

    Raises:
        RefusedError: The folder has no usable picture.
    """

    def __init__(self, seed: int = 0, folder: str | Path | None = None):
        dice = Dice(np.random.default_rng([seed, 0]))
        self.textures = [_drawn(dice) for _ in range(_COUNT)]
        if folder is not None:
            self.textures += _pictures(Path(folder))

    def patch(
        self, dice: Dice, side: int, wide: tuple[float, float] = (0.25, 1)
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return a random patch about its mean, and the mean colour.

        Args:
            dice: What decides.
            side: Of the patch in pixels.
            wide: Which part of a texture's side it shows, least and most.

        Returns:
            ``(side, side, 3)`` float32 of mean 0; ``(3,)`` float32 in [0, 255].
        """
        texture = dice.pick(self.textures)
        height, width = texture.shape[:2]
        cut = max(min(int(min(height, width) * dice.between(*wide)), 3 * side), 2)
        y, x = dice.count(0, height - cut), dice.count(0, width - cut)
        way = cv2.INTER_AREA if cut > side else cv2.INTER_LINEAR
        view = cv2.resize(texture[y : y + cut, x : x + cut], (side, side), interpolation=way)
        view = view.astype(np.float32)
        mean = view.mean(axis=(0, 1))
        return view - mean, mean
