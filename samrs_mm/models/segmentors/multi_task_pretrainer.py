"""One encoder that learns to label pixels and to find objects at once."""

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.model import ModuleDict
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor

from samrs_mm.core.errors import RefusedError
from samrs_mm.models.segmentors.multi_head_encoder_decoder import MultiHeadEncoderDecoder
from samrs_mm.models.segmentors.task_detectors import build_detector, read_tasks


@MODELS.register_module()
class MultiTaskPretrainer(MultiHeadEncoderDecoder):
    """``MultiHeadEncoderDecoder`` with detectors beside the decode trunk, on the same feature maps.

    A detector is one of mmdet or mmrotate, whole but for its backbone: neck, heads, assigners and
    all; each source has its own for each of its tasks, and nothing is shared but the encoder. It
    sees the samples of its source, as ``PackMultiTaskInputs`` makes them. The encoder sees the
    whole batch once; the loss is the sum over all heads. Parameters are named ``backbone.*``,
    ``decode_head.*``, ``heads.SOURCE.*`` and ``detectors.NAME.*``; the latter without its beginning
    is what a detector of mmdet has.

    On several ranks loss and gradients are those of one process with the whole batch, as in the
    parent class, for RTMDet's heads without batch norm. Heads that sample at random or divide by
    counts of their own rank (Mask R-CNN, Oriented R-CNN, Mask2Former) train a little otherwise.

    Source: Wang et al. 2024, "MTP", arXiv:2403.13430, where trunks are shared by sources.

    Args:
        detectors: ``{name: dict(source=..., task=..., detector=..., levels=None, weight=1.0)}``;
            ``task`` is ``'instance'`` (masks and their boxes) or ``'oriented'`` (R-Boxes); the
            others as in ``build_detector``; ``weight`` multiplies its losses.
        **kwargs: As for ``MultiHeadEncoderDecoder``, but it trains in joint mode and predicts whole
            images at their own size.

    Raises:
        RefusedError: What the parent refuses, or a detector or option that can't be.
    """

    def __init__(self, *args: Any, detectors: Mapping[str, Mapping[str, Any]], **kwargs: Any):
        super().__init__(*args, **kwargs)
        if self.forward_mode != 'joint':
            raise RefusedError(
                f'model.forward_mode={self.forward_mode!r}: one forward serves all tasks; '
                "leave it at 'joint'"
            )
        testing = self.test_cfg or {}
        if testing.get('mode', 'whole') != 'whole' or testing.get('input_size') is not None:
            raise RefusedError(
                f'model.test_cfg={dict(testing)!r}: detectors predict whole images at their own '
                "size; give mode='whole' and no input_size"
            )
        self.tasks = read_tasks(detectors, self.heads)
        # torch's own would not pass init_weights on
        self.detectors = ModuleDict(
            {name: build_detector(name, about) for name, about in detectors.items()}
        )

    def loss(self, inputs: Tensor, data_samples: Sequence[SegDataSample]) -> dict[str, Tensor]:
        """Return the losses of the parent and ``loss_NAME_TERM`` of every detector.

        Raises:
            RefusedError: As the parent, or a sample lacks what a detector of its source learns.
        """
        maps, size = self.extract_feat(inputs), tuple(inputs.shape[-2:])
        losses = self._joint_loss(maps, data_samples)
        for task in self.tasks:
            losses |= task.losses(self.detectors[task.name], maps, data_samples, size)
        return losses

    def predict(
        self, inputs: Tensor, data_samples: Sequence[SegDataSample] | None = None
    ) -> list[SegDataSample]:
        """Add ``pred_sem_seg``, and ``pred_NAME`` of each detector of a sample's source.

        Args:
            inputs: Images ``(N, 3, H, W)``, normalised.
            data_samples: N samples with a ``source``; without them there are only label maps.
        """
        if data_samples is None:
            return super().predict(inputs)
        maps, size = self.extract_feat(inputs), tuple(inputs.shape[-2:])
        metas = [dict(sample.metainfo) for sample in data_samples]
        logits = self._route(self.decode_head(maps), metas, metas)
        samples = self.postprocess_result(logits, data_samples)
        for task in self.tasks:
            task.predict(self.detectors[task.name], maps, samples, size)
        return samples
