"""Were a checkpoint's classes those of the data? Numbers alone fit as well in another order."""

from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import Any

from samrs_mm.core.errors import RefusedError
from samrs_mm.core.wording import counted

Classes = dict[str | None, tuple[str, ...]]
"""Class names by source; the key is None for a network of one head."""


def trained_classes(checkpoint: Any) -> Classes:
    """Return what a checkpoint of mmengine or of ``ExportWeightsHook`` was trained on, if it says.

    A network of several heads is known by its sources.
    """
    meta = checkpoint.get('meta') if isinstance(checkpoint, dict) else None
    if not isinstance(meta, dict):
        return {}
    named = meta.get('classes') or meta.get('CLASSES')
    if isinstance(named, dict):
        return {source: tuple(names) for source, names in named.items()}
    return classes_of(meta.get('dataset_meta') or dict(classes=named or ()))


def classes_of(metainfo: Mapping[str, Any]) -> Classes:
    """Return the class names of a dataset's ``metainfo``."""
    if metainfo.get('sources'):
        return {name: tuple(about['classes']) for name, about in metainfo['sources'].items()}
    names = metainfo.get('classes') or metainfo.get('CLASSES') or ()
    return {None: tuple(names)} if names and not isinstance(names, str) else {}


def miscounts(model: Mapping[str, Any], data: Classes, loader: str) -> Iterator[str]:
    """Yield where the heads of a model's config are not those that the data needs.

    What a config leaves to the code of the heads isn't known here.

    Args:
        model: Of the config.
        data: Of the dataset of ``loader``.
        loader: For the message.
    """
    if is_detector(model):
        yield from detector_miscounts(model, data, loader)
        return
    yield from _task_miscounts(model.get('detectors') or {}, data, loader)
    heads = model.get('heads')
    for source, names in data.items():
        if source is not None and isinstance(heads, Mapping) and source not in heads:
            yield f'{loader}: source {source!r} has no head; model.heads has {", ".join(heads)}'
        for key, head in _heads(model, source):
            count = head.get('num_classes')
            if not isinstance(count, int):
                continue
            # an auxiliary head may have more: nothing is predicted by it
            if count < len(names) or (count > len(names) and not key.startswith('auxiliary_head')):
                of = f' classes of {source}' if source else f' classes ({", ".join(names)})'
                yield (
                    f'model.{key}.num_classes={count}, but {loader} has {len(names)}{of}; make '
                    'them equal'
                )


_DETECTOR_HEADS = ('bbox_head', 'mask_head', 'panoptic_head', 'panoptic_fusion_head')


def is_detector(model: Mapping[str, Any]) -> bool:
    """Return whether a model's config is one of mmdet's or mmrotate's detectors."""
    return any(key in model for key in (*_DETECTOR_HEADS, 'roi_head'))


def detector_miscounts(model: Mapping[str, Any], data: Classes, loader: str) -> Iterator[str]:
    """As ``miscounts``, of a detector, which has one list of classes for all sources."""
    lists = {tuple(names) for names in data.values()}
    if len(lists) > 1:
        first, second = [*data][:2]
        yield (
            f'{loader}: sources {first} and {second} have other classes ({", ".join(data[first])}; '
            f'{", ".join(data[second])}); a detector has one list: give both metainfo=dict(classes='
            '...) with all of them'
        )
        return
    for names in lists:
        for key, count in _detector_counts(model, 'model'):
            if count != len(names):
                yield (
                    f'{key}={count}, but {loader} has {len(names)} classes ({", ".join(names)}); '
                    'make them equal'
                )
        yield from _weight_miscounts(model, 'model', len(names), loader)


def _weight_miscounts(model: Mapping[str, Any], key: str, count: int, loader: str) -> Iterator[str]:
    """Yield where a head of queries weighs another number of classes."""
    loss = (model.get('panoptic_head') or {}).get('loss_cls') or {}
    weights = loss.get('class_weight')
    if isinstance(weights, list | tuple) and len(weights) != count + 1:
        yield (
            f'{key}.panoptic_head.loss_cls.class_weight has {len(weights)} values, but {loader} '
            f'has {counted(count, "class")}; give {count + 1}: one a class, and one for queries '
            'without an object'
        )


def _task_miscounts(detectors: Mapping[str, Any], data: Classes, loader: str) -> Iterator[str]:
    """As ``miscounts``, of detectors each of which learns from a source of its own."""
    for name, about in detectors.items():
        source, config = about.get('source'), about.get('detector') or {}
        names = data.get(source, ())
        for key, count in _detector_counts(config, f'model.detectors.{name}.detector'):
            if names and count != len(names):
                yield (
                    f'{key}={count}, but {loader} has {len(names)} classes of {source}; make them '
                    'equal'
                )
        if names:
            yield from _weight_miscounts(
                config, f'model.detectors.{name}.detector', len(names), loader
            )


def _detector_counts(part: Any, key: str) -> Iterator[tuple[str, int]]:
    """Yield the numbers of classes of a detector's heads, by key."""
    for name in ('roi_head', *_DETECTOR_HEADS):
        heads = part.get(name)
        several = isinstance(heads, list | tuple)  # of a cascade
        for number, head in enumerate(heads if several else [heads]):
            if isinstance(head, Mapping):
                place = f'{key}.{name}' + f'.{number}' * several
                for count in ('num_classes', 'num_things_classes'):
                    if isinstance(head.get(count), int):
                        yield f'{place}.{count}', head[count]
                yield from _detector_counts(head, place)


def _heads(model: Mapping[str, Any], source: str | None) -> Iterator[tuple[str, Mapping]]:
    """Yield the configs of heads that predict the classes of a source, by key."""
    if source is not None:
        found = {f'heads.{source}': (model.get('heads') or {}).get(source)}
    else:
        found = {}
        for key in ('decode_head', 'auxiliary_head'):
            heads = model.get(key)
            if isinstance(heads, list | tuple):
                found |= {f'{key}.{number}': head for number, head in enumerate(heads)}
            else:
                found[key] = heads
    yield from ((key, head) for key, head in found.items() if isinstance(head, Mapping))


def check_classes(trained: Classes, data: Classes, path: str, loader: str) -> None:
    """Refuse data whose classes are named otherwise than those that a network was trained on.

    Args:
        trained: Of the checkpoint at ``path``; empty if it doesn't say.
        data: Of the dataset of ``loader``.
        path: For the message.
        loader: For the message.

    Raises:
        RefusedError: Says which value stands for what on either side.
    """
    for source, names in data.items():
        for value, (learnt, now) in enumerate(zip_longest(trained.get(source, names), names)):
            if learnt != now:
                of = f' of source {source}' if source else ''
                raise RefusedError(
                    f'checkpoint {path}: class {value}{of} is {learnt!r}, in {loader} it is '
                    f'{now!r} (trained on: {", ".join(trained[source])}); give the data the '
                    'classes of the training, in their order'
                )
