"""Images and their label files in YOLO's or Pascal VOC's layout: who belongs to whom."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from samrs_mm.core.errors import ImageReadError, RefusedError
from samrs_mm.core.found_files import untaken_pictures, walk_names
from samrs_mm.core.images import IMAGE_SUFFIXES, image_size
from samrs_mm.core.own_outputs import own_pictures

LABELS = {'yolo': ('labels', '.txt'), 'voc': ('Annotations', '.xml')}
"""Folder and suffix of label files, by format."""

_IMAGE_FOLDERS = ('images', 'JPEGImages')
_OTHER_TEXTS = (
    'classes.txt', 'obj.names', 'labels.txt', 'notes.txt', 'readme.txt', 'readme.roboflow.txt',
    'readme.dataset.txt', 'license.txt', 'train.txt', 'val.txt', 'valid.txt', 'test.txt',
    'predefined_classes.txt', 'requirements.txt',
)  # fmt: skip
"""Text files of YOLO datasets that hold no boxes."""
_NO_PICTURES = ('.txt', '.xml', '.json', '.csv', '.md', '.yaml', '.yml', '.cache', *IMAGE_SUFFIXES)


@dataclass
class LabelPairs:
    """Images and label files of a dataset, by names relative to its root, with forward slashes.

    Args:
        images: All images, sorted.
        labels: The label file of each image that has one.
        orphans: What is left, one line each, by what it is: ``label file`` (without an image) or
            ``picture`` (of a kind that is not read).
        passed_over: Folders that our own tools wrote, with what they are.
    """

    images: list[str]
    labels: dict[str, str]
    orphans: dict[str, list[str]]
    passed_over: dict[Path, str]

    @property
    def bare(self) -> list[str]:
        """Images without a label file."""
        return [image for image in self.images if image not in self.labels]


def find_pairs(root: Path, source: str) -> LabelPairs:
    """Look through a dataset whose labels are of a format of ``LABELS``.

    An image ``images/A/NAME.jpg`` has its label in ``labels/A/NAME.txt`` (VOC: ``JPEGImages``,
    ``Annotations``, ``.xml``), or beside it; else in ``labels/NAME.txt`` if that is no other's.

    Raises:
        RefusedError: There are no images, none of them has a label file, two claim one, or the root
            holds label maps or pictures that our own tools drew.
    """
    if what := own_pictures(root):
        raise RefusedError(f'{root}: holds {what}, not the images of a dataset')
    passed_over: dict[Path, str] = {}
    files = set(walk_names(root, passed_over))
    folder, suffix = LABELS[source]
    label_files = {
        PurePosixPath(name).with_suffix(suffix).as_posix(): name
        for name in files
        if name.lower().endswith(suffix)
    }
    images = sorted(
        name
        for name in files
        if name.lower().endswith(IMAGE_SUFFIXES)
        or (not PurePosixPath(name).suffix and _labelled(name, folder, suffix, label_files)
            and _is_image(root / name))
    )  # fmt: skip
    if not images:
        untaken = untaken_pictures(files)
        hint = f'; {untaken[0]} is of a kind that is not read' if untaken else ''
        raise RefusedError(f'{root}: no images ({", ".join(IMAGE_SUFFIXES)}) in it{hint}')
    labels = _assign(root, images, folder, suffix, label_files)
    if not labels:
        tried = ' or '.join((*_own_places(images[0], folder, suffix),
                             _shared_place(images[0], folder, suffix)))  # fmt: skip
        raise RefusedError(
            f'{root}: no image has a label; for {images[0]} looked for {tried}'
            f'{_hint(root, files, source)}'
        )
    orphans = _orphans(root, files, images, labels, folder, suffix)
    return LabelPairs(images, labels, orphans, passed_over)


def _own_places(image: str, label_folder: str, suffix: str) -> list[str]:
    """Return where the label file of an image may be, the likeliest first."""
    path = PurePosixPath(image).with_suffix(suffix)
    found = [
        '/'.join([*path.parts[:at], label_folder, *path.parts[at + 1 :]])
        for at in reversed(range(len(path.parts) - 1))
        if path.parts[at] in _IMAGE_FOLDERS
    ]
    return [*found, path.as_posix()]


def _shared_place(image: str, label_folder: str, suffix: str) -> str:
    return f'{label_folder}/{PurePosixPath(image).with_suffix(suffix).name}'


def _labelled(image: str, folder: str, suffix: str, label_files: dict[str, str]) -> bool:
    return any(place in label_files for place in _own_places(image, folder, suffix))


def _is_image(path: Path) -> bool:
    try:
        image_size(path)
    except ImageReadError:
        return False
    return True


def _assign(
    root: Path, images: list[str], folder: str, suffix: str, label_files: dict[str, str]
) -> dict[str, str]:
    """Return the label file of each image; no file is given to two.

    Raises:
        RefusedError: Two images claim one.
    """
    owners: dict[str, str] = {}

    def claim(image: str, place: str) -> None:
        name = label_files[place]
        other = owners.setdefault(name, image)
        if other != image:
            raise RefusedError(
                f'{root}: {other} and {image} have one label file, {name}; whose boxes are they? '
                'Take one picture out, or give each its own label file'
            )

    late = []
    for image in images:
        place = next((p for p in _own_places(image, folder, suffix) if p in label_files), None)
        if place:
            claim(image, place)
        else:
            late.append(image)
    taken = set(owners)
    for image in late:
        place = _shared_place(image, folder, suffix)
        if place in label_files and label_files[place] not in taken:
            claim(image, place)
    return {image: name for name, image in owners.items()}


def _orphans(
    root: Path,
    files: set[str],
    images: list[str],
    labels: dict[str, str],
    folder: str,
    suffix: str,
) -> dict[str, list[str]]:
    """Return a line for each label file without an image, and each picture that is not read."""
    taken = set(labels.values())
    beside = {str(PurePosixPath(name).parent) for name in taken}
    by_stem: dict[str, list[str]] = {}
    for name in sorted(files - set(images)):
        if not name.lower().endswith(_NO_PICTURES):
            by_stem.setdefault(PurePosixPath(name).stem, []).append(name)
    lines, told = [], set()
    for name in sorted(files - taken):
        path = PurePosixPath(name)
        if path.suffix.lower() != suffix or path.name.lower() in _OTHER_TEXTS:
            continue
        of_labels = folder in path.parts[:-1]
        if not of_labels and not (str(path.parent) in beside and _looks_right(root / name, suffix)):
            continue
        near = by_stem.get(path.stem, [])
        told.update(near)
        cure = (
            f'; {near[0]} is of a kind that is not read, convert it to PNG or TIFF' if near else ''
        )
        lines.append(f'{name}: there is no image of this label file{cure}')
    pictures = [
        f'{name}: a picture of a kind that is not read; convert it to PNG or TIFF'
        for name in untaken_pictures(files)
        if name not in told
    ]
    found = {'label file': lines, 'picture': pictures}
    return {what: lines for what, lines in found.items() if lines}


def _looks_right(path: Path, suffix: str) -> bool:
    """Whether a file beside images looks like one with labels: a text begins with five numbers."""
    if suffix != '.txt':
        return True
    try:
        with path.open(encoding='utf-8', errors='replace') as file:
            columns = file.readline(4096).split()
        return len(columns) >= 5 and all(float(value) is not None for value in columns)
    except (OSError, ValueError):
        return False


def _hint(root: Path, files: set[str], source: str) -> str:
    """Return where a user can go whose labels are of another kind."""
    suffixes = {PurePosixPath(name).suffix.lower() for name in files}
    if source == 'voc' and any('Bounding Boxes' in name for name in files):
        return '; this looks like DIOR: configs/annotate/sior_sam-vit-h_hbox.py reads it as it is'
    other = {'yolo': '.xml', 'voc': '.txt'}[source]
    if other in suffixes:
        return f'; there are {other} files: is it --from {"voc" if source == "yolo" else "yolo"}?'
    if '.json' in suffixes:
        return (
            '; .json files are not read: export COCO, YOLO or VOC from the tool that wrote them '
            '(LabelMe, X-AnyLabeling, CVAT, Label Studio)'
        )
    return ''
