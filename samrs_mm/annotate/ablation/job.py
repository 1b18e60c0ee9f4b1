"""A prompt ablation: what a config and more segmentors name, built and checked before any work."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from samrs_mm.annotate.ablation.finalise import FILES, RUNS, AblationFinaliser, SegmentorRun
from samrs_mm.annotate.ablation.run import FORMAT, AblationFolder, Ablator
from samrs_mm.annotate.driver import RunResult
from samrs_mm.annotate.job import Progress
from samrs_mm.annotate.plan import Plan
from samrs_mm.cli import read_config
from samrs_mm.core.atomic import temporary
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.prompts import SETTINGS, PromptSetting
from samrs_mm.core.resumable import dump, signature_of
from samrs_mm.datasets.boxes.base import BoxDataset
from samrs_mm.models.prompt_segmentors.base import PromptSegmentor
from samrs_mm.registry import BOX_DATASETS, PROMPT_SEGMENTORS, build


class AblationJob:
    """What ``tools/prompt_ablation.py`` runs.

    Building one reads no image and no label; ``collect_classes`` does, once.

    Args:
        config: An annotate config (see ``engine.config.load_config``); its prompt, overlap
            policy and filters don't matter here.
        name: Name of its segmentor in the tables.
        others: More configs whose ``model`` takes part, under their files' names.

    Raises:
        RefusedError: A value of a config is impossible, the data are not where it says, or the
            dataset has no true masks.
    """

    def __init__(self, config: Config, name: str, others: Sequence[str] = ()):
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
        root = Path(config.data_root).resolve()
        if root == self.out.resolve():
            raise RefusedError(f'out {config.out} is the data root itself; choose another --out')
        self.dataset: BoxDataset = build(BOX_DATASETS, self._dataset_entry(config), 'dataset')
        self.dataset_settings = {k: v for k, v in config.dataset.items() if k != 'classes'}

    def _dataset_entry(self, config: Config) -> dict[str, Any]:
        name = str(config.dataset.get('type'))
        kind = BOX_DATASETS.get(name)
        options = getattr(kind, 'truth_options', None)
        if kind is not None and options is None:
            able = sorted(
                other
                for other, each in BOX_DATASETS.load_all().items()
                if getattr(each, 'truth_options', None) is not None
            )
            raise RefusedError(
                f'dataset {name} has no true masks to compare with; datasets '
                f'that have: {", ".join(able)}'
            )
        return dict(config.dataset, data_root=config.data_root, **(options or {}))

    def load(self) -> None:
        """Load all weights.

        Raises:
            RefusedError: Weights are missing, corrupt, or of another architecture.
        """
        for segmentor in self.segmentors.values():
            segmentor.load()

    def collect_classes(self, progress: Progress = iter) -> None:
        """Read all labels once: classes are known and checked, images planned.

        Raises:
            RefusedError: An unknown class, or two images of one name.
        """
        self.dataset.collect_classes(progress)
        self.plan = Plan(self.dataset, None, progress)
        self.runs = [
            SegmentorRun(
                name, AblationFolder(self.out / RUNS / name), self._settings(name), reasons
            )
            for name, reasons in self.reasons.items()
        ]

    def _settings(self, name: str) -> dict[str, Any]:
        """Return what decides a segmentor's records, as plain data."""
        segmentor = self.segmentors[name]
        settings = dict(
            ablation_format=FORMAT,
            prompts=[prompt for prompt in SETTINGS if prompt not in self.reasons[name]],
            model=segmentor.settings,
            checkpoint_sha256=segmentor.checkpoint_sha256,
            dataset=dict(**self.dataset_settings, classes=list(self.dataset.classes)),
        )
        return json.loads(dump(settings))

    def open(self) -> None:
        """Make the folders, or check that they were begun with the same settings.

        Raises:
            RefusedError: Not writable, holds files of someone else, or other settings.
        """
        ours = {*FILES, *(temporary(Path(name)).name for name in FILES)}
        there = sorted(path.name for path in self.out.iterdir()) if self.out.is_dir() else []
        for name in there:
            if name not in ours:
                raise RefusedError(
                    f'out {self.out} holds files that are not of this tool, such as {name}; choose '
                    'an empty folder'
                )
        for run in self.runs:
            run.out.open(run.settings)

    def restart(self) -> int:
        """Delete the records of earlier runs; return the number of files.

        Raises:
            RefusedError: A folder holds files that are not of this tool.
        """
        stems = {unit.stem for unit in self.plan.units}
        return sum(run.out.restart(stems) for run in self.runs)

    def run(self, run: SegmentorRun, groups: list, workers: int) -> RunResult:
        """Do a segmentor's images that have no record yet.

        Raises:
            SamrsError: The disk is full; what was committed is safe.
        """
        settings = [PromptSetting(name) for name in run.settings['prompts']]
        signature = signature_of(run.settings)
        segmentor = self.segmentors[run.name]
        return Ablator(self.plan, segmentor, settings, run.out, signature, workers).run(groups)

    def finished(self, limit: int | None = None) -> bool:
        """Return whether all of the first ``limit`` images are done or have failed everywhere."""
        stems = {unit.stem for unit in self.plan.units[:limit]}
        return all(stems <= run.out.done() | run.out.failed() for run in self.runs)

    def finaliser(self, progress: Progress = iter) -> AblationFinaliser:
        """Return the maker of the tables."""
        dataset = dict(**self.dataset_settings, classes=list(self.dataset.classes))
        return AblationFinaliser(self.plan, self.out, self.runs, dataset, progress)


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
        reason = segmentor.unsupported(PromptSetting(name))
        if reason is not None:
            reasons[name] = reason
    if len(reasons) == len(SETTINGS):
        raise RefusedError(f'model {type(segmentor).__name__} takes no prompt: {reasons["hbox"]}')
    return reasons
