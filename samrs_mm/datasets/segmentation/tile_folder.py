"""A segmentation dataset of two folders: images, and labels of class indices."""

import logging
from collections import Counter
from collections.abc import Collection, Sequence
from functools import partial
from itertools import zip_longest
from pathlib import Path

from mmengine.logging import print_log
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS
from tqdm import tqdm

from samrs_mm.core.errors import RefusedError
from samrs_mm.core.found_files import read_list
from samrs_mm.core.parallel import reading_processes
from samrs_mm.core.wording import counted, plural
from samrs_mm.datasets.segmentation.image_index import (
    missing_files,
    read_annotated,
    read_meta,
    read_released,
)
from samrs_mm.datasets.segmentation.label_scan import CACHE, find_labelled
from samrs_mm.datasets.segmentation.seeded import TakesSeeds
from samrs_mm.datasets.segmentation.store import Store
from samrs_mm.formats.annotated.folder import INDEX, refuse_without_pictures
from samrs_mm.formats.labelled_image import LabelledImage


@DATASETS.register_module()
class TileFolderDataset(TakesSeeds, BaseSegDataset):
    """Images in one folder, labels of the same stems in another: for training on any data.

    Labels are 8-bit PNGs or TIFFs, grey or with a palette, whose values are class indices; 255 is
    ignored. Another value stops with its file, position and what is allowed. Beside mmseg's
    ``BaseSegDataset`` it takes images of any suffix, refuses missing files before training, and
    reads the packed store and folders that ``tools/sam_annotate.py`` wrote, which bring their
    classes in ``meta.json``. An index may come with a seed, ``dataset[index, seed]``, so that
    augmentation follows from the seed alone.

    Args:
        data_root: Folder that holds both.
        ann_file: List of stems, one a line, relative to ``data_root``; empty takes all images.
            ``tools/dataset_converters/make_splits.py`` writes ``train.txt`` and ``val.txt``.
        data_prefix: ``img_path`` and ``seg_map_path``, relative to ``data_root``; subfolders in
            them have the same names.
        metainfo: ``classes`` in the order of the label values, and ``palette`` if you like; in a
            subclass that declares them, a subset.
        filter_empty: Leave out images without a labelled pixel. Where no index has the counts, all
            labels are read once; the counts are kept in ``labelled.csv`` beside them.
        source: Name that samples carry, by which a network with several heads routes them.
        splits: Take only images of these splits of the detection dataset (``split`` in
            ``images.csv``); None takes all.
        packed: Folder of the store that ``pack_dataset.py`` wrote, relative to ``data_root``, which
            then needs to hold no more than lists; None reads the plain files.
        img_suffix: What the names of images end in, such as ``'_sat.jpg'``; None takes any image.
        seg_map_suffix: What the names of labels end in, such as ``'_mask.png'``; None takes
            ``.png``, else ``.tif`` or ``.tiff``.
        **kwargs: As in ``BaseSegDataset``. With ``reduce_zero_label`` label values begin at 1, and
            0 is ignored.

    Raises:
        RefusedError: A missing folder, list or file, classes that aren't those of the folder, a
            listed name that the folder doesn't have, an image without a label, or nothing left.

    Example:
        >>> dataset = dict(type='TileFolderDataset', data_root='data/mine/train',
        ...                metainfo=dict(classes=('ground', 'roof')))
    """

    FOLDERS = dict(img_path='images', seg_map_path='labels')
    """Default of ``data_prefix``."""
    ALL_LABELLED = True
    """Refuse images without a label, unless a list names those to use."""

    def __init__(
        self,
        data_root: str,
        ann_file: str = '',
        data_prefix: dict | None = None,
        metainfo: dict | None = None,
        filter_empty: bool = False,
        source: str = 'tiles',
        splits: Sequence[str] | None = None,
        packed: str | None = None,
        img_suffix: str | None = None,
        seg_map_suffix: str | None = None,
        **kwargs,
    ):
        self.source, self.splits, self.filter_empty = source, splits, filter_empty
        self.store = None if packed is None else Store(Path(data_root, packed))
        self._folders = self.FOLDERS | dict(data_prefix or {})
        if not Path(data_root).is_dir():
            raise RefusedError(f'source {source}: data_root {data_root}: no such folder')
        self._meta = self._read_meta(Path(data_root))
        super().__init__(
            data_root=data_root,
            ann_file=ann_file,
            data_prefix={},
            metainfo=self._own_metainfo(metainfo),
            img_suffix=img_suffix,
            seg_map_suffix=seg_map_suffix,
            **kwargs,
        )

    def _read_meta(self, root: Path) -> dict | None:
        """Return what has the classes: ``meta.json``, or what the store has of it."""
        meta = read_meta(root)
        if self.store is None:
            return meta
        about = self.store.about()
        if changed := self.store.changed(root, meta):
            raise RefusedError(
                f'{self.store.root}: {changed} changed since this was packed; run pack_dataset.py '
                'again'
            )
        return meta or (about if about['classes'] else None)

    def _own_metainfo(self, given: dict | None) -> dict:
        """Merge the folder's classes with the config's; refuse what contradicts."""
        given = dict(given or {})
        declared = self.METAINFO.get('classes')
        if self._meta:
            found = tuple(self._meta['classes'])
            wanted = declared or tuple(given.get('classes', found))
            if found != wanted:
                raise RefusedError(self._classes_differ(found, wanted))
            if not declared:
                given = dict(classes=found, palette=self._meta['palette']) | given
        elif not declared and not given.get('classes'):
            raise RefusedError(
                f'source {self.source}: its data_root has no meta.json that names the classes; set '
                'metainfo=dict(classes=(...)), or use SOTADataset, SIORDataset or FASTDataset'
            )
        return given

    def _classes_differ(self, found: tuple[str, ...], wanted: tuple[str, ...]) -> str:
        pairs = zip_longest(map(repr, found), map(repr, wanted), fillvalue='none')
        value, (there, here) = next(item for item in enumerate(pairs) if item[1][0] != item[1][1])
        return (
            f'source {self.source}: meta.json has {counted(len(found), "class")}, '
            f'{type(self).__name__} '
            f'{len(wanted)}; value {value} is {there} there and {here} here; use SAMRSDataset for '
            'other classes'
        )

    @property
    def metainfo(self) -> dict:
        """Classes, palette, label map and ``source``, as plain data."""
        return super().metainfo | dict(source=self.source)

    def load_data_list(self) -> list[dict]:
        """Return one dict per image; nothing is opened but lists and indexes."""
        entries = self.select(self._entries())
        if self.filter_empty:
            entries = self._without_empty(entries)
        if not entries:
            raise RefusedError(
                f'source {self.source}: no image is left of {self.data_root} (ann_file '
                f'{self.ann_file!r}, splits {self.splits}, filter_empty {self.filter_empty})'
            )
        data_list = [self._data_info(entry) for entry in entries]
        self._check_files(data_list)
        return data_list

    def _entries(self) -> list[LabelledImage]:
        root = Path(self.data_root)
        if self._meta and self._meta.get('partial'):
            self._warn(f'{root} is partial: only images that are annotated so far are used')
        if self.store:
            return self.store.entries()
        if self._meta:
            refuse_without_pictures(root, self._meta, 'training')
            return read_annotated(root, self._meta)
        return read_released(
            root,
            self._folders,
            self.img_suffix,
            self.seg_map_suffix,
            all_labelled=self.ALL_LABELLED and not self.ann_file,
        )

    def select(self, entries: list[LabelledImage]) -> list[LabelledImage]:
        """Return the images that ``ann_file`` and ``splits`` ask for."""
        if self.splits is not None:
            entries = [entry for entry in entries if entry.split in self.splits]
        if not self.ann_file:
            return entries
        by_stem = {entry.stem: entry for entry in entries}
        names = self.listed()
        unknown = [name for name in names if name not in by_stem]
        if unknown:
            raise RefusedError(
                f'{self.ann_file}: {len(unknown)} of {len(names)} names '
                f'{plural(len(unknown), "is", "are")} not in '
                f'{self.store.root if self.store else self.data_root}, such as {unknown[0]!r} '
                f'({self._cause_of_unknown(unknown[0], by_stem)})'
            )
        return [by_stem[name] for name in names]

    def _cause_of_unknown(self, name: str, known: Collection[str]) -> str:
        if Path(name).stem in known:
            return 'names stand there one a line, without folder and suffix'
        if self.store:
            return 'not packed; run pack_dataset.py again'
        if self._meta:
            return f'not in {INDEX}; make the list again with make_splits.py'
        return 'its image or label is missing; restore it, or make the list again'

    def listed(self) -> list[str]:
        """Return the names in ``ann_file``.

        Raises:
            RefusedError: The file can't be read, is empty or names an image twice.
        """
        try:
            names = read_list(Path(self.ann_file))
        except RefusedError as error:
            raise RefusedError(
                f'source {self.source}: {error}; write it with '
                f'tools/dataset_converters/make_splits.py {self.data_root}'
            ) from error
        for name, times in Counter(names).items():
            if times > 1:
                raise RefusedError(f'{self.ann_file}: {name!r} is listed {times} times')
        return names

    def _without_empty(self, entries: list[LabelledImage]) -> list[LabelledImage]:
        unknown = {entry.stem: entry.label for entry in entries if entry.labelled is None}
        counts = {entry.stem: entry.labelled for entry in entries}
        if unknown:
            gone = missing_files(unknown.values())
            if gone:
                raise RefusedError(f'{gone[0]}: no such label ({len(gone)} are missing)')
            bar = partial(tqdm, total=len(unknown), desc='empty labels (once)', delay=2)
            workers = reading_processes(8)
            counts |= find_labelled(unknown, Path(self.data_root, CACHE), workers, bar)
        kept = [entry for entry in entries if counts[entry.stem]]
        if bare := len(entries) - len(kept):
            self._warn(
                f'{bare} of {counted(len(entries), "image")} '
                f'{plural(bare, "has", "have")} no label; skipped'
            )
        return kept

    def _data_info(self, entry: LabelledImage) -> dict:
        files = dict(img_path=entry.image, seg_map_path=entry.label)
        if self.store:
            files = dict.fromkeys((*files, 'pack_path'), str(self.store.tile(entry.stem)))
        classes = self.METAINFO.get('classes', self._metainfo['classes'])
        return dict(
            files,
            source=self.source,
            num_classes=len(classes) + bool(self.reduce_zero_label),
            label_map=self.label_map,
            reduce_zero_label=self.reduce_zero_label,
            seg_fields=[],
        )

    def _check_files(self, data_list: list[dict]) -> None:
        keys = ('img_path', 'seg_map_path')
        gone = missing_files(info[key] for info in data_list for key in keys)
        cure = 'run pack_dataset.py again' if self.store else 'restore it, or list images without'
        if gone:
            raise RefusedError(f'{gone[0]}: no such file ({len(gone)} are missing); {cure}')

    def _warn(self, text: str) -> None:
        print_log(f'source {self.source}: {text}', logger='current', level=logging.WARNING)
