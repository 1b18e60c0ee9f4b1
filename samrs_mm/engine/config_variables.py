"""Variables of a config file of which several of its parts are made: one option changes them all.

A file may say what it is about once, and make its parts of it::

    masks = dict(type='MaskCrops', data_root='data/own')
    train_dataloader = dict(dataset=dict(masks, part='train'))
    val_dataloader = dict(dataset=dict(masks, part='val'))

``--cfg-options masks.data_root=DIR`` then changes both datasets.
"""

from collections.abc import Collection, Iterator
from typing import Any

from mmengine.config import Config


def made_of(config: Config, name: str, parts: Collection[str]) -> list[str]:
    """Return the dotted keys of the dicts that were made of a variable.

    They are of its type and have all its entries. Of what is no dict with a type there are none.

    Args:
        config: The config.
        name: Of the variable.
        parts: The top-level keys to look into.
    """
    variable = config.get(name)
    if not isinstance(variable, dict) or 'type' not in variable:
        return []
    return [
        key
        for part in parts
        for key, entry in _dicts(config.get(part), part)
        if all(wanted in entry and entry[wanted] == value for wanted, value in variable.items())
    ]


def variable_of(config: Config, key: str) -> str:
    """Return the key by which a dataset's entry is changed best: of the variable it was made of.

    Args:
        config: The config.
        key: Such as ``val_dataloader.dataset.data_root``; what is returned where there is none.
    """
    entry, _, last = key.rpartition('.')
    part = key.partition('.')[0]
    for name, value in config.items():
        if isinstance(value, dict) and last in value and entry in made_of(config, name, [part]):
            return f'{name}.{last}'
    return key


def _dicts(value: Any, key: str) -> Iterator[tuple[str, dict]]:
    if isinstance(value, dict):
        yield key, value
    if isinstance(value, dict | list | tuple):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for name, item in items:
            yield from _dicts(item, f'{key}.{name}')
