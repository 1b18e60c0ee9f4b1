"""What is done ahead of the segmentor: decode images, cut tiles, build prompts."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from samrs_mm.annotate.plan import Plan, Tile
from samrs_mm.core import boxes as box_ops
from samrs_mm.core import tiling
from samrs_mm.core.boxes import BoxGeometry, BoxLabel, geometry
from samrs_mm.core.classes import ClassTable
from samrs_mm.core.errors import SamrsError
from samrs_mm.core.images import SceneImage, file_sha256, write_png
from samrs_mm.core.prompts import PromptBatch, PromptSetting
from samrs_mm.datasets.boxes.circumscribed import circumscribed_geometry
from samrs_mm.formats.annotated import folder
from samrs_mm.formats.annotated.folder import AnnotatedFolder
from samrs_mm.formats.annotated.record import BoxEntry, Record


@dataclass(frozen=True)
class PromptedBoxes:
    """The boxes of an image under one prompt setting.

    Args:
        setting: The setting.
        statuses: ``'ok'``, ``'outside'`` or ``'degenerate'`` for each box.
        reasons: Why a box is not prompted; empty for ok.
        chosen: Positions of the boxes that are prompted, ascending.
        prompts: One prompt for each of ``chosen``; None if there are none.
    """

    setting: PromptSetting
    statuses: list[str]
    reasons: list[str]
    chosen: list[int]
    prompts: PromptBatch | None


@dataclass
class Sample:
    """A tile on its way to the segmentor, with its pixels, its prompts and its record.

    Args:
        tile: The tile.
        record: Its record, still without masks.
        image: ``(H, W, 3)`` uint8 RGB; None if it could not be read.
        prompted: Its boxes, once for each prompt setting.
        error: Why the tile failed, in one line; None if it did not.
    """

    tile: Tile
    record: Record
    image: np.ndarray | None
    prompted: list[PromptedBoxes] = field(default_factory=list)
    error: str | None = None

    @property
    def prompt_count(self) -> int:
        """How many prompts the segmentor will be given."""
        return sum(len(boxes.chosen) for boxes in self.prompted)


def enclosing_boxes(setting: PromptSetting, shapes: BoxGeometry) -> np.ndarray:
    """Return the boxes ``(N, 4)``, unclipped, that hold what a setting prompts."""
    source = setting.box or setting.mask or 'hbox'
    if source == 'rbox':
        return box_ops.bounding_boxes(shapes.polygons)
    return shapes.rhboxes if source == 'rhbox' else shapes.hboxes


def build_prompts(
    setting: PromptSetting, shapes: BoxGeometry, chosen: np.ndarray, width: int, height: int
) -> PromptBatch:
    """Return the prompts of some boxes of an image; a setting sees only what its name says.

    Args:
        setting: The prompt setting.
        shapes: Geometry of all boxes, in pixels of the image.
        chosen: Indices ``(N,)`` of the boxes to prompt.
        width: Image width in pixels.
        height: Image height in pixels.
    """
    upright = {'hbox': shapes.hboxes, 'rhbox': shapes.rhboxes}
    points = regions = polygons = None
    if setting.point:
        hboxes = box_ops.clip(shapes.hboxes[chosen], width, height)
        points = shapes.centres[chosen] if setting.oriented else (hboxes[:, :2] + hboxes[:, 2:]) / 2
        points = np.clip(points, 0, [width, height])
    if setting.mask:
        region = shapes.polygons if setting.mask == 'rbox' else None
        regions = (box_ops.corners(upright[setting.mask]) if region is None else region)[chosen]
    if setting.box == 'rbox':
        polygons = shapes.polygons[chosen]
    boxes = upright[setting.box][chosen] if setting.box in upright else None
    if boxes is not None:
        boxes = box_ops.clip(boxes, width, height)
    return PromptBatch(setting, boxes, points, regions, polygons)


def prompt_boxes(
    setting: PromptSetting, shapes: BoxGeometry, width: int, height: int
) -> PromptedBoxes:
    """Prompt the boxes of an image that can be prompted.

    Args:
        setting: The prompt setting.
        shapes: Geometry of all boxes, in pixels of the image.
        width: Image width in pixels.
        height: Image height in pixels.
    """
    enclosing = enclosing_boxes(setting, shapes)
    statuses, reasons = box_ops.box_statuses(enclosing, shapes.polygons, width, height)
    chosen = [i for i, status in enumerate(statuses) if status == box_ops.OK]
    prompts = None
    if chosen:
        prompts = build_prompts(setting, shapes, np.array(chosen), width, height)
    return PromptedBoxes(setting, statuses, reasons, chosen, prompts)


class Prompter(Protocol):
    """Enters the boxes of a tile into its record and prompts them."""

    record_type: type[Record]
    circumscribed: bool
    """Whether it needs RH-Boxes."""

    def prompt(
        self, sample: Sample, labels: Sequence[BoxLabel], shapes: BoxGeometry,
        size: tuple[int, int],
    ) -> None:  # fmt: skip
        """Fill ``sample.record.boxes`` and ``sample.prompted``.

        Args:
            sample: The sample, without boxes.
            labels: The tile's N boxes.
            shapes: Their geometry in pixels of the tile.
            size: Width and height of the tile in pixels, without padding.
        """


class BoxPrompter:
    """Prompts the boxes with one setting.

    Args:
        setting: The prompt setting.
        table: The classes.
    """

    record_type = Record

    def __init__(self, setting: PromptSetting, table: ClassTable):
        self.setting, self.table = setting, table
        self.circumscribed = setting.circumscribed

    def prompt(
        self, sample: Sample, labels: Sequence[BoxLabel], shapes: BoxGeometry,
        size: tuple[int, int],
    ) -> None:  # fmt: skip
        """See ``Prompter``."""
        setting = self.setting
        found = prompt_boxes(setting, shapes, *size)
        seen = box_ops.clip(enclosing_boxes(setting, shapes), *size)
        offset = np.array(sample.record.image.offset, float)
        for i, label in enumerate(labels):
            index = self.table.index(label.category)
            hidden = not (setting.box or setting.mask) or found.statuses[i] == box_ops.DEGENERATE
            box = BoxEntry.new(
                number=i + 1,
                box_id=label.box_id,
                label=index,
                category=self.table.classes[index],
                prompt=setting.name,
                polygon=shapes.polygons[i],
                scene_polygon=shapes.polygons[i] + offset,
                prompt_box=None if hidden else seen[i],
                status=found.statuses[i],
                reason=found.reasons[i],
            )
            sample.record.boxes.append(box)
        sample.prompted = [found]


class SampleStream:
    """Yields a ``Sample`` for each tile; every scene is decoded once.

    Nothing that happens to one scene ends the stream: the error travels in the sample.

    Args:
        plan: The plan of the dataset.
        groups: Tiles grouped by scene, as ``Plan.shard`` gives them.
        prompter: Enters and prompts the boxes.
        out: Where the images of tiles are written; None writes none.
        done: Stems of tiles that are left out.

    Attributes:
        groups: The tiles that are left, grouped by scene.
        skipped: Number of tiles that are left out.
    """

    def __init__(
        self,
        plan: Plan,
        groups: Sequence[Sequence[Tile]],
        prompter: Prompter,
        out: AnnotatedFolder | None = None,
        done: Collection[str] = (),
    ):
        self.dataset, self.spec = plan.dataset, plan.spec
        self.prompter, self.out = prompter, out
        left = [[tile for tile in group if tile.stem not in done] for group in groups]
        self.groups = [group for group in left if group]
        self.skipped = sum(map(len, groups)) - len(self)

    def __len__(self) -> int:
        """Return the number of tiles."""
        return sum(map(len, self.groups))

    def __iter__(self) -> Iterator[Sample]:
        for group in self.groups:
            done = 0
            try:
                for sample in self._scene(group):
                    yield sample
                    done += 1
            except Exception as error:  # noqa: BLE001 (no scene may end the run, whatever it is)
                line = self._one_line(error, group)
                for tile in group[done:]:
                    window = tile.window or tiling.Window(0, 0, 0, 0)
                    yield Sample(tile, self._record(tile, window), None, error=line)

    def read(self, workers: int, work: Callable[[Sample], Any] | None = None) -> Iterable[Any]:
        """Return what the stream yields, or what ``work`` makes of it, read ahead by processes.

        Args:
            workers: How many at most; 0 reads in this process, as a single image is read anyway.
            work: Called with each sample, in the process that read it.
        """
        workers = min(workers, len(self.groups))
        if not workers or len(self) == 1:
            return self if work is None else map(work, self)
        from samrs_mm.annotate.read_ahead import read_ahead

        return read_ahead(self, workers, work)

    def _one_line(self, error: Exception, group: list[Tile]) -> str:
        """Return an error as one line that names files from the data root on."""
        path = self.dataset.scenes[group[0].scene].image
        if isinstance(error, SamrsError):
            text = str(error)
        elif isinstance(error, OSError):
            text = f'{error.filename or path}: {error.strerror or error}'
        else:
            text = f'{path}: {type(error).__name__}: {error}'
        return ' '.join(text.split()).replace(f'{self.dataset.root}/', '')

    def _scene(self, group: list[Tile]) -> Iterator[Sample]:
        scene = group[0].scene
        labels = self.dataset.labels(scene).boxes
        path = self.dataset.root / self.dataset.scenes[scene].image
        image = SceneImage(path)
        digest = file_sha256(path)
        shapes = (circumscribed_geometry if self.prompter.circumscribed else geometry)(labels)
        rows = [np.arange(len(shapes))]
        if group[0].window is not None:
            windows = [tile.window for tile in group]
            rows = tiling.assign(shapes.polygons, windows, self.spec.iof)
        for tile, chosen in zip(group, rows, strict=True):
            yield self._sample(tile, image, digest, [labels[i] for i in chosen], shapes[chosen])

    def _sample(
        self,
        tile: Tile,
        image: SceneImage,
        digest: str,
        labels: list[BoxLabel],
        shapes: BoxGeometry,
    ) -> Sample:
        window = tile.window or tiling.Window(0, 0, image.width, image.height)
        pad = self.spec.pad if tile.window else (0, 0, 0)
        pixels = image.crop(window.x, window.y, window.width, window.height, pad)
        if tile.window and self.out:
            path = self.out.path(folder.IMAGES, tile.stem)
            path.parent.mkdir(exist_ok=True)
            write_png(path, pixels)
        record = self._record(tile, window, digest, image.notes)
        sample = Sample(tile, record, pixels)
        width = min(window.width, image.width - window.x)
        height = min(window.height, image.height - window.y)
        shapes = shapes.shifted(-window.x, -window.y)
        self.prompter.prompt(sample, labels, shapes, (width, height))
        return sample

    def _record(
        self,
        tile: Tile,
        window: tiling.Window,
        digest: str | None = None,
        notes: Sequence[str] = (),
    ) -> Record:
        scene = self.dataset.scenes[tile.scene]
        return self.prompter.record_type.of_image(
            path=scene.image,
            scene=scene.stem,
            split=scene.split,
            offset=[window.x, window.y],
            width=window.width,
            height=window.height,
            sha256=digest,
            notes=list(notes),
        )
