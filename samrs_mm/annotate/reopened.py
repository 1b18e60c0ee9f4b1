"""An annotated folder by itself, without its config: enough to write its lists again."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from mmengine.config import Config

from samrs_mm.annotate.changes import Changes, Comparison
from samrs_mm.annotate.driver import BoxPrompter, SampleStream
from samrs_mm.annotate.finalise import Finaliser
from samrs_mm.annotate.grid_prompter import GridPrompter
from samrs_mm.annotate.map_files import ON_MAP, MapFiles
from samrs_mm.annotate.plan import Plan
from samrs_mm.annotate.totals import Totals
from samrs_mm.core.errors import RefusedError, SamrsError
from samrs_mm.core.grid import GridSpec
from samrs_mm.core.prompts import CLIPPED, PromptSetting
from samrs_mm.core.system import follow
from samrs_mm.core.tiling import TileSpec
from samrs_mm.datasets.boxes.base import BoxDataset, build_dataset
from samrs_mm.formats.annotated import folder
from samrs_mm.formats.annotated.folder import AnnotatedFolder

Progress = Callable[[Iterable], Iterator]
_FIT = {'--label-size': 'size', '--exif': 'exif'}
RELEASED = 'SAMRSRelease'
"""Type of the model in the settings of an imported folder."""


class ReopenedFolder:
    """A finished folder, with the dataset, the plan and the settings that its ``meta.json`` names.

    Raises:
        RefusedError: Not a finished folder, or its dataset can't be opened from what it says; then
            ``sam_annotate.py`` with the config can.
    """

    def __init__(self, out: AnnotatedFolder, progress: Progress = iter):
        self.out = out
        meta = out.read()
        if meta is None or not {'settings', 'config', folder.DATA_ROOT} <= meta.keys():
            raise RefusedError(
                f'{out.meta}: the annotation has not got to its end; run sam_annotate.py first'
            )
        out.refuse_half_filtered(meta)
        self.meta, self.settings = meta, meta['settings']
        try:
            self.dataset = self._dataset(meta)
            self.dataset.collect_classes(progress)
        except SamrsError as error:
            raise RefusedError(f'{error}; {self.cure}') from error
        if list(self.dataset.classes) != self.settings['dataset']['classes']:
            raise RefusedError(f'the labels of {self.dataset.root} have other classes; {self.cure}')
        tile, grid = (self.settings.get(key) for key in ('tile', 'grid'))
        self.grid = GridSpec.from_config(grid) if grid else None
        scales = self.grid.scale if self.grid else (1,)
        self.plan = Plan(self.dataset, TileSpec.from_config(tile), progress, scales)

    @property
    def cure(self) -> str:
        """What to do where this is not enough."""
        return f'run sam_annotate.py {self.meta["config"]} --finalise, with its own flags'

    def _dataset(self, meta: dict[str, Any]) -> BoxDataset:
        entry = dict(self.settings['dataset'])
        classes = entry.pop('classes')
        entry['classes'] = None if meta.get('category_ids') else tuple(classes)
        fit = {_FIT[flag]: word for flag, word in (meta.get(folder.FIT) or {}).items()}
        root = follow(meta[folder.DATA_ROOT], self.out.root)
        config = Config(dict(dataset=entry, data_root=str(root), label_fit=fit or None))
        return build_dataset(config)

    def compare(self, progress: Progress = iter) -> Changes:
        """Return which images are no longer what the data give; see ``Comparison``."""
        if self.settings['model'].get('type') == RELEASED:
            return Changes()  # import_samrs.py compares its own files
        if self.grid is not None:
            prompter: Any = GridPrompter(self.grid, self.plan)
        else:
            setting = PromptSetting.parse(self.settings['prompt'])
            style = self.settings.get('prompt_style', CLIPPED)
            prompter = BoxPrompter(setting, self.dataset.table, style)
        stream = SampleStream(self.plan, (), prompter)
        return Comparison(self.plan, stream, self.out, progress).run()

    def finalise(self, progress: Progress = iter) -> Totals:
        """Write the set-level files again, as ``sam_annotate.py --finalise`` does."""
        changes = self.compare(progress)
        self.out.notes.add(changes.notes)
        config = self.meta['config']
        totals = Finaliser(
            self.plan, self.out, self.settings, config, progress, changes
        ).write(anew=True)  # fmt: skip
        if isinstance(self.dataset, ON_MAP):
            policy = self.settings['overlap_policy']
            with self.out.lock():
                MapFiles(self.plan, self.out, policy, changes.outdated).write(progress)
        return totals
