"""Pictures of predictions beside labels, for every source."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from mmseg.structures import SegDataSample
from torch import Tensor

from samrs_mm.core.images import write_png
from samrs_mm.drawing.overlays import beside


@HOOKS.register_module()
class PredictionPictureHook(Hook):
    """Writes image, label and prediction side by side to ``WORK_DIR/pictures``.

    mmsegmentation's ``SegVisualizationHook`` colours all sources with the first one's palette.
    Under test-time augmentation the first view is drawn.

    Args:
        per_source: Pictures per source and validation; files are overwritten by the next.
    """

    def __init__(self, per_source: int = 4):
        self.per_source = per_source
        self._drawn: Counter[str] = Counter()

    def before_val_epoch(self, runner: Runner) -> None:
        """Count anew."""
        self._drawn.clear()

    before_test_epoch = before_val_epoch

    def after_val_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any, outputs: Sequence[SegDataSample]
    ) -> None:
        """Draw the first samples of each source that this rank sees."""
        images = data_batch['inputs']
        if not isinstance(images[0], Tensor):  # test-time augmentation: lists by view
            images = images[0]
        for inputs, sample in zip(images, outputs, strict=True):
            source = sample.metainfo.get('source', 'data')
            if self._drawn[source] < self.per_source:
                self._drawn[source] += 1
                folder = Path(runner.work_dir) / 'pictures' / source
                folder.mkdir(parents=True, exist_ok=True)
                name = f'{Path(sample.img_path).stem}.png'
                write_png(folder / name, _draw(inputs.numpy(), sample))

    after_test_iter = after_val_iter


def _draw(inputs: np.ndarray, sample: SegDataSample) -> np.ndarray:
    """Return the picture of a sample, whose ``inputs`` are ``(3, H, W)`` uint8 BGR."""
    prediction = sample.pred_sem_seg.data[0].cpu().numpy()
    labels = sample.gt_sem_seg.data[0].cpu().numpy() if 'gt_sem_seg' in sample else None
    image = np.ascontiguousarray(inputs.transpose(1, 2, 0)[..., ::-1])
    return beside(image, labels, prediction)
