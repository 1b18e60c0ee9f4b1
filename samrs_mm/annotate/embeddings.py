"""Encode once: embeddings of images in a folder, used by later runs with other prompts."""

import contextlib
import errno
import os
import re
import shutil
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from samrs_mm.annotate.writer import Sample
from samrs_mm.core.errors import RefusedError, describe
from samrs_mm.core.resumable import differences, signature_of
from samrs_mm.core.wording import counted
from samrs_mm.formats import embeddings as files
from samrs_mm.formats.embeddings import (
    DTYPES,
    Embedding,
    EmbeddingError,
    EmbeddingInfo,
    ForeignFileError,
)
from samrs_mm.models.prompt_segmentors.base import PromptSegmentor
from samrs_mm.models.prompt_segmentors.storable import StorableEncoder

if TYPE_CHECKING:
    from typing_extensions import Self  # typing has it from Python 3.11 on

FP16, FP32 = 'fp16', 'fp32'
Arrays = Callable[[], dict[str, np.ndarray]]
_WRITERS, _PENDING = 2, 4
_OLD = 3600.0
# Seconds after which what a killed process left half written is removed.
_HEADER_BYTES = 1200
_HALF_WRITTEN = re.compile(rf'\..+{re.escape(files.SUFFIX)}\.[0-9a-f]{{8}}\.tmp')


def why_not_stored(segmentor: PromptSegmentor) -> str | None:
    """Return why a segmentor's encodings are not stored, or None if they can be."""
    if isinstance(segmentor, StorableEncoder):
        return None
    return f'{type(segmentor).__name__} has no image encoder whose output could be stored'


def check_place(root: str | os.PathLike, segmentor: PromptSegmentor, out: Path) -> None:
    """Refuse embeddings that a segmentor has not, or whose place is none.

    ``out`` is the annotated folder, which gets published and so is not to hold them.

    Raises:
        RefusedError: With the reason.
    """
    if reason := why_not_stored(segmentor):
        raise RefusedError(f'--embeddings {root}: {reason}; leave it out')
    if Path(root).exists() and not Path(root).is_dir():
        raise RefusedError(f'--embeddings {root}: not a folder')
    if Path(root).resolve().is_relative_to(out.resolve()):
        raise RefusedError(
            f'--embeddings {root}: lies in --out {out}, whose files are those of the dataset; '
            'choose a folder outside'
        )


def load_for_store(segmentor: PromptSegmentor) -> None:
    """Load a segmentor most images of which are stored: its image encoder when it is needed.

    Raises:
        RefusedError: It has none, or its weights can't be loaded.
    """
    if not isinstance(segmentor, StorableEncoder):
        raise RefusedError(f'embeddings: {why_not_stored(segmentor)}; leave them out')
    segmentor.load_decoder()


def tell(line: str) -> None:
    """Print a line beside a progress bar."""
    tqdm.write(line, file=sys.stderr)


@dataclass(frozen=True)
class Asked:
    """An image that the store was asked for.

    Args:
        stem: Name of its file.
        sha256: ``pixels_sha256`` of it.
        size: Height and width in pixels.
        code: What the segmentor's ``decode`` takes; None where the image is to be encoded.
        keep: Whether the store may write its file.
    """

    stem: str
    sha256: str
    size: tuple[int, int]
    code: Any = None
    keep: bool = True


class EmbeddingStore:
    """A folder with a file for each image; see ``formats.embeddings``.

    A file counts only if it is whole and of the same pixels and the same encoder. Any other is
    replaced, but never one that is not of this tool. As ``'fp32'`` it must also have been rounded
    as this run would round, so that masks are those of a run without a store, bit for bit. As
    ``'fp16'`` images are decoded from rounded embeddings whether they were in the store or not,
    and files of ``'fp32'`` serve, too.

    Files are written by threads, a few at most behind. A folder that can't be written to, or has
    no space left, is used as it is, which is said once.

    Args:
        root: The folder; ``open`` makes it.
        segmentor: Loaded, a ``StorableEncoder``.
        dtype: A key of ``formats.embeddings.DTYPES``.
        say: Takes a line for the user.

    Raises:
        RefusedError: The segmentor has nothing to store.
    """

    def __init__(
        self,
        root: str | os.PathLike,
        segmentor: PromptSegmentor,
        dtype: str = FP32,
        say: Callable[[str], object] = tell,
    ):
        if dtype not in DTYPES:
            raise RefusedError(f'embeddings as {dtype!r}; allowed: {", ".join(DTYPES)}')
        if not isinstance(segmentor, StorableEncoder):
            raise RefusedError(f'--embeddings {root}: {why_not_stored(segmentor)}; leave it out')
        self.root, self.dtype, self.say = Path(root), dtype, say
        self.segmentor: StorableEncoder = segmentor
        self.encoder = segmentor.encoder_settings
        self.signature = signature_of(self.encoder)
        self.read = self.stored = 0
        self.replaced: Counter[str] = Counter()
        self.left: Counter[str] = Counter()
        self._stopped = False
        self._lock = threading.Lock()
        self._slots = threading.BoundedSemaphore(_PENDING)
        self._pool: ThreadPoolExecutor | None = None

    def open(self) -> None:
        """Make the folder, and remove what processes that were killed left in it.

        Raises:
            RefusedError: There can't be such a folder.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            _clean(self.root)
        except OSError as error:
            raise RefusedError(
                f'--embeddings {self.root}: {error.strerror}; choose another folder'
            ) from error

    def __enter__(self) -> 'Self':
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Wait until all files are written."""
        if self._pool is not None:
            self._pool.shutdown(wait=True)
            self._pool = None

    def path(self, stem: str) -> Path:
        """Return the file of an image."""
        return self.root / (stem + files.SUFFIX)

    def ask(self, stem: str, image: np.ndarray) -> Asked:
        """Return what there is of an image ``(H, W, 3)`` uint8 RGB."""
        asked = Asked(stem, files.pixels_sha256(image), (image.shape[0], image.shape[1]))
        path = self.path(stem)
        try:
            found = files.read(path)
            problem = self.misfit(found.info, asked.sha256)
            if not problem:
                code = self._decodable(found.tensors, asked.size, found.info.notes)
                self.read += 1
                return replace(asked, code=code)
        except FileNotFoundError:
            return asked
        except ForeignFileError:
            self._count(self.left, path, 'of another tool', 'its image is not stored')
            return replace(asked, keep=False)
        except EmbeddingError as error:
            problem = str(error).removeprefix(f'{path}: ')
        self._count(self.replaced, path, problem, 'encoded anew')
        return asked

    def misfit(self, info: EmbeddingInfo, sha256: str | None = None) -> str:
        """Return why a file doesn't count here, for pixels of that hash if given; empty if it does.

        What stands in brackets are details.
        """
        if info.encoder_signature != self.signature:
            return f'of another encoder ({"; ".join(differences(info.encoder, self.encoder))})'
        if sha256 is not None and info.image_sha256 != sha256:
            return 'of another picture'
        if self.dtype == FP32 and info.dtype != FP32:
            return f'stored as {info.dtype}'
        rounding = self.segmentor.encoder_rounding
        if self.dtype == FP32 and info.rounding != rounding:
            changed = '; '.join(differences(info.rounding, rounding))
            return f'rounded otherwise ({changed}; fp16 would take it)'
        return ''

    def keep(self, asked: Asked, code: Any) -> Any:
        """Store what an image was encoded to; return what is to be decoded."""
        tensors, notes = self.segmentor.to_tensors(code), self.segmentor.notes_of(code)
        if self.dtype == FP32:
            self._write_later(asked, lambda: _arrays(tensors, self.dtype), notes)
            return code
        arrays = _arrays(tensors, self.dtype)
        if not _all_finite(arrays):
            whole = _all_finite(_arrays(tensors, FP32))
            problem = 'beyond fp16' if whole else 'not finite'
            self._count(self.left, self.path(asked.stem), problem, 'decoded unrounded')
            return code
        self._write_later(asked, lambda: arrays, notes)
        return self._decodable(arrays, asked.size, notes)

    def has(self, stem: str) -> bool:
        """Whether there is a file of that name for this encoder, by its header alone."""
        try:
            return not self.misfit(files.read_info(self.path(stem)))
        except (FileNotFoundError, EmbeddingError):
            return False

    def bytes_of(self, code: Any) -> int:
        """Return the size of an image's file, from what it was encoded to."""
        arrays = _arrays(self.segmentor.to_tensors(code), self.dtype)
        return _HEADER_BYTES + sum(array.nbytes for array in arrays.values())

    def free(self) -> int:
        """Return the bytes that are free where the folder is, or will be."""
        there = next(path for path in (self.root, *self.root.resolve().parents) if path.exists())
        return shutil.disk_usage(there).free

    def lines(self) -> list[str]:
        """Return what became of the images so far, for the end of a run; after ``close``."""
        parts = [f'{counted(self.read, "embedding")} read', f'{self.stored} stored']
        words = [f'{count} {kind}' for kind, count in self.replaced.items()]
        lines = [f'embeddings {self.root} ({self.dtype}): {", ".join(parts)}']
        if words:
            lines.append(f'embeddings {self.root}: encoded anew: {", ".join(words)}')
        if self.left:
            words = [f'{count} {kind}' for kind, count in self.left.items()]
            lines.append(f'embeddings {self.root}: not stored: {", ".join(words)}')
        return lines

    def _decodable(
        self, arrays: Mapping[str, np.ndarray], size: tuple[int, int], notes: Sequence[str]
    ) -> Any:
        """Return tensors as the segmentor's ``decode`` takes them, rounded as this run rounds.

        Raises:
            EmbeddingError: They are not those that this encoder gives.
        """
        import torch

        rounded = {name: array.astype(DTYPES[self.dtype]) for name, array in arrays.items()}
        tensors = {name: torch.from_numpy(array) for name, array in rounded.items()}
        try:
            return self.segmentor.from_tensors(tensors, size, notes)
        except (KeyError, ValueError) as error:
            raise EmbeddingError(
                f'damaged: other tensors than this encoder gives ({error})'
            ) from error

    def _count(self, counts: Counter[str], path: Path, problem: str, done: str) -> None:
        """Count a problem by its kind; say the first of each."""
        kind = problem.partition(' (')[0]
        with self._lock:
            counts[kind] += 1
            first = counts[kind] == 1
        if first:
            self.say(f'embeddings {path}: {problem}: {done}; more such are only counted')

    def _write_later(self, asked: Asked, arrays: Arrays, notes: Sequence[str]) -> None:
        if self._stopped or not asked.keep:
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(_WRITERS, thread_name_prefix='embeddings')
        self._slots.acquire()
        writing = self._pool.submit(self._write, asked, arrays, notes)
        writing.add_done_callback(lambda _: self._slots.release())

    def _write(self, asked: Asked, arrays: Arrays, notes: Sequence[str]) -> None:
        path = self.path(asked.stem)
        try:
            tensors = arrays()
            if not _all_finite(tensors):
                self._count(self.left, path, 'not finite', 'its image is not stored')
                return
            if not self._stopped:
                files.write(path, self._embedding(asked, tensors, notes))
        except OSError as error:
            self._stop(error)
        except Exception as error:  # noqa: BLE001 (a thread's exception would go unseen)
            self._count(self.left, path, describe(error), 'its image is not stored')
        else:
            with self._lock:
                self.stored += 1

    def _stop(self, error: OSError) -> None:
        """Store no more; say why, once."""
        with self._lock:
            first, self._stopped = not self._stopped, True
        if first:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            what = 'no space left' if full else f'cannot write there ({error.strerror})'
            self.say(f'embeddings {self.root}: {what}; it is used as it is, nothing more is stored')

    def _embedding(
        self, asked: Asked, tensors: dict[str, np.ndarray], notes: Sequence[str]
    ) -> Embedding:
        info = EmbeddingInfo(
            format=files.FORMAT,
            encoder=self.encoder,
            encoder_signature=self.signature,
            rounding=self.segmentor.encoder_rounding,
            image_sha256=asked.sha256,
            original_size=list(asked.size),
            input_size=list(self.segmentor.input_size(asked.size)),
            dtype=self.dtype,
            notes=list(notes),
            tensors_sha256=files.tensors_sha256(tensors),
        )
        return Embedding(info, tensors)


def _clean(root: Path) -> None:
    """Remove what processes that were killed long ago left half written."""
    for entry in os.scandir(root):
        if _HALF_WRITTEN.fullmatch(entry.name):
            with contextlib.suppress(OSError):  # another process was faster, or it is read-only
                if time.time() - entry.stat().st_mtime > _OLD:
                    os.unlink(entry.path)


def _arrays(tensors: dict[str, Any], dtype: str) -> dict[str, np.ndarray]:
    """Return tensors on any device as arrays; what is beyond fp16 is infinite there."""
    with np.errstate(over='ignore'):
        return {
            name: tensor.detach().cpu().numpy().astype(DTYPES[dtype])
            for name, tensor in tensors.items()
        }


def _all_finite(arrays: dict[str, np.ndarray]) -> bool:
    return all(np.isfinite(array).all() for array in arrays.values())


def check_with_embedding(
    check: Callable[[Sample], list[str]], root: Path, settings: dict[str, Any], sample: Sample
) -> list[str]:
    """Return what ``check`` finds wrong with a sample, and what is wrong with its embedding.

    ``settings`` are those of the annotated folder. An image without an embedding is fine.
    """
    problems = check(sample)
    if sample.image is None:
        return problems
    path = root / (sample.tile.stem + files.SUFFIX)
    try:
        info = files.read(path).info
    except FileNotFoundError:
        return problems
    except EmbeddingError as error:
        return [*problems, str(error)]
    if info.image_sha256 != files.pixels_sha256(sample.image):
        problems.append(f'{path}: of another picture')
    if info.encoder.get('checkpoint_sha256') != settings.get('checkpoint_sha256'):
        problems.append(f'{path}: of other weights')
    return problems
