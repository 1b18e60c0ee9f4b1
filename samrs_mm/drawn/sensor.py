"""What sensors, providers and files make of a picture: resolution, noise, JPEG, borders."""

import cv2
import numpy as np

from samrs_mm.core.crop_frame import CropFrame
from samrs_mm.drawn.dice import Dice
from samrs_mm.drawn.outlines import turned

_LUMA = np.array([0.3, 0.59, 0.11], np.float32)
_LEAST = 6  # pixels along a side


def sharpened(image: np.ndarray, amount: float, radius: float) -> np.ndarray:
    """Return a float32 picture with its edges raised, as providers do.

    Args:
        image: ``(H, W, 3)`` float32.
        amount: Share of what a blur takes away.
        radius: The blur's standard deviation in pixels.
    """
    return image + amount * (image - cv2.GaussianBlur(image, (0, 0), radius))


def _colours(dice: Dice, image: np.ndarray) -> np.ndarray:
    """Return a picture in grey, in false colours or in its own, with another gain and haze."""
    if dice.chance(0.2):
        image = np.repeat((image @ _LUMA)[..., None], 3, axis=2)
    elif dice.chance(0.12):  # another order of bands, or one that isn't visible light
        image = image[..., dice.rng.permutation(3)]
        if dice.chance(0.5):
            image[..., 0] = 255 - image[..., 0] if dice.chance(0.3) else image.mean(axis=2)
    if dice.chance(0.08):
        gain, offset = dice.between(0.15, 0.5), dice.between(-40, 60)  # little contrast
    else:
        gain = dice.between(0.5, 1.25) if dice.chance(0.7) else dice.between(1.2, 1.9)
        offset = dice.between(-25, 50)
    tint = dice.rng.normal(0, 5, 3).astype(np.float32)
    return (image - 110) * np.float32(gain) + (np.float32(110 + offset) + tint)


def grainy(
    rng: np.random.Generator, image: np.ndarray, grain: float, luma: float, chroma: float
) -> np.ndarray:
    """Return a float32 picture with a sensor's noise, which grows with the root of the light.

    Args:
        rng: What decides.
        image: ``(H, W, 3)`` float32.
        grain: Standard deviation at mid grey.
        luma: Its share that all bands have in common.
        chroma: Its share that each band has of its own.
    """
    noise = np.zeros((1, 1, 1), np.float32)
    if luma:
        noise = luma * rng.standard_normal((*image.shape[:2], 1), np.float32)
    if chroma:
        noise = noise + chroma * rng.standard_normal(image.shape, np.float32)
    return image + grain * np.sqrt(np.clip(image, 8, 255) / 128) * noise


def _flare(dice: Dice, image: np.ndarray) -> None:
    """Blind a run of pixels of a row."""
    height, width = image.shape[:2]
    y, x = dice.count(0, height - 1), dice.count(0, width - 1)
    long = max(1, int(dice.between(0.05, 0.4) * width))
    image[y : y + 1 + (height > 30), max(x - long, 0) : x + long] = 255


def _compressed(dice: Dice, image: np.ndarray) -> np.ndarray:
    quality = [cv2.IMWRITE_JPEG_QUALITY, dice.count(25, 95)]
    file = cv2.imencode('.jpg', image, quality)[1]
    return np.asarray(cv2.imdecode(file, cv2.IMREAD_COLOR))


def seen(dice: Dice, image: np.ndarray, frame: CropFrame) -> np.ndarray:
    """Return what is left of a crop in a picture of the frame's resolution.

    Where the picture has fewer pixels than the crop, the crop is brought to them and back.

    Args:
        dice: What decides.
        image: ``(S, S, 3)`` float32 RGB in [0, 255].
        frame: Of the crop.

    Returns:
        ``(S, S, 3)`` uint8.
    """
    side = image.shape[0]
    width, height = np.maximum(np.rint(2 * frame.reach), _LEAST).astype(int).tolist()
    size = (min(width, side), min(height, side))
    if dice.chance(0.3):
        ramp = np.linspace(dice.between(0.7, 1.1), dice.between(0.9, 1.3), side, dtype=np.float32)
        image = image * (ramp[:, None, None] if dice.chance(0.5) else ramp[None, :, None])
    if dice.chance(0.5):
        blur = dice.between(0.2, 0.9) if dice.chance(0.85) else dice.between(0.8, 1.6)
        image = cv2.GaussianBlur(
            image, (0, 0), blur * side / size[0] + 0.01, sigmaY=blur * side / size[1] + 0.01
        )
    if size != (side, side):
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    if dice.chance(0.06):
        _flare(dice, image)
    image = _colours(dice, image)
    if dice.chance(0.45):
        image = sharpened(image, dice.between(0.3, 1.6), dice.between(0.6, 1.6))
    if dice.chance(0.7):
        grain = dice.between(0.5, 4) if dice.chance(0.8) else dice.between(3, 14)
        image = grainy(dice.rng, image, grain, *dice.pick([(1, 0), (0, 1), (0.8, 0.5)]))
    pixels = np.clip(image, 0, 255).astype(np.uint8)
    if dice.chance(0.5):
        pixels = _compressed(dice, pixels)
    if size != (side, side):
        pixels = cv2.resize(pixels, (side, side), interpolation=cv2.INTER_LINEAR)
    return pixels


def cut_off(dice: Dice, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Let the picture end somewhere in a crop: along an edge or slanted, black or as replicated.

    Args:
        dice: What decides.
        image: ``(S, S, 3)`` uint8; its pixels beyond the border are changed.

    Returns:
        valid: ``(S, S)`` bool, where there is data.
        told: The same, or all True where nobody says that the black pixels are none.
    """
    side = image.shape[0]
    turn = dice.angle() if dice.chance(0.3) else dice.count(0, 3) * np.pi / 2
    (cos, sin), far = turned([(1, 0)], turn)[0], dice.between(0.4, 0.95)
    at = (np.arange(side) + 0.5) * 2 / side - 1
    valid = at[None] * cos + at[:, None] * sin < far
    told = valid if dice.chance(0.6) else np.ones_like(valid)
    image[~valid] = 0 if dice.chance(0.75) or told is not valid else dice.count(0, 255)
    return valid, told
