"""The records of an ablation, and what each setting's masks are worth.

The paper's two means, boundary IoU and COCO's AP, by object size.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from samrs_mm.annotate.plan import Plan
from samrs_mm.annotate.writer import Sample
from samrs_mm.core import masks
from samrs_mm.core.masks import Mask
from samrs_mm.core.prompts import SETTINGS
from samrs_mm.core.resumable import signature_of
from samrs_mm.evaluation.bootstrap import interval
from samrs_mm.evaluation.mask_ap import SIZES
from samrs_mm.evaluation.mask_iou import iou_ratios
from samrs_mm.evaluation.mask_overlap import MaskRegion, boundary_width, measure
from samrs_mm.formats.annotated import folder
from samrs_mm.formats.annotated.entries import (
    EMPTY,
    KEPT,
    REGIONS,
    Entry,
    ImageEntry,
    check_mask,
)
from samrs_mm.formats.annotated.folder import AnnotatedFolder
from samrs_mm.formats.annotated.record import CURE, Record, RecordError

if TYPE_CHECKING:
    from typing_extensions import Self  # typing has it from Python 3.11 on

FORMAT = 2
"""Version of the records; part of the signature."""

SCORED, UNSCORED = 'scored', 'unscored'

EMPTY_TRUTHS = SKIP, ZERO = ('skip', 'zero')
"""What becomes of a box whose true mask has no pixel: it is left out as a box without a true mask,
or counts as IoU 0, with the mask that a setting gave it in the union (the authors' way). A setting
that gave it no mask leaves it out, as 0 / 0 is no IoU."""

MEASURES = ('mIOU_I', 'mIOU_P', 'boundary_IoU')
"""Measures that are ratios of sums over objects, so they have confidence intervals."""

COLUMNS = (
    'n', 'statuses', *(f'{name}{end}' for name in MEASURES for end in ('', '_ci')),
    'AP', 'AP50', 'AP75', 'sizes',
)  # fmt: skip
"""Keys of a setting's row."""

_COUNTS = ('intersection', 'union', 'boundary_intersection', 'boundary_union')


@dataclass(slots=True)
class SettingResult(Entry):
    """A prompt setting's mask of one box against the true one, in pixels.

    Args:
        status: ``kept``, or why there is no mask: then all counts but the unions are 0.
        score: Predicted IoU, or None.
        area: Pixels of the mask.
        intersection: Pixels in both masks.
        union: Pixels in either.
        boundary_intersection: Pixels in both boundaries.
        boundary_union: Pixels in either boundary.
        segmentation: The mask, or None.
    """

    status: str
    score: float | None
    area: int
    intersection: int
    union: int
    boundary_intersection: int
    boundary_union: int
    segmentation: dict | None

    @classmethod
    def of(cls, status: str, mask: Mask | None, truth: MaskRegion, width: int) -> 'Self':
        """Compare a mask with the true one; boundaries are ``width`` pixels wide.

        ``status`` is that of a box that was not prompted: then there is no mask.
        """
        if mask is None:
            return cls(status, None, *measure(None, truth), None)
        region = MaskRegion.of(mask.segmentation, width)
        counts = measure(region, truth)
        if not region.mask.size:
            return cls(EMPTY, None, *counts, None)
        return cls(KEPT, mask.score, *counts, mask.segmentation)


@dataclass(slots=True)
class AblationImage(ImageEntry):
    """An image and how often it was encoded: 0 without true masks, else 1."""

    encodes: int = 0


@dataclass(slots=True)
class ScoredBox(Entry):
    """A box with its true mask and each setting's result.

    Args:
        id: Position in the image's label order, from 1.
        box_id: Place of the box in the labels.
        category_id: Class index + 1.
        category: Class name.
        status: ``scored``, ``unscored`` without a true mask, or a region's (``REGIONS``), which no
            setting is asked for.
        area: Pixels of the true mask; 0 counts where ``EMPTY_TRUTHS`` says so.
        truth: The true mask as COCO RLE.
        results: ``SettingResult`` by the setting's name.
    """

    id: int
    box_id: str
    category_id: int
    category: str
    status: str
    area: int | None
    truth: dict | None
    results: dict

    def as_dict(self) -> dict[str, Any]:
        """Return the entry as it stands in the file."""
        results = {name: result.as_dict() for name, result in self.results.items()}
        return Entry.as_dict(self) | dict(results=results)

    def check(self, place: str) -> None:
        """Read the results; see ``Entry.check``."""
        if self.status in (SCORED, *REGIONS) and self.truth is None:
            raise ValueError(f'{place}.truth is None; expected a mask')
        self.results = {
            name: SettingResult.from_json(result, f'{place}.results.{name}')
            for name, result in self.results.items()
        }

    def check_masks(self, size: list[int], place: str) -> None:
        """Check the true mask and those of all settings; see ``BoxEntry.check_masks``."""
        check_mask(self.truth, size, f'{place}.truth')
        for name, result in self.results.items():
            check_mask(result.segmentation, size, f'{place}.results.{name}.segmentation')


@dataclass(slots=True)
class AblationRecord(Record):
    """The record of an image under all settings."""

    image: AblationImage
    boxes: list[ScoredBox]  # type: ignore[assignment]

    image_type: ClassVar[type[ImageEntry]] = AblationImage
    box_type: ClassVar[type[Any]] = ScoredBox

    def fail(self, error: str) -> None:
        """Make this the record of a failure; it has no boxes."""
        self.error, self.boxes = error, []


def enter_results(sample: Sample) -> None:
    """Measure each setting's masks against the true ones and enter the results."""
    image = sample.record.image
    image.encodes = int(sample.prompt_count > 0)
    width = boundary_width(image.height, image.width)
    scored = [
        (position, box, MaskRegion.of(box.truth, width))
        for position, box in enumerate(sample.record.boxes)
        if box.status == SCORED
    ]
    for boxes, found in zip(sample.prompted, sample.masks, strict=True):
        by_box = dict(zip(boxes.chosen, found, strict=True))
        for position, box, truth in scored:
            status, mask = boxes.statuses[position], by_box.get(position)
            box.results[boxes.setting.name] = SettingResult.of(status, mask, truth, width)


class AblationFolder(AnnotatedFolder):
    """Where one segmentor's records lie: ``instances/STEM.json``, ``failed/`` and ``meta.json``."""

    kinds = (folder.INSTANCES, folder.FAILED)
    record_type = AblationRecord


@dataclass(frozen=True)
class SegmentorRun:
    """One segmentor's part of an ablation.

    ``reasons`` says, by the setting's name, why it can't take a setting; the others were run.
    """

    name: str
    out: AblationFolder
    settings: dict[str, Any]
    reasons: dict[str, str] = field(default_factory=dict)

    @property
    def signature(self) -> str:
        """Signature of the settings."""
        return signature_of(self.settings)


class Scored(NamedTuple):
    """A setting's result of one object, by position of its image among the scored ones.

    ``truth_area`` has the pixels of its true mask. Without a mask it counts as IoU 0.
    """

    image: int
    truth_area: int
    result: SettingResult


def size_of(area: int) -> str:
    """Return the name in ``SIZES`` of a true mask's area in pixels, lower end included."""
    return next(name for name, (_, high) in SIZES.items() if area < high)


def score(
    measured: Sequence[Scored], draws: np.ndarray | None, ap: dict[str, float]
) -> dict[str, Any]:
    """Return a setting's row: every measure in [0, 1], None where there is nothing to measure.

    Source of mIOU_I and mIOU_P: Wang et al. 2023, arXiv:2305.02034, equation 1.

    Args:
        measured: The setting's results of all objects.
        draws: Resamples of the images, see ``bootstrap.resamples``; None without images.
        ap: What ``mask_ap.average_precision`` returned.

    Returns:
        ``COLUMNS``: ``n`` is the number of objects, ``boundary_IoU`` a mean over them, ``_ci``
        lower and upper end, or None; ``sizes`` has the same measures without intervals, by size
        of object.
    """
    counts = np.array(
        [[getattr(each.result, name) for name in _COUNTS] for each in measured], float
    ).reshape(-1, len(_COUNTS))
    images = np.array([each.image for each in measured], int)
    statuses = Counter(each.result.status for each in measured)
    row: dict[str, Any] = dict(n=len(measured), statuses=dict(sorted(statuses.items())))
    for name, (top, bottom) in _ratios(counts).items():
        row[name] = _ratio(top, bottom)
        row[f'{name}_ci'] = None if draws is None else _interval(draws, images, top, bottom)
    row |= {name: _number(ap[name]) for name in ('AP', 'AP50', 'AP75')}
    sizes = np.array([size_of(each.truth_area) for each in measured], str)
    row['sizes'] = {}
    for size in SIZES:
        part = counts[sizes == size]
        means = {name: _ratio(*sums) for name, sums in _ratios(part).items()}
        row['sizes'][size] = dict(n=len(part), **means, AP=_number(ap[size]))
    return row


def _ratios(counts: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return what is summed above and below the line of each measure, ``(N,)`` each."""
    both, either, both_edges, either_edges = counts.T
    boundary, _ = iou_ratios(both_edges, either_edges)
    return dict(zip(MEASURES, (*iou_ratios(both, either), boundary), strict=True))


def _interval(
    draws: np.ndarray, images: np.ndarray, top: np.ndarray, bottom: np.ndarray
) -> list[float] | None:
    above, below = (np.bincount(images, part, minlength=draws.shape[1]) for part in (top, bottom))
    ends = interval(draws, above, below)
    return None if ends is None else [round(end, 6) for end in ends]


def _ratio(top: np.ndarray, bottom: np.ndarray) -> float | None:
    return _number(top.sum() / bottom.sum()) if bottom.sum() else None


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(float(value), 6)


@dataclass
class Gathered:
    """What a segmentor's records hold.

    Args:
        images: Images by state: done, failed, pending.
        encodes: Images that were encoded.
        scored: Images with at least one true mask.
        unscored: Boxes without a true mask.
        empty: Scored boxes whose true mask has no pixel.
        results: Results of all objects by setting.
        truth: Images and annotations of a COCO file.
        detections: COCO results by setting.
        problems: Records that can't be used, one line each.
    """

    images: Counter = field(default_factory=Counter)
    encodes: int = 0
    scored: int = 0
    unscored: int = 0
    empty: int = 0
    results: dict[str, list[Scored]] = field(default_factory=dict)
    truth: dict[str, list] = field(default_factory=lambda: dict(images=[], annotations=[]))
    detections: dict[str, list] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def gather(run: SegmentorRun, plan: Plan, progress: Callable[[Iterable], Iterator]) -> Gathered:
    """Read a segmentor's records; ``progress`` wraps the iterator over images."""
    run.out.clean()
    run.out.notes.keep({tile.stem for tile in plan.tiles})
    names = [name for name in SETTINGS if name not in run.reasons]
    found = Gathered(results={name: [] for name in names}, detections={name: [] for name in names})
    done, failed = run.out.done(), run.out.failed()
    for tile in progress(plan.tiles):
        if tile.stem not in done:
            found.images['failed' if tile.stem in failed else 'pending'] += 1
            continue
        path = run.out.path(folder.INSTANCES, tile.stem)
        try:
            record = AblationRecord.load_checked(path)
            if record.signature != run.signature:
                raise RecordError(f'{path}: made with other settings{CURE}')
        except RecordError as error:
            found.images['failed'] += 1
            found.problems.append(str(error))
            continue
        found.images['done'] += 1
        _add(found, tile.index + 1, record)
    return found


def _add(found: Gathered, image_id: int, record: AblationRecord) -> None:
    """Add the scored boxes of an image."""
    image = record.image
    found.encodes += image.encodes
    scored = [box for box in record.boxes if box.status == SCORED]
    regions = [box for box in record.boxes if box.status in REGIONS]
    found.unscored += len(record.boxes) - len(scored) - len(regions)
    found.empty += sum(box.area == 0 for box in scored)
    if not scored:
        return
    found.truth['images'].append(
        dict(id=image_id, file_name=image.path, width=image.width, height=image.height)
    )
    for box in (*scored, *regions):
        assert box.truth is not None
        assert box.area is not None
        about = dict(image_id=image_id, category_id=box.category_id)
        found.truth['annotations'].append(
            dict(
                id=len(found.truth['annotations']) + 1,
                **about,
                area=box.area,
                iscrowd=int(box.status in REGIONS),
                bbox=masks.bbox(box.truth),
                segmentation=box.truth,
                box_id=box.box_id,
            )
        )
        for name, result in box.results.items():
            if result.union:
                found.results[name].append(Scored(found.scored, box.area, result))
            if result.segmentation is not None:
                confidence = 1.0 if result.score is None else result.score
                found.detections[name].append(
                    dict(about, segmentation=result.segmentation, score=confidence)
                )
    found.scored += 1
