"""One backbone and one decode trunk for several sources, each with its own classes."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.dist import all_reduce, get_world_size
from mmengine.model import ModuleList
from mmseg.models import EncoderDecoder
from mmseg.models.utils import resize
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from samrs_mm.core.classes import PALETTE
from samrs_mm.core.errors import RefusedError
from samrs_mm.models.segmentors.source_heads import SourceHead, read_heads
from samrs_mm.models.segmentors.source_outputs import (
    SourceOutput,
    keyed,
    open_sides,
    read_trunks,
    take_classifier,
)
from samrs_mm.models.segmentors.source_rows import Rows, labels_of, split

FORWARD_MODES = ('joint', 'sequential')
HEADS_INIT = dict(
    type='Xavier',
    distribution='uniform',
    override=[dict(name='heads'), dict(name='side_heads')],
)


@MODELS.register_module()
class MultiHeadEncoderDecoder(EncoderDecoder):
    """mmsegmentation's ``EncoderDecoder`` with one classifier per source.

    Any mmseg decode head serves as trunk: its own classifier ``conv_seg`` is taken out and built
    once per source instead, of the same kernel, after the head's dropout. Parameters are named
    ``backbone.*``, ``decode_head.*`` and ``heads.SOURCE.{weight,bias}``, so backbone and trunk load
    into a plain ``EncoderDecoder``, and ``heads.SOURCE`` is what ``decode_head.conv_seg`` is there.

    A sample's source is its ``metainfo['source']``; to predict samples without one, such as those
    of mmseg's ``MMSegInferencer`` and ``inference_model``, name it as ``test_cfg.source``. The loss
    is the sum over sources, and over the terms of ``loss_decode``, each as mmseg's head has it (see
    ``SourceLosses``); cross entropy is the mean over the labelled pixels. Under DDP means are over
    all ranks: loss and gradients are those of one process with the whole batch. A source absent on
    a rank adds a zero that touches its head, so DDP needs no ``find_unused_parameters``; one
    without any labelled pixel in the whole batch is logged as loss 0 and accuracy 0. The
    ``class_weight`` of a term may be given by source, ``dict(SOURCE=[...])``.

    Auxiliary heads, one or a list, are shared and end in a classifier per source in the same way,
    ``side_heads.aux.SOURCE`` or ``side_heads.aux_0.SOURCE``; their trunks keep mmsegmentation's
    names. They train by losses of their own (``SOURCE.aux_0.loss_ce`` in the log), times the
    ``loss_weight`` of the source, and predict nothing.

    Source: Wang et al. 2023, arXiv:2305.02034, section 4.1 and figure 7.

    Args:
        backbone: Config of the backbone.
        decode_head: Config of the trunk, without ``num_classes``.
        heads: ``{source: dict(num_classes=K)}``, in the order of the forwards if sequential. A
            source may have ``loss_decode``, ``loss_weight`` and ``sampler`` of its own, as in
            ``SourceHead``.
        auxiliary_head: Config of a head, or a list of them, without ``num_classes``.
        forward_mode: ``'joint'``, one forward of the whole batch, as in the paper; or
            ``'sequential'``, a forward per source, as in the authors' code: then batch norm sees
            one source at a time and updates its running statistics once per source.
        init_cfg: How the classifiers (or more) begin.
        **kwargs: As for ``EncoderDecoder``. With ``input_size=(h, w)`` in ``test_cfg`` images, or
            windows of them, are resized to so many pixels before the network predicts; logits have
            the size they came in.

    Raises:
        RefusedError: A head, name, mode or option that can't be.
    """

    def __init__(
        self,
        backbone: Mapping[str, Any],
        decode_head: Mapping[str, Any],
        heads: Mapping[str, Mapping[str, int]],
        auxiliary_head: Any = None,
        forward_mode: str = 'joint',
        init_cfg: Mapping[str, Any] | None = HEADS_INIT,
        **kwargs: Any,
    ):
        entries = read_heads(heads)
        num_classes = {source: entry.num_classes for source, entry in entries.items()}
        if forward_mode not in FORWARD_MODES:
            raise RefusedError(
                f'model.forward_mode={forward_mode!r}; choose from {", ".join(FORWARD_MODES)}'
            )
        self._check_decode_head(decode_head)
        # The widest head's classes: slide_inference makes room for so many.
        widest = max(num_classes.values())
        decode_head, class_weights = read_trunks('decode_head', decode_head, widest)
        auxiliary_head, side_weights = read_trunks('auxiliary_head', auxiliary_head, widest)
        super().__init__(
            backbone=backbone,
            decode_head=decode_head,
            auxiliary_head=auxiliary_head,
            init_cfg=init_cfg,
            **kwargs,
        )
        self.forward_mode = forward_mode
        self.source_classes, self._dataset_meta = num_classes, None
        self.default_source = (self.test_cfg or {}).get('source')
        if self.default_source is not None and self.default_source not in num_classes:
            raise RefusedError(
                f'model.test_cfg.source={self.default_source!r}: no head; choose from '
                f'{", ".join(num_classes)}'
            )
        build = self._take_classifier()
        self.heads = nn.ModuleDict({name: build(count) for name, count in num_classes.items()})
        self.side_heads = nn.ModuleDict()
        self._output = self._open_output(entries, class_weights)
        self._auxiliaries = self._open_sides('auxiliary_head', entries, side_weights)

    def _check_decode_head(self, decode_head: Any) -> None:
        """Refuse a list, before anything is built."""
        if isinstance(decode_head, list | tuple):
            raise RefusedError(
                f'model.decode_head is a list of {len(decode_head)}; choose '
                "model.type='MultiHeadCascadeEncoderDecoder', or give one head"
            )

    def _init_auxiliary_head(self, auxiliary_head: Any) -> None:
        super()._init_auxiliary_head(auxiliary_head)
        if isinstance(auxiliary_head, list):
            # torch's own list would not pass init_weights on
            self.auxiliary_head = ModuleList(self.auxiliary_head)

    def _take_classifier(self) -> Callable[[int], nn.Module]:
        """Take out the classifier that predicts; return what builds one for a number of classes."""
        several = isinstance(self.decode_head, nn.ModuleList)
        key, trunk = [*keyed('decode_head', self.decode_head)][-1]
        return take_classifier(trunk, key, several)

    def _open_output(
        self, entries: Mapping[str, SourceHead], class_weights: Sequence[Sequence[Any]]
    ) -> SourceOutput | None:
        """Return what compares predictions with labels, by the head's terms or a source's own."""
        key, trunk = [*keyed('decode_head', self.decode_head)][-1]
        output = SourceOutput(trunk, self.heads, entries, class_weights[-1], key)
        # they move to the device along with the network
        self.own_losses = nn.ModuleDict(output.losses.own)
        return output

    def _open_sides(
        self,
        name: str,
        entries: Mapping[str, SourceHead],
        class_weights: Sequence[Sequence[Any]],
    ) -> list[SourceOutput]:
        """Give heads that don't predict, as many as there are class weights, their classifiers."""
        trunks = getattr(self, name, None)
        trunks = trunks[: len(class_weights)] if isinstance(trunks, nn.ModuleList) else trunks
        opened = open_sides(name, trunks, entries, class_weights)
        self.side_heads.update({place: output.heads for place, output in opened.items()})
        return [*opened.values()]

    @property
    def _outputs(self) -> list[SourceOutput]:
        """All that compares logits with labels."""
        return [*filter(None, [self._output]), *self._auxiliaries]

    def loss(self, inputs: Tensor, data_samples: Sequence[SegDataSample]) -> dict[str, Tensor]:
        """Return ``loss_SOURCE_TERM`` and ``acc_SOURCE`` (percent) for every source and term.

        On each of W ranks the values are W times the rank's part of the global mean, so their
        mean over ranks, which DDP takes of gradients and ``parse_losses`` of logs, is global.

        Raises:
            RefusedError: A sample of an unknown source, or, in sequential mode on several ranks, a
                source that is absent on one.
        """
        if self.forward_mode == 'joint':
            return self._joint_loss(self.extract_feat(inputs), data_samples)
        rows = self._rows_by_source(sample.metainfo for sample in data_samples)
        if get_world_size() > 1 and len(rows) < len(self.heads):
            # Synchronised batch norm would wait for this rank for ever.
            raise RefusedError(
                "model.forward_mode='sequential': no sample of "
                f'{", ".join(sorted(self.heads.keys() - rows.keys()))} on this rank; raise the '
                "batch size per rank, or choose 'joint'"
            )
        features = {
            source: self._features(self.extract_feat(images))
            for source, images in split(inputs, rows).items()
        }
        return self._losses_of(features, rows, data_samples)

    @contextmanager
    def in_parts(self, data_samples: Sequence[SegDataSample], parts: int) -> Iterator[None]:
        """Within the block, let ``loss`` be of equal parts of a batch, whose mean is the batch's.

        A sample of the batch counts as it does where the batch is one: cross entropy, for one, is
        over the labelled pixels of all parts. Collective. (Heads with losses of their own, such as
        Mask2Former's, average within the part.)
        """
        rows = self._rows_by_source(sample.metainfo for sample in data_samples)
        labels = {
            source: [data_samples[row].gt_sem_seg.data[0] for row in group]
            for source, group in rows.items()
        }
        device = next(self.parameters()).device
        with ExitStack() as stack:
            for output in self._outputs:
                stack.enter_context(output.losses.of_parts(labels, parts, device))
            yield

    def _joint_loss(
        self, maps: Sequence[Tensor], data_samples: Sequence[SegDataSample]
    ) -> dict[str, Tensor]:
        """Return the losses of a batch whose feature maps are there, each ``(N, C, h, w)``."""
        rows = self._rows_by_source(sample.metainfo for sample in data_samples)
        return self._losses_of(split(self._features(maps), rows), rows, data_samples)

    def _features(self, maps: Sequence[Tensor]) -> list[Any]:
        """Return what sources classify: what ``_decode`` gives, then of each auxiliary head."""
        return [self._decode(maps), *(output.trunk(maps) for output in self._auxiliaries)]

    def _decode(self, maps: Sequence[Tensor]) -> Any:
        """Return what is made of the maps for all sources, to predict from."""
        return self.decode_head(maps)

    def _losses_of(
        self,
        features: Mapping[str, Sequence[Any]],
        rows: Rows,
        data_samples: Sequence[SegDataSample],
    ) -> dict[str, Tensor]:
        """Return the losses of all heads; features are as of ``_features``, by source."""
        decoded = {source: parts[0] for source, parts in features.items()}
        losses = self._loss_by_source(decoded, rows, data_samples)
        for number, output in enumerate(self._auxiliaries, 1):
            logits = output.classify({source: each[number] for source, each in features.items()})
            losses |= output.compare(logits, labels_of(data_samples, rows))
        return losses

    def _loss_by_source(
        self, features: Mapping[str, Any], rows: Rows, data_samples: Sequence[SegDataSample]
    ) -> dict[str, Tensor]:
        """Classify, upsample and compare; features are ``{source: (n, C, h, w)}``."""
        output = self._output
        return output.compare(output.classify(features), labels_of(data_samples, rows))

    def parse_losses(self, losses: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Return this rank's loss to differentiate, and what to log: the means over all ranks."""
        loss, log_vars = super().parse_losses(losses)
        logged = torch.stack([value.detach().float() for value in log_vars.values()])
        all_reduce(logged, 'mean')
        return loss, OrderedDict(zip(log_vars, logged, strict=True))

    def encode_decode(self, inputs: Tensor, batch_img_metas: Sequence[Mapping]) -> Tensor:
        """Return logits ``(N, K, H, W)`` of images ``(N, 3, H, W)``, which have a ``source``.

        K is the largest number of classes; beyond its own classes a sample's logits are -inf.

        Raises:
            RefusedError: A sample of an unknown source.
        """
        size = (self.test_cfg or {}).get('input_size')
        if size is not None:
            inputs = resize(inputs, size=tuple(size), mode='bilinear', align_corners=False)
        features = self._decode(self.extract_feat(inputs))
        return self._route(features, batch_img_metas, batch_img_metas)

    def _forward(
        self, inputs: Tensor, data_samples: Sequence[SegDataSample] | None = None
    ) -> Tensor | dict[str, Tensor]:
        """Return logits before upsampling.

        With samples ``(N, K, h, w)`` as in ``encode_decode``; without, ``(N, k, h, w)`` by the head
        of ``test_cfg.source``, or ``{source: (N, k, h, w)}``, all images by all heads.
        """
        features = self._decode(self.extract_feat(inputs))
        if data_samples is None and self.default_source is not None:
            return self._classify(self.default_source, features)
        if data_samples is None:
            return {source: self._classify(source, features) for source in self.heads}
        return self._route(features, [sample.metainfo for sample in data_samples])

    def _route(
        self, features: Any, metas: Sequence[Mapping], sizes: Sequence[Mapping] | None = None
    ) -> Tensor:
        """Send each sample to its source's head; pad the classes with -inf."""
        rows = self._rows_by_source(metas, self.default_source)
        parts = []
        for source, part in split(features, rows).items():
            logits = self._classify(source, part, sizes)
            missing = self.out_channels - logits.shape[1]
            parts.append(F.pad(logits, (0, 0, 0, 0, 0, missing), value=-torch.inf))
        order = [row for group in rows.values() for row in group]
        return torch.cat(parts)[torch.tensor(order).argsort().to(parts[0].device)]

    def _classify(
        self, source: str, features: Any, sizes: Sequence[Mapping] | None = None
    ) -> Tensor:
        """Return one source's logits, at the size of the input if its metainfos are given."""
        logits = self._logits(source, features)
        return logits if sizes is None else self._output.trunk.predict_by_feat(logits, sizes)

    def _logits(self, source: str, features: Any) -> Tensor:
        """Return what predicts, ``(n, k, h, w)``, of what ``_decode`` gives of one source."""
        return self.heads[source](features)

    def postprocess_result(
        self, seg_logits: Tensor, data_samples: Sequence[SegDataSample]
    ) -> list[SegDataSample]:
        """Add ``seg_logits`` ``(k, H, W)``, k its source's classes, and ``pred_sem_seg`` to each.

        Logits are ``(N, K, H, W)``, as of ``encode_decode``; samples without a ``source`` get that
        of ``test_cfg``.
        """
        results = []
        for row, sample in enumerate(data_samples):
            source = sample.get('source', self.default_source)
            sample.set_metainfo(dict(source=source))
            logits = seg_logits[row : row + 1, : self.source_classes[source]]
            results += super().postprocess_result(logits, [sample])
        return results

    @property
    def dataset_meta(self) -> Mapping[str, Any] | None:
        """Classes and palette as given; where they are of several sources, of ``test_cfg.source``.

        mmseg's inferencers set it, from the checkpoint, and draw by it.
        """
        source, given = self.default_source, self._dataset_meta
        if source is None or not given:
            return given
        if source in given.get('sources', {}):
            return given['sources'][source]
        count = self.source_classes[source]
        if source == next(iter(self.heads)) and len(given.get('classes') or ()) == count:
            return given  # ``MMSegInferencer`` passes on the first source's only
        palette = [PALETTE[number % len(PALETTE)] for number in range(count)]
        return dict(classes=[f'{source} {number}' for number in range(count)], palette=palette)

    @dataset_meta.setter
    def dataset_meta(self, given: Mapping[str, Any] | None) -> None:
        self._dataset_meta = given

    def _rows_by_source(
        self, metas: Iterable[Mapping], default: str | None = None
    ) -> dict[str, list[int]]:
        """Return the rows of each source that is in the batch, in the order of the heads."""
        sources = [meta.get('source', default) for meta in metas]
        for source in sources:
            if source not in self.heads:
                known = f'the model has heads for {", ".join(self.heads)}'
                raise RefusedError(
                    f'an image without a source; {known}: name one in its metainfo, or to predict '
                    'as model.test_cfg.source'
                    if source is None
                    else f'source {source!r} is unknown; {known}'
                )
        return {
            source: [row for row, name in enumerate(sources) if name == source]
            for source in self.heads
            if source in sources
        }
