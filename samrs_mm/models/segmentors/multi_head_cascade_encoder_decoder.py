"""One backbone and several decode heads in a row for several sources, such as FCN and OCR."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from mmengine.dist import all_reduce, get_world_size
from mmengine.model import ModuleList
from mmseg.models import CascadeEncoderDecoder
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from samrs_mm.core.errors import RefusedError
from samrs_mm.models.segmentors.multi_head_encoder_decoder import MultiHeadEncoderDecoder
from samrs_mm.models.segmentors.source_heads import SourceHead
from samrs_mm.models.segmentors.source_outputs import SourceOutput
from samrs_mm.models.segmentors.source_rows import Rows, labels_of


@MODELS.register_module()
class MultiHeadCascadeEncoderDecoder(MultiHeadEncoderDecoder, CascadeEncoderDecoder):
    """``MultiHeadEncoderDecoder`` with decode heads in a row, each given the last one's logits.

    The first head sees the whole batch; its classifiers make the logits of each source, with which
    the next head goes on source by source, so that its batch norm sees one source at a time. All
    heads train; the last one predicts, by ``heads.SOURCE``, and the others' classifiers are
    ``side_heads.decode_0.SOURCE``. Trunks have the names of mmsegmentation's
    ``CascadeEncoderDecoder``, ``decode_head.0.*``.

    Of one source loss, gradients and predictions are those of ``CascadeEncoderDecoder``, but that a
    head runs once, where mmsegmentation's runs again for the next one (its batch norm counts a
    batch twice, its dropout is drawn anew). Where batch norm of later heads is synchronised, a rank
    that lacks a source takes part in it without a sample: loss and gradients stay those of one
    process.

    Args:
        num_stages: How many heads, at least 2.
        decode_head: Their configs, without ``num_classes``; all but the first are of
            ``BaseCascadeDecodeHead``, such as ``OCRHead``.
        **kwargs: As for ``MultiHeadEncoderDecoder``; what a source has of its own (``loss_decode``,
            ``sampler``) is for the last head, its ``loss_weight`` for all.

    Raises:
        RefusedError: What ``MultiHeadEncoderDecoder`` refuses, or heads that can't follow each
            other.
    """

    def __init__(
        self,
        num_stages: int,
        backbone: Mapping[str, Any],
        decode_head: Sequence[Mapping[str, Any]],
        **kwargs: Any,
    ):
        if not isinstance(decode_head, list | tuple) or len(decode_head) < 2:
            raise RefusedError(
                'model.decode_head: needed is a list of two heads or more, such as [dict(type='
                "'FCNHead', ...), dict(type='OCRHead', ...)]; for one choose "
                "model.type='MultiHeadEncoderDecoder'"
            )
        if num_stages != len(decode_head):
            raise RefusedError(
                f'model.num_stages={num_stages!r}, and model.decode_head has '
                f'{len(decode_head)} heads; make them equal'
            )
        super().__init__(backbone, decode_head, num_stages=num_stages, **kwargs)

    def _check_decode_head(self, decode_head: Any) -> None:
        """A list is what it wants."""

    def _init_decode_head(self, decode_head: Any) -> None:
        super()._init_decode_head(decode_head)
        # torch's own list would not pass init_weights on
        self.decode_head = ModuleList(self.decode_head)

    def _open_output(
        self, entries: Mapping[str, SourceHead], class_weights: Sequence[Sequence[Any]]
    ) -> SourceOutput:
        self._before = self._open_sides('decode_head', entries, class_weights[:-1])
        return super()._open_output(entries, class_weights)

    @property
    def _stages(self) -> list[SourceOutput]:
        """The heads in their order."""
        return [*self._before, self._output]

    @property
    def _outputs(self) -> list[SourceOutput]:
        return [*self._before, *super()._outputs]

    def _decode(self, maps: Sequence[Tensor]) -> list[Any]:
        """Return the features of the first head, and the maps, which later heads take too."""
        return [self.decode_head[0](maps), list(maps)]

    def _chain(self, source: str, features: Sequence[Any]) -> list[Tensor]:
        """Return the logits of one source by every head, ``(n, k, h, w)``."""
        part, maps = features
        logits: list[Tensor] = []
        for stage in self._stages:
            part = stage.trunk(maps, logits[-1]) if logits else part
            logits.append(stage.heads[source](part))
        return logits

    def _logits(self, source: str, features: Sequence[Any]) -> Tensor:
        return self._chain(source, features)[-1]

    def _loss_by_source(
        self, features: Mapping[str, Any], rows: Rows, data_samples: Sequence[SegDataSample]
    ) -> dict[str, Tensor]:
        """As in the parent, for all heads; features are ``{source: (features, maps)}``."""
        chains = {
            source: self._chain(source, features[source])
            if source in features
            else self._uncounted_chain(source, features)
            for source in self._in_any_rank(features)
        }
        labels = labels_of(data_samples, rows)
        losses = {}
        for number, stage in enumerate(self._stages):
            logits = {source: chain[number] for source, chain in chains.items()}
            losses |= stage.compare(logits, labels)
        return losses

    def _in_any_rank(self, features: Mapping[str, Any]) -> list[str]:
        """Return the sources in the batch; with those of other ranks if these would wait for us."""
        present = [source in features for source in self.heads]
        if get_world_size() > 1 and self._synchronised():
            counts = torch.tensor(present, dtype=torch.int, device=next(self.parameters()).device)
            all_reduce(counts)
            present = counts.tolist()
        return [source for source, count in zip(self.heads, present, strict=True) if count]

    def _synchronised(self) -> list[nn.Module]:
        """Return the norms of later heads that wait for all ranks.

        Raises:
            RefusedError: They are not torch's.
        """
        parts = [part for part in self.decode_head[1:].modules() if part.training]
        norms = [part for part in parts if isinstance(part, nn.SyncBatchNorm)]
        for part in parts:
            if 'Sync' in type(part).__name__ and not isinstance(part, nn.SyncBatchNorm):
                raise RefusedError(
                    f'model.decode_head: {type(part).__name__} of {type(part).__module__} is not '
                    "torch's, the one in which a rank can take part without a sample of a source; "
                    "choose sync_bn='torch', or norm_cfg=dict(type='SyncBN')"
                )
        return norms

    def _uncounted_chain(self, source: str, features: Mapping[str, Sequence[Any]]) -> list[Tensor]:
        """Run a source that this rank lacks on an image of another, which no norm counts."""
        first, maps = next(iter(features.values()))
        hooks = [hook for norm in self._synchronised() for hook in _counting_nothing(norm)]
        try:
            return self._chain(source, [first[:1], [level[:1] for level in maps]])
        finally:
            for hook in hooks:
                hook.remove()


def _counting_nothing(norm: nn.Module) -> Iterator[Any]:
    """Let a norm take part, as it must, with no sample; it returns zeros for those it was given."""
    given: list[Tensor] = []

    def empty(norm: nn.Module, inputs: tuple[Tensor]) -> Tensor:
        given.append(inputs[0])
        # without a sample torch sends zeros of this type, with samples sums of float32 at least:
        # in mixed precision ranks would wait for numbers of another size
        least = torch.promote_types(inputs[0].dtype, torch.float32)
        return inputs[0][:0].to(least)

    def zeros(norm: nn.Module, inputs: tuple[Tensor], output: Tensor) -> Tensor:
        # the sum keeps the norm in the graph: it waits in the backward pass, too
        return torch.zeros_like(given.pop()) + output.sum()

    yield norm.register_forward_pre_hook(empty)
    yield norm.register_forward_hook(zeros)
