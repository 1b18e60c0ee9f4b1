"""What parts of other libraries need of a config, and would say too late or never."""

from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.config import Config
from mmengine.registry import TRANSFORMS

from samrs_mm.compat import has_compiled_ops, how_to_get_ops, refuse_missing_package
from samrs_mm.core.errors import RefusedError

_OPS = {
    'nms_rotated', 'soft_nms', 'RoIAlign', 'RoIAlignRotated', 'RBboxOverlaps2D',
    'DeformConv2d', 'ModulatedDeformConv2d',
}  # fmt: skip
"""Types that a config names and that call mmcv's compiled ops."""
_MOVES = {
    'Albu', 'CenterCrop', 'GenerateEdge', 'Pad', 'RandomCrop',
    'RandomFlip', 'RandomMosaic', 'RandomRotate', 'RandomRotFlip', 'Resize', 'ResizeShortestEdge',
    'ResizeToMultiple',
}  # fmt: skip
"""Transforms of mmseg and mmcv that move pixels."""
_INNER = ('resize_type', 'rotate_type')


def check_packages(config: Config, path: str) -> None:
    """Refuse a model with a part whose package is not installed.

    Raises:
        RefusedError: Names the part and what installs the package.
    """
    for key, kind in _types(config.get('model'), 'model'):
        refuse_missing_package(kind, f'config {path}: {key}.type: ')


def check_ops(config: Config, path: str) -> None:
    """Refuse a detector that calls mmcv's compiled ops where there are none.

    Some call them in validation only: hours of training would be lost.

    Raises:
        RefusedError: Names the op and what installs it.
    """
    if has_compiled_ops():
        return
    for key, kind in _types(config.get('model'), 'model'):
        if kind.rpartition('.')[2] in _OPS:
            raise RefusedError(
                f'config {path}: {key}.type={kind!r} calls a compiled op, and this mmcv was built '
                f'without them: {how_to_get_ops()}; RTMDet-Ins and Mask2Former need none'
            )


def _types(part: Any, key: str) -> Iterator[tuple[str, str]]:
    if isinstance(part, Mapping):
        if isinstance(part.get('type'), str):
            yield key, part['type']
        for name, item in part.items():
            yield from _types(item, f'{key}.{name}')
    elif isinstance(part, list | tuple):
        for number, item in enumerate(part):
            yield from _types(item, f'{key}.{number}')


def check_pipelines(config: Config, path: str) -> None:
    """Refuse transforms that would move pixels and leave boxes and masks where they are.

    mmsegmentation's know nothing of boxes, and say nothing; mmcv's know some kinds of them.

    Raises:
        RefusedError: Names the first such transform, and mmdet's in its place.
    """
    for key, pipeline in pipelines_of(config):
        _check_pipeline(pipeline, f'config {path}: {key}', config.get('default_scope'))


def pipelines_of(config: Config) -> Iterator[tuple[str, list]]:
    """Yield the pipelines of all data loaders with their keys."""
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        entry = (config.get(loader) or {}).get('dataset')
        yield from _pipelines(entry, f'{loader}.dataset')


def _pipelines(entry: Any, key: str) -> Iterator[tuple[str, list]]:
    if not isinstance(entry, Mapping):
        return
    if isinstance(entry.get('pipeline'), list | tuple):
        yield f'{key}.pipeline', entry['pipeline']
    yield from _pipelines(entry.get('dataset'), f'{key}.dataset')
    for number, part in enumerate(entry.get('datasets') or ()):
        yield from _pipelines(part, f'{key}.datasets.{number}')


def _check_pipeline(pipeline: list, place: str, scope: str | None) -> None:
    objects = False
    for number, step in enumerate(pipeline):
        if not isinstance(step, Mapping):
            continue
        named = [key for key in _INNER if key in step] or ['type']
        for key in named if objects else ():
            library, name = _made(step, step[key], scope)
            if library in ('mmseg', 'mmcv') and name in _MOVES:
                raise RefusedError(
                    f"{place}.{number}.{key}={step[key]!r} is {library}'s, which moves pixels and "
                    f'would leave boxes or masks where they were: write mmdet.{name}, or another '
                    'of mmdet or mmrotate'
                )
        library, name = _made(step, step.get('type'), scope)
        if name.startswith('Load') and name.endswith('Annotations'):
            boxes = step.get('with_bbox', library in ('mmdet', 'mmrotate'))
            objects = objects or bool(boxes or step.get('with_mask'))


def _made(step: Mapping[str, Any], kind: Any, scope: str | None) -> tuple[str, str]:
    """Return the library and the name of the class that a step names; '' where there is none."""
    made: Any = kind
    if isinstance(kind, str):
        with TRANSFORMS.switch_scope_and_registry(step.get('_scope_') or scope) as own:
            made = own.get(kind)
    return str(getattr(made, '__module__', '')).partition('.')[0], getattr(made, '__name__', '')
