"""What is asked of one object in a picture, and the crop that shows it to the network."""

from dataclasses import dataclass, field

import numpy as np

from samrs_mm.core.crop_frame import CropFrame
from samrs_mm.core.crop_sample import CropSample, no_clicks
from samrs_mm.core.masks import fill_polygon


@dataclass(frozen=True)
class Picture:
    """An image ``(H, W, 3)`` uint8 RGB; ``valid`` says which pixels have data, None all.

    ``valid`` is ``(h, w)`` bool with h, w at least those of the image.
    """

    image: np.ndarray
    valid: np.ndarray | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.image.shape[0], self.image.shape[1]

    def known(self, frame: CropFrame, side: int) -> np.ndarray:
        """Return which pixels of a crop are of the picture and have data, ``(side, side)`` bool."""
        inside = np.ones((side, side), bool)
        if frame.crosses(*self.size):
            inside = frame.inside(*self.size, side)
        if self.valid is not None:
            inside &= frame.cut(self.valid, side)
        return inside


@dataclass(frozen=True)
class Asked:
    """One object, by a box, clicks, a mask so far, or some of them.

    Args:
        frame: The crop that is looked at.
        half: ``(2,)`` half the box's sides in pixels along the frame's axes; None without a box.
        oriented: Whether the box is turned with its object.
        centre: ``(2,)`` the box's centre from the frame's, in pixels along its axes.
        clicks: ``(N, 3)`` x, y in pixels of the picture, and 1 for the object or 0.
        region: Corners ``(4, 2)`` in pixels of the picture of a region that is the mask so far;
            None without one.
        previous: ``(S, S)`` float32, the object's probability so far in the frame; None without
            one.
    """

    frame: CropFrame
    half: np.ndarray | None = None
    oriented: bool = False
    centre: np.ndarray = field(default_factory=lambda: np.zeros(2))
    clicks: np.ndarray = field(default_factory=no_clicks)
    region: np.ndarray | None = None
    previous: np.ndarray | None = None

    @classmethod
    def of_box(cls, corners: np.ndarray, oriented: bool = False, **more: np.ndarray) -> 'Asked':
        """Ask for the object in a box with these corners ``(4, 2)``, in order around it."""
        frame, half = CropFrame.around(corners)
        return cls(frame, half, oriented, **more)

    @classmethod
    def of_point(cls, centre: np.ndarray, reach: float, clicks: np.ndarray) -> 'Asked':
        """Ask for what is clicked in an upright square crop that reaches so far around a point."""
        return cls(CropFrame(centre, np.eye(2), np.full(2, reach)), clicks=clicks)

    def sample(self, picture: Picture, side: int) -> CropSample:
        """Return the crop of ``side`` pixels."""
        to_crop = self.frame.to_crop(side)
        previous = self.previous
        if self.region is not None:
            corners = self.region @ to_crop[:, :2].T + to_crop[:, 2]
            previous = np.ascontiguousarray(fill_polygon(corners, side, side), np.float32)
        clicks = self.clicks.copy()
        clicks[:, :2] = clicks[:, :2] @ to_crop[:, :2].T + to_crop[:, 2]
        return CropSample(
            image=self.frame.cut(picture.image, side),
            valid=picture.known(self.frame, side),
            reach=self.frame.reach,
            half=self.half,
            centre=self.centre,
            oriented=self.oriented,
            clicks=clicks,
            previous=previous,
        )
