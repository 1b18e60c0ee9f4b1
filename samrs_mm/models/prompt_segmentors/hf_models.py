"""Networks of the package ``transformers``: whether it is there, and folders of weights for it."""

import contextlib
import hashlib
import importlib.metadata
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from packaging.version import InvalidVersion, Version

from samrs_mm.core.errors import RefusedError, describe
from samrs_mm.core.images import file_sha256
from samrs_mm.models.prompt_segmentors.sam_families import recognise_folder
from samrs_mm.models.prompt_segmentors.weights_files import hub_note

LOWEST, ABOVE, TRIED = '5.20', '6', '5.20.2 and 5.24.0'
INSTALL = f'pip install "transformers>={LOWEST},<{ABOVE}"'
_WEIGHTS = ('model.safetensors', 'model.safetensors.index.json')
_COMPUTING = (
    'attention_downsample_rate', 'fpn_top_down_levels', 'hidden_act', 'image_size',
    'layer_norm_eps', 'num_attention_heads', 'num_attention_heads_per_stage',
    'num_query_pool_stages', 'patch_size', 'query_stride', 'rope_theta', 'scale',
)  # fmt: skip
"""Of a config: what decides numbers, and what no shape of a weight tells."""


def installed_version() -> str | None:
    """Return the version of ``transformers`` without importing it, or None."""
    try:
        return importlib.metadata.version('transformers')
    except importlib.metadata.PackageNotFoundError:
        return None


def import_transformers(who: str) -> Any:
    """Return the package; the import takes seconds.

    Args:
        who: The type that needs it, for messages.

    Raises:
        RefusedError: It is missing, of a version that was not tried, or fails at import.
    """
    version = installed_version()
    if version is None:
        raise RefusedError(f'{who} needs transformers, which is not installed: {INSTALL}')
    try:
        found = Version(version)  # a candidate of 6 counts as 6
        fits = Version(LOWEST) <= found and found.release < Version(ABOVE).release
    except InvalidVersion:
        fits = False
    if not fits:
        raise RefusedError(
            f'{who} needs transformers {LOWEST} to below {ABOVE} (tried: {TRIED}), but {version} '
            f'is installed: {INSTALL}'
        )
    try:
        import transformers
    except Exception as error:
        raise RefusedError(
            f'{who}: transformers {version} cannot be imported ({describe(error)}): {INSTALL}'
        ) from error
    return transformers


@contextlib.contextmanager
def quiet(transformers: Any) -> Iterator[None]:
    """Within this context the package warns of nothing and draws no progress bar."""
    logging = transformers.utils.logging
    level, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()


def check_folder(path: Path, family: str, advice: str) -> None:
    """Refuse what is no folder of a family's weights in safetensors.

    Args:
        path: The folder.
        family: One of ``sam_families``, whose weights are wanted.
        advice: Where to get them.

    Raises:
        RefusedError: There is no such folder, it is of something else, its weights are pickles, or
            parts of them are missing.
    """
    if not path.is_dir():
        raise RefusedError(
            f'checkpoint {path}: no such file or folder{hub_note(path)}; {advice}, or pass '
            '--checkpoint PATH'
        )
    member = recognise_folder(path)
    if member is None:
        raise RefusedError(
            f'checkpoint {path}: its config.json is missing or names no member of the SAM family; '
            f'{advice}'
        )
    if member.family != family:
        raise RefusedError(f'checkpoint {path}: holds no {family}; {member.advice}')
    if not any((path / name).is_file() for name in _WEIGHTS):
        pickles = sorted(file.name for file in path.glob('*.bin'))
        has = f'only {pickles[0]}, a pickle, which may run code' if pickles else 'none'
        raise RefusedError(f'checkpoint {path}: needs {_WEIGHTS[0]}, it has {has}; {advice}')
    part_names(path)


def part_names(path: Path) -> list[str]:
    """Return the files that a checked folder's weights are in.

    Raises:
        RefusedError: Its index of weights names files elsewhere, which no hash would cover.
    """
    if (path / _WEIGHTS[0]).is_file():
        return [_WEIGHTS[0]]
    try:
        index = json.loads((path / _WEIGHTS[1]).read_text('utf-8'))
        names = sorted(set(index['weight_map'].values()))
        wrong = [name for name in names if Path(name).name != name or not (path / name).is_file()]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RefusedError(
            f'checkpoint {path}: {_WEIGHTS[1]} is no index of weights ({describe(error)}); get the '
            'folder again'
        ) from error
    if wrong:
        raise RefusedError(
            f'checkpoint {path}: {_WEIGHTS[1]} names {wrong[0]}, which is not beside it; get the '
            'folder again'
        )
    return names


def check_computing(path: Path, held: Any, ours: Any) -> None:
    """Refuse a folder whose config says that its network computes otherwise than ours.

    Ours is built as its authors' code does, so such a folder would be read as something else.

    Args:
        path: The folder.
        held: Its config.
        ours: The config of the network of the same sizes.

    Raises:
        RefusedError: A value differs; names the first.
    """
    for key, value, wanted in _computing(held.to_dict(), ours.to_dict()):
        if _square(value) != _square(wanted):
            raise RefusedError(
                f'checkpoint {path}: config.json: {key}={value!r} instead of {wanted!r}; networks '
                'are taken as their authors published them, other sizes are those of model.arch'
            )


def _computing(one: Any, other: Any, at: str = '') -> Iterator[tuple[str, Any, Any]]:
    """Yield what both have of ``_COMPUTING``, with its place."""
    for key in sorted(one.keys() & other.keys()):
        if isinstance(one[key], dict) and isinstance(other[key], dict):
            yield from _computing(one[key], other[key], f'{at}{key}.')
        elif key in _COMPUTING:
            yield f'{at}{key}', one[key], other[key]


def _square(value: Any) -> Any:
    """Return the side of a square, which some versions write as two numbers."""
    values = list(value) if isinstance(value, (list, tuple)) else [value]
    return values[0] if len(set(map(repr, values))) == 1 else values


def read_config(kind: Any, transformers: Any, path: Path) -> Any:
    """Return a network's config from a checked folder.

    Args:
        kind: The config's class.
        transformers: The package.
        path: The folder.

    Raises:
        RefusedError: Its values are none for such a network.
    """
    try:
        with quiet(transformers):
            return kind.from_pretrained(path, local_files_only=True)
    except Exception as error:
        raise RefusedError(f'checkpoint {path}: config.json: {describe(error)}') from error


def load_folder(
    transformers: Any, kind: Any, config: Any, path: Path, dropped: tuple[str, ...] = ()
) -> torch.nn.Module:
    """Return a network with the weights of a checked folder, in float32; nothing is downloaded.

    Args:
        transformers: The package.
        kind: The network's class there. Its own list says which keys of the video part it drops.
        config: Its config.
        path: The folder.
        dropped: Beginnings of further keys that the network has no place for.

    Raises:
        RefusedError: The files are damaged, or their keys are not those of the network.
    """
    try:
        with quiet(transformers):
            model, info = kind.from_pretrained(
                path,
                config=config,
                attn_implementation='sdpa',
                dtype=torch.float32,
                local_files_only=True,
                use_safetensors=True,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # they are named below, in one line
            )
    except Exception as error:
        raise RefusedError(
            f'checkpoint {path}: its weights cannot be read ({describe(error)}); are they whole?'
        ) from error
    wrong = {
        'lacks': info['missing_keys'],
        'has another shape of': [key for key, *_ in info['mismatched_keys']],
        'has the unknown': [key for key in info['unexpected_keys'] if not key.startswith(dropped)],
    }
    for what, keys in wrong.items():
        if keys:
            more = f' and {len(keys) - 1} more' if len(keys) > 1 else ''
            raise RefusedError(f'checkpoint {path}: {what} {min(keys)}{more}')
    return model.eval()


def folder_keys(path: Path) -> set[str]:
    """Return the names of all weights of a checked folder; only the files' headers are read.

    Raises:
        RefusedError: A file is damaged.
    """
    from safetensors import SafetensorError, safe_open

    keys: set[str] = set()
    for file in path.glob('*.safetensors'):
        try:
            with safe_open(file, 'pt') as content:
                keys.update(content.keys())
        except (OSError, SafetensorError) as error:
            raise RefusedError(
                f'checkpoint {path}: its weights cannot be read ({describe(error)}); are they '
                'whole?'
            ) from error
    return keys


def folder_sha256(path: Path) -> str:
    """Return the sha256 of a folder's weights: of the file, or of the list of its parts."""
    files = sorted(path.glob('*.safetensors'))
    if len(files) == 1:
        return file_sha256(files[0])
    lines = ''.join(f'{file_sha256(file)}  {file.name}\n' for file in files)
    return hashlib.sha256(lines.encode()).hexdigest()
