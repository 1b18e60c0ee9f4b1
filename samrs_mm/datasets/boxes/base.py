"""What all detection datasets share: an index of scenes, and their boxes on demand."""

import contextlib
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

import numpy as np

from samrs_mm.core import label_fit
from samrs_mm.core.boxes import BoxLabel, ParsedLabels
from samrs_mm.core.classes import NAMED_CLASSES, ClassTable, UnknownClassError, slip_notes
from samrs_mm.core.errors import ImageReadError, LabelReadError, RefusedError
from samrs_mm.core.found_files import as_there, files_by_stem, paired
from samrs_mm.core.image_rule import RGB, ImageRule
from samrs_mm.core.images import IMAGE_SUFFIXES
from samrs_mm.core.input_notes import facts_of
from samrs_mm.core.label_fit import FitRule, Header, read_header
from samrs_mm.core.mask_runs import MaskError
from samrs_mm.core.place import Place
from samrs_mm.core.wording import counted
from samrs_mm.datasets.boxes.class_lists import class_list, spelling_notes
from samrs_mm.datasets.boxes.label_files import check_path, read_bytes
from samrs_mm.datasets.boxes.layouts import layout_hint
from samrs_mm.registry import BOX_DATASETS, build


@dataclass(frozen=True, slots=True)
class Scene:
    """One image of a detection dataset and its label file, of which one may be missing.

    Paths are relative to the data root (posix). ``split`` is None where the dataset has no splits.
    """

    stem: str
    """Name of the outputs; unique in the dataset."""
    image: str | None
    label: str | None
    split: str | None = None


ClassNames = Sequence[str] | str | None
"""Class names in label order, or the name of a list in ``NAMED_CLASSES``; None takes the labels'
own list, in its order, else the names met, sorted."""


@dataclass
class LabelCounts:
    """What a look at all labels found: boxes, problems, and unreadable label files."""

    scenes: int = 0
    boxes: int = 0
    problems: int = 0
    regions: int = 0
    """Of the boxes those that are no single objects, as crowds."""
    classes: dict[str, int] = field(default_factory=dict)
    """Boxes by class, of all classes, in their order."""
    notes: list[str] = field(default_factory=list)
    """What users should know of the classes, one line each."""
    label_notes: list[str] = field(default_factory=list)
    """What they should know of the labels as a whole."""


_BOX_FIELDS = [each.name for each in fields(BoxLabel)]


class BoxDataset(ABC):
    """A detection dataset to annotate: ``len`` scenes, their images and their boxes.

    Subclasses say which scenes there are and how a label file is read. ``data_root`` is the folder
    of the dataset as downloaded.

    Raises:
        RefusedError: No such folder, no images or no labels in it, two images of one name, a file
            name that leaves the folder, or an impossible list of classes.
    """

    layout: str = ''
    labelled: bool = True
    """Whether it has labels at all; without, masks are made of a grid of points."""
    label_file: str | None = None
    """The one file of all labels where a user names it: it may lie outside the root."""
    rule: FitRule = FitRule()
    """What is done with labels that are for a picture of another size or turn."""
    image_rule: ImageRule | None = None
    """How its scenes are shown where a config says it."""
    places: Mapping[str, Place] | None = None
    """Where scenes on the map lie, by stem; None where they are on none."""
    entry: dict[str, Any] | None = None
    """Its class and arguments, where they were found out."""
    only: str | None = None
    """Name of the one image of the root that is taken, where a user names an image."""
    elsewhere: int = 0
    """Boxes of the labels that are far from all images, and only counted."""
    label_notes: Sequence[str] = ()
    """What users should know of the labels as a whole, one line each."""
    facts: Sequence[str] = ()
    """``facts_of`` each scene, known after ``collect_classes``."""
    digest: str = ''
    """Of all scenes, their boxes and problems; known after ``collect_classes``."""
    truth_options: ClassVar[dict[str, Any] | None] = None
    """Arguments with which a dataset offers true masks; None where it has none to offer."""
    empty_truth: ClassVar[str] = 'skip'
    """What an ablation makes of a true mask without a pixel, see ``scores.EMPTY_TRUTHS``."""

    def __init__(self, data_root: str, classes: ClassNames = None):
        self.root = Path(data_root)
        if not self.root.is_dir():
            raise RefusedError(f'data_root {data_root}: no such folder; expected {self.layout}')
        self.scenes = sorted(self.index(), key=lambda scene: scene.stem)
        for what in ('image', 'label')[: 1 + self.labelled]:
            if not any(getattr(scene, what) for scene in self.scenes):
                raise RefusedError(
                    f'data_root {data_root}: no {what}s found; expected {self.layout}'
                    + layout_hint(self.root)
                )
        self._check_names()
        self._table = None if classes is None else _table_of(classes)
        self.category_ids: list[int] | None = None
        self._headers: dict[int, Header | None] = {}

    @abstractmethod
    def index(self) -> list[Scene]:
        """Return all scenes, in any order; no file is opened but lists of names."""

    @abstractmethod
    def parse(self, scene: Scene) -> ParsedLabels:
        """Return the boxes of a scene; see ``labels``."""

    def listed_classes(self) -> dict[Any, str]:
        """Return the class names of the labels' own list by id; empty where there is none."""
        return {}

    def labels(self, index: int) -> ParsedLabels:
        """Return the boxes of scene ``index`` in pixels of its image; none without a label file.

        Labels that are for an image of another size or turn are problems, or are scaled and turned,
        as ``rule`` says; see ``label_fit.fitted``. Where the image can't be read they stay as
        written.

        Raises:
            LabelReadError: The label file as a whole can't be read.
        """
        return self.fitted(index, self.written_labels(index))

    def fitted(self, index: int, labels: ParsedLabels) -> ParsedLabels:
        """Return the written labels of scene ``index`` in pixels of its image; see ``labels``."""
        header = self._header(index) if labels.boxes else None
        return labels if header is None else label_fit.fitted(labels, header, self.rule)

    def written_labels(self, index: int) -> ParsedLabels:
        """Return the boxes of scene ``index`` as they are written; the image is not looked at.

        Raises:
            LabelReadError: The label file as a whole can't be read.
        """
        scene = self.scenes[index]
        return ParsedLabels() if scene.label is None else self.parse(scene)

    def fitted_masks(self, index: int, masks: dict[str, Any]) -> dict[str, Any]:
        """Return the written masks of scene ``index`` in pixels of its image, as its boxes are.

        Raises:
            LabelReadError: The label file can't be read, or masks that are run lengths would have
                to be scaled.
        """
        if not masks or not self.rule.beyond_check:
            return masks
        header = self._header(index)
        try:
            labels = self.written_labels(index)
            if header is None:
                return masks
            return label_fit.fitted_masks(masks, labels, header, self.rule)
        except MaskError as error:
            raise LabelReadError(f'{self.scenes[index].label}: the true masks: {error}') from error

    def _header(self, index: int) -> Header | None:
        if index not in self._headers:
            header = None
            if self.scenes[index].image is not None:
                with contextlib.suppress(ImageReadError):
                    header = read_header(self.image_path(index))
            self._headers[index] = header
        return self._headers[index]

    def read(self, scene: Scene) -> tuple[bytes, str]:
        """Return the content and the name of a scene's label file.

        Raises:
            LabelReadError: Missing or unreadable file.
        """
        assert scene.label is not None
        return read_bytes(self.root / scene.label), scene.label

    def facts_of(self, index: int, labels: ParsedLabels) -> str:
        """Return a digest of what is known of scene ``index`` but its pixels: name and boxes."""
        scene = self.scenes[index]
        values = (getattr(box, name) for box in labels.boxes for name in _BOX_FIELDS)
        plain = (v.tobytes() if isinstance(v, np.ndarray) else v for v in values)
        return facts_of(scene.image, scene.split, *plain)

    def truth_files(self, index: int) -> list[Path]:
        """Return the files beside the label file that hold true masks of scene ``index``."""
        return []

    def ground_truth_of(self, index: int) -> dict[str, Any]:
        """Return the true masks of scene ``index``: COCO polygons or RLE by box id.

        Boxes without a true mask are left out; see ``truth_options``.

        Raises:
            LabelReadError: The label file can't be read.
            ImageReadError: A picture of masks can't be read.
        """
        return {}

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names; those in the labels where the config fixes none."""
        return self.table.classes

    @property
    def table(self) -> ClassTable:
        """The classes by name."""
        if self._table is None:
            self.collect_classes()
        assert self._table is not None
        return self._table

    def no_image(self, index: int) -> str:
        """Return why a scene of the labels has no image."""
        return 'the label file has no image'

    def image_path(self, index: int) -> Path:
        """Return the image file of scene ``index``, which has one."""
        image = self.scenes[index].image
        assert image is not None, f'{self.scenes[index].stem} has no image'
        return self.root / image

    def collect_classes(self, progress: Callable[[Iterable], Iterable] = iter) -> LabelCounts:
        """Look at all labels once: count boxes, and collect or check the class names.

        Raises:
            RefusedError: Labels name classes that the config does not have.
        """
        label_counts = LabelCounts(scenes=len(self.scenes), label_notes=list(self.label_notes))
        self.facts = [facts_of()] * len(self.scenes)
        digest = ''
        first: dict[str, str] = {}
        counts: Counter[str] = Counter()
        for index in progress(range(len(self.scenes))):
            try:
                written = self.written_labels(index)
                parsed = self.fitted(index, written)
            except LabelReadError as error:
                digest = facts_of(digest, self.scenes[index], str(error))
                label_counts.problems += 1
                continue
            self.facts[index] = self.facts_of(index, parsed)
            digest = facts_of(digest, self.scenes[index], self.facts[index], parsed.problems)
            label_counts.boxes += len(parsed.boxes)
            label_counts.problems += len(parsed.problems)
            label_counts.regions += sum(bool(box.meaning) for box in parsed.boxes)
            for box in written.boxes:
                first.setdefault(box.category, box.box_id)
                counts[box.category] += 1
        self.digest = digest
        if self._table is None:
            found = _checked(partial(class_list, self.listed_classes(), first))
            self._table, self.category_ids = found.table, found.ids
            label_counts.notes = found.notes + slip_notes(counts)
        errors = []
        label_counts.classes = dict.fromkeys(self.classes, 0)
        for name in sorted(first):
            try:
                label_counts.classes[self.classes[self.table.index(name)]] += counts[name]
            except UnknownClassError as error:
                errors.append(f'{first[name]}: {error} ({counted(counts[name], "box")})')
        if errors:
            raise RefusedError(
                '; '.join(errors)
                + '; to take all names from the labels give --cfg-options dataset.classes=None'
            )
        label_counts.notes += spelling_notes(self.table, counts)
        found_none = not (label_counts.boxes or label_counts.problems or self.elsewhere)
        if self.labelled and found_none:
            label_counts.label_notes.append('no label holds a box: is the dataset whole?')
        if 2 * label_counts.regions > label_counts.boxes:
            label_counts.notes.append(
                f'{label_counts.regions} of {label_counts.boxes} boxes are crowds or to be ignored '
                'and not prompted; if each is one object, set iscrowd and ignore to 0'
            )
        return label_counts

    def _check_names(self) -> None:
        first: dict[str, Scene] = {}
        for scene in self.scenes:
            for path in filter(None, (scene.image, scene.label)):
                if path != self.label_file:
                    check_path(path)
            other = first.setdefault(scene.stem.lower(), scene)
            if other is not scene:
                raise RefusedError(_one_name(other, scene))

    def __len__(self) -> int:
        return len(self.scenes)


def _one_name(one: Scene, other: Scene) -> str:
    """Return why two scenes whose names differ in case alone, or not at all, can't be."""
    ours, theirs = ((scene.image is None, scene.label is None) for scene in (one, other))
    if ours[0] != theirs[0] and ours[1] != theirs[1]:
        return (
            f'{one.image or other.image} and {one.label or other.label} differ in case; rename one '
            'of them, so that they belong together'
        )
    return (
        f'two images would both be called {other.stem!r}: {one.image or one.label} and '
        f'{other.image or other.label}; rename one of them'
    )


def _table_of(classes: Iterable[str] | str) -> ClassTable:
    if isinstance(classes, str):
        if classes not in NAMED_CLASSES:
            raise RefusedError(
                f'dataset.classes={classes!r}; allowed: {", ".join(map(repr, NAMED_CLASSES))}, '
                'a list of class names, or None to collect them from the labels'
            )
        classes = NAMED_CLASSES[classes]
    return _checked(partial(ClassTable, tuple(classes)))


def _checked(make: Callable[[], Any]) -> Any:
    """Return what ``make`` gives; a ValueError of it is one of ``dataset.classes``."""
    try:
        return make()
    except ValueError as error:
        raise RefusedError(f'dataset.classes: {error}') from error


def pair_scenes(
    root: Path,
    images: str,
    labels: str,
    label_suffix: str,
    prefix: str = '',
    split: str | None = None,
) -> list[Scene]:
    """Pair a folder of images with a folder of label files by stem.

    Both are relative to the root, and may be written in another case there; in stems an umlaut may
    be one letter or two. Two images of one stem give two scenes; a label file without an image
    gives one, too. ``prefix`` is put before each stem.

    Raises:
        RefusedError: There are images but no label folder.
    """
    images, labels = as_there(root, images), as_there(root, labels)
    image_names = files_by_stem(root / images, IMAGE_SUFFIXES)
    label_names = files_by_stem(root / labels, (label_suffix,))
    if image_names and not (root / labels).is_dir():
        raise RefusedError(
            f'{root / images} holds images, but there is no folder {root / labels}'
            + layout_hint(root)
        )
    scenes, own = [], paired(image_names, label_names)
    for stem in sorted(image_names.keys() | (label_names.keys() - own.values())):
        of = stem if stem in label_names else own.get(stem)
        label = str(PurePosixPath(labels, label_names[of][0])) if of else None
        for name in image_names.get(stem, [None]):
            image = str(PurePosixPath(images, name)) if name else None
            scenes.append(Scene(prefix + stem, image, label, split))
    return scenes


def build_dataset(config: Any, options: dict[str, Any] | None = None) -> BoxDataset:
    """Return the detection dataset of an annotate config, with more arguments as ``options``.

    Raises:
        RefusedError: It can't be built, or ``label_fit`` or ``image`` says something unknown.
    """
    entry = dict(config.dataset, data_root=config.data_root, **(options or {}))
    dataset = build(BOX_DATASETS, entry, 'dataset')
    dataset.rule = FitRule.from_config(config.get('label_fit'))
    dataset.image_rule = ImageRule.from_config(config.get('image'))
    if dataset.image_rule is not None and dataset.image_rule.form != RGB:
        raise RefusedError(
            f'image.form={dataset.image_rule.form!r} is for networks trained on bands; masks are '
            'made from pictures: leave it out'
        )
    return dataset
