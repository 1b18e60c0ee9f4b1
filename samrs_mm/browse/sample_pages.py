"""Pages of a training config's samples: as the network sees them, or before augmentation."""

from collections.abc import Collection, Iterator
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmengine.config import Config
from mmengine.registry import DATA_SAMPLERS, DATASETS, init_default_scope

from samrs_mm.browse.pages import ImageObject, Page, class_swatches, window_around
from samrs_mm.core.boxes import corners
from samrs_mm.core.classes import palette_for
from samrs_mm.core.errors import RefusedError
from samrs_mm.datasets.segmentation.seeded import seeded
from samrs_mm.datasets.transforms.loading import LoadWindow
from samrs_mm.drawing.colours import Colour
from samrs_mm.drawing.panels import Panel, pixel_panel
from samrs_mm.registry import build, register_all

_SMALLEST_OBJECT = 12


class LabelledSource:
    """One segmentation dataset of a config, before augmentation.

    ``first`` is the index of its first image in the whole.
    """

    def __init__(self, dataset: Any, name: str, first: int = 0):
        self.dataset, self.name, self.first = dataset, name, first
        self.classes = tuple(dataset.metainfo.get('classes') or ())
        palette = dataset.metainfo.get('palette') or palette_for(len(self.classes))
        self.palette: list[Colour] = [tuple(colour) for colour in palette]

    @cached_property
    def _index(self) -> dict[str, int]:
        index: dict[str, int] = {}
        for number in range(len(self.dataset)):
            index.setdefault(self.stem(number), number)
        return index

    @property
    def names(self) -> list[str]:
        """Stems of all images."""
        return list(self._index)

    def stem(self, number: int) -> str:
        """Return the name of this dataset's image ``number``."""
        return Path(self.dataset.get_data_info(number)['img_path']).stem

    def colour(self, label: int) -> Colour:
        """Return a class's colour in the dataset's palette."""
        return self.palette[label]

    def index(self, name: str) -> int | None:
        """Return the index of an image in the whole; None if it isn't here."""
        return None if name not in self._index else self.first + self._index[name]

    def load(self, number: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Return an image ``(H, W, 3)`` RGB and its label ``(H, W)``, as they are on disk.

        Raises:
            SamrsError: One can't be read, or they don't fit.
        """
        results = LoadWindow()(dict(self.dataset.get_data_info(number), seg_fields=[]))
        return np.ascontiguousarray(results['img'][..., ::-1]), results.get('gt_seg_map')

    def objects(self, name: str) -> list[ImageObject]:
        """Return the connected regions of each class, largest first."""
        _, labels = self.load(self._index[name])
        found: list[ImageObject] = []
        if labels is None:
            return found
        for label in np.unique(labels[labels < len(self.classes)]).tolist():
            _, regions, boxes, _ = cv2.connectedComponentsWithStats(
                (labels == label).astype(np.uint8)
            )
            for number in np.argsort(-boxes[1:, cv2.CC_STAT_AREA], kind='stable') + 1:
                x, y, width, height, area = boxes[number].tolist()
                if area >= _SMALLEST_OBJECT:
                    part = regions[y : y + height, x : x + width] == number
                    (polygon,) = corners(np.array([(x, y, x + width, y + height)], float))
                    mask = partial(tuple, (x, y, part))
                    found.append(ImageObject(name, label, polygon, mask))
        return found

    def crop(self, name: str, polygon: np.ndarray | None, side: int) -> Panel:
        """Return an image, or what of it lies around a polygon."""
        image, _ = self.load(self._index[name])
        window = window_around(polygon, image.shape[1], image.shape[0])
        rows = slice(window.y, window.y + window.height)
        panel = pixel_panel(image[rows, window.x : window.x + window.width], side)
        panel.origin = window.x, window.y
        return panel

    def overview(self, name: str, side: int) -> Panel:
        """Return an image with its label map."""
        image, labels = self.load(self._index[name])
        panel = pixel_panel(image, side)
        if labels is not None:
            panel.labels(labels, self.palette)
        return panel


class SampleBrowser:
    """The samples of a training config.

    Args:
        config: Has ``train_dataloader`` and so on.
        split: ``'train'`` in the order in which the sampler draws; ``'val'`` and ``'test'``
            shuffled.
        seed: Of drawing and augmentation; None takes the sampler's own, else 0.
        raw: Show images whole, before augmentation.
        side: Longer side of a picture in pixels.

    Raises:
        RefusedError: The config has no such loader, or its data are not there.
    """

    kinds = ('truth',)

    def __init__(
        self,
        config: Config,
        split: str = 'train',
        seed: int | None = None,
        raw: bool = False,
        side: int = 800,
    ):
        self.loader = config.get(f'{split}_dataloader')
        if not self.loader:
            raise RefusedError(f'--split {split}: the config has no {split}_dataloader')
        register_all()
        init_default_scope(config.get('default_scope', 'mmengine'))
        self.split, self.seed, self.raw, self.side = split, seed, raw, side
        self.dataset = build(DATASETS, self.loader.dataset, f'{split}_dataloader.dataset')
        self.dataset.full_init()
        self.sources = self._sources()

    def _sources(self) -> list[LabelledSource]:
        parts = getattr(self.dataset, 'datasets', [self.dataset])
        sources: list[LabelledSource] = []
        for number, part in enumerate(parts):
            name = part.metainfo.get('source') or (f'data{number}' if number else 'data')
            sources.append(LabelledSource(part, name, sum(map(len, parts[:number]))))
        return sources

    def draws(self) -> Iterator[tuple[int, int]]:
        """Yield ``(index, seed of its augmentation)`` of samples, one after the other."""
        if self.split != 'train':
            order = np.random.default_rng(self.seed or 0).permutation(len(self.dataset))
            yield from ((int(index), int(index)) for index in order)
            return
        seed = self.loader.sampler.get('seed') if self.seed is None else self.seed
        seed = seed or 0
        entry = dict(self.loader.sampler, dataset=self.dataset, seed=seed)
        sampler = build(DATA_SAMPLERS, entry, 'train_dataloader.sampler')
        if getattr(sampler, 'batch_size', 0) is None:
            sampler.set_batch_size(self.loader.batch_size)
        for position, drawn in enumerate(sampler):
            own = int(np.random.SeedSequence((seed, position)).generate_state(1)[0])
            yield drawn if isinstance(drawn, tuple) else (int(drawn), own)

    def find(self, stem: str) -> tuple[int, int]:
        """Return the sample of an image.

        Raises:
            RefusedError: No source has it.
        """
        for source in self.sources:
            index = source.index(stem)
            if index is not None:
                return index, self.seed or 0
        raise RefusedError(f'--stems {stem}: no image of the {self.split} loader is called so')

    def name(self, index: int) -> str:
        """Return the name of a sample's page: source and image."""
        source = self._source_of(index)
        return f'{source.name}_{source.stem(index - source.first)}'

    def _source_of(self, index: int) -> LabelledSource:
        return next(source for source in reversed(self.sources) if source.first <= index)

    def page(
        self, draw: tuple[int, int], what: Collection[str], classes: Collection[str]
    ) -> Page | None:
        """Return the page of a sample; None if none of the wanted classes is in it."""
        index, seed = draw
        source = self._source_of(index)
        if self.raw:
            image, labels = source.load(index - source.first)
        else:
            image, labels = self._augmented(index, seed)
        if classes:
            wanted = [label for label, name in enumerate(source.classes) if name in classes]
            if labels is None or not np.isin(labels, wanted).any():
                return None
            labels = np.where(np.isin(labels, wanted), labels, 255)
        size = f'{image.shape[1]} x {image.shape[0]} px'
        state = 'before augmentation' if self.raw else 'as the network sees it'
        page = Page(self.name(index), f'source {source.name}, {size}')
        page.add(pixel_panel(image, self.side, state))
        if labels is not None:
            panel = page.panels[0].copy('labels')
            panel.labels(labels, source.palette)
            present = np.unique(labels[labels < len(source.classes)]).tolist()
            page.add(panel, class_swatches(present, source.classes, source.colour))
            page.cover = 1
            page.note += f', {100 * np.mean(labels < len(source.classes)):.0f} % labelled'
        return page

    def _augmented(self, index: int, seed: int) -> tuple[np.ndarray, np.ndarray | None]:
        with seeded(seed):
            sample = self.dataset[index]
        data = sample['data_samples']
        image = np.ascontiguousarray(sample['inputs'].numpy().transpose(1, 2, 0)[..., ::-1])
        labels = data.gt_sem_seg.data[0].numpy() if 'gt_sem_seg' in data else None
        return image, labels
