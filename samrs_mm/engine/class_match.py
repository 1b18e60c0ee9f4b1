"""Were a checkpoint's classes those of the data? Numbers alone fit as well in another order."""

from collections.abc import Mapping
from itertools import zip_longest
from typing import Any

from samrs_mm.core.errors import RefusedError

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
