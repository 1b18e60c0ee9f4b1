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

from samrs_mm.core.errors import describe
from samrs_mm.core.images import write_png
from samrs_mm.drawing.overlays import beside


@HOOKS.register_module()
class PredictionPictureHook(Hook):
    """Writes image, label and prediction side by side to ``WORK_DIR/pictures``.

    mmsegmentation's ``SegVisualizationHook`` colours all sources with the first one's palette.
    Under test-time augmentation the first view is drawn. Of images of more than three bands the
    first three are shown, of others the first; what isn't 8-bit is stretched. A picture that can't
    be drawn or written is named in the log, and the run goes on.

    Args:
        per_source: Pictures per source and validation; files are overwritten by the next.
    """

    def __init__(self, per_source: int = 4):
        self.per_source = per_source
        self._drawn: Counter[str] = Counter()
        self._told = False

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
                try:
                    self._write(Path(runner.work_dir) / 'pictures' / source, inputs, sample)
                except Exception as error:  # noqa: BLE001 (no picture may end a run)
                    if not self._told:
                        runner.logger.warning(f'no picture of a prediction: {describe(error)}')
                    self._told = True

    after_test_iter = after_val_iter

    def _write(self, folder: Path, inputs: Tensor, sample: SegDataSample) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        name = f'{Path(sample.img_path).stem}.png'
        write_png(folder / name, _draw(inputs.numpy(), sample))


def _draw(inputs: np.ndarray, sample: SegDataSample) -> np.ndarray:
    """Return the picture of a sample, whose ``inputs`` are ``(bands, H, W)``, as loaded."""
    prediction = sample.pred_sem_seg.data[0].cpu().numpy()
    labels = sample.gt_sem_seg.data[0].cpu().numpy() if 'gt_sem_seg' in sample else None
    return beside(_as_rgb(inputs), labels, prediction)


def _as_rgb(inputs: np.ndarray) -> np.ndarray:
    """Return ``(H, W, 3)`` uint8 RGB of bands ``(bands, H, W)``; three are blue, green, red."""
    if len(inputs) == 3:
        shown = inputs[::-1]
    else:
        shown = inputs[:3] if len(inputs) > 3 else inputs[[0, 0, 0]]
    if shown.dtype != np.uint8:
        finite = shown[np.isfinite(shown)]
        low, high = np.percentile(finite, (1, 99)) if len(finite) else (0, 1)
        scaled = (np.nan_to_num(shown.astype(np.float32), nan=low) - low) / max(high - low, 1e-12)
        shown = np.rint(scaled.clip(0, 1) * 255).astype(np.uint8)
    return np.ascontiguousarray(shown.transpose(1, 2, 0))
