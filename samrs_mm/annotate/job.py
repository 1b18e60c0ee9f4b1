"""An annotation job: everything a config names, built and checked in the cheapest order."""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from mmengine.config import Config

from samrs_mm.annotate.changes import Changes, Comparison, make_ready
from samrs_mm.annotate.correcting import enter_corrections
from samrs_mm.annotate.driver import Annotator, BoxPrompter, SampleStream
from samrs_mm.annotate.embeddings import (
    FP32,
    EmbeddingStore,
    check_place,
    check_with_embedding,
    load_for_store,
)
from samrs_mm.annotate.finalise import Finaliser
from samrs_mm.annotate.grid_prompter import GridPrompter
from samrs_mm.annotate.map_files import ON_MAP, MapFiles
from samrs_mm.annotate.masked_boxes import box_prompter
from samrs_mm.annotate.opened_dataset import open_masked
from samrs_mm.annotate.plan import Plan, Tile
from samrs_mm.annotate.record_writer import RecordWriter, writing_processes
from samrs_mm.annotate.scene_sheets import SceneSheets
from samrs_mm.annotate.threads import keep_threads, misfit, open_folder
from samrs_mm.annotate.totals import Totals
from samrs_mm.annotate.verify import check_tile, verify
from samrs_mm.annotate.writer import LabelMapWriter, MaskFilters
from samrs_mm.compat import strict_loading
from samrs_mm.core.atomic import dump, load
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.grid import GRID, GridSpec
from samrs_mm.core.masks import check_policy
from samrs_mm.core.prompts import CLIPPED, PromptSetting, check_style
from samrs_mm.core.resumable import differences, signature_of
from samrs_mm.core.tiling import TileSpec, scene_of_tile
from samrs_mm.core.wording import counted
from samrs_mm.datasets.boxes.circumscribed import no_mmrotate
from samrs_mm.formats.annotated.folder import AnnotatedFolder
from samrs_mm.formats.annotated.record import FORMAT
from samrs_mm.models.prompt_segmentors.base import PromptSegmentor
from samrs_mm.registry import PROMPT_SEGMENTORS, build

Progress = Callable[[Iterable], Iterator]
Groups = Sequence[Sequence[Tile]]
"""Tiles by scene, see ``Plan.shard``."""


class AnnotationJob:
    """What ``tools/sam_annotate.py`` runs.

    Building one reads no image and no label; ``collect_classes`` does, once.

    Args:
        config: An annotate config (see ``cli.load_config``).
        name: Name of the config, for ``meta.json``.

    Raises:
        RefusedError: A value of the config is impossible, or the data are not where it says.
    """

    def __init__(self, config: Config, name: str):
        self.name = name
        self.setting = PromptSetting.parse(config.prompt, grid=True, masks=True)
        self.grid = None if self.setting.of_boxes else GridSpec.from_config(config.get('grid'))
        self.style = check_style(config.get('prompt_style', CLIPPED))
        self.policy = check_policy(config.overlap_policy)
        self.tile = TileSpec.from_config(config.tile)
        self.out = AnnotatedFolder(config.out)
        self.segmentor: PromptSegmentor = build(PROMPT_SEGMENTORS, config.model, 'model')
        check_setting(self.setting, self.segmentor)
        self.filters = mask_filters(config.get('filters'), self.segmentor)
        self.dataset, self.dataset_settings = open_masked(config, self.setting)
        self._check_grid()
        self.embeddings: Path | None = None
        self.embeddings_dtype = FP32
        self.store: EmbeddingStore | None = None

    def _check_grid(self) -> None:
        """Refuse a grid of points on labels, boxes without labels, and what a grid can't be."""
        name = type(self.dataset).__name__
        if self.grid is None:
            if not self.dataset.labelled:
                raise RefusedError(
                    f'prompt {self.setting.name!r}: {name} has no boxes; leave --prompt out, or '
                    f'give {GRID!r}'
                )
            return
        if self.dataset.labelled:
            raise RefusedError(
                f'prompt {GRID!r}: {name} is for boxes; take a config for images without labels, '
                'such as configs/annotate/images_sam-vit-h_grid.py'
            )
        if self.tile is not None and (self.tile.drop_empty or self.tile.once):
            key = 'drop_empty' if self.tile.drop_empty else 'once'
            raise RefusedError(f'prompt {GRID!r}: tile.{key} is about boxes; leave it out')
        for measure in ('coverage', 'leakage'):
            if measure in self.filters.measures:
                raise RefusedError(
                    f'prompt {GRID!r}: filters are by {measure}, which masks without boxes do not '
                    'have; leave that filter out'
                )

    def use_embeddings(self, root: str, dtype: str = FP32) -> None:
        """Take embeddings from a folder, and store there what is encoded; before ``load``.

        Raises:
            RefusedError: The segmentor has none, or the folder can't be there.
        """
        check_place(root, self.segmentor, self.out.root)
        self.embeddings, self.embeddings_dtype = Path(root), dtype

    def load(self) -> None:
        """Load the segmentor's weights, and open the embeddings, if they are used.

        Raises:
            RefusedError: Weights are missing, corrupt, or of another architecture.
        """
        with strict_loading():  # torch may have been imported with the segmentor
            if self.embeddings is None:
                self.segmentor.load()
                return
            load_for_store(self.segmentor)
            self.store = EmbeddingStore(self.embeddings, self.segmentor, self.embeddings_dtype)

    def collect_classes(self, progress: Progress = iter) -> None:
        """Read all labels and headers once: classes are known and checked, images planned.

        Raises:
            RefusedError: An unknown class, or two images of one name.
        """
        self.label_counts = self.dataset.collect_classes(progress)
        scales = self.grid.scale if self.grid else (1,)
        self.plan = Plan(self.dataset, self.tile, progress, scales)

    def settings(self) -> dict[str, Any]:
        """Return what decides the output, as plain data; after ``collect_classes`` and ``load``."""
        settings = dict(
            format=FORMAT,
            prompt=self.setting.name,
            tile=self.tile.as_dict() if self.tile else None,
            model=self.segmentor.settings,
            checkpoint_sha256=self.segmentor.checkpoint_sha256,
            overlap_policy=self.policy,
            filters=self.filters.as_dict(),
            dataset=dict(**self.dataset_settings, classes=list(self.dataset.classes)),
        )
        if self.grid is not None:
            settings['grid'] = self.grid.as_dict()
        elif self.style != CLIPPED:  # folders from before there were styles are clipped
            settings['prompt_style'] = self.style
        if self.dataset.image_rule is not None:
            settings['image'] = self.dataset.image_rule.as_dict()
        if self.embeddings is not None and self.embeddings_dtype != FP32:  # fp32 changes no mask
            settings['embeddings'] = self.embeddings_dtype
        return json.loads(dump(settings))

    def settings_of_folder(self, refilter: bool = False) -> dict[str, Any]:
        """Return the settings the folder was started with, for looking at it without the weights.

        With ``refilter`` its filters are to be changed, so they may differ.

        Raises:
            RefusedError: No such folder, one made with another prompt, tiling, policy, filters or
                dataset, or one whose filters are half changed.
        """
        self.out.refuse_other_fit(self.dataset.rule.beyond_check)
        try:
            meta = load(self.out.meta.read_bytes())
            old = meta['settings']
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RefusedError(f'{self.out.meta}: no annotated folder there') from error
        masks = ('model', 'checkpoint_sha256', 'embeddings')
        new = self.settings() | {key: old.get(key) for key in masks}
        if refilter:
            new['filters'] = old.get('filters')
        else:
            self.out.refuse_half_filtered(meta)
        changed = differences(old, new)
        if changed:
            raise RefusedError(f'out {self.out.root} was made otherwise: {"; ".join(changed)}')
        return old

    def compare(self, own: Groups | None = None, progress: Progress = iter) -> Changes:
        """Return which finished images are no longer what the data give; see ``Comparison``."""
        return Comparison(self.plan, self._whole(), self.out, progress).run(own)

    def keep_threads(self) -> str | None:
        """Take the threads that the folder was started with; a line where they don't fit here."""
        keep_threads(self.segmentor, self.out)
        return misfit(self.segmentor, self.out)

    def open(self, groups: Groups, progress: Progress = iter) -> Changes:
        """Make the folder, or take it up: what is outdated of ``groups`` is made ready.

        ``settings`` may be others then: another machine may have started it, with its threads.

        Raises:
            RefusedError: See ``AnnotatedFolder.open`` and ``refuse_other``.
        """
        self.refuse_other()
        if self.store is not None:
            self.store.open()
        settings = open_folder(self.segmentor, self.out, self.settings, relabel=True)
        fit = self.dataset.rule.beyond_check
        self.out.note_data(self.dataset.root, fit, self.dataset.only)
        changes = self.compare(groups, progress).of(groups)
        stream = self._whole(groups)
        make_ready(changes, self.out, stream, signature_of(settings), self.policy)
        scenes = {group[0].scene for group in groups}
        self.sheets.prepare(filter(self.plan.in_pieces, sorted(scenes)))
        return changes

    def refuse_other(self) -> None:
        """Raise RefusedError where the folder holds masks of other data, or of another rule."""
        self.out.refuse_other_data(self.dataset.root)
        self.out.refuse_other_fit(self.dataset.rule.beyond_check)
        stems = {tile.stem for tile in self.plan.tiles}
        done = self.out.done()
        if done and stems and done.isdisjoint(stems) and self.out.meta.exists():
            raise RefusedError(
                f'out {self.out.root} holds {counted(len(done), "image")}, such as '
                f'{min(done)}, and none of '
                f'them is in {self.dataset.root}; use another --out, or --restart to start over'
            )

    def _whole(self, groups: Groups = ()) -> SampleStream:
        return SampleStream(self.plan, groups, self.prompter)

    @property
    def prompter(self) -> BoxPrompter | GridPrompter:
        """What prompts the boxes, or points; after ``collect_classes``."""
        if self.grid is not None:
            return GridPrompter(self.grid, self.plan)
        return box_prompter(self.setting, self.dataset, self.style)

    def annotator(
        self, settings: dict[str, Any], groups: Groups, workers: int, quiet: bool = False
    ) -> Annotator:
        """Return the driver of the tiles in ``groups`` (see ``Plan.shard``) without a record."""
        done = self.out.done()
        stream = SampleStream(self.plan, groups, self.prompter, self.out, done, self.sheets)
        maps = LabelMapWriter(self.out, self.policy, self.filters, self.dataset.classes)
        writers = writing_processes(self.segmentor.asynchronous, workers, len(stream))
        writer = RecordWriter(self.out, signature_of(settings), maps, processes=writers)
        return Annotator(stream, self.segmentor, writer, workers, self.store, quiet)

    @property
    def sheets(self) -> SceneSheets:
        """What is known of whole scenes, see ``SceneSheets``; after ``collect_classes``."""
        return SceneSheets(self.plan, self.out)

    def enter_corrections(self, progress: Progress = iter) -> list[str]:
        """Enter what people decided since; return the images, see ``enter_corrections``."""
        stems = {tile.stem for tile in self.plan.tiles}
        return enter_corrections(self.out, self.dataset.classes, self.policy, stems, progress)

    def finaliser(
        self, settings: dict[str, Any], progress: Progress = iter, changes: Changes | None = None
    ) -> Finaliser:
        """Return the maker of the set-level files; it leaves out what ``changes`` call outdated."""
        return Finaliser(self.plan, self.out, settings, self.name, progress, changes)

    def write_map_files(self, changes: Changes, progress: Progress = iter) -> list[str]:
        """Write what a dataset on the map gets beside, if it is one; return the names of the files.

        The set-level files are there then. Sheets of scenes that are missing are written, too.
        """
        done = self.out.done() - changes.outdated.keys()
        self.sheets.prepare(self._scenes_of(done))
        if not isinstance(self.dataset, ON_MAP):
            return []
        with self.out.lock():
            return self._map_files(changes).write(progress)

    def scenes_gone(self, changes: Changes) -> set[str]:
        """Return the stems of scenes of which the data have no tile any more."""
        there = {scene.stem for scene in self.dataset.scenes}
        return {scene_of_tile(stem) or stem for stem in changes.gone} - there

    def _scenes_of(self, stems: Collection[str]) -> list[int]:
        """Return the scenes of which a tile is among these."""
        by_scene = self.plan.by_scene.items()
        return [scene for scene, tiles in by_scene if any(tile.stem in stems for tile in tiles)]

    def _map_files(self, changes: Changes) -> MapFiles:
        return MapFiles(self.plan, self.out, self.policy, self.filters, changes.outdated)

    def verify(
        self, settings: dict[str, Any], workers: int = 0, progress: Progress = iter
    ) -> tuple[list[str], Totals]:
        """Check all images that are done and the set-level files; see ``verify.verify``."""
        done = self.out.done()
        groups = [[t for t in tiles if t.stem in done] for tiles in self.plan.by_scene.values()]
        sheets = SceneSheets(self.plan, self.out, write=False)
        samples = SampleStream(self.plan, groups, self.prompter, sheets=sheets)
        images = self.tile.images if self.tile else self.dataset.image_rule is not None
        about = self.policy, images, self.dataset.classes
        check = partial(check_tile, self.out, self.filters, *about)
        if self.embeddings is not None:
            check = partial(check_with_embedding, check, self.embeddings, settings)
        changes = self.compare(progress=progress)
        finaliser = self.finaliser(settings, changes=changes)
        problems, totals = verify(samples, finaliser, check, workers, progress)
        problems += sheets.check(self._scenes_of(done - changes.outdated.keys()))
        if isinstance(self.dataset, ON_MAP):
            problems += self._map_files(changes).check()
        return problems, totals

    def finished(self, limit: int | None = None) -> bool:
        """Return whether all of the first ``limit`` images are done, as of now, or have failed."""
        stems = {tile.stem for tile in self.plan.tiles[:limit]}
        return self.out.finished(stems) and stems.isdisjoint(self.compare(()).outdated)


def check_setting(setting: PromptSetting, segmentor: PromptSegmentor) -> None:
    """Refuse a prompt setting that a segmentor can't take, or that needs mmrotate in vain.

    Raises:
        RefusedError: With the reason.
    """
    if setting.of_labels and not segmentor.takes_masks:
        reason: str | None = 'it takes no masks of labels'
    elif setting.of_boxes:
        reason = segmentor.unsupported(setting) or no_mmrotate(setting)
    else:
        reason = no_proposals(segmentor)
    if reason:
        raise RefusedError(f'prompt {setting.name!r}: {reason}')


def no_proposals(segmentor: PromptSegmentor) -> str | None:
    """Return why a segmentor can't make masks without boxes, or None if it can."""
    if getattr(segmentor, 'proposes', False):
        return None
    return (
        f'{type(segmentor).__name__} makes one mask of a box and does not find objects; take SAM, '
        'SAM 2, SAM 3 or MobileSAM'
    )


def mask_filters(entry: dict[str, Any] | None, segmentor: PromptSegmentor) -> MaskFilters:
    """Return the filters of a config.

    Raises:
        RefusedError: They can't be, or are by a score that the segmentor does not provide.
    """
    filters = MaskFilters.from_config(entry)
    for measure in sorted(
        filters.measures & {'score', 'stability'} - set(segmentor.provided_scores)
    ):
        raise RefusedError(
            f'filters.min_{measure}: {type(segmentor).__name__} gives its masks no {measure}, so '
            'they cannot be filtered by it; leave that filter out'
        )
    return filters
