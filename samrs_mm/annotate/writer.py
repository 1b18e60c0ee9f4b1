"""What becomes of masks: entered into records, filtered, and painted as label maps."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from samrs_mm.annotate.correcting import correct
from samrs_mm.annotate.plan import Tile
from samrs_mm.core import boxes as box_ops
from samrs_mm.core import masks
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.grid import GRID, GridPrompts
from samrs_mm.core.images import write_png
from samrs_mm.core.masks import Mask
from samrs_mm.core.prompts import PromptedBoxes
from samrs_mm.formats.annotated import folder
from samrs_mm.formats.annotated.entries import FILTERED, KEPT, REGIONS, BoxEntry
from samrs_mm.formats.annotated.folder import AnnotatedFolder
from samrs_mm.formats.annotated.record import Record

if TYPE_CHECKING:
    from typing_extensions import Self  # typing has it from Python 3.11 on

Masks = Sequence[Sequence[Mask]]


@dataclass
class Sample:
    """A tile on its way to the segmentor and to the disk: pixels, prompts, masks and its record.

    Args:
        tile: The tile.
        record: Its record (a ``Record``, an ablation's its own), at first without masks.
        image: ``(H, W, 3)`` uint8 RGB; None if it could not be read, or is no longer needed.
        prompted: Its boxes, once for each prompt setting.
        masks: For each of ``prompted`` the masks of its prompts, in order.
        error: Why the tile failed, in one line; None if it did not.
        note: Of its input, see ``input_notes.note_of``; empty if it could not be read.
        valid: Which of its pixels have data, ``(H, W)`` bool; None says all, or that it is no
            longer needed.
        grid: Its points, where masks are made without boxes.
        proposals: What they gave (``Proposal``), the best first.

    Attributes:
        gaps: Whether some of its pixels have no data.
    """

    tile: Tile
    record: Any
    image: np.ndarray | None
    prompted: list[PromptedBoxes] = field(default_factory=list)
    masks: Masks = ()
    error: str | None = None
    note: str = ''
    valid: np.ndarray | None = None
    grid: GridPrompts | None = None
    proposals: Sequence[Any] = ()
    gaps: bool = field(init=False)

    def __post_init__(self) -> None:
        self.gaps = self.valid is not None

    @property
    def prompt_count(self) -> int:
        """How many prompts the segmentor will be given."""
        if self.grid is not None:
            return len(self.grid)
        return sum(len(boxes.chosen) for boxes in self.prompted)

    def let_go(self) -> None:
        """Keep no more than what is to be written: a process may get it from another."""
        self.image = self.valid = None
        self.prompted = [replace(boxes, prompts=None) for boxes in self.prompted]
        self.grid = self.grid and replace(self.grid, valid=None)


@dataclass(frozen=True)
class MaskFilters:
    """Limits that a mask must keep; None sets no limit. Limits themselves are allowed.

    The score is the predicted IoU, the area is in pixels; for the other measures see
    ``masks.measure``.
    """

    min_score: float | None = None
    min_stability: float | None = None
    min_fill: float | None = None
    max_fill: float | None = None
    min_coverage: float | None = None
    max_leakage: float | None = None
    max_components: int | None = None
    min_area: int | None = None
    max_area: int | None = None
    drop_at_border: bool = False

    @classmethod
    def from_config(cls, entry: dict[str, Any] | None) -> 'Self':
        """Read the ``filters`` of an annotate config; None is no filter.

        Raises:
            RefusedError: An unknown name, or a value that can't be.
        """
        names = [field.name for field in fields(cls)]
        if not isinstance(entry, dict | None):
            raise RefusedError(f'filters={entry!r}; allowed: None or dict({names[0]}=..., ...)')
        for name in entry or {}:
            if name not in names:
                raise RefusedError(f'filters.{name} is unknown; allowed: {", ".join(names)}')
        filters = cls(**{name: _checked(name, value) for name, value in (entry or {}).items()})
        for key in ('fill', 'area'):
            low, high = getattr(filters, f'min_{key}'), getattr(filters, f'max_{key}')
            if low is not None and high is not None and low > high:
                raise RefusedError(f'filters.min_{key}={low!r} is above filters.max_{key}={high!r}')
        return filters

    def as_dict(self) -> dict[str, Any] | None:
        """Return the limits that are set; None if there are none."""
        limits = asdict(self) | {'drop_at_border': self.drop_at_border or None}
        return {name: value for name, value in limits.items() if value is not None} or None

    @property
    def measures(self) -> set[str]:
        """What the limits are of: ``score``, ``stability``, ``area`` or some of ``MEASURES``."""
        return {name.partition('_')[2] for name in self.as_dict() or ()}

    def apply(self, record: Record) -> None:
        """Decide which masks of a record are kept and which are filtered, and why."""
        for box in record.boxes:
            if box.segmentation is not None and box.status not in REGIONS:
                box.reason = self.reason(box)
                box.status = FILTERED if box.reason else KEPT
                box.visible_area = 0

    def reason(self, box: BoxEntry) -> str:
        """Return which limit a measured mask breaks, the first if several; empty if none."""
        for name, limit in (self.as_dict() or {}).items():
            kind, _, key = name.partition('_')
            value = getattr(box, key)
            if kind == 'min' and value < limit:
                return f'{key} {value} is below {name} {limit}'
            if kind == 'max' and value > limit:
                return f'{key} {value} is above {name} {limit}'
            if kind == 'drop' and value:
                return "the mask touches the image's border"
        return ''


def _checked(name: str, value: Any) -> Any:
    """Return a limit, refused where it is of the wrong kind or range."""
    if value is None:
        return None
    if name == 'drop_at_border':
        fits, allowed = isinstance(value, bool), 'True or False'
    elif name in ('max_components', 'min_area', 'max_area'):
        fits, allowed = type(value) is int and value >= 1, 'a whole number from 1, or None'
    else:
        fits, allowed = type(value) in (int, float) and 0 <= value <= 1, '0 to 1, or None'
        value = float(value) if fits else value  # 1 and 1.0 are one setting
    if not fits:
        raise RefusedError(f'filters.{name}={value!r}; allowed: {allowed}')
    return value


def enter_masks(sample: Sample, filters: MaskFilters) -> None:
    """Enter a sample's masks into its record, and decide which are kept."""
    if sample.grid is not None:
        enter_proposals(sample, sample.grid)
    empty = 'the segmentor returned no pixel' + ' with data' * sample.gaps
    for boxes, found in zip(sample.prompted, sample.masks, strict=True):
        for position, mask in zip(boxes.chosen, found, strict=True):
            sample.record.boxes[position].enter_mask(mask, empty)
    filters.apply(sample.record)


def enter_proposals(sample: Sample, grid: GridPrompts) -> None:
    """Give a sample's record an entry for each mask that was made without a box."""
    offset = np.array(sample.record.image.offset, float)
    for number, found in enumerate(sample.proposals, 1):
        score, stability = (round(value, 6) for value in (found.mask.score, found.mask.stability))
        mask = Mask(found.mask.segmentation, score, stability)
        x, y, width, height = masks.bbox(mask.segmentation)
        corners = box_ops.corners(np.array([[x, y, x + width, y + height]], float))[0]
        box = BoxEntry.new(
            number=number,
            box_id=grid.box_id(found.point, found.choice),
            label=0,
            category=grid.category,
            prompt=GRID,
            polygon=corners,
            scene_polygon=corners + offset,
            prompt_box=None,
            status=KEPT,
        )
        box.enter_mask(mask, '')
        sample.record.boxes.append(box)


class LabelMapWriter:
    """Enters masks into records, decides which are kept, and writes the label maps.

    What people decided about these images, by names of ``classes``, is entered next.
    """

    def __init__(
        self,
        out: AnnotatedFolder,
        policy: str,
        filters: MaskFilters,
        classes: Sequence[str] = (),
    ):
        self.out, self.policy, self.filters, self.classes = out, policy, filters, classes

    def __call__(self, sample: Sample) -> None:
        """Complete a sample's record, but for its signature; write its label map."""
        enter_masks(sample, self.filters)
        correct(sample.record, self.out, sample.tile.stem, self.classes)
        labels = sample.record.paint(self.policy)
        write_png(self.out.path(folder.SEMANTIC, sample.tile.stem), labels)
