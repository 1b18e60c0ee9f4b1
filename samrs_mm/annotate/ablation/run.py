"""All prompt settings on every image: each image is encoded once, each setting decoded from that.

Records, resume and failures are those of the annotation driver.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config

from samrs_mm.annotate.ablation.report import FILES, JSON, RUNS, write_tables
from samrs_mm.annotate.ablation.scores import (
    EMPTY_TRUTHS,
    FORMAT,
    SCORED,
    UNSCORED,
    ZERO,
    AblationFolder,
    AblationRecord,
    ScoredBox,
    SegmentorRun,
    enter_results,
)
from samrs_mm.annotate.changes import Changes, Comparison, make_ready
from samrs_mm.annotate.driver import Annotator, RunResult, SampleStream
from samrs_mm.annotate.embeddings import (
    FP32,
    EmbeddingStore,
    check_place,
    load_for_store,
    why_not_stored,
)
from samrs_mm.annotate.job import Groups, Progress
from samrs_mm.annotate.masked_boxes import LabelMaskReader
from samrs_mm.annotate.opened_dataset import open_dataset
from samrs_mm.annotate.plan import Plan, Tile
from samrs_mm.annotate.record_writer import RecordWriter, writing_processes
from samrs_mm.annotate.threads import keep_threads, misfit, open_folder
from samrs_mm.annotate.writer import Sample
from samrs_mm.compat import strict_loading
from samrs_mm.config_files import read_config
from samrs_mm.core import masks as mask_ops
from samrs_mm.core.atomic import dump, temporary
from samrs_mm.core.boxes import BoxGeometry, BoxLabel
from samrs_mm.core.errors import LabelReadError, RefusedError
from samrs_mm.core.prompts import AUTHORS, SETTINGS, PromptSetting, check_style, prompt_boxes
from samrs_mm.core.regions import pixels_of
from samrs_mm.core.resumable import ResumableFolder
from samrs_mm.datasets.boxes.base import BoxDataset, LabelCounts
from samrs_mm.datasets.boxes.circumscribed import no_mmrotate
from samrs_mm.datasets.boxes.true_masks import TrueMasks, refuse_without_masks, truth_options
from samrs_mm.models.prompt_segmentors.base import PromptSegmentor
from samrs_mm.registry import PROMPT_SEGMENTORS, build


class TablesFolder(ResumableFolder):
    """Tables, true masks and ``runs``, in which each segmentor has its ``AblationFolder``."""

    def foreign(self) -> list[str]:
        """Return the files that are none of these."""
        ours = {*FILES, *(temporary(Path(name)).name for name in FILES)}
        return sorted(name for name in self.files() if name.split('/')[0] not in ours)


class TruthPrompter(LabelMaskReader):
    """Enters boxes with their true masks, and prompts them with all settings.

    An image without a true mask is not prompted, so it isn't encoded.
    """

    record_type = AblationRecord
    from_labels = True

    def __init__(
        self, settings: Sequence[PromptSetting], dataset: BoxDataset, style: str, empty_truth: str
    ):
        self.settings, self.dataset, self.style = settings, dataset, style
        self.true_masks = TrueMasks(dataset)
        self.least = 0 if empty_truth == ZERO else 1
        self.circumscribed = any(setting.circumscribed for setting in settings)

    def prompt(
        self, sample: Sample, labels: Sequence[BoxLabel], shapes: BoxGeometry,
        size: tuple[int, int],
    ) -> None:  # fmt: skip
        """See ``driver.Prompter``."""
        width, height = size
        misfit = self.dataset.labels(sample.tile.scene).misfit
        if misfit:
            raise LabelReadError(f'{sample.record.image.path}: {misfit}')
        truth = {
            box_id: mask
            for box_id, mask in self.true_masks.of_scene(sample.tile.scene, *size).items()
            if mask_ops.area(mask) >= self.least
        }
        table = self.dataset.table
        for number, label in enumerate(labels, 1):
            index = table.index(label.category)
            mask, status = truth.get(label.box_id), SCORED
            polygon = shapes.polygons[number - 1]
            if label.meaning and np.isfinite(polygon).all():
                status = label.meaning
                mask = pixels_of(label, polygon, np.zeros(2), size, size)
            box = ScoredBox(
                number, label.box_id, index + 1, table.classes[index],
                status=status if mask else UNSCORED,
                area=mask_ops.area(mask) if mask else None, truth=mask, results={},
            )  # fmt: skip
            sample.record.boxes.append(box)
        if any(box.status == SCORED for box in sample.record.boxes):
            sample.prompted = [
                prompt_boxes(each, labels, shapes, width, height, self.style, sample.valid)
                for each in self.settings
            ]


class AblationJob:
    """What ``tools/prompt_ablation.py`` runs.

    Building one reads no image and no label; ``collect_classes`` does, once.

    Args:
        config: An annotate config (see ``cli.load_config``); its prompt, prompt style, overlap
            policy and filters don't matter here.
        name: Name of its segmentor in the tables.
        others: More configs whose ``model`` takes part, under their files' names.
        style: How prompts are made of boxes, one of ``prompts.PROMPT_STYLES``.
        empty_truth: One of ``scores.EMPTY_TRUTHS``; None takes the dataset's own.

    Raises:
        RefusedError: A value of a config is impossible, the data are not where it says, or the
            dataset has no true masks.
    """

    def __init__(
        self,
        config: Config,
        name: str,
        others: Sequence[str] = (),
        style: str = AUTHORS,
        empty_truth: str | None = None,
    ):
        self.style = check_style(style)
        if config.tile is not None:
            raise RefusedError(
                'tile: an ablation needs whole scenes, since tiles would cut the true masks; set '
                'tile=None'
            )
        self.out = Path(config.out)
        models = {name: config.model}
        for path in others:
            stem = Path(path).stem
            if stem in models:
                raise RefusedError(f'--segmentor {path}: there is one called {stem!r} already')
            models[stem] = _model_of(path)
        self.segmentors: dict[str, PromptSegmentor] = {
            name: build(PROMPT_SEGMENTORS, model, 'model') for name, model in models.items()
        }
        self.reasons = {name: _reasons(each) for name, each in self.segmentors.items()}
        options = truth_options(config.dataset)
        self.dataset, self.dataset_settings = open_dataset(config, options)
        refuse_without_masks(self.dataset)
        self.empty_truth = empty_truth or self.dataset.empty_truth
        if self.empty_truth not in EMPTY_TRUTHS:
            allowed = ', '.join(EMPTY_TRUTHS)
            raise RefusedError(f'empty_truth {self.empty_truth!r} is unknown; allowed: {allowed}')
        self.embeddings: dict[str, Path] = {}
        self.embeddings_dtype = FP32
        self.stores: dict[str, EmbeddingStore] = {}

    def use_embeddings(self, root: str, dtype: str = FP32) -> list[str]:
        """Take embeddings from a folder, and store there what is encoded; before ``load``.

        Those of the config's own segmentor lie in the folder itself, as ``sam_annotate.py`` stores
        them; those of each other one in a folder of its name within.

        Returns:
            A line for each segmentor that has none.

        Raises:
            RefusedError: None has any, or the folder can't be there.
        """
        reasons = {name: why_not_stored(each) for name, each in self.segmentors.items()}
        own = next(iter(reasons))
        for name, segmentor in self.segmentors.items():
            if not reasons[name] or all(reasons.values()):
                place = Path(root) if name == own else Path(root, name)
                check_place(place, segmentor, self.out)
                self.embeddings[name] = place
        self.embeddings_dtype = dtype
        return [f'{name}: {reason}' for name, reason in reasons.items() if reason]

    def keep_threads(self) -> list[str]:
        """Take the threads that the folders were started with; lines where they don't fit here."""
        lines: list[str] = []
        for name, segmentor in self.segmentors.items():
            out = AblationFolder(self.out / RUNS / name)
            keep_threads(segmentor, out)
            lines += filter(None, [misfit(segmentor, out)])
        return lines

    def load(self) -> None:
        """Load all weights, and open the embeddings that are used.

        Raises:
            RefusedError: Weights are missing, corrupt, or of another architecture.
        """
        with strict_loading():
            for name, segmentor in self.segmentors.items():
                if name not in self.embeddings:
                    segmentor.load()
                    continue
                load_for_store(segmentor)
                place = self.embeddings[name]
                self.stores[name] = EmbeddingStore(place, segmentor, self.embeddings_dtype)

    def collect_classes(self, progress: Progress = iter) -> LabelCounts:
        """Read all labels once: classes are known and checked, images planned.

        Raises:
            RefusedError: An unknown class, or two images of one name.
        """
        counts = self.dataset.collect_classes(progress)
        self.plan = Plan(self.dataset, None, progress)
        self.runs = [
            SegmentorRun(
                name, AblationFolder(self.out / RUNS / name), self._settings(name), reasons
            )
            for name, reasons in self.reasons.items()
        ]
        return counts

    def _settings(self, name: str) -> dict[str, Any]:
        """Return what decides a segmentor's records, as plain data."""
        segmentor = self.segmentors[name]
        settings = dict(
            ablation_format=FORMAT,
            prompts=[prompt for prompt in SETTINGS if prompt not in self.reasons[name]],
            prompt_style=self.style,
            empty_truth=self.empty_truth,
            model=segmentor.settings,
            checkpoint_sha256=segmentor.checkpoint_sha256,
            dataset=dict(**self.dataset_settings, classes=list(self.dataset.classes)),
        )
        if name in self.stores and self.embeddings_dtype != FP32:  # which changes no mask
            settings['embeddings'] = self.embeddings_dtype
        if self.dataset.image_rule is not None:
            settings['image'] = self.dataset.image_rule.as_dict()
        return json.loads(dump(settings))

    def open(self, groups: Groups, progress: Progress = iter) -> dict[str, Changes]:
        """Make the folders, or check that they were started with the same settings.

        Records that are no longer what the data give are deleted, those in ``groups``.

        Returns:
            What has changed since, by segmentor.

        Raises:
            RefusedError: Not writable, holds files of someone else, or other settings.
        """
        TablesFolder(self.out, JSON).refuse_foreign()
        for store in self.stores.values():
            store.open()
        found = {}
        for index, run in enumerate(self.runs):
            settings = partial(self._settings, run.name)
            opened = open_folder(self.segmentors[run.name], run.out, settings)
            run = self.runs[index] = replace(run, settings=opened)
            stream = SampleStream(self.plan, (), self._prompter(run))
            changes = Comparison(self.plan, stream, run.out, progress).run(groups).of(groups)
            changes.redo |= changes.rename
            changes.rename = {}
            make_ready(changes, run.out, stream, run.signature, '')
            found[run.name] = changes
        return found

    def _prompter(self, run: SegmentorRun) -> TruthPrompter:
        settings = [PromptSetting(name) for name in run.settings['prompts']]
        return TruthPrompter(settings, self.dataset, self.style, self.empty_truth)

    def restart(self) -> int:
        """Delete the records of earlier runs; return the number of files.

        Raises:
            RefusedError: A folder holds files that are not of this tool.
        """
        stems = {tile.stem for tile in self.plan.tiles}
        return sum(run.out.restart(stems) for run in self.runs)

    def run(self, run: SegmentorRun, groups: Sequence[Sequence[Tile]], workers: int) -> RunResult:
        """Do a segmentor's images that have no record yet; see ``AnnotationJob.annotator``.

        Raises:
            SamrsError: The disk is full; what was committed is safe.
        """
        stream = SampleStream(self.plan, groups, self._prompter(run), done=run.out.done())
        segmentor, store = self.segmentors[run.name], self.stores.get(run.name)
        writers = writing_processes(segmentor.asynchronous, workers, len(stream))
        writer = RecordWriter(run.out, run.signature, enter_results, processes=writers)
        if 'threads' in segmentor.settings:  # of the process; another segmentor may have set them
            segmentor.take_threads(segmentor.threads)
        return Annotator(stream, segmentor, writer, workers, store).run()

    def finished(self, limit: int | None = None) -> bool:
        """Return whether all of the first ``limit`` images are done or have failed everywhere."""
        stems = {tile.stem for tile in self.plan.tiles[:limit]}
        return all(run.out.finished(stems) for run in self.runs)

    def write_tables(self, progress: Progress = iter) -> tuple[dict[str, Any], list[str]]:
        """Write the tables; see ``report.write_tables``."""
        dataset = dict(**self.dataset_settings, classes=list(self.dataset.classes))
        return write_tables(self.plan, self.out, self.runs, dataset, progress)


def _model_of(path: str) -> dict[str, Any]:
    config = read_config(path)
    if 'model' not in config:
        raise RefusedError(f"--segmentor {path}: has no 'model'; give an annotate config")
    return config.model


def _reasons(segmentor: PromptSegmentor) -> dict[str, str]:
    """Return why a segmentor can't take a setting, by name, for those that it can't.

    Raises:
        RefusedError: It can take none.
    """
    reasons = {}
    for name in SETTINGS:
        setting = PromptSetting(name)
        reason = segmentor.unsupported(setting) or no_mmrotate(setting)
        if reason is not None:
            reasons[name] = reason
    if len(reasons) == len(SETTINGS):
        raise RefusedError(f'model {type(segmentor).__name__} takes no prompt: {reasons["hbox"]}')
    return reasons
