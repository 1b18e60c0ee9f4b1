"""One backbone and one Mask2Former decoder for several sources, each with its own classes."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from samrs_mm.core.errors import RefusedError
from samrs_mm.models.decode_heads import PartialLabelMask2FormerHead
from samrs_mm.models.segmentors.multi_head_encoder_decoder import MultiHeadEncoderDecoder
from samrs_mm.models.segmentors.source_heads import SourceHead


@MODELS.register_module()
class MultiHeadMask2Former(MultiHeadEncoderDecoder):
    """``MultiHeadEncoderDecoder`` whose trunk is a ``PartialLabelMask2FormerHead``.

    Sources share the queries and their masks; only the class of a query comes from its source's
    head: the trunk's ``cls_embed`` is taken out and built once per source, with the source's
    classes and "no object", as ``heads.SOURCE.{weight,bias}``. All predictions of a sample,
    those of the layers before the last too, are classified by that head.

    The loss is the sum over sources of a Mask2Former loss of the source's samples, normalised over
    all ranks as ``PartialLabelMask2FormerHead`` does, times the ``loss_weight`` of its head.

    Raises:
        RefusedError: Another head, or what ``MultiHeadEncoderDecoder`` refuses.

    Source: Wang et al. 2023, arXiv:2305.02034; Cheng et al. 2022, arXiv:2112.01527.
    """

    def _take_classifier(self) -> Callable[[int], nn.Module]:
        if not isinstance(self.decode_head, PartialLabelMask2FormerHead):
            raise RefusedError(
                f'model.decode_head.type={type(self.decode_head).__name__!r}: MultiHeadMask2Former '
                'needs PartialLabelMask2FormerHead; others go into MultiHeadEncoderDecoder'
            )
        classifier = self.decode_head.cls_embed
        self.decode_head.cls_embed = nn.Identity()
        return lambda classes: nn.Linear(classifier.in_features, classes + 1)

    def _open_output(
        self, entries: Mapping[str, SourceHead], class_weights: Sequence[Sequence[Any]]
    ) -> None:
        """The trunk has losses of its own; sources have but a weight."""
        for source, entry in entries.items():
            for name in ('loss_decode', 'sampler'):
                if getattr(entry, name) is not None:
                    raise RefusedError(
                        f'model.heads.{source}.{name}: Mask2Former has losses of its own, in '
                        'model.decode_head.loss_cls, loss_mask and loss_dice; leave it out'
                    )
        self._weights = {source: entry.loss_weight for source, entry in entries.items()}

    def _loss_by_source(
        self,
        features: Mapping[str, Sequence[Sequence[Tensor]]],
        rows: Mapping[str, Sequence[int]],
        data_samples: Sequence[SegDataSample],
    ) -> dict[str, Tensor]:
        """Return ``loss_SOURCE_cls``, ``_mask`` and ``_dice``: sums over the predictions.

        Features are ``{source: (queries, masks)}``, lists of ``(n, Q, C)`` and ``(n, Q, h, w)``.
        """
        some = next(iter(features.values()))
        nothing = [[item[:0] for item in group] for group in some]
        losses = {}
        for source, head in self.heads.items():
            queries, masks = features.get(source, nothing)
            targets = self.decode_head._seg_data_to_instance_data(
                [data_samples[row] for row in rows.get(source, ())]
            )
            scores = [head(query) for query in queries]
            parts = self.decode_head.loss_by_feat(scores, masks, *targets)
            for name in ('cls', 'mask', 'dice'):
                losses[f'loss_{source}_{name}'] = self._weights[source] * sum(
                    loss for key, loss in parts.items() if key.endswith(f'loss_{name}')
                )
        return losses

    def _classify(
        self,
        source: str,
        features: Sequence[Sequence[Tensor]],
        sizes: Sequence[Mapping] | None = None,
    ) -> Tensor:
        queries, masks = features
        return self.decode_head.predict_by_feat(self.heads[source](queries[-1]), masks[-1], sizes)
