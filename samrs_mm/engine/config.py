"""Configs loaded, changed by flags and checked, with one-line errors; annotate configs in full."""

import argparse
import difflib
import os
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from mmengine.config import Config, DictAction

from samrs_mm.annotation.errors import RefusedError

ANNOTATE_KEYS = (
    'model', 'dataset', 'data_root', 'out', 'prompt', 'tile', 'overlap_policy',
    'filters', 'default_scope', 'custom_imports',
)  # fmt: skip
REQUIRED_KEYS = ANNOTATE_KEYS[:7]
OPTIONAL_DICTS = ('tile', 'filters')


class OptionsAction(DictAction):
    """``--cfg-options`` of OpenMMLab's tools, with a line instead of a traceback."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Sequence[str],
        option_string: str | None = None,
    ) -> None:
        """Parse ``key=value`` words into a dict."""
        for word in values:
            key, separator, value = word.partition('=')
            if not separator or not key:
                parser.error(f'--cfg-options: {word!r} is not of the form key=value')
            if value.startswith('dict('):
                parser.error(
                    f'--cfg-options: {word!r}: write the entries one by one, such as '
                    f'{key}.size=600 {key}.overlap=150'
                )
        super().__call__(parser, namespace, values, option_string)


def read_config(path: str) -> Config:
    """Return a config as it is written.

    Raises:
        RefusedError: No such file, or not a config.
    """
    if not os.path.isfile(path):
        raise RefusedError(f'config {path}: no such file')
    try:
        return Config.fromfile(path)
    except Exception as error:
        text = ' '.join(str(error).split())
        raise RefusedError(f'config {path}: {type(error).__name__}: {text}') from error


def check_option(key: str, known: Collection[str], listed: Iterable[str]) -> None:
    """Refuse an option whose first part is no top-level key; mmengine would add it.

    Args:
        key: Dotted key.
        known: Top-level keys that mean something.
        listed: Those to tell where none is near.

    Raises:
        RefusedError: Names the key that may be meant.
    """
    top = key.split('.')[0]
    if top not in known:
        near = difflib.get_close_matches(top, known, n=1)
        hint = f'did you mean {near[0]!r}?' if near else f'keys: {", ".join(listed)}'
        raise RefusedError(f'--cfg-options: unknown key {top!r}; {hint}')


def set_option(config: Config, key: str, value: Any) -> None:
    """Set one dotted key.

    Raises:
        RefusedError: What holds the key is neither a dict nor a list long enough.
    """
    try:
        config.merge_from_dict({key: value})
    except (TypeError, KeyError, AttributeError, IndexError) as error:
        parent = key.rpartition('.')[0]
        raise RefusedError(
            f'{key}={value}: {parent!r} is not a dict in this config, so it has no entries to set; '
            'write a small config that inherits this one instead'
        ) from error


def load_config(path: str, options: dict[str, Any] | None, flags: dict[str, Any]) -> Config:
    """Return an annotate config with ``--cfg-options`` and the tool's own flags applied.

    Args:
        path: Config file.
        options: Parsed ``--cfg-options``, or None.
        flags: Values of the real flags by dotted key; None means not given. They are taken
            literally (``--cfg-options`` would turn ``1e3`` into a number and a comma into a list).

    Raises:
        RefusedError: No such file, not a config, an unknown or a missing key.
    """
    config = read_config(path)
    for key in options or {}:
        check_option(key, ANNOTATE_KEYS, REQUIRED_KEYS)
    given = {key: value for key, value in flags.items() if value is not None}
    for key, value in ((options or {}) | given).items():
        top = key.partition('.')[0]
        if top != key and top in OPTIONAL_DICTS and config.get(top) is None:
            config[top] = {}
        set_option(config, key, value)
    for key in REQUIRED_KEYS:
        if key not in config:
            raise RefusedError(f'config {path}: has no {key!r}; it is not an annotate config')
    return config
