"""Images and their label files in YOLO's or Pascal VOC's layout: who belongs to whom."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from samrs_mm.core.errors import ImageReadError, RefusedError
from samrs_mm.core.found_files import composed, untaken_pictures, walk_names
from samrs_mm.core.images import IMAGE_SUFFIXES, image_size
from samrs_mm.core.own_outputs import own_pictures
from samrs_mm.formats.boxes.label_hints import no_label_hint
from samrs_mm.formats.boxes.label_places import (
    LABELS,
    is_mask_picture,
    may_hold_labels,
    own_places,
    shared_place,
    usual,
)

NO_IMAGE = 'there is no image of this label file'
UNREAD_PICTURE = 'a picture of a kind that is not read; convert it to PNG or TIFF'

_NO_PICTURES = ('.txt', '.xml', '.json', '.csv', '.md', '.yaml', '.yml', '.cache', *IMAGE_SUFFIXES)


@dataclass
class LabelPairs:
    """Images and label files of a dataset, by names relative to its root, with forward slashes.

    Args:
        images: All images, sorted.
        labels: The label file of each image that has one.
        strays: Label files without an image, with what is known of it, to end a message.
        pictures: Pictures of a kind that is not read, and that no stray names.
        passed_over: Folders that our own tools wrote, with what they are.
    """

    images: list[str]
    labels: dict[str, str]
    strays: dict[str, str]
    pictures: list[str]
    passed_over: dict[Path, str]

    @property
    def orphans(self) -> dict[str, list[str]]:
        """What is left, one line each, by what it is: ``label file`` or ``picture``."""
        found = {
            'label file': [f'{name}: {NO_IMAGE}{hint}' for name, hint in self.strays.items()],
            'picture': [f'{name}: {UNREAD_PICTURE}' for name in self.pictures],
        }
        return {what: lines for what, lines in found.items() if lines}

    @property
    def bare(self) -> list[str]:
        """Images without a label file."""
        return [image for image in self.images if image not in self.labels]


def find_pairs(root: Path, source: str) -> LabelPairs:
    """Look through a dataset whose labels are of a format of ``LABELS``.

    An image ``images/A/NAME.jpg`` has its label in ``labels/A/NAME.txt`` (VOC: ``JPEGImages``,
    ``Annotations``, ``.xml``), or beside it; else in ``labels/NAME.txt`` if that is no other's.
    These four folders may be written in any case (``Images``), names of files not; an umlaut may be
    one letter or two (NFC, NFD). Pictures in ``SegmentationObject`` and ``SegmentationClass`` of
    VOC are no images.

    Raises:
        RefusedError: There are no images, none of them has a label file, two claim one, or the root
            holds label maps or pictures that our own tools drew.
    """
    if what := own_pictures(root):
        raise RefusedError(f'{root}: holds {what}, not the images of a dataset')
    passed_over: dict[Path, str] = {}
    files = {name for name in walk_names(root, passed_over) if not is_mask_picture(name, source)}
    suffix = LABELS[source][1]
    label_files = {
        PurePosixPath(usual(name)).with_suffix(suffix).as_posix(): name
        for name in sorted(files, reverse=True)
        if name.lower().endswith(suffix)
    }
    images = sorted(
        name
        for name in files
        if name.lower().endswith(IMAGE_SUFFIXES)
        or (not PurePosixPath(name).suffix and _labelled(name, source, label_files)
            and _is_image(root / name))
    )  # fmt: skip
    if not images:
        untaken = untaken_pictures(files)
        hint = f'; {untaken[0]} is of a kind that is not read' if untaken else ''
        raise RefusedError(f'{root}: no images ({", ".join(IMAGE_SUFFIXES)}) in it{hint}')
    labels = _assign(root, images, source, label_files)
    if not labels:
        tried = ' or '.join([*own_places(images[0], source), shared_place(images[0], source)])
        raise RefusedError(
            f'{root}: no image has a label; for {images[0]} looked for {tried}'
            f'{no_label_hint(root, files, images, source)}'
        )
    strays, told = _strays(root, files, images, labels, source)
    pictures = [name for name in untaken_pictures(files) if name not in told]
    return LabelPairs(images, labels, strays, pictures, passed_over)


def two_label_files(root: Path, one: str, other: str, image: str) -> str:
    """Return why two label files of one image can't be."""
    return f'{root}: {one} and {other} are label files of one image, {image}; take one of them out'


def _labelled(image: str, source: str, label_files: dict[str, str]) -> bool:
    return any(place in label_files for place in own_places(image, source))


def _is_image(path: Path) -> bool:
    try:
        image_size(path)
    except ImageReadError:
        return False
    return True


def _assign(
    root: Path, images: list[str], source: str, label_files: dict[str, str]
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
        place = next((p for p in own_places(image, source) if p in label_files), None)
        if place:
            claim(image, place)
        else:
            late.append(image)
    taken = set(owners)
    alike = {composed(place): place for place in label_files}
    for image in late:
        place = shared_place(image, source)
        if place in label_files and label_files[place] not in taken:
            claim(image, place)
            continue
        places = [alike.get(composed(p)) for p in (*own_places(image, source), place)]
        free = [each for each in places if each and label_files[each] not in owners]
        if free:
            claim(image, free[0])
    return {image: name for name, image in owners.items()}


def _strays(
    root: Path,
    files: set[str],
    images: list[str],
    labels: dict[str, str],
    source: str,
) -> tuple[dict[str, str], set[str]]:
    """Return a hint for each label file without an image, and the pictures that these name."""
    folder, suffix = LABELS[source]
    taken = set(labels.values())
    beside = {str(PurePosixPath(name).parent) for name in taken}
    by_stem: dict[str, list[str]] = {}
    for name in sorted(files - set(images)):
        if not name.lower().endswith(_NO_PICTURES):
            by_stem.setdefault(PurePosixPath(name).stem, []).append(name)
    bare = {PurePosixPath(name).stem.lower(): name for name in images if name not in labels}
    strays, told = {}, set()
    for name in sorted(files - taken):
        path = PurePosixPath(name)
        if not may_hold_labels(name, source):
            continue
        of_labels = folder in PurePosixPath(usual(name)).parts[:-1]
        if not of_labels and not (str(path.parent) in beside and _looks_right(root / name, suffix)):
            continue
        near = by_stem.get(path.stem, [])
        told.update(near)
        cure = ''
        if near:
            cure = f'; {near[0]} is of a kind that is not read, convert it to PNG or TIFF'
        elif image := bare.get(path.stem.lower()):
            same = PurePosixPath(image).stem == path.stem
            cure = f'; {image} is in another folder' if same else f'; {image} differs in case'
        strays[name] = cure
    return strays, told


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
