"""The data of a run, built and looked at before its network."""

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from mmengine.config import Config
from mmengine.dist import broadcast_object_list, get_rank, init_dist, is_distributed
from mmengine.registry import DATASETS, DefaultScope
from mmengine.runner import Runner

from samrs_mm.cli import progress
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.scene_names import scenes_of
from samrs_mm.core.wording import plural
from samrs_mm.datasets.segmentation.full_check import Memories, check_all
from samrs_mm.datasets.segmentation.label_survey import Survey, survey
from samrs_mm.datasets.segmentation.parts import Part, parts_of
from samrs_mm.datasets.segmentation.survey_report import refusals, table, warnings
from samrs_mm.engine.class_match import (
    Classes,
    check_classes,
    classes_of,
    is_detector,
    miscounts,
)
from samrs_mm.engine.config_variables import variable_of
from samrs_mm.engine.run_config import building

KEY = 'check_data'
"""Top-level key of a config: what a fault of the data does."""
MODES = ('refuse', 'warn', 'off')
LABELS = 64
"""Labels of each source that are looked at."""
SECONDS = 20.0
"""Time after which the look at a source ends."""

_LOADERS = ('train_dataloader', 'val_dataloader')
_ANNOTATE = dict(
    sota='sota_sam-vit-h_hbox', sior='sior_sam-vit-h_hbox', fast='fast_sam-vit-h_rhbox'
)  # fmt: skip
_SOURCES = dict(SOTADataset='sota', SIORDataset='sior', FASTDataset='fast')
_PREPARE = dict(
    Potsdam5Dataset='prepare_potsdam.py', ISAIDTilesDataset='prepare_isaid.py',
    DeepGlobeTilesDataset='prepare_deepglobe.py',
)  # fmt: skip
_BY_MMSEG = dict(LoveDADataset='loveda.py', ISPRSDataset='vaihingen.py')
"""Converters that come with mmsegmentation."""
_TASKS = 'AnnotatedInstanceDataset of several tasks'
_PAGES = {
    'MaskCrops': ('boxnet_demo.py', 'mask_maker.md'),
    'AnnotatedInstanceDataset': ('instance_demo.py', 'detection.md'),
    _TASKS: ('mtp_demo.py', 'pretraining.md'),
    '': ('sep_demo.py', 'dataset_prepare.md'),
}
_Result = TypeVar('_Result')


def refuse_together(*checks: Callable[[], Any]) -> list[Any]:
    """Return what checks return; where several refuse, refuse with all that they say."""
    results, refused = [], []
    for check in checks:
        try:
            results.append(check())
        except RefusedError as error:
            refused.append(str(error))
    if refused:
        raise RefusedError('; ALSO '.join(refused))
    return results


def check_folders(config: Config, loaders: Iterable[str] = _LOADERS) -> None:
    """Refuse data that isn't there, and say how to come by it.

    Raises:
        RefusedError: A ``data_root`` of what these loaders load is no folder.
    """
    missing: dict[str, tuple[str, str]] = {}
    for loader in loaders:
        entry = (config.get(loader) or {}).get('dataset')
        for key, root, kind in _roots(entry, f'{loader}.dataset'):
            if '://' not in root and not os.path.isdir(root):
                missing.setdefault(root, (key, kind))
    if not missing:
        return
    folders, (key, kind) = [*missing], next(iter(missing.values()))
    variable = variable_of(config, key)
    likewise = ' (and likewise the others: train, val, test)' if variable == key else ''
    example, page = _PAGES.get(kind, _PAGES[''])
    cures = [
        *dict.fromkeys(_ways(missing)),
        f'give yours: --cfg-options {variable}=DIR{likewise}',
        f'or try drawn data: configs/examples/{example} after python tools/demo.py',
    ]
    raise RefusedError(
        f'{variable}: no such folder: {", ".join(folders)}; {"; ".join(cures)}; docs/{page}'
    )


def _roots(entry: Any, key: str) -> Iterator[tuple[str, str, str]]:
    """Yield key, value and dataset type of each ``data_root`` in a dataset's config."""
    if not isinstance(entry, dict):
        return
    root = entry.get('data_root')
    if isinstance(root, str) and root:
        kind = str(entry.get('type')).rpartition('.')[2]
        several = kind == 'AnnotatedInstanceDataset' and entry.get('semantic')
        yield f'{key}.data_root', root, _TASKS if several else kind
    yield from _roots(entry.get('dataset'), f'{key}.dataset')
    for number, part in enumerate(entry.get('datasets') or ()):
        yield from _roots(part, f'{key}.datasets.{number}')


def _ways(missing: Mapping[str, tuple[str, str]]) -> Iterator[str]:
    """Yield how to make the folders of known datasets: ``{root: (key, dataset type)}``."""
    configs = dict.fromkeys(_annotating(root, kind) for root, (_, kind) in missing.items())
    first, *rest = [config for config in configs if config] or ['']
    if first:
        likewise = f' (likewise {", ".join(rest)})' if rest else ''
        yield (
            f'make it from boxes: python tools/sam_annotate.py configs/annotate/{first}.py '
            f'--data-root DIR{likewise}; or put the released SAMRS there (tools/dataset_converters/'
            'import_samrs.py adds its instances); then lists: make_splits.py FOLDER'
        )
    for root, (_, kind) in missing.items():
        if kind in _PREPARE:
            out = Path(root).parent
            yield f'cut it: python tools/dataset_converters/{_PREPARE[kind]} DIR --out {out}'
        elif kind in _BY_MMSEG:
            yield f"lay it out by mmsegmentation's {_BY_MMSEG[kind]} DIR -o {root}"


def _annotating(root: str, kind: str) -> str:
    """Return the config that makes a dataset's folder of boxes; '' of datasets that have none."""
    if kind.startswith('AnnotatedInstanceDataset'):
        return _ANNOTATE.get(Path(root).name, _ANNOTATE['sota'])
    return _ANNOTATE.get(_SOURCES.get(kind, ''), '')


@dataclass
class DataCheck:
    """The datasets of a run, and what was seen in them.

    ``datasets`` are those of ``train_dataloader`` and ``val_dataloader``, by those names.
    """

    datasets: dict[str, Any] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def hand_over(self, runner: Runner) -> None:
        """Give a runner the datasets, so that it builds none again, and log what was seen."""
        for name, dataset in self.datasets.items():
            loader = getattr(runner, f'_{name}', None)
            if isinstance(loader, dict):
                loader['dataset'] = dataset
        if self.lines:
            runner.logger.info('\n'.join(['The data:', *self.lines]))
        for line in self.warnings:
            runner.logger.warning(line)


def check_data(
    config: Config, path: str, loaders: Iterable[str] = _LOADERS, trained: Classes | None = None
) -> DataCheck:
    """Build the datasets of loaders and look at a sample of the labels to train on.

    With several ranks, rank 0 looks and tells the others. ``trained`` are the classes of the
    checkpoint that training goes on from, or that is tested.

    Raises:
        RefusedError: A dataset can't be built, or it could teach nothing or has other classes; with
            ``check_data='warn'`` the latter is a warning, with ``'off'`` nothing is looked at.
    """
    mode = config.get(KEY, MODES[0])
    if mode not in MODES:
        raise RefusedError(f'{KEY}={mode!r}: allowed are {", ".join(MODES)}')
    if config.get('launcher', 'none') != 'none' and not is_distributed():
        init_dist(config.launcher, **(config.get('env_cfg') or {}).get('dist_cfg', {}))
    result = DataCheck(_built(config, path, loaders))
    if mode == 'off':
        return result
    refused = [*_other_classes(result.datasets, trained or {}, str(config.get('load_from')))]
    refused += _miscounts(config, result.datasets)
    if 'train_dataloader' in result.datasets:
        told = _on_rank_0(lambda: _look(result.datasets, config))
        refused, result.lines, result.warnings = refused + told[0], told[1], told[2]
    if refused and mode == 'refuse':
        raise RefusedError(
            f'{"; ALSO ".join(refused)} ({KEY}=warn in --cfg-options goes on all the same)'
        )
    result.warnings = refused + result.warnings
    for dataset in result.datasets.values():
        for part in parts_of(dataset):
            result.lines += getattr(part.dataset, 'notes', [])
            result.warnings += getattr(part.dataset, 'warnings', [])
    return result


def _other_classes(datasets: dict[str, Any], trained: Classes, path: str) -> Iterator[str]:
    for name, dataset in datasets.items():
        try:
            check_classes(trained, classes_of(getattr(dataset, 'metainfo', {})), path, name)
        except RefusedError as error:
            yield str(error)


def _miscounts(config: Config, datasets: dict[str, Any]) -> Iterator[str]:
    for name, dataset in datasets.items():
        classes = classes_of(getattr(dataset, 'metainfo', {}))
        yield from miscounts(config.get('model') or {}, classes, name)


def check_files(config: Config, path: str, workers: int) -> int:
    """Read every image and label of a run, to train on, to validate on and to test; say what for.

    Returns:
        The exit code: 0 if all is right, else 1.
    """
    built = _built(config, path, (*_LOADERS, 'test_dataloader'))
    parts = {id(part.dataset): part for data in built.values() for part in parts_of(data)}
    readable = [part for part in parts.values() if part.reader]
    blind = [part.source for part in parts.values() if not part.reader]
    begun, memories = time.monotonic(), Memories()
    read, before, faults = check_all(readable, workers, memories, progress('images and labels'))
    seconds = max(time.monotonic() - begun, 0.001)
    refused, lines, noted = _look(built, config)
    wrong = [*(faults or refused), *_miscounts(config, built)]
    for line in (*lines, *(f'note: {line}' for line in noted)):
        print(line)
    for line in wrong:
        print(f'failed: {line}', file=sys.stderr)
    for source in dict.fromkeys(blind):
        print(f'not read: source {source} has no labels, or transforms of its own load them')
    print(
        f'{read:,} {plural(read, "image and its label", "images and labels")} read in '
        f'{seconds:.0f} s ({read / seconds:.0f} a second), '
        f'{before:,} were read before; {len(faults):,} with faults'
    )
    return 1 if wrong else 0


def _built(config: Config, path: str, loaders: Iterable[str] = _LOADERS) -> dict[str, Any]:
    built = {}
    with building(path), DefaultScope.overwrite_default_scope(config.get('default_scope')):
        for name in loaders:
            entry = (config.get(name) or {}).get('dataset')
            if isinstance(entry, dict):
                built[name] = DATASETS.build(entry)
                if hasattr(built[name], 'full_init'):
                    built[name].full_init()
    return built


def _on_rank_0(work: Callable[[], _Result]) -> _Result:
    told: list[Any] = [work() if get_rank() == 0 else None]
    broadcast_object_list(told)
    return told[0]


def _look(datasets: dict[str, Any], config: Config) -> tuple[list[str], list[str], list[str]]:
    """Return why to refuse, the table, and the warnings."""
    alone = _learns_alone(config.model)
    train = _by_source(datasets.get('train_dataloader'))
    val = _by_source(datasets.get('val_dataloader'))
    memories = Memories()
    looks, val_looks = (
        {
            source: survey(parts, LABELS, SECONDS, memories.known if memories.any(parts) else None)
            for source, parts in sources.items()
        }
        for sources in (train, val)
    )
    refused = [line for look in looks.values() for line in refusals(look, alone)]
    refused += [line for parts in train.values() for line in _untaught(parts)]
    noted = [line for look in looks.values() for line in warnings(look)]
    for source, look in val_looks.items():
        refused += [f'val_dataloader: source {source}: {fault}' for fault in look.faults[:1]]
        noted += [f'val_dataloader: {line}' for line in _missing_in(look, looks.get(source))]
        noted += shared(source, train.get(source, ()), val[source])
    lines = []
    for source, look in looks.items():
        if any(getattr(part.dataset, 'metainfo', True) for part in train[source]):
            lines += table(look, val_looks.get(source))  # crops of a mask maker have no classes
    return refused, lines, noted


def _untaught(parts: Iterable[Part]) -> Iterator[str]:
    """Name datasets that lack what a detector is to learn of them."""
    for part in parts:
        if hasattr(part.dataset, 'without_rboxes') and (line := part.dataset.without_rboxes()):
            yield line


def _by_source(dataset: Any) -> dict[str, list[Part]]:
    groups: dict[str, list[Part]] = {}
    for part in parts_of(dataset) if dataset is not None else ():
        groups.setdefault(part.source, []).append(part)
    return groups


def _missing_in(val: Survey, train: Survey | None) -> Iterator[str]:
    """Name classes that are trained and can't be scored, where all validation labels were seen."""
    if val.blind or not val.whole:
        return
    absent = [value for value in (train.met if train else ()) if value not in val.met]
    if absent and train:
        names = ', '.join(train.named(value) for value in absent)
        yield f'source {val.source}: no pixel of {names} in {val.extent()}: it is not scored'


def shared(source: str, train: Iterable[Part], val: Iterable[Part]) -> Iterator[str]:
    """Name images that are trained on and validated on, and scenes of which both is true."""
    sides = [_stems(parts) for parts in (train, val)]
    both = sides[0].keys() & sides[1].keys()
    if both:
        yield (
            f'val_dataloader: {len(both):,} of {len(sides[1]):,} images of source {source} are '
            f'trained on, too, such as {min(both)}: scores say nothing of new images; make lists '
            'with make_splits.py and set ann_file'
        )
        return
    scenes = scenes_of([*sides[0].values(), *sides[1].values()])
    inside = [{scenes[stem] for stem in side.values()} - {None} for side in sides]
    overlap = inside[0] & inside[1]
    if overlap:
        yield (
            f'val_dataloader: {len(overlap):,} of {len(inside[1]):,} scenes of source {source} '
            f'have images to train on, too, such as {min(filter(None, overlap))}: scores are '
            'higher than on new scenes; make_splits.py --by scene keeps them apart'
        )


def _stems(parts: Iterable[Part]) -> dict[str, str]:
    """Return the stem of each image by its path."""
    infos = (part.info(index) for part in parts if part.reader for index in range(len(part)))
    paths = (info.get('pack_path') or info['img_path'] for info in infos)
    return {os.path.abspath(path): Path(path).stem for path in paths}


def _learns_alone(model: Any) -> bool:
    """Whether a network learns a class without any other: those that predict masks or boxes."""
    if is_detector(model):
        return True
    head = model.get('decode_head') or {}
    kind = str(head.get('type') if isinstance(head, dict) else '').rpartition('.')[2]
    return kind in ('Mask2FormerHead', 'MaskFormerHead')
