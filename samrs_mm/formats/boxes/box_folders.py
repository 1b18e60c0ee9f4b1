"""Detection datasets in YOLO's or Pascal VOC's layout, collected as one COCO file."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from samrs_mm.core.boxes import MALFORMED, MISFIT, BoxLabel, ParsedLabels, geometry
from samrs_mm.core.errors import ImageReadError, LabelReadError, describe
from samrs_mm.core.label_fit import TURNED, FitRule, fitted, read_header
from samrs_mm.formats.boxes.coco import LEFT_OUT
from samrs_mm.formats.boxes.label_pairs import LabelPairs
from samrs_mm.formats.boxes.voc import parse_voc
from samrs_mm.formats.boxes.yolo import parse_yolo
from samrs_mm.formats.boxes.yolo_layout import LineSurvey, YoloLayout
from samrs_mm.formats.boxes.yolo_names import YoloNames
from samrs_mm.formats.coco import coco_categories

Parser = Callable[[Path, str, str, tuple[int, int]], ParsedLabels]
"""Reads a label file: by its path, its name in box ids, its image, and width and height of the
picture that the labels are for."""

_FILE_NAME = re.compile(rb'<filename>([^<]*)</filename>')

Progress = Callable[[Iterable], Iterator]


def yolo_layout(
    root: Path, pairs: LabelPairs, names: YoloNames, task: str | None, progress: Progress = iter
) -> YoloLayout:
    """Return what the label lines of a YOLO dataset are; see ``LineSurvey.layout``.

    Raises:
        RefusedError: No layout explains them, or several could.
    """
    survey = LineSurvey()
    for name in progress(sorted(pairs.labels.values())):
        try:
            survey.add(yolo_text((root / name).read_bytes(), name), name)
        except (OSError, LabelReadError):
            continue  # named when its boxes are read
    return survey.layout(names.key_points, task)


def yolo_parser(names: Sequence[str], layout: YoloLayout) -> Parser:
    """Return the reader of YOLO label files."""

    def parse(path: Path, name: str, image: str, size: tuple[int, int]) -> ParsedLabels:
        return parse_yolo(yolo_text(path.read_bytes(), name), name, names, *size, layout)

    return parse


def voc_parser(one_based: bool, images: Sequence[str], renamed: list[str]) -> Parser:
    """Return the reader of VOC label files.

    Args:
        one_based: Whether pixels count from 1.
        images: All images. A label file whose ``<filename>`` names another of them is not read.
        renamed: Takes the names of label files whose ``<filename>`` names none of them.
    """
    stems = {PurePosixPath(image).stem for image in images}

    def parse(path: Path, name: str, image: str, size: tuple[int, int]) -> ParsedLabels:
        labels, other_name = parse_voc_of(path.read_bytes(), name, image, stems, one_based)
        if other_name:
            renamed.append(name)
        return labels

    return parse


def parse_voc_of(
    data: bytes, name: str, image: str | None, stems: Collection[str], one_based: bool
) -> tuple[ParsedLabels, bool]:
    """Read the VOC label file of an image, and whether its ``<filename>`` names no image at all.

    Args:
        data: Content of the file.
        name: What it is called in box ids.
        image: The image that it belongs to, or None.
        stems: File names of all images, without suffix.
        one_based: Whether pixels count from 1.

    Raises:
        LabelReadError: As in ``parse_voc``, or its ``<filename>`` names another image.
    """
    labels = parse_voc(data, name)
    told = _FILE_NAME.search(data)
    stem = _stem(told[1].decode('utf-8', errors='replace')) if told else ''
    other_name = bool(stem and image and stem != PurePosixPath(image).stem)
    if other_name and stem in stems:
        raise LabelReadError(
            f'{name}: its <filename> names the image {stem}, but it is the label file of '
            f'{image}; are the two exchanged? Mend the name or take <filename> out'
        )
    for box in labels.boxes if one_based else ():
        if box.hbox is not None:
            box.hbox[:2] -= 1
    return labels, other_name


def _stem(text: str) -> str:
    return PurePosixPath(text.strip().replace('\\', '/')).stem


def yolo_text(data: bytes, name: str) -> str:
    """Return the text of a YOLO label file, called ``name`` in messages.

    Raises:
        LabelReadError: It is no text in UTF-8.
    """
    if b'\0' in data:
        raise LabelReadError(f'{name}: not a text file of UTF-8; save it as such')
    return data.decode('utf-8', errors='replace')


@dataclass
class Collected:
    """What a dataset holds.

    Args:
        coco: The content of a COCO file.
        problems: What is left out, one line each, by what it is: ``image``, ``label file``, ``box``
            or ``picture`` (of a kind that is not read).
        empty: Label files without a box.
        repeated: Boxes that repeat another one of their image, with its class.
        notes: What was done to boxes on reading them, and the images or boxes that it is of.
    """

    coco: dict
    problems: dict[str, list[str]] = field(default_factory=dict)
    empty: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    notes: dict[str, list[str]] = field(default_factory=dict)

    def leave_out(self, what: str, line: str) -> None:
        """Note what is left out; see ``problems``."""
        self.problems.setdefault(what, []).append(line)

    @property
    def classes(self) -> dict[str, int]:
        """Boxes by class."""
        names = {entry['id']: entry['name'] for entry in self.coco['categories']}
        counts = dict.fromkeys(names.values(), 0)
        for entry in self.coco['annotations']:
            counts[names[entry['category_id']]] += 1
        return counts

    @property
    def left_out(self) -> list[str]:
        """A line for each thing that is left out."""
        return [line for lines in self.problems.values() for line in lines]

    def note(self, place: str, notes: Iterable[str]) -> None:
        """Note something of an image or a box."""
        for note in notes:
            self.notes.setdefault(note, []).append(place)


def collect(
    root: Path,
    pairs: LabelPairs,
    parse: Parser,
    names: Sequence[str] | None,
    progress: Progress = iter,
    rule: FitRule | None = None,
    parts: Mapping[str, str] | None = None,
) -> Collected:
    """Read all labels.

    Class names are in the order of their numbers; None takes those met, sorted. ``rule`` says what
    is done with labels that are for a picture of another size or turn; by default they are named.
    ``parts`` are those of the images that lists name, by image.
    """
    rule = rule or FitRule()
    entries: list[dict] = []
    boxes: list[tuple[int, BoxLabel]] = []
    found = Collected({})
    for image in progress(pairs.images):
        try:
            header = read_header(root / image)
        except ImageReadError as error:
            found.leave_out('image', describe(error))
            continue
        width, height = header.stored
        entry = dict(id=len(entries) + 1, file_name=image, width=width, height=height)
        if parts and image in parts:
            entry['split'] = parts[image]
        entries.append(entry)
        if image not in pairs.labels:
            continue
        label = pairs.labels[image]
        size = header.turned if rule.exif == TURNED else header.stored
        try:
            parsed = fitted(parse(root / label, label, image, size), header, rule)
        except (LabelReadError, OSError) as error:
            text = describe(error)
            found.leave_out('label file', text)
            reason = text.removeprefix(f'{label}: ')
            entry[LEFT_OUT] = [dict(box_id=label, reason=reason, status=MALFORMED)]
            continue
        _look(found, entry, image, label, parsed)
        boxes += [(entry['id'], box) for box in parsed.boxes]
    names = sorted({box.category for _, box in boxes}) if names is None else names
    ids = {name: i for i, name in enumerate(names, 1)}
    annotations = [
        dict(id=number, image_id=image, category_id=ids[box.category], **_annotation(box))
        for number, (image, box) in enumerate(boxes, 1)
    ]
    found.repeated = _repeated(annotations)
    found.coco = dict(images=entries, annotations=annotations, categories=coco_categories(names))
    return found


def _look(found: Collected, entry: dict, image: str, label: str, parsed: ParsedLabels) -> None:
    """Note what is to be known of an image's boxes, and those that are left out in its entry."""
    for box in parsed.boxes:
        found.note(box.box_id, box.notes)
    if parsed.misfit:
        found.leave_out('label file', f'{label}: {parsed.misfit}')
    else:
        found.note(image, parsed.notes)
    for each in parsed.problems:
        if each.status != MISFIT:
            found.leave_out('box', f'{each.box_id}: {each.message}')
    if parsed.problems:
        entry[LEFT_OUT] = [
            dict(box_id=each.box_id, reason=each.message, status=each.status)
            for each in parsed.problems
        ]
    if not parsed.boxes and not parsed.problems:
        found.empty.append(label)


def _repeated(annotations: Iterable[dict]) -> list[str]:
    """Return the boxes that repeat one before them, with its class."""
    seen, found = set(), []
    for entry in annotations:
        key = entry['image_id'], entry['category_id'], *entry.get('rbox', entry['bbox'])
        if key in seen:
            found.append(entry['box_id'])
        seen.add(key)
    return found


def _annotation(box: BoxLabel) -> dict:
    """Return a box as an annotation of COCO's format, without ids."""
    x0, y0, x1, y1 = (round(value, 4) for value in geometry([box]).hboxes[0].tolist())
    width, height = round(x1 - x0, 4), round(y1 - y0, 4)
    area = round(width * height, 4)
    entry: dict[str, Any] = dict(
        bbox=[x0, y0, width, height], area=area, iscrowd=0, box_id=box.box_id
    )
    if box.polygon is not None:
        entry['rbox'] = [round(value, 4) for value in box.polygon.ravel().tolist()]
    return entry | box.flags
