"""Files of weights, as their authors published them: where they are, and safe reading."""

import contextlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.logging import print_log

from samrs_mm.compat import safe_load
from samrs_mm.core.errors import RefusedError, SegmentorError
from samrs_mm.core.images import file_sha256
from samrs_mm.models.prompt_segmentors.sam_families import (
    bare_state,
    recognise,
    recognise_folder,
)

_HUB_NAME = re.compile(r'[\w-]+/[\w.-]+')


@dataclass(frozen=True, kw_only=True)
class PublishedWeights:
    """Weights that the authors of a network published.

    Args:
        url: Of the file.
        size: Of the file in bytes, where it is known.
        sha256: Of the file, where it is known.
        licence: What to know before it is used; empty for Apache-2.0.
    """

    url: str
    size: int | None = None
    sha256: str | None = None
    licence: str = ''

    @property
    def file(self) -> str:
        """The file's name."""
        return self.url.rsplit('/', 1)[-1]

    @property
    def advice(self) -> str:
        """Where to get them, and how to know that they arrived whole."""
        known = [f'{self.size:,} bytes'] if self.size else []
        known += [f'sha256 {self.sha256}'] if self.sha256 else []
        known += [self.licence] if self.licence else []
        return f'download {self.url}' + (f' ({", ".join(known)})' if known else '')


def check_name(arch: str, checkpoint: str | None, published: Mapping[str, PublishedWeights]) -> str:
    """Return the name of a published network.

    Raises:
        RefusedError: It is none, or there is no checkpoint.
    """
    if arch not in published:
        raise RefusedError(
            f'model.arch={arch!r}; allowed: {", ".join(published)}, or a dict of sizes'
        )
    if checkpoint is None:
        weights = published[arch]
        raise RefusedError(
            f'model.arch={arch!r} without weights: {weights.advice}, and pass its path, such as '
            f'checkpoints/{weights.file}, as checkpoint (--checkpoint)'
        )
    return arch


def read_weights(
    path: Path, family: str, published: PublishedWeights | None, mapped: bool = False
) -> dict[str, Any]:
    """Return the state dict in a checkpoint file, read as data only.

    Args:
        path: The file.
        family: One of ``sam_families``, whose weights are wanted.
        published: What the file should be, if it is one of the published.
        mapped: Read each tensor when it is first used.

    Raises:
        RefusedError: It is missing, corrupt, asks for code, or holds another member's weights.
    """
    if path.is_dir():
        member = recognise_folder(path)
        what = f'a folder; {member.advice}' if member else 'a folder, not a file of weights'
        if member and member.family == family:
            source = published.advice if published else 'pass that file'
            taken = f"{family} is read from its authors' file: {source}"
            what = f'a folder of the Hugging Face hub; {taken}'
        raise RefusedError(f'checkpoint {path}: {what}')
    if not path.is_file():
        advice = f'{published.advice} to that place, or' if published else 'check the path, or'
        raise RefusedError(
            f'checkpoint {path}: no such file{hub_note(path)}; {advice} pass --checkpoint FILE'
        )
    if path.suffix == '.safetensors':
        raise RefusedError(
            f'checkpoint {path}: SAM2Segmentor and SAM3Segmentor take the folder around it, with '
            'its config.json'
        )
    try:
        content = safe_load(path, mapped=mapped)
    except (OSError, ValueError) as error:
        size = path.stat().st_size
        line = str(error) if str(path) in str(error) else f'{path}: {error}'
        if published and published.size and size != published.size:
            line += f'; it has {size:,} bytes instead of {published.size:,}: {published.advice}'
        raise RefusedError(f'checkpoint {line}') from error
    member = recognise(content)
    if member is not None and member.family != family:
        raise RefusedError(f'checkpoint {path}: holds no {family}; {member.advice}')
    state = bare_state(content)
    if member is None:
        raise RefusedError(f'checkpoint {path}: holds no {family}, nor another of its family')
    return state


def hub_note(path: Path) -> str:
    """Return what to say of a path without a file that looks like a name on the hub, else ''."""
    if _HUB_NAME.fullmatch(path.as_posix()) and path.suffix not in ('.pt', '.pth'):
        return ' (names on the Hugging Face hub are not looked up)'
    return ''


def load_strictly(
    model: torch.nn.Module,
    state: dict[str, torch.Tensor],
    path: str,
    arch: Any,
    assign: bool = False,
) -> None:
    """Fill a network with a state dict that has each of its keys, and no other.

    ``assign`` puts the tensors themselves into the network, which may be without any (``meta``).

    Raises:
        RefusedError: A key or a shape differs; names the first.
    """
    try:
        model.load_state_dict(state, assign=assign)
    except RuntimeError as error:
        problem = str(error).split('\n\t')[1].strip()[:200]
        raise RefusedError(f'checkpoint {path}: does not fit {arch}: {problem}') from error


def checked_sha256(path: str, published: PublishedWeights | None) -> str:
    """Return a file's sha256; say so in the log where it is not the published file's."""
    digest = file_sha256(path)
    if published and published.sha256 and digest != published.sha256:
        print_log(
            f'checkpoint {path} is not the published {published.file} (its sha256 is '
            f'{digest}); fine if you trained it, else download it again',
            logger='current',
        )
    return digest


class InFile:
    """Weights of a module that are still in their file, of which each is read when it is used.

    Args:
        module: The module, whose tensors are mapped.
        path: The file.
    """

    def __init__(self, module: torch.nn.Module, path: str | os.PathLike):
        self.module, self.path = module, path
        self._before = os.stat(path)

    def take(self, device: torch.device) -> None:
        """Read them all, as float32 onto a device.

        Raises:
            SegmentorError: The file was written to since.
        """
        before = self._before
        with contextlib.suppress(FileNotFoundError):  # what is mapped stays
            now = os.stat(self.path)
            same = now.st_ino == before.st_ino and now.st_dev == before.st_dev
            if same and (now.st_size, now.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
                raise SegmentorError(
                    f'checkpoint {self.path}: was written to while it was in use; start again'
                )
        take_tensors(self.module, device)


def take_tensors(module: torch.nn.Module, device: torch.device) -> None:
    """Copy a module's tensors from a mapped file, as float32 onto a device."""
    for tensor in (*module.parameters(), *module.buffers()):
        tensor.data = tensor.data.to(device, torch.float32, copy=True)
