"""Embedding files: what an image encoder made of one image, from which masks are decoded.

``STEM.safetensors`` holds the encoder's tensors and, under one key of its metadata, a line of
JSON. Equal contents are equal bytes: safetensors writes several keys in an order of its own.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from samrs_mm.core.atomic import atomic_write, load
from samrs_mm.core.errors import SamrsError
from samrs_mm.core.resumable import signature_of
from samrs_mm.formats.annotated.entries import Entry

FORMAT = 1
SUFFIX = '.safetensors'
DTYPES: dict[str, type[np.floating]] = {'fp16': np.float16, 'fp32': np.float32}
"""How tensors may be stored, by the name of ``--embeddings-dtype``."""

_KEY = 'samrs_mm'
_MOST_HEADER = 1 << 16
_MOST_BYTES = 1 << 28


class EmbeddingError(SamrsError):
    """A file of embeddings can't be read, or is damaged; the message names it."""


class ForeignFileError(EmbeddingError):
    """A safetensors file that is none of ours, so that it must not be replaced."""


@dataclass(slots=True)
class EmbeddingInfo(Entry):
    """What stands beside the tensors of an image.

    Args:
        format: ``FORMAT``.
        encoder: What decides the embedding, but for rounding: a segmentor's ``encoder_settings``.
        encoder_signature: The hash of ``encoder``.
        rounding: What decides its last digits: a segmentor's ``encoder_rounding``.
        image_sha256: ``pixels_sha256`` of the image.
        original_size: Height and width of the image in pixels.
        input_size: Height and width of the image within the encoder's input, in pixels.
        dtype: A key of ``DTYPES``.
        notes: What a record of the image should say of how it was encoded.
        tensors_sha256: Hash of the tensors, by which a damaged file is known.
    """

    format: int
    encoder: dict[str, Any]
    encoder_signature: str
    rounding: dict[str, Any]
    image_sha256: str
    original_size: list[int]
    input_size: list[int]
    dtype: str
    notes: list[str]
    tensors_sha256: str

    def check(self, place: str) -> None:
        """Check format, sizes and signature; see ``Entry.check``."""
        if self.format != FORMAT:
            raise ValueError(f'{place}.format is {self.format!r:.40}; this version reads {FORMAT}')
        if self.dtype not in DTYPES:
            raise ValueError(f'{place}.dtype is {self.dtype!r:.40}')
        for name in ('original_size', 'input_size'):
            size = getattr(self, name)
            if [type(side) for side in size] != [int, int] or min(size) < 1:
                raise ValueError(f'{place}.{name} is {size!r:.40}; expected height and width')
        if not all(isinstance(note, str) for note in self.notes):
            raise ValueError(f'{place}.notes is {self.notes!r:.40}; expected lines')
        if signature_of(self.encoder) != self.encoder_signature:
            raise ValueError(f'{place}.encoder_signature is not the hash of {place}.encoder')


@dataclass(frozen=True)
class Embedding:
    """What a file holds: the tensors, ``(1, C, h, w)`` float16 or float32 each, by name."""

    info: EmbeddingInfo
    tensors: Mapping[str, np.ndarray]


def pixels_sha256(image: np.ndarray) -> str:
    """Return the hash of pixels ``(H, W, 3)`` uint8 and their shape, as hex."""
    digest = hashlib.sha256(str(image.shape).encode())
    digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()


def tensors_sha256(tensors: Mapping[str, np.ndarray]) -> str:
    """Return the hash of tensors, their names, types and shapes, as hex."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        array = tensors[name]
        digest.update(f'{name} {array.dtype} {array.shape} '.encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def write(path: Path, embedding: Embedding) -> None:
    """Write a file, whole or not at all; other processes may be writing the same.

    Raises:
        OSError: The disk is full, the folder is not writable, ...
    """
    from safetensors.numpy import save

    text = json.dumps(embedding.info.as_dict(), sort_keys=True, separators=(',', ':'))
    tensors = {name: np.ascontiguousarray(array) for name, array in embedding.tensors.items()}
    atomic_write(path, save(tensors, {_KEY: text}), shared=True)


def read_info(path: Path) -> EmbeddingInfo:
    """Read the header alone.

    Raises:
        FileNotFoundError: No such file.
        EmbeddingError: It can't be read, or is no file of embeddings.
    """
    try:
        with open(path, 'rb') as file:
            return _info(path, file)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise EmbeddingError(f'{path}: cannot read it: {error.strerror}') from error


def read(path: Path) -> Embedding:
    """Read a file whole, and check that it is.

    Raises:
        FileNotFoundError: No such file.
        EmbeddingError: It can't be read, or is no file of embeddings, or a damaged one.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load as load_tensors

    try:
        with open(path, 'rb') as file:
            info = _info(path, file)
            file.seek(0)
            data = file.read(_MOST_BYTES)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise EmbeddingError(f'{path}: cannot read it: {error.strerror}') from error
    try:
        tensors = load_tensors(data)
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise EmbeddingError(f'{path}: truncated or damaged ({_short(error)})') from error
    if any(array.dtype != DTYPES[info.dtype] for array in tensors.values()):
        raise EmbeddingError(f'{path}: damaged: its tensors are not {info.dtype}')
    if tensors_sha256(tensors) != info.tensors_sha256:
        raise EmbeddingError(f'{path}: damaged: the hash of its tensors is another')
    return Embedding(info, tensors)


def _info(path: Path, file: BinaryIO) -> EmbeddingInfo:
    """Read the header of an open file, and no more than ours can have."""
    length = int.from_bytes(file.read(8), 'little')
    text = file.read(min(length, _MOST_HEADER))
    if length > _MOST_HEADER and text.startswith(b'{'):
        raise ForeignFileError(f'{path}: not a file of embeddings: its header is too long')
    if len(text) < length:
        raise EmbeddingError(f'{path}: truncated, or no safetensors file')
    try:
        header = load(text)
        metadata = header.get('__metadata__') or {}
        line = metadata.get(_KEY)
    except (ValueError, AttributeError) as error:
        raise EmbeddingError(f'{path}: damaged, or no safetensors file') from error
    if line is None:
        raise ForeignFileError(f"{path}: not a file of embeddings: its metadata have no '{_KEY}'")
    try:
        value = load(line)
        if not isinstance(value, dict) or not all(map(_is_finite, value.values())):
            raise ValueError('no object')
        return EmbeddingInfo.from_json(value, _KEY)
    except (ValueError, TypeError) as error:
        raise EmbeddingError(f'{path}: damaged: {_short(error)}') from error


def _is_finite(value: Any) -> bool:
    """Whether plain data hold no NaN or infinity, which JSON has not but Python reads."""
    if isinstance(value, dict | list):
        return all(map(_is_finite, value.values() if isinstance(value, dict) else value))
    return not isinstance(value, float) or math.isfinite(value)


def _short(error: Exception) -> str:
    return ' '.join(str(error).split())[:120]
