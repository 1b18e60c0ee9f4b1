"""Where label files lie in YOLO's and Pascal VOC's layout, beside folders of images."""

from pathlib import PurePosixPath

LABELS = {'yolo': ('labels', '.txt'), 'voc': ('Annotations', '.xml')}
"""Folder and suffix of label files, by format."""

IMAGE_FOLDERS = ('images', 'JPEGImages')

MASK_FOLDERS = {'voc': ('SegmentationObject', 'SegmentationClass'), 'yolo': ()}
"""Folders of pictures that are labels, by format."""

OTHER_TEXTS = (
    'classes.txt', 'obj.names', 'labels.txt', 'notes.txt', 'readme.txt', 'readme.roboflow.txt',
    'readme.dataset.txt', 'license.txt', 'train.txt', 'val.txt', 'valid.txt', 'test.txt',
    'predefined_classes.txt', 'requirements.txt',
)  # fmt: skip
"""Text files of YOLO datasets that hold no boxes."""

_FOLDERS = {name.lower(): name for name in (*IMAGE_FOLDERS, *(name for name, _ in LABELS.values()))}


def usual(name: str) -> str:
    """Return a file name with the layouts' folders in their usual case (``Images`` is ``images``).

    Example:
        >>> usual('Train/IMAGES/A.PNG')
        'Train/images/A.PNG'
    """
    *folders, file = name.split('/')
    return '/'.join([*(_FOLDERS.get(part.lower(), part) for part in folders), file])


def own_places(image: str, source: str) -> list[str]:
    """Return where the label file of an image may be, as ``usual`` spells it, the likeliest first.

    ``images/A/NAME.jpg`` has it in ``labels/A/NAME.txt``, or beside it.
    """
    folder, suffix = LABELS[source]
    path = PurePosixPath(usual(image)).with_suffix(suffix)
    found = [
        '/'.join([*path.parts[:at], folder, *path.parts[at + 1 :]])
        for at in reversed(range(len(path.parts) - 1))
        if path.parts[at] in IMAGE_FOLDERS
    ]
    return [*found, path.as_posix()]


def shared_place(image: str, source: str) -> str:
    """Return where the label file of an image of any folder may be, if it is no other's."""
    folder, suffix = LABELS[source]
    return f'{folder}/{PurePosixPath(image).with_suffix(suffix).name}'


def is_mask_picture(name: str, source: str) -> bool:
    """Whether a picture, by its folders, is one of labels in a format, not one to be labelled."""
    wanted = {folder.lower() for folder in MASK_FOLDERS[source]}
    return bool(wanted & {part.lower() for part in PurePosixPath(name).parts[:-1]})


def may_hold_labels(name: str, source: str) -> bool:
    """Whether a file, by its name, may be a label file of a format."""
    return (
        name.lower().endswith(LABELS[source][1])
        and PurePosixPath(name).name.lower() not in OTHER_TEXTS
    )
