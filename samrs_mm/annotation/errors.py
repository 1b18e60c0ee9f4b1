"""The errors a user can cause, each told in one line."""


class SamrsError(Exception):
    """Base of all errors whose message is meant for the user as it stands."""


class RefusedError(SamrsError):
    """The run is refused before any work begins (exit code 2)."""


class ImageReadError(SamrsError):
    """An image is missing, truncated, or of a kind that can't be read."""


class LabelReadError(SamrsError):
    """A whole label file is unreadable (not one of its boxes)."""


class SegmentorError(SamrsError):
    """A prompt segmentor can't be built, or failed on an image."""
