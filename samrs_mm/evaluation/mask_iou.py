"""mIOU_I and mIOU_P of instance masks, and the score of an annotated folder.

Source: Wang et al. 2023, arXiv:2305.02034, section 2.4, equation 1.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from samrs_mm.core import masks, segmentations
from samrs_mm.core.atomic import load
from samrs_mm.core.boxes import BadBoxError
from samrs_mm.core.errors import LabelReadError, RefusedError
from samrs_mm.formats.annotated import folder
from samrs_mm.formats.annotated.entries import HELD, REGIONS
from samrs_mm.formats.annotated.record import Record
from samrs_mm.formats.boxes.marks import region_of
from samrs_mm.formats.coco import read_coco


@dataclass
class MaskIoU:
    """Gathers the intersections and unions of N instances, in pixels.

    ``mIOU_I`` is the mean of the instances' IoUs: every object counts the same. ``mIOU_P`` is the
    sum of intersections over the sum of unions: every pixel counts the same.
    """

    intersections: list[int] = field(default_factory=list)
    unions: list[int] = field(default_factory=list)

    def add(self, intersection: int, union: int) -> None:
        """Add an instance by its pixel counts.

        Raises:
            ValueError: Counts that no two masks have, or two empty masks, whose IoU is undefined.
        """
        if not 0 <= intersection <= union or union == 0:
            raise ValueError(
                f'intersection {intersection} and union {union} px; needed: 0 <= intersection <= '
                'union and union >= 1'
            )
        self.intersections.append(int(intersection))
        self.unions.append(int(union))

    def add_masks(self, predicted: np.ndarray | dict | None, truth: np.ndarray | dict) -> None:
        """Add an instance by its masks, ``(H, W)`` bool or COCO RLE; None is an empty one.

        Raises:
            ValueError: The masks differ in size, or both are empty.
        """
        true = masks.encode(truth) if isinstance(truth, np.ndarray) else truth
        found = masks.encode(predicted) if isinstance(predicted, np.ndarray) else predicted
        if found is None:
            self.add(0, masks.area(true))
            return
        if list(found['size']) != list(true['size']):
            raise ValueError(
                f'a mask of {found["size"]} against a true one of {true["size"]} (height, width)'
            )
        self.add(*masks.overlap(found, true))

    def update(self, other: 'MaskIoU') -> None:
        """Add all instances of another accumulator."""
        self.intersections += other.intersections
        self.unions += other.unions

    def __len__(self) -> int:
        return len(self.unions)

    @property
    def miou_i(self) -> float:
        """Mean IoU of the instances in [0, 1]; NaN without any."""
        return self._ratio(0)

    @property
    def miou_p(self) -> float:
        """Sum of intersections / sum of unions in [0, 1]; NaN without any instance."""
        return self._ratio(1)

    def _ratio(self, which: int) -> float:
        if not self.unions:
            return float('nan')
        ratios = iou_ratios(np.array(self.intersections), np.array(self.unions))
        above, below = ratios[which]
        return float(above.sum() / below.sum())


def iou_ratios(
    intersections: np.ndarray, unions: np.ndarray
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Return what mIOU_I, then what mIOU_P sums above and below the line, ``(N,)`` each."""
    return (intersections / unions, np.ones(len(unions))), (intersections, unions)


@dataclass
class FolderScore:
    """The score of an annotated folder: all scored instances, and by class name, sorted.

    ``unscored`` boxes have no true mask; of ``missing`` true masks the folder has no box: they are
    not annotated yet, or of other data. ``regions`` (crowds, and what is to be ignored, in the
    folder or in the file) are no objects, and count for nothing.
    """

    overall: MaskIoU = field(default_factory=MaskIoU)
    classes: dict[str, MaskIoU] = field(default_factory=dict)
    unscored: int = 0
    missing: int = 0
    regions: int = 0


def score_folder(annotated_dir: str | Path, ground_truth_json: str | Path) -> FolderScore:
    """Score the instance masks of an annotated folder, before overlap, against a COCO file.

    A box and a true mask belong together if the annotation's ``box_id`` is the box's, or if the
    box came from that very file (``annotations.json:annotations[12]``). A box without a mask
    (empty, outside, degenerate, filtered) counts as IoU 0.

    Raises:
        RefusedError: Not such a folder or file, a tiled folder, or nothing of one in the other.
    """
    root, truth_file = Path(annotated_dir), Path(ground_truth_json)
    _refuse_tiles(root)
    truth = _read_truth(truth_file)
    score, seen = FolderScore(), set()
    classes: dict[str, MaskIoU] = {}
    box_id = None
    for stem in sorted(folder.AnnotatedFolder(root).listed()):
        record = Record.load_checked(root / folder.INSTANCES / f'{stem}.json')
        for box in record.boxes:
            box_id = box.box_id
            key = Path(box_id).name if ':annotations[' in box_id else box_id
            if box.status in REGIONS or (key in truth and truth[key]['region']):
                score.regions += 1
                continue
            if key not in truth:
                score.unscored += 1
                continue
            seen.add(truth[key]['id'])
            measured = classes.setdefault(box.category, MaskIoU())
            try:
                kept = box.segmentation if box.status in HELD else None
                measured.add_masks(kept, truth[key]['mask'])
            except ValueError as error:
                raise RefusedError(f'{truth_file}: {box_id}: {error}') from error
    score.missing = len({each['id'] for each in truth.values() if not each['region']} - seen)
    if not seen:
        raise RefusedError(
            f'{root} and {truth_file} have no box in common: box ids like {box_id!r} there, like '
            f'{next(iter(truth), None)!r} here; score against the truth of the same data'
        )
    score.classes = dict(sorted(classes.items()))
    for measured in score.classes.values():
        score.overall.update(measured)
    return score


def _refuse_tiles(root: Path) -> None:
    meta = root / folder.META
    try:
        tile = load(meta.read_bytes())['settings']['tile']
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RefusedError(f'{meta}: not the meta.json of an annotated folder') from error
    if tile is not None:
        raise RefusedError(
            f'{root} is tiled, so an object may be in several tiles; score a folder that was '
            'annotated with tile=None'
        )


def _read_truth(path: Path) -> dict[str, dict[str, Any]]:
    """Return ``{'id': position, 'mask': RLE, 'region': bool}`` by each name of a box.

    A region is a crowd, or to be ignored: no object.
    """
    images: list[Any] = []
    entries: list[Any] = []
    try:
        with path.open('rb') as file:
            for key, _, entry in read_coco(file, str(path), ('images', 'annotations')):
                (images if key == 'images' else entries).append(entry)
        sizes = {image['id']: (image['height'], image['width']) for image in images}
    except OSError as error:
        raise RefusedError(f'{path}: cannot read the true masks: {error.strerror}') from error
    except LabelReadError as error:
        raise RefusedError(str(error)) from error
    except (KeyError, TypeError) as error:
        raise RefusedError(f'{path}: an image without id, height or width') from error
    truth: dict[str, dict[str, Any]] = {}
    for row, entry in enumerate(entries):
        try:
            mask = segmentations.from_coco(entry.get('segmentation'), *sizes[entry['image_id']])
            region = bool(region_of(entry))
        except (masks.MaskError, BadBoxError) as error:
            raise RefusedError(f'{path}: annotations[{row}]: {error}') from error
        except (KeyError, TypeError, AttributeError) as error:
            raise RefusedError(
                f'{path}: annotations[{row}]: not an annotation of a known image'
            ) from error
        if mask is None or masks.area(mask) == 0:
            continue
        names = [f'{path.name}:annotations[{row}]']
        if 'box_id' in entry:
            names.append(entry['box_id'])
        truth |= {name: dict(id=row, mask=mask, region=region) for name in names}
    if not truth:
        raise RefusedError(f'{path}: no annotation has a segmentation; true masks are needed')
    return truth
