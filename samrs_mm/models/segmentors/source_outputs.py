"""Heads of mmsegmentation opened for sources: each has a classifier of its own at the end."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from mmseg.models.decode_heads.cascade_decode_head import BaseCascadeDecodeHead
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.utils import resize
from torch import Tensor, nn

from samrs_mm.core.errors import RefusedError
from samrs_mm.models.segmentors.source_heads import SourceHead
from samrs_mm.models.segmentors.source_losses import ClassWeights, SourceLosses, take_class_weights

_PLACES = dict(decode_head='decode', auxiliary_head='aux')  # as mmsegmentation logs them


def read_trunks(name: str, given: Any, classes: int) -> tuple[Any, list[list[ClassWeights | None]]]:
    """Make what a config says of a head, or a list of heads, fit for mmsegmentation.

    Args:
        name: The key in ``model``.
        given: A config, several, or None.
        classes: What the heads are built for, until their classifiers are taken out.

    Returns:
        The same for mmsegmentation, and for each head the class weights that its losses have by
        source.

    Raises:
        RefusedError: An empty list, no config, or a sampler.
    """
    if given is None:
        return None, []
    several = isinstance(given, list | tuple)
    if several and not given:
        raise RefusedError(f'model.{name} is an empty list; give a head, as dict(type=...)')
    configs, weights = [], []
    for key, head in keyed(name, given):
        if not isinstance(head, Mapping) or 'type' not in head:
            raise RefusedError(f'{key}={head!r}; needed: dict(type=...)')
        if head.get('sampler') is not None:
            raise RefusedError(
                f'{key}.sampler: give it to the sources that are to have it, as '
                'model.heads.SOURCE.sampler'
            )
        config, own = take_class_weights(head)
        configs.append(config | dict(num_classes=classes))
        weights.append(own)
    return configs if several else configs[0], weights


def keyed(name: str, heads: Any) -> Iterator[tuple[str, Any]]:
    """Yield a head, or each of several, with its key in a config."""
    if isinstance(heads, list | tuple | nn.ModuleList):
        yield from ((f'model.{name}.{number}', head) for number, head in enumerate(heads))
    elif heads is not None:
        yield f'model.{name}', heads


def take_classifier(trunk: Any, key: str, cascaded: bool = False) -> Callable[[int], nn.Module]:
    """Take a head's classifier out; return what builds one for a number of classes.

    A head ends in dropout and ``conv_seg``; with the identity it returns the features instead.

    Args:
        trunk: The head.
        key: Its key in a config.
        cascaded: It gets the logits of a head before it.

    Raises:
        RefusedError: A head that ends otherwise, or has losses of its own; one that wants logits of
            a head before it where there is none, or takes none where there are.
    """
    named = f'{key}.type={type(trunk).__name__!r}'
    classifier = getattr(trunk, 'conv_seg', None)
    if classifier is None:
        raise RefusedError(
            f"{named} has no conv_seg; for Mask2Former choose model.type='MultiHeadMask2Former'"
        )
    if type(trunk).loss_by_feat is not BaseDecodeHead.loss_by_feat:
        raise RefusedError(
            f'{named} has a loss of its own (loss_by_feat), which knows one set of classes; choose '
            'a head without, such as FCNHead, PSPHead, UPerHead, OCRHead'
        )
    if isinstance(trunk, BaseCascadeDecodeHead) != cascaded:
        raise RefusedError(
            f'{named} takes no logits of the head before it; choose OCRHead, or another '
            'BaseCascadeDecodeHead, for all but the first'
            if cascaded
            else f'{named} takes the logits of a head before it: it is for model.type='
            "'MultiHeadCascadeEncoderDecoder', in the list decode_head behind the first"
        )
    trunk.conv_seg = nn.Identity()
    return lambda classes: nn.Conv2d(
        classifier.in_channels, classes, classifier.kernel_size, padding=classifier.padding
    )


class SourceOutput:
    """A head, its classifiers, and how their logits are compared with the labels of sources.

    Args:
        trunk: The head, whose classifier was taken out.
        heads: The classifiers by source.
        entries: What there is of each source.
        class_weights: For each term of the head's losses those by source, or None.
        key: Of the head in a config.
        place: What its losses are logged as; empty if it predicts.
    """

    def __init__(
        self,
        trunk: Any,
        heads: nn.ModuleDict,
        entries: Mapping[str, SourceHead],
        class_weights: Sequence[ClassWeights | None],
        key: str = 'model.decode_head',
        place: str = '',
    ):
        self.trunk, self.heads = trunk, heads
        terms = trunk.loss_decode
        terms = list(terms) if isinstance(terms, nn.ModuleList) else [terms]
        ignore = trunk.ignore_index
        self.losses = SourceLosses(terms, entries, class_weights, ignore, key, place)

    def classify(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the logits ``(n, K, h, w)`` of each source's features ``(n, C, h, w)``."""
        return {source: self.heads[source](part) for source, part in features.items()}

    def compare(
        self, logits: Mapping[str, Tensor], labels: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """Return the loss terms and the accuracy (percent) of every source; collective.

        A source without labels on this rank adds a zero that touches its classifier, so that DDP
        needs no ``find_unused_parameters``; and its logits, if there are any.

        Args:
            logits: ``(n, K, h, w)`` by source.
            labels: ``(n, H, W)`` of those in the batch.
        """
        totals = self.losses.totals(labels, next(iter(labels.values())).device)
        found: dict[str, Tensor] = {}
        for source, head in self.heads.items():
            if source not in labels:
                touched = [*head.parameters(), *([logits[source]] if source in logits else [])]
                found |= self.losses.nothing(source, 0 * sum(each.sum() for each in touched))
                found[self.losses.accuracy(source)] = totals[source].new_zeros(())
                continue
            label = labels[source]
            full = resize(
                logits[source],
                size=label.shape[1:],
                mode='bilinear',
                align_corners=self.trunk.align_corners,
            )
            found |= self.losses.of(source, full, label, totals[source])
            hits = (full.argmax(1) == label) & (label != self.losses.ignore_index)
            found[self.losses.accuracy(source)] = 100 * hits.sum() / totals[source][0]
        return found


def open_sides(
    name: str,
    trunks: Any,
    entries: Mapping[str, SourceHead],
    class_weights: Sequence[Sequence[ClassWeights | None]],
) -> dict[str, SourceOutput]:
    """Open heads that train and don't predict, by their places: ``aux``, ``aux_0``, ``decode_0``.

    They have the loss weights of sources, and not their terms or samplers.

    Args:
        name: Their key in ``model``.
        trunks: A head, several, or None. Of ``decode_head`` all but the first get the logits of the
            one before.
        entries: What there is of each source.
        class_weights: For each head as in ``SourceOutput``.

    Raises:
        RefusedError: A head that can't be opened, or a term that doesn't fit a source.
    """
    entries = {
        source: SourceHead(entry.num_classes, loss_weight=entry.loss_weight)
        for source, entry in entries.items()
    }
    opened = {}
    for (key, trunk), weights in zip(keyed(name, trunks), class_weights, strict=True):
        build = take_classifier(trunk, key, name == 'decode_head' and len(opened) > 0)
        heads = nn.ModuleDict(
            {source: build(entry.num_classes) for source, entry in entries.items()}
        )
        place = key.removeprefix('model.').replace(name, _PLACES[name]).replace('.', '_')
        opened[place] = SourceOutput(trunk, heads, entries, weights, key, place)
    return opened
