"""Config files: read, and set by ``--cfg-options`` and by flags, with errors of one line."""

import argparse
import difflib
import importlib
import os
import re
import sys
import traceback
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

from samrs_mm.compat import why_no_library
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.installed import MIM, find_config
from samrs_mm.core.wording import one_line

if TYPE_CHECKING:
    from mmengine.config import Config

ANNOTATE_KEYS = (
    'model', 'dataset', 'data_root', 'out', 'prompt', 'tile', 'overlap_policy',
    'prompt_style', 'grid', 'image', 'filters', 'label_fit', 'fidelity', 'default_scope',
    'custom_imports',
)  # fmt: skip
REQUIRED_KEYS = ANNOTATE_KEYS[:7]
OPTIONAL_DICTS = ('tile', 'grid', 'image', 'filters', 'label_fit', 'fidelity')

_BLANK = '\0'  # no argument of a program holds it
_INNER_BLANKS = re.compile(r'(?<=[^\s=,(\[]) +(?=[^\s,)\]])')
"""Blanks that belong to a value: not those after ``=``, or beside commas and brackets."""


class OptionsAction(argparse.Action):
    """``--cfg-options`` of OpenMMLab's tools, with a line instead of a traceback.

    Blanks inside of values, as paths have them, are kept; mmengine's own action drops them. It is
    imported where there are such options.
    """

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Parse ``key=value`` words into a dict."""
        from mmengine.config import DictAction

        for word in values:
            key, separator, value = word.partition('=')
            if not separator or not key:
                parser.error(f'--cfg-options: {word!r} is not of the form key=value')
            if value.startswith('dict('):
                parser.error(
                    f'--cfg-options: {word!r}: write the entries one by one, such as '
                    f'{key}.size=600 {key}.overlap=150'
                )
        try:
            action = DictAction(self.option_strings, self.dest)
            words = [*map(_hide_blanks, values)]
            action(parser, namespace, words, option_string)
        except RecursionError:
            parser.error('--cfg-options: brackets are nested too deeply')
        setattr(namespace, self.dest, _with_blanks(getattr(namespace, self.dest)))


def _hide_blanks(word: str) -> str:
    """Return ``key=value`` without blanks inside of the value, which mmengine would drop."""
    key, _, value = word.partition('=')
    return f'{key}={_INNER_BLANKS.sub(lambda found: _BLANK * len(found[0]), value)}'


def _with_blanks(value: Any) -> Any:
    """Return values of options with their blanks."""
    if isinstance(value, str):
        return value.replace(_BLANK, ' ')
    if isinstance(value, list | tuple):
        return type(value)(map(_with_blanks, value))
    return {k: _with_blanks(v) for k, v in value.items()} if isinstance(value, dict) else value


def read_config(path: str) -> 'Config':
    """Return a config as it is written, the modules of its ``custom_imports`` imported.

    The config is a file, or one of the package's by its name (see ``core.installed``). The
    modules are found as Python finds them, and beside the config. Modules of this package need no
    import: ``samrs_mm.registry`` knows them.

    Raises:
        RefusedError: No such file, not a config, or a module that can't be imported.
    """
    from mmengine.config import Config

    file = find_config(path)
    try:
        config = Config.fromfile(file, import_custom_modules=False)
    except Exception as error:
        reason = f'{type(error).__name__}: {one_line(error)}'
        if os.path.join('samrs_mm', '.mim') in reason and not MIM.is_dir():
            reason = (
                f"a base 'samrs_mm::...' is looked for in {MIM}, which the installation makes; run "
                '`make env` or `mim install .` once'
            )
        raise RefusedError(f'config {path}: {reason}') from error
    wanted = config.get('custom_imports') or {}
    names = wanted.get('imports') or [] if isinstance(wanted, dict) else None
    names = [names] if isinstance(names, str) else names
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise RefusedError(
            f"config {path}: custom_imports={wanted!r}: expected dict(imports=['my_module'])"
        )
    plugins = [name for name in names if not f'{name}.'.startswith('samrs_mm.')]
    folder = str(file.absolute().parent)
    if plugins and folder not in sys.path:
        sys.path.append(folder)
    for name in plugins:
        try:
            importlib.import_module(name)
        except Exception as error:
            if not (isinstance(error, ImportError) and wanted.get('allow_failed_imports')):
                reason = _why_not_imported(name, error)
                raise RefusedError(f'config {path}: custom_imports: {name}: {reason}') from error
    return config


def _drop_scope(part: Any) -> None:
    """Drop the mark that mmengine puts on what comes of a base such as ``samrs_mm::annotate/...``.

    A folder's settings must not depend on how the base of its config was named.
    """
    from mmengine.config import Config

    if isinstance(part, dict | Config):
        if part.get('_scope_') == 'samrs_mm':
            part.pop('_scope_')
        part = part.values()
    elif not isinstance(part, list | tuple):
        return
    for item in part:
        _drop_scope(item)


def _why_not_imported(name: str, error: Exception) -> str:
    if line := why_no_library(name, error):
        return line
    if isinstance(error, ModuleNotFoundError) and f'{name}.'.startswith(f'{error.name}.'):
        return "no such module beside the config or on Python's path; PYTHONPATH=DIR adds a folder"
    if isinstance(error, SyntaxError):
        place = f'{error.filename}:{error.lineno}'
    else:
        stack = traceback.extract_tb(error.__traceback__)
        frame = [frame for frame in stack if 'importlib' not in frame.filename][-1]
        place = f'{frame.filename}:{frame.lineno}'
    return f'{place}: {type(error).__name__}: {one_line(error)}'


def check_option(key: str, known: Collection[str], listed: Iterable[str]) -> None:
    """Refuse an option whose first part is not ``known``; mmengine would add it.

    The message names the key that may be meant or, where none is near, those ``listed``.
    """
    top = key.split('.')[0]
    if top not in known:
        near = difflib.get_close_matches(top, known, n=1)
        hint = f'did you mean {near[0]!r}?' if near else f'keys: {", ".join(listed)}'
        raise RefusedError(f'--cfg-options: unknown key {top!r}; {hint}')


def set_option(config: 'Config', key: str, value: Any) -> None:
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


def load_config(path: str, options: dict[str, Any] | None, flags: dict[str, Any]) -> 'Config':
    """Return an annotate config with ``--cfg-options`` and the tool's own flags applied.

    ``flags`` holds the values of the real flags by dotted key; None means not given. They are taken
    literally (``--cfg-options`` would turn ``1e3`` into a number and a comma into a list).

    Raises:
        RefusedError: No such file, not a config, an unknown or a missing key.
    """
    config = read_config(path)
    _drop_scope(config)
    for key in options or {}:
        check_option(key, ANNOTATE_KEYS, REQUIRED_KEYS)
    given = {key: value for key, value in flags.items() if value is not None}
    if 'dataset.source' in given:
        classes = config.get('dataset', {}).get('classes')
        config['dataset'] = dict(type='AutoBoxDataset', classes=classes)
    for key, value in ((options or {}) | given).items():
        top = key.partition('.')[0]
        if top != key and top in OPTIONAL_DICTS and config.get(top) is None:
            config[top] = {}
        set_option(config, key, value)
    tile = config.get('tile')
    if 'tile.size' in (options or {}) and 'tile.overlap' not in (options or {}) and tile:
        print(
            f'tile.size={tile["size"]}: the overlap stays {tile.get("overlap", 200)} px; '
            'tile.overlap=N changes it',
            file=sys.stderr,
        )
    for key in REQUIRED_KEYS:
        if key not in config:
            raise RefusedError(f'config {path}: has no {key!r}; it is not an annotate config')
    return config
