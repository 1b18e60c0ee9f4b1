"""What people made of the masks of a sample."""

from dataclasses import dataclass, field
from pathlib import Path

from samrs_mm.core import masks
from samrs_mm.core.errors import RefusedError
from samrs_mm.formats.annotated import folder
from samrs_mm.formats.annotated.entries import REJECTED, BoxEntry
from samrs_mm.formats.annotated.folder import AnnotatedFolder
from samrs_mm.formats.annotated.record import Record
from samrs_mm.formats.corrections.actions import Corrections
from samrs_mm.formats.corrections.audit_sample import AuditSample, SampledMask

OPEN, RIGHT = 'open', 'right'
"""What masks count as on which nobody did anything: not judged yet, or looked at and left."""


@dataclass(slots=True)
class Judged:
    """A mask of the sample on which somebody decided.

    Args:
        mask: The mask.
        iou: Its IoU with what people made of it: 1 where they left it, 0 where they rejected it.
        rejected: Whether they did.
        reclassed: Whether they gave it another class.
        seconds: How long that took them; None if it is not known.
        weight: How many masks of the folder it stands for.
    """

    mask: SampledMask
    iou: float
    rejected: bool
    reclassed: bool
    seconds: float | None
    weight: float = 1.0


@dataclass
class Judgement:
    """What became of a sample.

    Args:
        judged: The masks on which somebody decided.
        open: Those on which nobody did.
        gone: Those whose box is no longer in the folder, a line each.
    """

    judged: list[Judged] = field(default_factory=list)
    open: list[SampledMask] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)


def judge(root: Path, sample: AuditSample, untouched: str = OPEN) -> Judgement:
    """Compare the masks of a sample with their corrections.

    A judged mask stands for its class's masks, divided by how many of the class were judged.

    Args:
        root: The annotated folder.
        sample: Drawn from it.
        untouched: ``OPEN`` or ``RIGHT``: what masks are on which nobody did anything.

    Raises:
        RefusedError: There are corrections that were not entered yet.
        RecordError: A record is damaged.
        CorrectionsError: A file of corrections is.
    """
    found, out = Judgement(), AnnotatedFolder(root)
    listed = out.listed()
    for stem in dict.fromkeys(mask.stem for mask in sample.boxes):
        boxes = _boxes(out, stem) if stem in listed else {}
        for mask in (mask for mask in sample.boxes if mask.stem == stem):
            box = boxes.get(mask.box_id)
            if box is None:
                found.gone.append(f'{mask.stem}: no box {mask.box_id} any more')
            elif not box.edited and untouched == OPEN:
                found.open.append(mask)
            else:
                found.judged.append(_judged(mask, box))
    for name, size in sample.population.items():
        of_class = [each for each in found.judged if each.mask.category == name]
        for each in of_class:
            each.weight = size / len(of_class)
    return found


def _boxes(out: AnnotatedFolder, stem: str) -> dict[str, BoxEntry]:
    record = Record.load_checked(out.path(folder.INSTANCES, stem))
    path = out.corrections(stem)
    digest = Corrections.load(path).digest if path.exists() else ''
    if digest != (record.corrections or {}).get('sha256', ''):
        raise RefusedError(f'{path}: not entered yet; sam_annotate.py --finalise enters them')
    return {box.box_id: box for box in record.boxes}


def _judged(mask: SampledMask, box: BoxEntry) -> Judged:
    return Judged(
        mask, _iou(mask, box), box.status == REJECTED, box.category != mask.category,
        box.seconds or None,
    )  # fmt: skip


def _iou(mask: SampledMask, box: BoxEntry) -> float:
    if not box.edited:  # left as it was shown, though the machine may have made another since
        return 1.0
    if box.status == REJECTED or box.segmentation is None:
        return 0.0
    if list(box.segmentation['size']) != mask.segmentation['size']:
        raise RefusedError(f'{mask.stem}: has another size than when it was drawn; draw anew')
    intersection, union = masks.overlap(mask.segmentation, box.segmentation)
    return intersection / union
