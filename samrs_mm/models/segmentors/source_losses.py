"""The loss terms of a decode head, or of a source, averaged over the source on all ranks."""

import copy
import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.dist import all_reduce, get_world_size
from mmseg.models.losses import CrossEntropyLoss, FocalLoss, LovaszLoss
from mmseg.registry import MODELS
from mmseg.structures import build_pixel_sampler
from torch import Tensor, nn

from samrs_mm.core.errors import RefusedError
from samrs_mm.core.wording import counted, one_line
from samrs_mm.models.segmentors.source_heads import SourceHead

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

    A source with ``loss_decode`` of its own has those terms instead. Its ``loss_weight`` multiplies
    all of its terms. With a ``sampler`` of mmseg's, cross entropy is over the pixels that it takes,
    divided by as many as without it, as mmseg does; what it takes of a rank's pixels it decides
    there alone.

    Args:
        terms: Modules of the head.
        heads: What there is of each source.
        weights: For each term the class weights of sources, or None for the term's own.
        ignore_index: Label of pixels that count nowhere.
        key: Of the head in the config.
        place: What mmsegmentation logs the head as, such as ``'aux_0'``; empty for the one that
            predicts.

    Attributes:
        own: The modules of sources that have their own.

    Raises:
        RefusedError: Class weights that don't fit the classes, a loss that isn't called with
            logits and labels alone, or a sampler without a term that it is for.
    """

    def __init__(
        self,
        terms: Sequence[nn.Module],
        heads: Mapping[str, SourceHead],
        weights: Sequence[ClassWeights | None],
        ignore_index: int,
        key: str = 'model.decode_head',
        place: str = '',
    ):
        keys = _keys(f'{key}.loss_decode', terms)
        for term, own, key in zip(terms, weights, keys, strict=True):
            _check_term(term, key)
            unknown = [source for source in own or () if source not in heads]
            if unknown:
                raise RefusedError(
                    f'{key}.class_weight: {unknown[0]!r} is no head; there are {", ".join(heads)}'
                )
        self.ignore_index, self.heads, self.place = ignore_index, dict(heads), place
        self.own = {
            source: build_terms(head.loss_decode, head.num_classes, source)
            for source, head in heads.items()
            if head.loss_decode is not None
        }
        self.terms = {
            source: list(self.own[source])
            if source in self.own
            else [
                _of_source(term, own, source, head.num_classes, key)
                for term, own, key in zip(terms, weights, keys, strict=True)
            ]
            for source, head in heads.items()
        }
        self.samplers = {
            source: build_sampler(head.sampler, self.terms[source], ignore_index, source)
            for source, head in heads.items()
            if head.sampler is not None
        }
        self._parts = 1
        self._whole: dict[str, Tensor] | None = None

    @contextmanager
    def of_parts(
        self, labels: Mapping[str, Sequence[Tensor]], parts: int, device: torch.device
    ) -> Iterator[None]:
        """Within the block, let values be of equally large parts of a batch: their mean is its own.

        Args:
            labels: Of the whole batch of this rank by source, each ``(H, W)``.
            parts: How many.
            device: Where they are computed.
        """
        totals = self.totals({k: [*map(_alone, v)] for k, v in labels.items()}, device)
        self._parts = parts
        self._whole = {source: total / parts for source, total in totals.items()}
        try:
            yield
        finally:
            self._parts, self._whole = 1, None

    def totals(
        self, labels: Mapping[str, Tensor | Sequence[Tensor]], device: torch.device
    ) -> dict[str, Tensor]:
        """Return what means are over, summed over ranks, over W; collective.

        Args:
            labels: Of this rank by source, each ``(n, H, W)``, or several of them.
            device: Where to.

        Returns:
            For every source ``(1 + T,)`` float64, T the largest number of terms: labelled pixels,
            and of each term the pixels, pixels times class weights, or images. Nothing is 1.
        """
        if self._whole is not None:
            return self._whole
        rows, width = [], 1 + max(map(len, self.terms.values()))
        for source, terms in self.terms.items():
            label = labels.get(source, ())
            row = torch.zeros(width, dtype=torch.float64, device=device)
            for part in [label] if isinstance(label, Tensor) else label:
                row[: 1 + len(terms)] += self._amounts(terms, part).to(device)
            rows.append(row)
        totals = torch.stack(rows)
        all_reduce(totals)
        totals = torch.where(totals > 0, totals, 1.0) / get_world_size()
        return dict(zip(self.terms, totals, strict=True))

    def _amounts(self, terms: Sequence[nn.Module], label: Tensor) -> Tensor:
        """Return labelled pixels of ``(n, H, W)``, and what each term's mean is over."""
        labelled = label != self.ignore_index
        found = labelled.sum(dtype=torch.float64)
        amounts = [
            _amount(term, label, labelled) if _over_pixels(term) else found.new_tensor(len(label))
            for term in terms
        ]
        return torch.stack([found, *amounts])

    def nothing(self, source: str, zero: Tensor) -> dict[str, Tensor]:
        """Return the terms of a source without samples on this rank, each of which is ``zero``."""
        return dict.fromkeys(self._names(source), zero)

    def accuracy(self, source: str) -> str:
        """Return the name of a source's accuracy in the log."""
        return f'{source}.{self.place}.acc_seg' if self.place else f'acc_{source}'

    def _names(self, source: str) -> list[str]:
        """Return the names of a source's terms; mmengine adds up those that hold 'loss'."""
        names = [getattr(term, 'loss_name', 'loss_decode') for term in self.terms[source]]
        if self.place:
            return [f'{source}.{self.place}.{name}' for name in names]
        return [
            f'loss_{source}_{name.removeprefix("loss_")}' if 'loss' in name else f'{source}_{name}'
            for name in names
        ]

    def of(self, source: str, logits: Tensor, label: Tensor, totals: Tensor) -> dict[str, Tensor]:
        """Return ``{'loss_SOURCE_TERM': scalar}``, or with a place ``SOURCE.PLACE.loss_TERM``.

        Terms of one name are added up.

        Args:
            source: Name of the head.
            logits: ``(n, K, H, W)``, n at least 1.
            label: ``(n, H, W)`` int64.
            totals: The source's of ``totals``.
        """
        losses: dict[str, Tensor] = {}
        terms, weight = self.terms[source], self.heads[source].loss_weight
        sampler = self.samplers.get(source)
        taken = None if sampler is None else sampler.sample(logits, label[:, None])
        for number, (name, term) in enumerate(zip(self._names(source), terms, strict=True), 1):
            value = self._value(term, logits, label, totals[number], taken)
            value = value if weight == 1 else weight * value
            losses[name] = losses[name] + value if name in losses else value
        return losses

    def _value(
        self, term: Any, logits: Tensor, label: Tensor, total: Tensor, taken: Tensor | None
    ) -> Tensor:
        """Return a term; ``taken`` is 1 for pixels that cross entropy is over, ``(n, H, W)``."""
        ignore = self.ignore_index
        if _over_pixels(term):
            elements = total * logits.shape[1] if term.use_sigmoid else total
            return term(logits, label, weight=taken, avg_factor=elements, ignore_index=ignore)
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
            return value * get_world_size() * self._parts
        return value.mean() * (len(label) / total).to(value.dtype)


def _alone(label: Tensor) -> Tensor:
    return label[None]


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


def build_terms(losses: Any, classes: int, source: str) -> nn.ModuleList:
    """Build the loss terms that a source has of its own.

    Args:
        losses: Config of a term, or several.
        classes: Number of classes of the source.
        source: Name of its head.

    Raises:
        RefusedError: No term, a name that mmseg's registry lacks, or as ``SourceLosses``.
    """
    entries = list(losses) if isinstance(losses, list | tuple) else [losses]
    keys = _keys(f'model.heads.{source}.loss_decode', entries)
    if not entries:
        raise RefusedError(f'model.heads.{source}.loss_decode is empty; give at least one term')
    terms = []
    for entry, key in zip(entries, keys, strict=True):
        if not isinstance(entry, Mapping) or 'type' not in entry:
            raise RefusedError(f'{key}={entry!r}; needed: dict(type=...)')
        if isinstance(entry.get('class_weight'), Mapping):
            raise RefusedError(
                f'{key}.class_weight: the term is of {source} alone; give a list of {classes}'
            )
        with _building(key):
            term = MODELS.build(entry)
        _check_term(term, key)
        terms.append(_of_source(term, None, source, classes, key))
    return nn.ModuleList(terms)


def build_sampler(
    sampler: Mapping[str, Any], terms: Sequence[nn.Module], ignore_index: int, source: str
) -> Any:
    """Build mmseg's sampler of pixels, such as ``OHEMPixelSampler``, for a source.

    Raises:
        RefusedError: The source has no cross entropy over classes that it could be for, or it
            can't be built.
    """
    key = f'model.heads.{source}.sampler'
    chosen = [term for term in terms if _over_pixels(term) and not term.use_sigmoid]
    others = [term for term in terms if _over_pixels(term) and term.use_sigmoid]
    if not chosen or others:
        raise RefusedError(
            f'{key}: it picks pixels for CrossEntropyLoss, without use_sigmoid and averaged '
            f"(reduction='mean'), which {source} "
            f'{"has with use_sigmoid" if others else "has not"}; leave the sampler out, or choose '
            'that loss'
        )
    context = SimpleNamespace(ignore_index=ignore_index, loss_decode=nn.ModuleList(chosen))
    with _building(key):
        return build_pixel_sampler(dict(sampler), context=context)


@contextmanager
def _building(key: str) -> Iterator[None]:
    """Refuse what mmseg can't build, by the config's key."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AssertionError) as error:
        said = one_line(error) or 'a value that is not allowed'
        raise RefusedError(f'{key}: {type(error).__name__}: {said}') from error


def _keys(key: str, terms: Sequence[Any]) -> list[str]:
    return [key] if len(terms) == 1 else [f'{key}.{number}' for number in range(len(terms))]


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
    cure = '' if source in key else f', or by source: class_weight=dict({source}=[...])'
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
