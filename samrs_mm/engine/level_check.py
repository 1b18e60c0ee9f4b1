"""Do bands fit the backbone, and its levels the decode heads? Found out on one small image."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import torch
from mmengine.config import Config
from mmseg.models.decode_heads import OCRHead
from torch import Tensor, nn

from samrs_mm.core.errors import RefusedError
from samrs_mm.core.image_rule import ImageRule
from samrs_mm.core.wording import counted
from samrs_mm.engine.detector_check import pipelines_of
from samrs_mm.engine.detector_levels import check_detector, check_task_detectors, finds_objects
from samrs_mm.engine.feature_levels import giver_of, level_text, levels_of
from samrs_mm.engine.hooks.class_check_hook import network_of
from samrs_mm.models.layers.bands import bands_of
from samrs_mm.models.segmentors.band_preprocessor import BandPreProcessor
from samrs_mm.models.segmentors.multi_task_pretrainer import MultiTaskPretrainer


def check_bands(config: Config, model: nn.Module) -> None:
    """Refuse bands that are loaded or normalised otherwise than the backbone takes them.

    Args:
        config: The run's config.
        model: What was built of it, wrapped or not.

    Raises:
        RefusedError: Names the numbers and the keys.
    """
    network = network_of(model)
    takes = bands_of(network.backbone) if hasattr(network, 'backbone') else None
    if takes is None:
        return
    preprocessor: Any = getattr(network, 'data_preprocessor', None)
    mean = getattr(preprocessor, 'mean', None)
    for_all = (
        mean is not None and mean.numel() == 1 and not isinstance(preprocessor, BandPreProcessor)
    )
    if mean is not None and mean.numel() != takes and not for_all:
        raise RefusedError(
            f'model.data_preprocessor.mean has {counted(mean.numel(), "value")}, model.backbone '
            f'takes images of {counted(takes, "band")}: give one for each (in_channels of the '
            "backbone; type='BandPreProcessor' takes any number)"
        )
    for key, pipeline in pipelines_of(config):
        for number, step in enumerate(pipeline):
            if step.get('type') != 'LoadWindow' and step.get('_scope_') != 'samrs_mm':
                continue
            rule = ImageRule.from_config(step.get('image'))
            given = 3 if rule is None else rule.count
            if given is not None and given != takes:
                raise RefusedError(
                    f'{key}.{number}.image gives {counted(given, "band")}, model.backbone takes '
                    f"{takes}: image=dict(bands={[*range(1, takes + 1)]}, form='bands'), or "
                    'another in_channels of the backbone'
                )


def check_levels(model: nn.Module) -> str | None:
    """Refuse heads that ask for levels, or channels, that backbone and neck don't give.

    A network with a backbone and a decode head, or heads of detectors, sees one black image in
    evaluation mode; of others nothing is known here.

    Args:
        model: Built model, wrapped or not.

    Returns:
        A warning where all levels of several that a head joins have one stride, else None.

    Raises:
        RefusedError: Names the head, and the levels with their strides and channels.
    """
    network = network_of(model)
    segments = hasattr(network, 'backbone') and getattr(network, 'decode_head', None) is not None
    if not segments and not finds_objects(network):
        return None
    training = network.training
    network.eval()
    try:
        with torch.no_grad():
            if not segments:
                check_detector(network)
                return None
            side, maps = levels_of(network)
            notes = [_check_head(key, head, maps, side, network) for key, head in _heads(network)]
            _check_cascade(network, maps, side)
            if isinstance(network, MultiTaskPretrainer):
                check_task_detectors(network, maps, side)
    finally:
        network.train(training)
    return next(filter(None, notes), None)


def _heads(network: Any) -> Iterator[tuple[str, Any]]:
    for key in ('decode_head', 'auxiliary_head'):
        head: Any = getattr(network, key, None)
        several = isinstance(head, nn.ModuleList)
        for number, each in enumerate(head if several else [head]):
            if hasattr(each, 'in_index'):
                yield f'model.{key}' + f'.{number}' * several, each


def _check_head(key: str, head: Any, maps: Sequence[Tensor], side: int, network: Any) -> str | None:
    index, channels = _tuple(head.in_index), _tuple(head.in_channels)
    there = _given(network, maps, side)
    if any(not -len(maps) <= number < len(maps) for number in index):
        raise RefusedError(
            f'{key}.in_index={list(index)}: there are {len(maps)} levels, counted from 0; {there}'
        )
    given = tuple(maps[number].shape[1] for number in index)
    if head.input_transform == 'resize_concat':
        channels, given = (sum(channels),), (sum(given),)
    if channels != given:
        raise RefusedError(
            f'{key}.in_channels={_shown(channels)} of in_index={_shown(index)}, where {there}; set '
            f'in_channels={_shown(given)}, or choose other levels'
        )
    strides = {side / maps[number].shape[-1] for number in index}
    if len(index) > 1 and len(strides) == 1:
        return (
            f'{key} joins {len(index)} levels of one stride: {there}. For finer detail '
            "give model.neck=dict(type='Feature2Pyramid', embed_dim="
            f'{given[0]}, norm_cfg=...)'
        )
    return None


def _check_cascade(network: Any, maps: Sequence[Tensor], side: int) -> None:
    """Refuse an ``OCRHead`` whose levels are not of the size of the logits that it is given."""
    decoders = [each for each in _heads(network) if each[0].startswith('model.decode_head')]
    for (_, before), (key, head) in pairwise(decoders):
        if not isinstance(head, OCRHead):
            continue
        own = maps[_tuple(head.in_index)[0]].shape[-1]
        first = not isinstance(before, OCRHead)  # which gives logits of the size of its levels
        given = (before(maps) if first else maps[_tuple(before.in_index)[0]]).shape[-1]
        if own != given:
            raise RefusedError(
                f'{key}.in_index={_shown(_tuple(head.in_index))} is of stride {side / own:g}, and '
                f'the logits of the head before it are of stride {side / given:g}, where '
                f'{_given(network, maps, side)}; give both heads levels of one stride, or '
                "in_index=[...] with input_transform='resize_concat', or strides and dilations of "
                'the backbone'
            )


def _given(network: Any, maps: Sequence[Tensor], side: int) -> str:
    return f'{giver_of(network)} gives {level_text(maps, side)}'


def _tuple(value: Any) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _shown(values: tuple[int, ...]) -> str:
    return str(values[0] if len(values) == 1 else list(values))
