"""Segmentation datasets made from boxes: SAMRS's three subsets, and any annotated folder."""

import logging
import os
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from mmengine.logging import print_log
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS
from tqdm import tqdm

from samrs_mm.core.classes import (
    FAST_CLASSES,
    PALETTE,
    SIOR_CLASSES,
    SOTA_CLASSES,
)
from samrs_mm.core.errors import RefusedError
from samrs_mm.datasets.segmentation.image_index import (
    DIOR_TRAINVAL,
    Entry,
    is_dior_trainval,
    missing_files,
    read_annotated,
    read_meta,
    read_released,
)
from samrs_mm.datasets.segmentation.label_scan import CACHE, count_labelled
from samrs_mm.datasets.segmentation.store import Store, index_sha256
from samrs_mm.formats.annotated.folder import INDEX


def _metainfo(classes: Sequence[str]) -> dict:
    palette = [list(colour) for colour in PALETTE[: len(classes)]]
    return dict(classes=tuple(classes), palette=palette)


@DATASETS.register_module()
class SAMRSDataset(BaseSegDataset):
    """A segmentation dataset that ``tools/sam_annotate.py`` made, or a released SAMRS subset.

    Labels are 8-bit PNGs of class indices; 255 is what no mask covers, ignored in training. Each
    sample carries the name of its ``source``, by which a network with several heads routes it.
    An annotated folder brings its classes in ``meta.json``, a released one gets them from
    ``metainfo`` or a subclass.

    Args:
        source: Name of the source, such as ``'sota'``; the key of its head.
        data_root: The annotated folder, or the folder of one released subset.
        ann_file: List of stems, one a line, relative to ``data_root``; empty takes all images.
            ``tools/dataset_converters/make_splits.py`` writes ``train.txt`` and ``val.txt``.
        splits: Take only images of these splits of the detection dataset (``split`` in
            ``images.csv``); None takes all.
        filter_empty: Leave out images without a labelled pixel. In a released folder they are
            found by reading all labels once; the counts are kept in ``labelled.csv`` beside them.
        packed: Folder of the store that ``pack_dataset.py`` wrote, relative to ``data_root``, which
            then needs to hold no more than lists; None reads the plain files.
        data_prefix: ``img_path`` and ``seg_map_path`` of a released subset, relative to
            ``data_root``; where not given, the folder names of the release are tried.
        metainfo: ``classes`` and ``palette`` where the folder brings none; in a subclass, a subset
            of its classes.
        **kwargs: As in mmseg's ``BaseSegDataset``.

    Raises:
        RefusedError: A missing folder, list or file, classes that aren't those of the folder, a
            listed name that the folder doesn't have, or nothing left to read.
    """

    def __init__(
        self,
        source: str,
        data_root: str,
        ann_file: str = '',
        splits: Sequence[str] | None = None,
        filter_empty: bool = True,
        packed: str | None = None,
        data_prefix: dict | None = None,
        metainfo: dict | None = None,
        **kwargs,
    ):
        self.source, self.splits, self.filter_empty = source, splits, filter_empty
        self.store = None if packed is None else Store(Path(data_root, packed))
        self._folders = dict(data_prefix or {})
        if not Path(data_root).is_dir():
            raise RefusedError(f'source {source}: data_root {data_root}: no such folder')
        self._meta = self._read_meta(Path(data_root))
        super().__init__(
            data_root=data_root,
            ann_file=ann_file,
            data_prefix={},
            metainfo=self._own_metainfo(metainfo),
            **kwargs,
        )

    def _read_meta(self, root: Path) -> dict | None:
        """Return what tells the classes: ``meta.json``, or what the store has of it."""
        meta = read_meta(root)
        if self.store is None:
            return meta
        about, index = self.store.about(), index_sha256(root / INDEX)
        if index and about['index_sha256'] != index:
            raise RefusedError(
                f'{self.store.root}: {root / INDEX} changed since this was packed; run '
                'pack_dataset.py again'
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
        place = next(
            (i for i, pair in enumerate(zip(found, wanted, strict=False)) if pair[0] != pair[1]),
            min(len(found), len(wanted)),
        )
        names = [repr(names[place]) if place < len(names) else 'none' for names in (found, wanted)]
        return (
            f'source {self.source}: meta.json has {len(found)} classes, {type(self).__name__} '
            f'{len(wanted)}; value {place} is {names[0]} there and {names[1]} here; use '
            'SAMRSDataset for other classes'
        )

    @property
    def metainfo(self) -> dict:
        """Classes, palette, label map and ``source``, as plain data."""
        return super().metainfo | dict(source=self.source)

    def load_data_list(self) -> list[dict]:
        """Return one dict per image; nothing is opened but lists and indexes.

        Raises:
            RefusedError: As the class says.
        """
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

    def _entries(self) -> list[Entry]:
        root = Path(self.data_root)
        if self._meta and self._meta.get('partial'):
            self._tell(f'{root} is partial: only images that are annotated so far are used')
        if self.store:
            return self.store.entries()
        return (
            read_annotated(root, self._meta) if self._meta else read_released(root, self._folders)
        )

    def select(self, entries: list[Entry]) -> list[Entry]:
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
                f'{self.ann_file}: {len(unknown)} of {len(names)} names are not in '
                f'{self.store.root if self.store else self.data_root}, such as {unknown[0]!r} '
                f'({self._cause_of_unknown()})'
            )
        return [by_stem[name] for name in names]

    def _cause_of_unknown(self) -> str:
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
            names = Path(self.ann_file).read_text(encoding='utf-8').split('\n')
        except OSError as error:
            raise RefusedError(
                f'source {self.source}: list {self.ann_file}: {error.strerror}; write it with '
                f'tools/dataset_converters/make_splits.py {self.data_root}'
            ) from error
        names = [name.strip() for name in names if name.strip()]
        for name, times in Counter(names).items():
            if times > 1:
                raise RefusedError(f'{self.ann_file}: {name!r} is listed {times} times')
        return names

    def _without_empty(self, entries: list[Entry]) -> list[Entry]:
        unknown = {entry.stem: entry.label for entry in entries if entry.labelled is None}
        counts = {entry.stem: entry.labelled for entry in entries}
        if unknown:
            gone = missing_files(unknown.values())
            if gone:
                raise RefusedError(f'{gone[0]}: no such label ({len(gone)} are missing)')
            bar = partial(tqdm, total=len(unknown), desc='looking for empty labels', delay=2)
            workers = min(8, os.cpu_count() or 1)
            counts |= count_labelled(unknown, Path(self.data_root, CACHE), workers, bar)
        kept = [entry for entry in entries if counts[entry.stem]]
        if len(kept) < len(entries):
            self._tell(
                f'{len(entries) - len(kept)} of {len(entries)} images have no label; skipped'
            )
        return kept

    def _data_info(self, entry: Entry) -> dict:
        files = dict(img_path=entry.image, seg_map_path=entry.label)
        if self.store:
            files = dict.fromkeys((*files, 'pack_path'), str(self.store.tile(entry.stem)))
        return dict(
            files,
            source=self.source,
            num_classes=len(self.METAINFO.get('classes', self._metainfo['classes'])),
            label_map=self.label_map,
            reduce_zero_label=self.reduce_zero_label,
            seg_fields=[],
        )

    def _check_files(self, data_list: list[dict]) -> None:
        keys = ('img_path', 'seg_map_path')
        gone = missing_files(info[key] for info in data_list for key in keys)
        if gone:
            cure = (
                'run pack_dataset.py again' if self.store else 'restore it, or list images without'
            )
            raise RefusedError(f'{gone[0]}: no such file ({len(gone)} are missing); {cure}')

    def _tell(self, text: str) -> None:
        print_log(f'source {self.source}: {text}', logger='current', level=logging.WARNING)


@DATASETS.register_module()
class SOTADataset(SAMRSDataset):
    """SOTA: 18 classes of DOTA-v2.0, tiles of 1024 px; 17,480 images in the release."""

    METAINFO = _metainfo(SOTA_CLASSES)

    def __init__(self, data_root: str = 'data/samrs/sota', source: str = 'sota', **kwargs):
        super().__init__(source=source, data_root=data_root, **kwargs)


@DATASETS.register_module()
class FASTDataset(SAMRSDataset):
    """FAST: 37 classes of FAIR1M-2.0, tiles of 600 px; 64,147 images in the release."""

    METAINFO = _metainfo(FAST_CLASSES)

    def __init__(self, data_root: str = 'data/samrs/fast', source: str = 'fast', **kwargs):
        super().__init__(source=source, data_root=data_root, **kwargs)


@DATASETS.register_module()
class SIORDataset(SAMRSDataset):
    """SIOR: 20 classes of DIOR, 800 px; only DIOR's 11,725 trainval images.

    The other 11,738 are DIOR's test set: a network pre-trained on them could not be compared on
    detection benchmarks, so they are never read, and refused in a list.
    """

    METAINFO = _metainfo(SIOR_CLASSES)

    def __init__(self, data_root: str = 'data/samrs/sior', source: str = 'sior', **kwargs):
        super().__init__(source=source, data_root=data_root, **kwargs)

    def select(self, entries: list[Entry]) -> list[Entry]:
        """As ``SAMRSDataset.select``, from the trainval images only."""
        return super().select([entry for entry in entries if is_dior_trainval(entry.scene)])

    def listed(self) -> list[str]:
        """As ``SAMRSDataset.listed``; a name of DIOR's test set is refused."""
        names = super().listed()
        test = [name for name in names if not is_dior_trainval(name)]
        if test:
            raise RefusedError(
                f'{self.ann_file}: {test[0]!r} is of the DIOR test set ({len(test)} such names); '
                f'only ids 1..{DIOR_TRAINVAL} may be trained on; take them out'
            )
        return names
