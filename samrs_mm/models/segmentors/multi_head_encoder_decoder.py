"""One backbone and one decode trunk for several sources, each with its own classes."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.dist import all_reduce, get_world_size
from mmseg.models import EncoderDecoder
from mmseg.models.utils import resize
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from samrs_mm.core.classes import PALETTE
from samrs_mm.core.errors import RefusedError
from samrs_mm.models.segmentors.source_heads import SourceHead, read_heads
from samrs_mm.models.segmentors.source_losses import SourceLosses, take_class_weights

FORWARD_MODES = ('joint', 'sequential')
HEADS_INIT = dict(type='Xavier', distribution='uniform', override=dict(name='heads'))


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

    Source: Wang et al. 2023, arXiv:2305.02034, section 4.1 and figure 7.

    Args:
        backbone: Config of the backbone.
        decode_head: Config of the trunk, without ``num_classes``.
        heads: ``{source: dict(num_classes=K)}``, in the order of the forwards if sequential. A
            source may have ``loss_decode``, ``loss_weight`` and ``sampler`` of its own, as in
            ``SourceHead``.
        forward_mode: ``'joint'``, one forward of the whole batch, as in the paper; or
            ``'sequential'``, a forward per source, as in the authors' code: then batch norm sees
            one source at a time and updates its running statistics once per source.
        init_cfg: How the classifiers (or more) begin.
        **kwargs: As for ``EncoderDecoder``, except ``auxiliary_head``. With ``input_size=(h, w)``
            in ``test_cfg`` images, or windows of them, are resized to so many pixels before the
            network predicts; logits have the size they came in.

    Raises:
        RefusedError: A head, name, mode or option that can't be.
    """

    def __init__(
        self,
        backbone: Mapping[str, Any],
        decode_head: Mapping[str, Any],
        heads: Mapping[str, Mapping[str, int]],
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
        if kwargs.get('auxiliary_head') is not None:
            raise RefusedError('model.auxiliary_head: it has one set of classes; leave it out')
        if decode_head.get('sampler') is not None:
            raise RefusedError(
                'model.decode_head.sampler: give it to the sources that are to have it, as '
                'model.heads.SOURCE.sampler'
            )
        decode_head, class_weights = take_class_weights(decode_head)
        super().__init__(
            backbone,
            # The widest head's classes: slide_inference makes room for so many.
            dict(decode_head, num_classes=max(num_classes.values())),
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
        self._losses = self._take_losses(entries, class_weights)

    def _take_classifier(self) -> Callable[[int], nn.Module]:
        """Take the trunk's classifier out; return what builds one for a number of classes."""
        classifier = getattr(self.decode_head, 'conv_seg', None)
        if classifier is None:
            raise RefusedError(
                f'model.decode_head.type={type(self.decode_head).__name__!r} has no conv_seg; for '
                "Mask2Former choose model.type='MultiHeadMask2Former'"
            )
        # A head ends in dropout and conv_seg; with the identity it returns the features instead.
        self.decode_head.conv_seg = nn.Identity()
        return lambda classes: nn.Conv2d(
            classifier.in_channels, classes, classifier.kernel_size, padding=classifier.padding
        )

    def _take_losses(
        self, entries: Mapping[str, SourceHead], class_weights: Sequence[Any]
    ) -> SourceLosses | None:
        """Return what computes the terms of the trunk's ``loss_decode``, or a source's own."""
        terms = self.decode_head.loss_decode
        terms = list(terms) if isinstance(terms, nn.ModuleList) else [terms]
        losses = SourceLosses(terms, entries, class_weights, self.decode_head.ignore_index)
        # they move to the device along with the network
        self.own_losses = nn.ModuleDict(losses.own)
        return losses

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
            source: self.decode_head(self.extract_feat(images))
            for source, images in _split(inputs, rows).items()
        }
        return self._loss_by_source(features, rows, data_samples)

    @contextmanager
    def in_parts(self, data_samples: Sequence[SegDataSample], parts: int) -> Iterator[None]:
        """Within the block, let ``loss`` be of equal parts of a batch, whose mean is the batch's.

        A sample of the batch counts as it does where the batch is one: cross entropy, for one, is
        over the labelled pixels of all parts. Collective. (Heads with losses of their own, such as
        Mask2Former's, average within the part.)
        """
        rows = self._rows_by_source(sample.metainfo for sample in data_samples)
        if self._losses is None:
            yield
            return
        labels = {
            source: [data_samples[row].gt_sem_seg.data[0] for row in group]
            for source, group in rows.items()
        }
        with self._losses.of_parts(labels, parts, next(self.parameters()).device):
            yield

    def _joint_loss(
        self, maps: Sequence[Tensor], data_samples: Sequence[SegDataSample]
    ) -> dict[str, Tensor]:
        """Return the losses of a batch whose feature maps are there, each ``(N, C, h, w)``."""
        rows = self._rows_by_source(sample.metainfo for sample in data_samples)
        return self._loss_by_source(_split(self.decode_head(maps), rows), rows, data_samples)

    def _loss_by_source(
        self,
        features: Mapping[str, Tensor],
        rows: Mapping[str, Sequence[int]],
        data_samples: Sequence[SegDataSample],
    ) -> dict[str, Tensor]:
        """Classify, upsample and compare; features are ``{source: (n, C, h, w)}``."""
        trunk, ignore = self.decode_head, self.decode_head.ignore_index
        labels = {
            source: trunk._stack_batch_gt([data_samples[i] for i in group]).squeeze(1)
            for source, group in rows.items()
        }
        totals = self._losses.totals(labels, next(iter(labels.values())).device)
        losses = {}
        for source, head in self.heads.items():
            if source not in features:
                zero = 0 * sum(weight.sum() for weight in head.parameters())
                losses |= self._losses.nothing(source, zero)
                losses[f'acc_{source}'] = totals[source].new_zeros(())
                continue
            label = labels[source]  # (n, H, W)
            logits = resize(
                head(features[source]),
                size=label.shape[1:],
                mode='bilinear',
                align_corners=self.align_corners,
            )
            losses |= self._losses.of(source, logits, label, totals[source])
            hits = ((logits.argmax(1) == label) & (label != ignore)).sum()
            losses[f'acc_{source}'] = 100 * hits / totals[source][0]
        return losses

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
        features = self.decode_head(self.extract_feat(inputs))
        return self._route(features, batch_img_metas, batch_img_metas)

    def _forward(
        self, inputs: Tensor, data_samples: Sequence[SegDataSample] | None = None
    ) -> Tensor | dict[str, Tensor]:
        """Return logits before upsampling.

        With samples ``(N, K, h, w)`` as in ``encode_decode``; without, ``(N, k, h, w)`` by the head
        of ``test_cfg.source``, or ``{source: (N, k, h, w)}``, all images by all heads.
        """
        features = self.decode_head(self.extract_feat(inputs))
        if data_samples is None and self.default_source is not None:
            return self._classify(self.default_source, features)
        if data_samples is None:
            return {source: self._classify(source, features) for source in self.heads}
        return self._route(features, [sample.metainfo for sample in data_samples])

    def _route(
        self, features: Tensor, metas: Sequence[Mapping], sizes: Sequence[Mapping] | None = None
    ) -> Tensor:
        """Send each sample to its source's head; pad the classes with -inf."""
        rows = self._rows_by_source(metas, self.default_source)
        parts = []
        for source, part in _split(features, rows).items():
            logits = self._classify(source, part, sizes)
            missing = self.out_channels - logits.shape[1]
            parts.append(F.pad(logits, (0, 0, 0, 0, 0, missing), value=-torch.inf))
        order = [row for group in rows.values() for row in group]
        return torch.cat(parts)[torch.tensor(order).argsort().to(parts[0].device)]

    def _classify(
        self, source: str, features: Tensor, sizes: Sequence[Mapping] | None = None
    ) -> Tensor:
        """Return one source's logits, at the size of the input if its metainfos are given."""
        logits = self.heads[source](features)
        return logits if sizes is None else self.decode_head.predict_by_feat(logits, sizes)

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


def _split(batch: Any, rows: Mapping[str, Sequence[int]]) -> dict[str, Any]:
    """Part a batch ``(N, ...)``, or each in a nesting of lists, by source.

    The parts are views of it where the sources already follow each other.
    """
    if not isinstance(batch, Tensor):
        parts = [_split(item, rows) for item in batch]
        return {source: [part[source] for part in parts] for source in rows}
    order = [row for group in rows.values() for row in group]
    if order != sorted(order):
        batch = batch.index_select(0, torch.tensor(order, device=batch.device))
    return dict(zip(rows, batch.split([len(group) for group in rows.values()]), strict=True))
