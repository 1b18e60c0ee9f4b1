"""The errors a user can cause, each with a message of one line."""


class SamrsError(Exception):
    """Base of all errors whose message is meant for the user as it stands."""


class RefusedError(SamrsError):
    """The run is refused before any work begins (exit code 2)."""


class StoppedError(SamrsError):
    """The work was asked to stop, and has saved all it had done (exit code 75)."""


class StoppedAtOnce(KeyboardInterrupt):
    """The work was asked to stop before it had done anything (exit code 75)."""


class ImageReadError(SamrsError):
    """An image is missing, truncated, or of a kind that can't be read."""


class LabelReadError(SamrsError):
    """A whole label file is unreadable (not one of its boxes)."""


class SegmentorError(SamrsError):
    """A prompt segmentor can't be built, or failed on an image."""


def describe(error: BaseException) -> str:
    """Return an error as one line: ours as they are, the system's with the file they met."""
    if isinstance(error, OSError) and error.filename:
        return f'{error.filename}: {error.strerror}'
    text = ' '.join(str(error).split())
    return text if isinstance(error, SamrsError) else f'{type(error).__name__}: {text}'
