"""A segmentation dataset of two folders: images, and labels of class indices."""

from pathlib import Path

from mmseg.registry import DATASETS

from samrs_mm.core.errors import RefusedError
from samrs_mm.core.images import IMAGE_SUFFIXES
from samrs_mm.datasets.segmentation.image_index import Entry
from samrs_mm.datasets.segmentation.multi_source import seeded
from samrs_mm.datasets.segmentation.samrs import SAMRSDataset


@DATASETS.register_module()
class TileFolderDataset(SAMRSDataset):
    """Images in one folder, labels ``STEM.png`` in another: for fine-tuning on any data.

    Labels are 8-bit PNGs, grey or with a palette, whose values are class indices; 255 is ignored.
    Another value stops with its file, position and what is allowed. Beside mmsegmentation's
    ``BaseSegDataset`` it takes images of any suffix, refuses missing files before training, and
    reads the packed store. An index may come with a seed, as in ``MultiSourceDataset``, so that
    augmentation follows from the seed alone.

    Args:
        data_root: Folder that holds both.
        ann_file: List of stems, one a line, relative to ``data_root``; empty takes all images.
        data_prefix: ``img_path`` and ``seg_map_path``, relative to ``data_root``.
        metainfo: ``classes`` in the order of the label values, and ``palette`` if you like; in a
            subclass that declares them, a subset.
        filter_empty: Leave out images without a labelled pixel; reads all labels once.
        source: Name that samples carry.
        **kwargs: As in ``SAMRSDataset``.

    Raises:
        RefusedError: As in ``SAMRSDataset``, or an image has no label.

    Example:
        >>> dataset = dict(type='TileFolderDataset', data_root='data/mine/train',
        ...                metainfo=dict(classes=('ground', 'roof')))
    """

    def __init__(
        self,
        data_root: str,
        ann_file: str = '',
        data_prefix: dict | None = None,
        metainfo: dict | None = None,
        filter_empty: bool = False,
        source: str = 'tiles',
        **kwargs,
    ):
        prefix = dict(img_path='images', seg_map_path='labels') | dict(data_prefix or {})
        super().__init__(
            source=source,
            data_root=data_root,
            ann_file=ann_file,
            data_prefix=prefix,
            metainfo=metainfo,
            filter_empty=filter_empty,
            **kwargs,
        )

    def __getitem__(self, index: int | tuple[int, int]) -> dict:
        """Return a sample; ``index`` or ``(index, seed of its augmentation)``."""
        if isinstance(index, tuple):
            with seeded(index[1]):
                return super().__getitem__(index[0])
        return super().__getitem__(index)

    def _entries(self) -> list[Entry]:
        entries = super()._entries()
        if self.store is None and self._meta is None and not self.ann_file:
            self._check_labels({Path(entry.image).name for entry in entries})
        return entries

    def _check_labels(self, labelled: set[str]) -> None:
        """Refuse images without a label; a list says which images are meant."""
        images, labels = (Path(self.data_root, self._folders[key])
                          for key in ('img_path', 'seg_map_path'))  # fmt: skip
        bare = sorted(
            path.name
            for path in images.iterdir()
            if path.suffix.lower() in IMAGE_SUFFIXES
            and not path.name.startswith('.')
            and path.name not in labelled
        )
        if bare:
            raise RefusedError(
                f'{images}: {len(bare)} of {len(bare) + len(labelled)} images have no label, such '
                f'as {bare[0]} (looked for {labels / Path(bare[0]).stem}.png); add them, or name '
                'the images to use in a list (ann_file)'
            )
