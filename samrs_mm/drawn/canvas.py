"""Canvas, textures and plane geometry that the demo scenes are drawn with.

Coordinates are continuous pixels, x right and y down: the first pixel covers 0 to 1 and
has its centre at ``(0.5, 0.5)``. Pictures are drawn anti-aliased; masks are decided at the pixel
centres.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

SUPERSAMPLE = 4
FIXED_POINT_BITS = 4
FULL = 15 * SUPERSAMPLE**2  # so that the mean over a pixel's samples is a whole number


@dataclass(frozen=True)
class Material:
    """Ground cover, as two colours that a coarse noise mixes, with fine noise on top.

    Attributes:
        colour: RGB in [0, 255].
        tint: RGB that patches of the ground lean to.
        patch: Size of those patches in pixels.
        mottle: Standard deviation of the brightness at a scale of 3 to 12 pixels.
        grain: Standard deviation of the brightness from pixel to pixel.
        ripple: Standard deviation of wind ripples (water), 0 for land.
    """

    colour: tuple[int, int, int]
    tint: tuple[int, int, int]
    patch: float = 90.0
    mottle: float = 4.0
    grain: float = 4.0
    ripple: float = 0.0


@dataclass(frozen=True)
class Pose:
    """Where a local frame lies in the picture: local +x points to the head, local +y to its right.

    Attributes:
        x: Origin, pixels.
        y: Origin, pixels.
        angle: Direction of the head in radians, clockwise on the screen from +x.
    """

    x: float
    y: float
    angle: float = 0.0

    def apply(self, points: np.ndarray) -> np.ndarray:
        """Return local points ``(N, 2)`` in picture coordinates, ``(N, 2)`` float64."""
        c, s = np.cos(self.angle), np.sin(self.angle)
        return np.asarray(points, float) @ np.array([[c, s], [-s, c]]) + (self.x, self.y)

    def child(self, x: float, y: float, turn: float = 0.0) -> Pose:
        """Return the pose of a frame whose origin is the local ``(x, y)``, turned by ``turn``."""
        origin = self.apply(np.array([[x, y]]))[0]
        return Pose(float(origin[0]), float(origin[1]), self.angle + turn)


def rectangle(x0: float, x1: float, y0: float, y1: float) -> np.ndarray:
    """Return a rectangle's corners ``(4, 2)``, clockwise from the front left (+x is the front)."""
    return np.array([[x1, y0], [x1, y1], [x0, y1], [x0, y0]], float)


def ellipse(x: float, y: float, rx: float, ry: float | None = None, count: int = 40) -> np.ndarray:
    """Return ``(count, 2)`` points of an ellipse (a circle where ``ry`` is not given)."""
    t = np.arange(count) * 2 * np.pi / count
    return np.stack([x + rx * np.cos(t), y + (rx if ry is None else ry) * np.sin(t)], 1)


def rounded_rectangle(length: float, width: float, radius: float) -> np.ndarray:
    """Return a rectangle around the origin with rounded corners, ``(24, 2)``."""
    corners = []
    for k, (sx, sy) in enumerate([(1, 1), (-1, 1), (-1, -1), (1, -1)]):
        t = np.pi / 2 * (k + np.arange(6) / 5)
        centre = (sx * (length / 2 - radius), sy * (width / 2 - radius))
        corners.append(np.stack([np.cos(t), np.sin(t)], 1) * radius + centre)
    return np.concatenate(corners)


def mirrored(half: list[tuple[float, float]] | np.ndarray) -> np.ndarray:
    """Return an outline from its half (y >= 0, from head to tail) and the mirror image."""
    half = np.asarray(half, float)
    return np.concatenate([half, half[::-1] * (1, -1)])


def stroke(points: np.ndarray, width: float, closed: bool = False) -> list[np.ndarray]:
    """Return the quadrilaterals that draw a polyline ``(N, 2)`` with a width in pixels."""
    points = np.asarray(points, float)
    ends = np.roll(points, -1, 0) if closed else points[1:]
    quads = []
    for p, q in zip(points, ends, strict=False):
        along = (q - p) / max(np.hypot(*(q - p)), 1e-6) * width / 2
        across = np.array([-along[1], along[0]])
        quads.append(
            np.stack(
                [
                    p - along * 0.5 - across,
                    q + along * 0.5 - across,
                    q + along * 0.5 + across,
                    p - along * 0.5 + across,
                ]
            )
        )
    return quads


def points_inside(polygon: np.ndarray, xs: np.ndarray, ys: np.ndarray) -> np.ndarray:
    """Say which grid points lie in a polygon (even-odd rule).

    Args:
        polygon: ``(N, 2)`` float.
        xs: ``(W,)`` x coordinates.
        ys: ``(H,)`` y coordinates.

    Returns:
        ``(H, W)`` bool.
    """
    inside = np.zeros((len(ys), len(xs)), bool)
    for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, 0), strict=True):
        rows = np.flatnonzero((y0 > ys) != (y1 > ys))
        if len(rows):
            crossing = x0 + (ys[rows] - y0) * (x1 - x0) / (y1 - y0)
            inside[rows] ^= xs[None] < crossing[:, None]
    return inside


def noise_field(
    rng: np.random.Generator, shape: tuple[int, int], cell: float, stretch: float = 1.0
) -> np.ndarray:
    """Return smooth noise with about unit deviation, ``(H, W)`` float32.

    Args:
        rng: Source of randomness.
        shape: ``(H, W)``.
        cell: Size of a bump in pixels, across.
        stretch: How many times longer the bumps are along x.
    """
    height, width = shape
    rows, columns = int(height / cell) + 4, int(width / (cell * stretch)) + 4
    grid = rng.standard_normal((rows, columns), np.float32)
    scaled = cv2.resize(
        grid,
        (int(columns * cell * stretch) + 1, int(rows * cell) + 1),
        interpolation=cv2.INTER_CUBIC,
    )
    top, left = int(cell), int(cell * stretch)
    return scaled[top : top + height, left : left + width] * 1.3


def turned_noise(
    rng: np.random.Generator, shape: tuple[int, int], cell: float, stretch: float, angle: float
) -> np.ndarray:
    """Return :func:`noise_field` whose long axis points along ``angle`` (radians)."""
    height, width = shape
    side = int(np.hypot(height, width)) + 2
    field = noise_field(rng, (side, side), cell, stretch)
    matrix = cv2.getRotationMatrix2D((side / 2, side / 2), -np.degrees(angle), 1.0)
    matrix[:, 2] += ((width - side) / 2, (height - side) / 2)
    return cv2.warpAffine(field, matrix, (width, height), borderMode=cv2.BORDER_REFLECT)


class Canvas:
    """A picture under construction.

    Args:
        width: Pixels.
        height: Pixels.
        rng: Source of all randomness of the scene.
    """

    def __init__(self, width: int, height: int, rng: np.random.Generator) -> None:
        self.width, self.height, self.rng = width, height, rng
        self.image = np.zeros((height, width, 3), np.float32)

    def texture(self, material: Material) -> np.ndarray:
        """Return the whole picture covered with a material, ``(H, W, 3)`` float32 RGB."""
        shape, rng = (self.height, self.width), self.rng
        coarse = noise_field(rng, shape, material.patch) + 0.6 * noise_field(
            rng, shape, material.patch / 3
        )
        mix = 1 / (1 + np.exp(-2.2 * coarse))[..., None]
        colour, tint = np.float32(material.colour), np.float32(material.tint)
        light = material.mottle * (
            0.7 * noise_field(rng, shape, 11) + 0.7 * noise_field(rng, shape, 3.5)
        )
        light += material.grain * rng.standard_normal(shape, np.float32)
        if material.ripple:
            wind = rng.uniform(0, np.pi)
            light += material.ripple * turned_noise(rng, shape, 2.2, 4.0, wind)
            light += material.ripple * 0.7 * turned_noise(rng, shape, 7.0, 5.0, wind + 0.3)
        light = light[..., None] * (colour / max(float(colour.mean()), 1.0))
        return colour * (1 - mix) + tint * mix + light

    def _coverage(
        self, polygons: list[np.ndarray], soft: float
    ) -> tuple[tuple[slice, slice], np.ndarray] | None:
        """Return the window that the union of polygons touches and its coverage in [0, 1]."""
        points = np.concatenate(polygons)
        margin = 1 + int(np.ceil(3 * soft))
        x0, y0 = np.maximum(np.floor(points.min(0)).astype(int) - margin, 0)
        x1, y1 = np.minimum(np.ceil(points.max(0)).astype(int) + margin, (self.width, self.height))
        if x0 >= x1 or y0 >= y1:
            return None
        fine = np.zeros(((y1 - y0) * SUPERSAMPLE, (x1 - x0) * SUPERSAMPLE), np.uint8)
        for polygon in polygons:
            local = ((polygon - (x0, y0)) * SUPERSAMPLE - 0.5) * 2**FIXED_POINT_BITS
            cv2.fillPoly(fine, [np.round(local).astype(np.int32)], FULL, shift=FIXED_POINT_BITS)
        coarse = cv2.resize(fine, (int(x1 - x0), int(y1 - y0)), interpolation=cv2.INTER_AREA)
        alpha = coarse.astype(np.float32) / FULL
        if soft:
            alpha = cv2.GaussianBlur(alpha, (0, 0), soft, borderType=cv2.BORDER_REPLICATE)
        return (slice(y0, y1), slice(x0, x1)), alpha[..., None]

    def fill(
        self,
        polygons: list[np.ndarray],
        paint: tuple[float, ...] | np.ndarray,
        opacity: float = 1.0,
        soft: float = 0.0,
    ) -> None:
        """Paint the union of polygons.

        Args:
            polygons: Each ``(N, 2)``, picture coordinates.
            paint: RGB colour, or a texture ``(H, W, 3)`` as large as the picture.
            opacity: In [0, 1].
            soft: Standard deviation of the edge's blur in pixels.
        """
        covered = self._coverage(polygons, soft)
        if covered is None:
            return
        window, alpha = covered
        colour = paint[window] if isinstance(paint, np.ndarray) else np.float32(paint)
        target = self.image[window]
        target += (colour - target) * (alpha * np.float32(opacity))

    def shade(self, polygons: list[np.ndarray], strength: float, soft: float = 0.8) -> None:
        """Darken the union of polygons: what lies in shadow stays lit by the blue of the sky."""
        covered = self._coverage(polygons, soft)
        if covered is not None:
            window, alpha = covered
            self.image[window] *= 1 - alpha * np.float32(strength) * np.float32([1.0, 0.96, 0.88])

    def developed(
        self, blur: float, noise: float, gain: tuple[float, float, float], lift: float
    ) -> np.ndarray:
        """Return what a sensor would have seen.

        Args:
            blur: Standard deviation of the optics' blur in pixels.
            noise: Standard deviation of the noise at mid grey.
            gain: Factor per RGB channel (the light's colour).
            lift: Brightness added by haze.

        Returns:
            ``(H, W, 3)`` uint8 RGB.
        """
        shape = (self.height, self.width)
        light = 1 + 0.02 * noise_field(self.rng, shape, 160)
        image = self.image * np.float32(gain) * light[..., None] * np.float32(
            1 - lift / 255
        ) + np.float32(lift)
        image = cv2.GaussianBlur(image, (0, 0), blur, borderType=cv2.BORDER_REFLECT)
        # Providers sharpen their pictures: edges get the faint halo that people know from them.
        image += 0.5 * (image - cv2.GaussianBlur(image, (0, 0), 1.6, borderType=cv2.BORDER_REFLECT))
        sigma = noise * np.sqrt(np.clip(image, 8, 255) / 128)
        luma = self.rng.standard_normal((*shape, 1), np.float32)
        chroma = self.rng.standard_normal((*shape, 3), np.float32)
        return np.clip(np.rint(image + sigma * (0.8 * luma + 0.5 * chroma)), 0, 255).astype(
            np.uint8
        )
