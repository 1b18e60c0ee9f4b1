"""Segmentors by name: of the API, and of the review page."""

import os
from collections.abc import Mapping
from typing import Any

from samrs_mm.config_files import read_config
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.installed import find_config

SEGMENTORS: dict[str, dict[str, Any]] = {
    'boxnet': dict(type='BoxNetSegmentor'),
    'grabcut': dict(type='GrabCutSegmentor'),
    'box-fill': dict(type='BoxFillSegmentor'),
    'sam-vit-h': dict(type='SAMSegmentor', arch='vit_h'),
    'sam-vit-l': dict(type='SAMSegmentor', arch='vit_l'),
    'sam-vit-b': dict(type='SAMSegmentor', arch='vit_b'),
}
"""What ``load_segmentor`` knows by name."""


def model_of(name: str | os.PathLike | Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the ``model`` of a config that a name stands for.

    Args:
        name: A name in ``SEGMENTORS``, an annotate config (a file, or the name of one of the
            package's), or such a ``model`` itself.

    Raises:
        RefusedError: There is no such segmentor.
    """
    if isinstance(name, Mapping):
        return name
    path = os.fspath(name)
    if path in SEGMENTORS:
        return SEGMENTORS[path]
    try:
        find_config(path)
    except RefusedError as error:
        raise RefusedError(
            f'segmentor {path!r} is none of {", ".join(SEGMENTORS)}, nor a config: {error}'
        ) from error
    model = read_config(path).get('model')
    if not isinstance(model, Mapping):
        raise RefusedError(f"config {path}: has no 'model'; it is not an annotate config")
    return model
