"""What is done ahead of the segmentor: decode images, cut tiles, build prompts."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from samrs_mm.annotate.plan import Plan, Unit
from samrs_mm.core import boxes as box_ops
from samrs_mm.core import tiling
from samrs_mm.core.boxes import BoxGeometry, BoxLabel, geometry
from samrs_mm.core.errors import SamrsError
from samrs_mm.core.images import SceneImage, file_sha256, write_png
from samrs_mm.core.prompts import PromptBatch, PromptSetting
from samrs_mm.datasets.boxes.base import BoxDataset
from samrs_mm.formats.annotated import folder, records
from samrs_mm.formats.annotated.folder import AnnotatedFolder


@dataclass
class Sample:
    """A unit on its way to the segmentor.

    Args:
        unit: The unit.
        image: ``(H, W, 3)`` uint8 RGB, or None if it failed.
        entry: The ``image`` part of the record.
        boxes: The box entries of the record, in label order.
        prompted: Positions in ``boxes`` of the prompts, in order.
        prompts: One prompt for each of ``prompted``; None if there are none.
        error: Why the unit failed, in one line; None if it did not.
    """

    unit: Unit
    image: np.ndarray | None
    entry: dict
    boxes: list[dict] = field(default_factory=list)
    prompted: list[int] = field(default_factory=list)
    prompts: PromptBatch | None = None
    error: str | None = None

    @property
    def prompt_count(self) -> int:
        """How many prompts the segmentor will be given."""
        return len(self.prompted)


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
    hulls = {'hbox': shapes.hboxes, 'rhbox': shapes.rhboxes}
    points = regions = polygons = None
    if setting.point:
        hboxes = box_ops.clip(shapes.hboxes[chosen], width, height)
        points = shapes.centres[chosen] if setting.oriented else (hboxes[:, :2] + hboxes[:, 2:]) / 2
        points = np.clip(points, 0, [width, height])
    if setting.mask:
        region = shapes.polygons if setting.mask == 'rbox' else None
        regions = (box_ops.corners(hulls[setting.mask]) if region is None else region)[chosen]
    if setting.box == 'rbox':
        polygons = shapes.polygons[chosen]
    boxes = hulls[setting.box][chosen] if setting.box in hulls else None
    if boxes is not None:
        boxes = box_ops.clip(boxes, width, height)
    return PromptBatch(setting, boxes, points, regions, polygons)


class SampleStream:
    """Yields a ``Sample`` for each unit; every scene is decoded once.

    Nothing that happens to one scene ends the stream: the error travels in the sample.

    Args:
        plan: The plan of the dataset.
        groups: Units to do, grouped by scene.
        setting: The prompt setting.
        out: Where tiles are written; None writes none.
    """

    sample_type = Sample

    def __init__(
        self,
        plan: Plan,
        groups: list[list[Unit]],
        setting: PromptSetting,
        out: AnnotatedFolder | None,
    ):
        self.dataset: BoxDataset = plan.dataset
        self.tile = plan.tile
        self.groups, self.setting, self.out = groups, setting, out

    def __iter__(self) -> Iterator[Sample]:
        for group in self.groups:
            done = 0
            try:
                for sample in self._scene(group):
                    yield sample
                    done += 1
            except Exception as error:  # noqa: BLE001 (a scene must not end the run, whatever befell it)
                line = self._tell(error, group)
                for unit in group[done:]:
                    yield self._failed(unit, line)

    def read(self, workers: int) -> Iterable[Any]:
        """Return what the stream yields, read ahead by worker processes.

        Args:
            workers: How many at most; 0 reads in this process, as a single image is read anyway.
        """
        workers = min(workers, len(self.groups))
        if not workers or sum(map(len, self.groups)) == 1:
            return self
        from samrs_mm.annotate.read_ahead import read_ahead

        return read_ahead(self, workers)

    def _tell(self, error: Exception, group: list[Unit]) -> str:
        """Return an error as one line that names files from the data root on."""
        path = self.dataset.scenes[group[0].scene].image
        if isinstance(error, SamrsError):
            text = str(error)
        elif isinstance(error, OSError):
            text = f'{error.filename or path}: {error.strerror or error}'
        else:
            text = f'{path}: {type(error).__name__}: {error}'
        return ' '.join(text.split()).replace(f'{self.dataset.root}/', '')

    def _image_path(self, group: list[Unit]) -> Path:
        return self.dataset.root / self.dataset.scenes[group[0].scene].image

    def _scene(self, group: list[Unit]) -> Iterator[Sample]:
        labels = self.dataset.labels(group[0].scene).boxes
        path = self._image_path(group)
        image = SceneImage(path)
        digest = file_sha256(path)
        shapes = geometry(labels)
        for unit, chosen in zip(group, self._deal(group, shapes), strict=True):
            yield self._sample(unit, image, digest, [labels[i] for i in chosen], shapes[chosen])

    def _deal(self, group: list[Unit], shapes: BoxGeometry) -> list[np.ndarray]:
        if group[0].window is None:
            return [np.arange(len(shapes))]
        return tiling.assign(shapes.polygons, [unit.window for unit in group], self.tile.iof)

    def _sample(
        self,
        unit: Unit,
        image: SceneImage,
        digest: str,
        labels: list[BoxLabel],
        shapes: BoxGeometry,
    ) -> Sample:
        window = unit.window or tiling.Window(0, 0, image.width, image.height)
        pad = self.tile.pad if unit.window else (0, 0, 0)
        pixels = image.crop(window.x, window.y, window.width, window.height, pad)
        if unit.window and self.out:
            self._write_tile(unit, pixels)
        entry = self._entry(unit, window, digest, image.notes)
        width = min(window.width, image.width - window.x)
        height = min(window.height, image.height - window.y)
        sample = self.sample_type(unit, pixels, entry)
        self._add_boxes(sample, labels, shapes.shifted(-window.x, -window.y), width, height)
        return sample

    def _add_boxes(
        self, sample: Sample, labels: list[BoxLabel], shapes: BoxGeometry, width: int, height: int
    ) -> None:
        setting, table = self.setting, self.dataset.table
        enclosing = enclosing_boxes(setting, shapes)
        statuses, reasons = box_ops.box_statuses(enclosing, shapes.polygons, width, height)
        seen = box_ops.clip(enclosing, width, height)
        offset = np.array(sample.entry['offset'], float)
        for i, label in enumerate(labels):
            index = table.index(label.category)
            hidden = not (setting.box or setting.mask) or statuses[i] == box_ops.DEGENERATE
            box = records.new_box(
                number=i + 1,
                box_id=label.box_id,
                label=index,
                category=table.classes[index],
                prompt=setting.name,
                polygon=shapes.polygons[i],
                scene_polygon=shapes.polygons[i] + offset,
                prompt_box=None if hidden else seen[i],
                status=statuses[i],
                reason=reasons[i],
            )
            sample.boxes.append(box)
        sample.prompted = [i for i, status in enumerate(statuses) if status == box_ops.OK]
        if sample.prompted:
            sample.prompts = build_prompts(
                setting, shapes, np.array(sample.prompted), width, height
            )

    def _entry(
        self, unit: Unit, window: tiling.Window, digest: str | None, notes: tuple[str, ...]
    ) -> dict:
        scene = self.dataset.scenes[unit.scene]
        return dict(
            path=scene.image,
            scene=scene.stem,
            split=scene.split,
            offset=[window.x, window.y],
            width=window.width,
            height=window.height,
            sha256=digest,
            notes=list(notes),
        )

    def _failed(self, unit: Unit, error: str) -> Sample:
        window = unit.window or tiling.Window(0, 0, 0, 0)
        return self.sample_type(unit, None, self._entry(unit, window, None, ()), error=error)

    def _write_tile(self, unit: Unit, pixels: np.ndarray) -> None:
        path = self.out.path(folder.IMAGES, unit.stem)
        path.parent.mkdir(exist_ok=True)
        write_png(path, pixels)
