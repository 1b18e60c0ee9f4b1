"""The annotation driver: a plain loop over images that a bad image never ends.

What is done ahead of the segmentor (decoding, cutting, prompting) is a stream of samples, which
processes can read ahead; what becomes of the masks is the writer's.
"""

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from tqdm import tqdm

from samrs_mm.annotate.embeddings import EmbeddingStore
from samrs_mm.annotate.masking import segment_all
from samrs_mm.annotate.plan import Plan, Tile
from samrs_mm.annotate.record_writer import RecordWriter
from samrs_mm.annotate.scene_sheets import SceneSheets
from samrs_mm.annotate.writer import Sample
from samrs_mm.core import boxes as box_ops
from samrs_mm.core import regions, tiling
from samrs_mm.core.boxes import BoxGeometry, BoxLabel, geometry
from samrs_mm.core.classes import ClassTable
from samrs_mm.core.errors import SamrsError
from samrs_mm.core.images import SceneImage, image_size, write_png
from samrs_mm.core.input_notes import Inputs, facts_of
from samrs_mm.core.prompts import CLIPPED, PromptSetting, prompt_boxes, seen_boxes
from samrs_mm.datasets.boxes.circumscribed import circumscribed_geometry
from samrs_mm.formats.annotated import folder
from samrs_mm.formats.annotated.entries import REGIONS, BoxEntry
from samrs_mm.formats.annotated.folder import AnnotatedFolder
from samrs_mm.formats.annotated.record import Record
from samrs_mm.models.prompt_segmentors.base import PromptSegmentor

_UNSEEN = (box_ops.DEGENERATE, *REGIONS)


class Prompter(Protocol):
    """Enters the boxes of a tile into its record and prompts them."""

    record_type: type[Any]
    """A ``Record``, or what an ablation has instead."""
    circumscribed: bool
    """Whether it needs RH-Boxes."""
    holds_boxes: bool
    """Whether its records hold the boxes that were prompted."""
    from_labels: bool
    """Whether the boxes of its records are those of the labels."""

    def facts(self, scene: int) -> str:
        """Return a digest of what decides a scene's records beside pixels, boxes and files."""

    def files(self, scene: int) -> list[Path]:
        """Return the files beside the image and its labels that decide a scene's records."""

    def prompt(
        self, sample: Sample, labels: Sequence[BoxLabel], shapes: BoxGeometry,
        size: tuple[int, int],
    ) -> None:  # fmt: skip
        """Fill ``sample.record.boxes`` and ``sample.prompted`` with the boxes of a tile.

        Their ``shapes``, and width and height of the tile without padding, are in its pixels.
        """


class BoxPrompter:
    """Prompts the boxes with one setting, in one of ``prompts.PROMPT_STYLES``."""

    record_type = Record
    holds_boxes = from_labels = True

    def __init__(self, setting: PromptSetting, table: ClassTable, style: str = CLIPPED):
        self.setting, self.table, self.style = setting, table, style
        self.circumscribed = setting.circumscribed

    def facts(self, scene: int) -> str:
        """See ``Prompter``."""
        return ''

    def files(self, scene: int) -> list[Path]:
        """See ``Prompter``."""
        return []

    def prompt(
        self, sample: Sample, labels: Sequence[BoxLabel], shapes: BoxGeometry,
        size: tuple[int, int],
    ) -> None:  # fmt: skip
        """See ``Prompter``."""
        setting = self.setting
        masks = self.label_masks(sample, labels)
        found = prompt_boxes(setting, labels, shapes, *size, self.style, sample.valid, masks)
        seen = seen_boxes(setting, shapes, *size, self.style)
        image = sample.record.image
        offset = np.array(image.offset, float)
        for i, label in enumerate(labels):
            index = self.table.index(label.category)
            shown = setting.box or setting.mask or setting.of_labels
            hidden = not shown or found.statuses[i] in _UNSEEN
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
                flags=label.flags,
                notes=label.notes,
            )
            if box.status in REGIONS:
                place = offset, size, (image.width, image.height)
                box.enter_region(regions.pixels_of(label, shapes.polygons[i], *place))
            sample.record.boxes.append(box)
        sample.prompted = [found]

    def label_masks(self, sample: Sample, labels: Sequence[BoxLabel]) -> list[dict | None] | None:
        """Return the masks of the labels as COCO RLE of the tile; None where none is prompted."""
        return None


class SampleStream:
    """Yields a ``Sample`` for each tile; every group's scene is opened once, see ``SceneImage``.

    Nothing that happens to one scene ends the stream: the error travels in the sample.

    Args:
        plan: The plan of the dataset.
        groups: Tiles of a scene each, as ``Plan.shard`` gives them.
        prompter: Enters and prompts the boxes.
        out: Where the images of tiles are written; None writes none.
        done: Stems of tiles that are left out.
        sheets: Opens scenes with what is known of them; None looks at each anew.

    Attributes:
        skipped: Number of tiles that are left out.
    """

    def __init__(
        self,
        plan: Plan,
        groups: Sequence[Sequence[Tile]],
        prompter: Prompter,
        out: AnnotatedFolder | None = None,
        done: Collection[str] = (),
        sheets: SceneSheets | None = None,
    ):
        self.plan, self.dataset = plan, plan.dataset
        self.prompter, self.out, self.sheets = prompter, out, sheets
        self._last: tuple[int, _Scene] | None = None
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

        With 0 workers this process reads, as it does a single image anyway, and where there is no
        torch, whose DataLoader reads ahead; ``work`` is called in the process that read the sample.
        """
        workers = min(workers, len(self.groups)) if find_spec('torch') else 0
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
        return ' '.join(text.split()).replace(os.path.join(self.dataset.root, ''), '')

    def inputs(self, scene: int) -> Inputs:
        """Return what a scene's records are made from; the first file is the image.

        Facts are known after ``BoxDataset.collect_classes``.
        """
        facts, more = self.dataset.facts[scene], self.prompter.facts(scene)
        paths = [self.dataset.image_path(scene), *self.prompter.files(scene)]
        return Inputs(facts_of(facts, more) if more else facts, paths)

    def outlines(self, group: Sequence[Tile]) -> Iterator[Sample]:
        """Yield the samples of one scene's tiles without pixels: what labels and header give.

        Raises:
            SamrsError: The image's header or the label file can't be read.
        """
        scene = group[0].scene
        size = image_size(self.dataset.image_path(scene))
        labels = regions.fitted(self.dataset.labels(scene).boxes, *size)
        for tile, chosen, shapes in self._assigned(group, labels):
            window = tile.window or tiling.Window(0, 0, *size)
            sample = Sample(tile, self._record(tile, window), None)
            self._prompt(sample, window, size, [labels[i] for i in chosen], shapes)
            yield sample

    def _scene(self, group: list[Tile]) -> Iterator[Sample]:
        opened = self._open(group[0].scene)
        for tile, chosen, shapes in self._assigned(group, opened.labels):
            part = [opened.labels[i] for i in chosen]
            yield self._sample(tile, opened, part, shapes)

    def _open(self, scene: int) -> '_Scene':
        """Read the labels of a scene and open its image; that of a piece stays for the next."""
        if self._last is not None and self._last[0] == scene:
            return self._last[1]
        self._last = None  # a large image makes room for the next
        parsed, inputs = self.dataset.labels(scene), self.inputs(scene)
        if self.sheets is not None:
            image = self.sheets.open(scene, inputs)
        else:
            rule = self.dataset.image_rule
            image = SceneImage(inputs.paths[0], self.plan.spec is not None, rule=rule)
        labels = regions.fitted(parsed.boxes, image.width, image.height)
        opened = _Scene(image, inputs, labels, [*image.notes, *parsed.notes])
        if self.plan.in_pieces(scene):
            self._last = scene, opened
        return opened

    def _assigned(
        self, group: Sequence[Tile], labels: Sequence[BoxLabel]
    ) -> Iterator[tuple[Tile, np.ndarray, BoxGeometry]]:
        """Yield each tile of a scene with the rows of its boxes ``(N,)`` and their shapes."""
        shapes = (circumscribed_geometry if self.prompter.circumscribed else geometry)(labels)
        rows = self.plan.assign(group, labels, shapes.polygons)
        for tile, chosen in zip(group, rows, strict=True):
            yield tile, chosen, shapes[chosen]

    def _sample(
        self,
        tile: Tile,
        scene: '_Scene',
        labels: list[BoxLabel],
        shapes: BoxGeometry,
    ) -> Sample:
        image, inputs = scene.image, scene.inputs
        window = tile.window or tiling.Window(0, 0, image.width, image.height)
        spec = self.plan.spec
        pad = spec.pad if spec else (0, 0, 0)
        pixels = image.crop(window.x, window.y, window.width, window.height, pad)
        if self.out and self.plan.pictured(tile) and (spec is None or spec.images):
            path = self.out.path(folder.IMAGES, tile.stem)
            path.parent.mkdir(exist_ok=True)
            write_png(path, pixels)
        record = self._record(tile, window, inputs.sha256(), scene.notes)
        valid = image.valid(window.x, window.y, window.width, window.height)
        sample = Sample(tile, record, pixels, note=inputs.note(), valid=valid)
        self._prompt(sample, window, (image.width, image.height), labels, shapes)
        return sample

    def _prompt(
        self,
        sample: Sample,
        window: tiling.Window,
        size: tuple[int, int],
        labels: Sequence[BoxLabel],
        shapes: BoxGeometry,
    ) -> None:
        """Prompt the boxes of a window of a scene of this size (width, height)."""
        width = min(window.width, size[0] - window.x)
        height = min(window.height, size[1] - window.y)
        shapes = shapes.shifted(-window.x, -window.y)
        self.prompter.prompt(sample, labels, shapes, (width, height))

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


@dataclass(frozen=True)
class _Scene:
    """A scene that is open: what it is made from, its labels, and what is to be told of it."""

    image: SceneImage
    inputs: Inputs
    labels: list[BoxLabel]
    notes: list[str]


@dataclass(frozen=True)
class RunResult:
    """What a pass over some images came to: ``images`` committed, ``skipped`` done before.

    ``failures`` has a line for each image that failed, ``statuses`` counts committed boxes.
    """

    images: int
    skipped: int
    failures: tuple[str, ...]
    statuses: dict[str, int]


class Annotator:
    """Runs a prompt segmentor over a stream of samples and commits what it returns.

    ::

        stream ──► segment ──► writer   masks into the record, label map, record last;
        (workers)     │                 or a failure's record: the next run tries again
                      ├─ segmentor.encode      once for each pass of images, unless the store
                      │                        has them
                      └─ segmentor.decode      for each image and prompt setting

    Args:
        stream: The samples.
        segmentor: A loaded segmentor.
        writer: What becomes of the masks.
        workers: Processes that read ahead; 0 reads in this process.
        store: Embeddings of the images; None encodes all of them.
        quiet: Show no progress.
    """

    def __init__(
        self,
        stream: SampleStream,
        segmentor: PromptSegmentor,
        writer: RecordWriter,
        workers: int = 0,
        store: EmbeddingStore | None = None,
        quiet: bool = False,
    ):
        self.stream, self.segmentor, self.writer, self.workers = stream, segmentor, writer, workers
        self.store = store
        self.quiet = quiet

    def run(self) -> RunResult:
        """Do all samples of the stream.

        Raises:
            SamrsError: The disk is full; what was committed is safe.
        """
        count, prompts = len(self.stream), 0
        samples = self.stream.read(self.workers)
        with (
            self.writer as writer,
            self.store or nullcontext(),
            tqdm(total=count, unit='img', disable=self.quiet or not count, mininterval=0.5) as bar,
        ):
            batches = _batched(samples, self.segmentor.images_per_pass)
            for sample in segment_all(self.segmentor, batches, self.store):
                prompts += sample.prompt_count
                writer.commit(sample)
                bar.set_postfix_str(f'{prompts} boxes', refresh=False)
                bar.update()
        return RunResult(
            writer.images, self.stream.skipped, tuple(writer.failures), dict(writer.statuses)
        )


def _batched(samples: Iterable[Sample], size: int) -> Iterator[list[Sample]]:
    iterator = iter(samples)
    while batch := list(islice(iterator, size)):
        yield batch
