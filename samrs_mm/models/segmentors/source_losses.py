"""The loss terms of a decode head, each averaged over a source's samples on all ranks."""

import copy
import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.dist import all_reduce, get_world_size
from mmseg.models.losses import CrossEntropyLoss, FocalLoss, LovaszLoss
from torch import Tensor, nn

from samrs_mm.core.errors import RefusedError
from samrs_mm.core.wording import counted

KEY = 'model.decode_head.loss_decode'
ClassWeights = Mapping[str, Sequence[float]]


class SourceLosses:
    """Applies the terms of ``loss_decode`` to one source at a time, as mmseg's own head does.

    A term decides itself what it averages over: pixels, images or the batch. The exceptions:
    cross entropy is over labelled pixels whatever its ``avg_non_ignore`` says, since labels of
    annotated boxes leave most pixels open; and for Lovász an image with fewer than two labelled
    pixels counts 0, where mmseg's fails.

    On each of W ranks a value is W times the rank's part of what one process would have, exactly
    where a term averages over pixels or images. One over the whole batch (Lovász without
    ``per_image``) is the mean of the ranks' values, weighted by their images.

    Args:
        terms: Modules of the head.
        classes: Number of classes of each source.
        weights: For each term the class weights of sources, or None for the term's own.
        ignore_index: Label of pixels that count nowhere.

    Raises:
        RefusedError: Class weights that don't fit the classes, or a loss that isn't called with
            logits and labels alone.
    """

    def __init__(
        self,
        terms: Sequence[nn.Module],
        classes: Mapping[str, int],
        weights: Sequence[ClassWeights | None],
        ignore_index: int,
    ):
        keys = [KEY if len(terms) == 1 else f'{KEY}.{number}' for number in range(len(terms))]
        for term, own, key in zip(terms, weights, keys, strict=True):
            _check_term(term, key)
            unknown = [source for source in own or () if source not in classes]
            if unknown:
                raise RefusedError(
                    f'{key}.class_weight: {unknown[0]!r} is no head; there are {", ".join(classes)}'
                )
        self.ignore_index = ignore_index
        self.terms = {
            source: [
                _of_source(term, own, source, count, key)
                for term, own, key in zip(terms, weights, keys, strict=True)
            ]
            for source, count in classes.items()
        }

    def totals(self, labels: Mapping[str, Tensor], device: torch.device) -> dict[str, Tensor]:
        """Return what means are over, summed over ranks, over W; collective.

        Args:
            labels: Of this rank by source, each ``(n, H, W)``.
            device: Where to.

        Returns:
            For every source ``(1 + T,)`` float64: labelled pixels, and of each term the pixels,
            pixels times class weights, or images. Nothing is 1.
        """
        rows = []
        for source, terms in self.terms.items():
            label = labels.get(source)
            if label is None:
                rows.append(torch.zeros(1 + len(terms), dtype=torch.float64, device=device))
                continue
            labelled = label != self.ignore_index
            found = labelled.sum(dtype=torch.float64)
            amounts = [
                _amount(term, label, labelled)
                if _over_pixels(term)
                else found.new_tensor(len(label))
                for term in terms
            ]
            rows.append(torch.stack([found, *amounts]))
        totals = torch.stack(rows)
        all_reduce(totals)
        totals = torch.where(totals > 0, totals, 1.0) / get_world_size()
        return dict(zip(self.terms, totals, strict=True))

    def nothing(self, source: str, zero: Tensor) -> dict[str, Tensor]:
        """Return the terms of a source without samples on this rank, each of which is ``zero``."""
        return dict.fromkeys(_names(source, self.terms[source]), zero)

    def of(self, source: str, logits: Tensor, label: Tensor, totals: Tensor) -> dict[str, Tensor]:
        """Return ``{'loss_SOURCE_TERM': scalar}``; terms of one name are added up.

        Args:
            source: Name of the head.
            logits: ``(n, K, H, W)``, n at least 1.
            label: ``(n, H, W)`` int64.
            totals: The source's of ``totals``.
        """
        losses: dict[str, Tensor] = {}
        terms = self.terms[source]
        for name, term, total in zip(_names(source, terms), terms, totals[1:], strict=True):
            value = self._value(term, logits, label, total)
            losses[name] = losses[name] + value if name in losses else value
        return losses

    def _value(self, term: Any, logits: Tensor, label: Tensor, total: Tensor) -> Tensor:
        ignore = self.ignore_index
        if _over_pixels(term):
            elements = total * logits.shape[1] if term.use_sigmoid else total
            return term(logits, label, avg_factor=elements, ignore_index=ignore)
        if isinstance(term, LovaszLoss):
            labelled = (label != ignore).flatten(1).sum(1) > 1
            if not labelled.any():
                return 0 * logits.sum()
            logits, label = logits[labelled], label[labelled]
        if isinstance(term, FocalLoss):
            value = _focal(term, logits, label, label != ignore)
        else:
            value = term(logits, label, ignore_index=ignore)
        if getattr(term, 'reduction', None) == 'sum':
            return value * get_world_size()
        return value.mean() * (len(label) / total).to(value.dtype)


def take_class_weights(
    decode_head: Mapping[str, Any],
) -> tuple[dict[str, Any], list[ClassWeights | None]]:
    """Take class weights that are given by source out of a head's config.

    Returns:
        The config without them, and for each loss term its weights by source, or None.
    """
    losses = decode_head.get('loss_decode')
    if losses is None:
        return dict(decode_head), [None]
    several = isinstance(losses, list | tuple)
    entries = [dict(entry) for entry in (losses if several else [losses])]
    weights = [
        entry.pop('class_weight') if isinstance(entry.get('class_weight'), Mapping) else None
        for entry in entries
    ]
    return dict(decode_head, loss_decode=entries if several else entries[0]), weights


def check_length(term: nn.Module, classes: int, key: str, whose: str, cure: str = '') -> None:
    """Refuse a term whose weights of classes are not as many as the classes of ``whose``."""
    for name in ('class_weight', 'alpha'):
        weights = getattr(term, name, None)
        if isinstance(weights, str | float | int) or not hasattr(weights, '__len__'):
            continue
        if len(weights) != classes:
            raise RefusedError(
                f'{key}.{name} has {counted(len(weights), "value")}, {whose} has '
                f'{classes} classes; give one '
                f'for each class{cure}'
            )


def _check_term(term: nn.Module, key: str) -> None:
    kind = type(term).__name__
    parameters = inspect.signature(term.forward).parameters
    takes_any = any(each.kind is each.VAR_KEYWORD for each in parameters.values())
    if not takes_any and 'ignore_index' not in parameters:
        raise RefusedError(
            f'{key}.type={kind!r} takes no ignore_index, so unlabelled pixels would count; choose '
            'another, such as CrossEntropyLoss, DiceLoss, FocalLoss, LovaszLoss, TverskyLoss'
        )
    if getattr(term, 'use_mask', False):
        raise RefusedError(f'{key}.use_mask=True is for masks of instances; leave it out')


def _of_source(
    term: Any, weights: ClassWeights | None, source: str, classes: int, key: str
) -> nn.Module:
    """Return the term with a source's own class weights; parameters are shared."""
    if weights is not None:
        term = copy.copy(term)
        own = weights.get(source)
        term.class_weight = None if own is None else list(own)
    cure = f', or by source: class_weight=dict({source}=[...])'
    check_length(term, classes, key, f'model.heads.{source}', cure)
    if getattr(term, 'use_sigmoid', False) and isinstance(term, CrossEntropyLoss):
        if term.class_weight is not None:
            raise RefusedError(
                f"{key}.class_weight: mmseg's cross entropy takes none with use_sigmoid=True; "
                'leave one of them out'
            )
    return term


def _focal(term: FocalLoss, logits: Tensor, label: Tensor, labelled: Tensor) -> Tensor:
    """Call it with one-hot labels: with class indices mmseg's own fails on a CPU."""
    label = F.one_hot(label.where(labelled, 0), logits.shape[1]).movedim(-1, 1) * labelled[:, None]
    return term(logits, label, weight=labelled.flatten().to(logits.dtype))


def _over_pixels(term: Any) -> bool:
    return isinstance(term, CrossEntropyLoss) and term.reduction == 'mean'


def _amount(term: Any, label: Tensor, labelled: Tensor) -> Tensor:
    """Return labelled pixels, each as much as its class weighs: a float64 scalar."""
    if term.class_weight is None:
        return labelled.sum(dtype=torch.float64)
    weights = torch.tensor(list(term.class_weight), dtype=torch.float64, device=label.device)
    return (weights[label.clamp(0, len(weights) - 1)] * labelled).sum()


def _names(source: str, terms: Iterable[nn.Module]) -> list[str]:
    """Return the names in the log; mmengine adds up those that hold 'loss', as mmseg means it."""
    names = [getattr(term, 'loss_name', 'loss_decode') for term in terms]
    return [
        f'loss_{source}_{name.removeprefix("loss_")}' if 'loss' in name else f'{source}_{name}'
        for name in names
    ]
