"""Detection datasets in YOLO's or Pascal VOC's layout, collected as one COCO file."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

import yaml  # type: ignore[import-untyped]

from samrs_mm.core.boxes import BoxLabel, ParsedLabels, geometry
from samrs_mm.core.errors import RefusedError, SamrsError, describe
from samrs_mm.core.found_files import walk_files
from samrs_mm.core.images import IMAGE_SUFFIXES, image_size
from samrs_mm.formats.boxes.voc import parse_voc
from samrs_mm.formats.boxes.yolo import parse_yolo
from samrs_mm.formats.coco import coco_categories

LABELS = {'yolo': ('labels', '.txt'), 'voc': ('Annotations', '.xml')}
"""Folder and suffix of label files, by format."""

IMAGE_FOLDERS = ('images', 'JPEGImages')
Parser = Callable[[Path, str, tuple[int, int]], ParsedLabels]
"""Reads a label file: by its path, its name in box ids, and the image's width and height."""
NAME_FILES = ('data.yaml', 'data.yml', 'dataset.yaml', 'classes.txt', 'obj.names')


def find(root: Path, source: str) -> tuple[list[str], dict[str, str], list[str]]:
    """Look through a dataset whose labels are of a format of ``LABELS``.

    Returns:
        All images, sorted; the label file of each that has one; and the files in folders of labels
        that belong to no image. All relative to the root.

    Raises:
        RefusedError: There are no images, or none of them has a label file.
    """
    files = {path.relative_to(root).as_posix() for path in walk_files(root)}
    images = sorted(name for name in files if name.lower().endswith(IMAGE_SUFFIXES))
    if not images:
        raise RefusedError(f'{root}: no images ({", ".join(IMAGE_SUFFIXES)}) in it')
    folder, suffix = LABELS[source]
    candidates = {image: _candidates(image, folder, suffix) for image in images}
    labels = {
        image: next(name for name in names if name in files)
        for image, names in candidates.items()
        if not files.isdisjoint(names)
    }
    if not labels:
        tried = ' or '.join(candidates[images[0]])
        raise RefusedError(f'{root}: no image has a label; for {images[0]} looked for {tried}')
    of_labels = {name for name in files if name.endswith(suffix) and folder in name.split('/')[:-1]}
    return images, labels, sorted(of_labels - set(labels.values()))


def _candidates(image: str, label_folder: str, suffix: str) -> list[str]:
    """Return where the label file of an image may be, the likeliest first."""
    path = PurePosixPath(image).with_suffix(suffix)
    found = [
        '/'.join([*path.parts[:at], label_folder, *path.parts[at + 1 :]])
        for at in reversed(range(len(path.parts) - 1))
        if path.parts[at] in IMAGE_FOLDERS
    ]
    return [*found, path.as_posix(), f'{label_folder}/{path.name}']


def class_names(root: Path, given: str | None) -> list[str]:
    """Return the class names of a YOLO dataset, by index, of a file given or looked for.

    Raises:
        RefusedError: There is no such file, or it does not list names.
    """
    paths = [Path(given)] if given else [root / name for name in NAME_FILES]
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        raise RefusedError(
            f'{given or root}: no class names there; give --names FILE (looked for '
            f'{", ".join(NAME_FILES)})'
        )
    try:
        text = path.read_text(encoding='utf-8')
        if path.suffix not in ('.yaml', '.yml'):
            return [line.strip() for line in text.splitlines() if line.strip()]
        names = yaml.safe_load(text)['names']
        if isinstance(names, dict):
            names = [names[index] for index in range(len(names))]
        return [str(name) for name in names]
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError) as error:
        text = ' '.join(str(error).split())
        raise RefusedError(f'{path}: does not list names by class index ({text})') from error


def parser_of(source: str, names: Sequence[str], one_based: bool) -> Parser:
    """Return the reader of label files of a format."""

    def yolo(path: Path, name: str, size: tuple[int, int]) -> ParsedLabels:
        return parse_yolo(path.read_text(encoding='utf-8', errors='replace'), name, names, *size)

    def voc(path: Path, name: str, size: tuple[int, int]) -> ParsedLabels:
        labels = parse_voc(path.read_bytes(), name)
        for box in labels.boxes if one_based else ():
            if box.hbox is not None:
                box.hbox[:2] -= 1
        return labels

    return yolo if source == 'yolo' else voc


def collect(
    root: Path,
    images: list[str],
    labels: dict[str, str],
    parse: Parser,
    names: list[str] | None,
    progress: Callable[[Iterable], Iterator] = iter,
) -> tuple[dict, list[str]]:
    """Read all labels of what ``find`` returned.

    Class names are in the order of their numbers; None takes those met, sorted.

    Returns:
        The content of a COCO file, and what could not be read, one line each.
    """
    entries: list[dict] = []
    problems: list[str] = []
    boxes: list[tuple[int, BoxLabel]] = []
    for image in progress(images):
        try:
            width, height = image_size(root / image)
            number = len(entries) + 1
            entries.append(dict(id=number, file_name=image, width=width, height=height))
            if image in labels:
                parsed = parse(root / labels[image], labels[image], (width, height))
                boxes += [(number, box) for box in parsed.boxes]
                problems += [f'{problem.box_id}: {problem.message}' for problem in parsed.problems]
        except (SamrsError, OSError) as error:
            problems.append(describe(error))
    names = sorted({box.category for _, box in boxes}) if names is None else names
    ids = {name: i for i, name in enumerate(names, 1)}
    annotations = [
        dict(id=number, image_id=image, category_id=ids[box.category], **_annotation(box))
        for number, (image, box) in enumerate(boxes, 1)
    ]
    return dict(
        images=entries, annotations=annotations, categories=coco_categories(names)
    ), problems


def _annotation(box: BoxLabel) -> dict:
    """Return a box as an annotation of COCO's format, without ids."""
    x0, y0, x1, y1 = (round(value, 4) for value in geometry([box]).hboxes[0].tolist())
    width, height = round(x1 - x0, 4), round(y1 - y0, 4)
    area = round(width * height, 4)
    entry = dict(bbox=[x0, y0, width, height], area=area, iscrowd=0, box_id=box.box_id)
    if box.polygon is not None:
        entry['rbox'] = [round(value, 4) for value in box.polygon.ravel().tolist()]
    return entry
