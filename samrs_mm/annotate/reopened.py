"""An annotated folder by itself, without its config: enough to write its lists again."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from mmengine.config import Config

from samrs_mm.annotate.changes import Changes, Comparison
from samrs_mm.annotate.driver import SampleStream
from samrs_mm.annotate.finalise import Finaliser
from samrs_mm.annotate.grid_prompter import GridPrompter
from samrs_mm.annotate.map_files import ON_MAP, MapFiles
from samrs_mm.annotate.masked_boxes import box_prompter
from samrs_mm.annotate.plan import Plan
from samrs_mm.annotate.totals import Totals
from samrs_mm.annotate.writer import MaskFilters
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.grid import GridSpec
from samrs_mm.core.prompts import CLIPPED, PromptSetting
from samrs_mm.core.system import follow
from samrs_mm.core.tiling import TileSpec
from samrs_mm.datasets.boxes.base import BoxDataset, build_dataset
from samrs_mm.datasets.boxes.geo import GeoBoxDataset
from samrs_mm.datasets.boxes.true_masks import truth_options
from samrs_mm.formats.annotated import folder
from samrs_mm.formats.annotated.folder import AnnotatedFolder
from samrs_mm.formats.vector.layer import split_name

Progress = Callable[[Iterable], Iterator]
_FIT = {'--label-size': 'size', '--exif': 'exif'}
RELEASED = 'SAMRSRelease'
"""Type of the model in the settings of an imported folder."""


class ReopenedFolder:
    """A finished folder, with the dataset, the plan and the settings that its ``meta.json`` names.

    Args:
        out: The folder.
        progress: Wraps the iterator over label files.
        data_root: Where the data are now; None where ``meta.json`` says.
        boxes: The vector file of scenes on the map; None for the one of the name that the settings
            have, beside the scenes or beside the folder.

    Raises:
        RefusedError: Not a finished folder, or its dataset can't be opened from what it says.
    """

    def __init__(
        self,
        out: AnnotatedFolder,
        progress: Progress = iter,
        data_root: str | None = None,
        boxes: str | None = None,
    ):
        self.out = out
        meta = out.read()
        if meta is None or not {'settings', folder.CONFIG, folder.DATA_ROOT} <= meta.keys():
            raise RefusedError(
                f'{out.meta}: the annotation has not got to its end; run sam_annotate.py first'
            )
        out.refuse_half_filtered(meta)
        self.meta, self.settings = meta, meta['settings']
        self.dataset = self._dataset(meta, data_root, boxes)
        self.dataset.collect_classes(progress)
        if list(self.dataset.classes) != self.settings['dataset']['classes']:
            raise RefusedError(
                f'the labels of {self.dataset.root} have other classes than {out.root}; run '
                f'sam_annotate.py {meta[folder.CONFIG]} first, with its own flags'
            )
        tile, grid = (self.settings.get(key) for key in ('tile', 'grid'))
        self.grid = GridSpec.from_config(grid) if grid else None
        scales = self.grid.scale if self.grid else (1,)
        self.plan = Plan(self.dataset, TileSpec.from_config(tile), progress, scales)

    def _dataset(
        self, meta: dict[str, Any], data_root: str | None, boxes: str | None
    ) -> BoxDataset:
        root = Path(data_root) if data_root else follow(meta[folder.DATA_ROOT], self.out.root)
        if not root.is_dir():
            raise RefusedError(
                f'data root {root}: no such folder; say with --data-root where it is'
            )
        self.out.refuse_other_data(root)
        entry = dict(self.settings['dataset'])
        classes = entry.pop('classes')
        entry['classes'] = None if meta.get('category_ids') else tuple(classes)
        source = entry.get('boxes')
        if source:
            entry['boxes'] = self._boxes(source, root, boxes)
        fit = {_FIT[flag]: word for flag, word in (meta.get(folder.FIT) or {}).items()}
        only = meta.get(folder.ONLY, '')
        config = dict(
            dataset=entry, data_root=str(root / only), label_fit=fit or None,
            image=self.settings.get('image'),
        )  # fmt: skip
        options = truth_options(entry) if self.setting.of_labels else None
        dataset = build_dataset(Config(config), options)
        if isinstance(dataset, GeoBoxDataset) and dataset.layer.source != source:
            raise RefusedError(
                f'boxes {dataset.layer.source}: the folder was made of {source}; give that file'
            )
        return dataset

    @property
    def setting(self) -> PromptSetting:
        """What its boxes were prompted with."""
        return PromptSetting.parse(self.settings['prompt'], grid=True, masks=True)

    def _boxes(self, source: str, root: Path, given: str | None) -> str:
        """Return where the vector file is that the settings call so."""
        if given is not None:
            return given
        for place in (root, self.out.root.absolute().parent):
            if split_name(str(place / source))[0].is_file():
                return str(place / source)
        raise RefusedError(f'boxes {source}: not in {root}; say where with --boxes FILE[:LAYER]')

    def compare(self, progress: Progress = iter) -> Changes:
        """Return which images are no longer what the data give; see ``Comparison``."""
        if self.settings['model'].get('type') == RELEASED:
            return Changes()  # import_samrs.py compares its own files
        if self.grid is not None:
            prompter: Any = GridPrompter(self.grid, self.plan)
        else:
            style = self.settings.get('prompt_style', CLIPPED)
            prompter = box_prompter(self.setting, self.dataset, style)
        stream = SampleStream(self.plan, (), prompter)
        return Comparison(self.plan, stream, self.out, progress).run()

    def finalise(self, progress: Progress = iter) -> Totals:
        """Write the set-level files again, where they are not up to records and corrections."""
        changes = self.compare(progress)
        self.out.notes.add(changes.notes)
        config = self.meta[folder.CONFIG]
        totals = Finaliser(
            self.plan, self.out, self.settings, config, progress, changes
        ).write()  # fmt: skip
        if isinstance(self.dataset, ON_MAP):
            policy = self.settings['overlap_policy']
            filters = MaskFilters.from_config(self.settings.get('filters'))
            with self.out.lock():
                MapFiles(self.plan, self.out, policy, filters, changes.outdated).write(progress)
        return totals
