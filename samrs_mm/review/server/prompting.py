"""Masks made anew by clicks, while somebody looks on: the segmentor, loaded beside the server."""

import contextlib
import itertools
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from samrs_mm.core.errors import RefusedError, SamrsError, SegmentorError, describe
from samrs_mm.models.prompt_segmentors.named import model_of

_HELD_IMAGES, _HELD_ANSWERS = 3, 16


class NotReadyError(SamrsError):
    """The segmentor is still being loaded."""


@dataclass(frozen=True)
class Answer:
    """A mask that clicks gave.

    Args:
        name: By which the next step asks to go on from it.
        mask: ``(H, W)`` bool.
        score: Predicted IoU in [0, 1], or None.
        seconds: How long it took, the image's encoding included.
    """

    name: str
    mask: np.ndarray
    score: float | None
    seconds: float


class Prompter:
    """A prompt segmentor that takes clicks, one after another.

    Args:
        name: A name that ``named.model_of`` knows, or a ``model`` of a config.
        options: Arguments of the segmentor, such as ``checkpoint``.
        embeddings: Folder of embeddings; what is there is not encoded, and what is not is stored.

    Raises:
        RefusedError: There is no such segmentor, or it takes no clicks.
    """

    def __init__(
        self,
        name: str | Mapping[str, Any] = 'boxnet',
        options: Mapping[str, Any] | None = None,
        embeddings: str | None = None,
    ):
        self.name = name if isinstance(name, str) else str(name.get('type'))
        self._entry = dict(model_of(name)) | dict(options or {})
        self._embeddings = embeddings
        self._model: Any = None
        self._store: Any = None
        self._problem: str | None = None
        self._ready = threading.Event()
        self._work = threading.Lock()
        self._encoded: OrderedDict[str, tuple[Any, Any]] = OrderedDict()
        self._answers: OrderedDict[str, tuple[str, Any]] = OrderedDict()
        self._numbers = itertools.count(1)

    def load_beside(self, failed: Callable[[str], Any] = str) -> None:
        """Load it in a thread, so that the page is there at once; ``failed`` gets the problem."""

        def work() -> None:
            self.load()
            if self._problem is not None:
                failed(self._problem)

        threading.Thread(target=work, name='segmentor', daemon=True).start()

    def load(self) -> None:
        """Build it and read its weights; ``problem`` says why it could not be."""
        try:
            self._load()
        except Exception as error:  # noqa: BLE001 (a thread's exception would go unseen)
            self._problem = describe(error)
        finally:
            self._ready.set()

    def _load(self) -> None:
        from samrs_mm.annotate.embeddings import FP16, EmbeddingStore, load_for_store
        from samrs_mm.compat import strict_loading
        from samrs_mm.registry import PROMPT_SEGMENTORS, build

        model: Any = build(PROMPT_SEGMENTORS, self._entry, 'model')
        if not hasattr(model, 'click'):
            raise RefusedError(
                f'{type(model).__name__} takes no clicks; boxnet, grabcut and SAM do'
            )
        with strict_loading():
            if self._embeddings is None:
                model.load()
            else:
                load_for_store(model)
                self._store = EmbeddingStore(self._embeddings, model, FP16)
                self._store.open()
        self._model = model

    @property
    def problem(self) -> str | None:
        """Why it takes no clicks, in one line; None where it does, or is being loaded."""
        return self._problem

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until it is loaded or can't be; return whether that is so."""
        return self._ready.wait(seconds)

    def click(
        self, stem: str, picture: Any, clicks: Any, box: Any = None,
        previous: np.ndarray | str | None = None,
    ) -> Answer:  # fmt: skip
        """Return the mask of an object of an image.

        Args:
            stem: Name of the image.
            picture: What has its ``pixels()`` ``(H, W, 3)`` uint8 RGB and ``valid()`` ``(H, W)``
                bool or None; the same object as long as it is the same picture.
            clicks: ``(N, 3)`` x, y in pixels, and 1 for the object or 0.
            box: x0, y0, x1, y1 in pixels, or None.
            previous: The mask so far ``(H, W)`` bool, the name of the answer before, or None.

        Raises:
            NotReadyError: It is still being loaded.
            SegmentorError: It can't be loaded, or fails on the image.
            ValueError: Clicks or a box that can't be; says which.
        """
        if not self._ready.is_set():
            raise NotReadyError(f'{self.name} is still being loaded; click again in a moment')
        if self._problem is not None:
            raise SegmentorError(f'no clicks: {self._problem}')
        start = time.perf_counter()
        with self._work:
            if isinstance(previous, str):
                before = self._answers.get(previous)
                previous = before[1] if before is not None and before[0] == stem else None
            encoded = self._encoding(stem, picture)
            found = self._model.click(encoded, clicks, box, previous, picture.valid())
            name = str(next(self._numbers))
            self._answers[name] = stem, found
            while len(self._answers) > _HELD_ANSWERS:
                self._answers.popitem(last=False)
        return Answer(name, found.mask, found.score, time.perf_counter() - start)

    def _encoding(self, stem: str, picture: Any) -> Any:
        before, encoded = self._encoded.pop(stem, (None, None))
        if before is not picture:
            pixels = picture.pixels()
            encoded = self._stored(stem, pixels)
        self._encoded[stem] = picture, encoded
        while len(self._encoded) > _HELD_IMAGES:
            self._encoded.popitem(last=False)
        return encoded

    def _stored(self, stem: str, pixels: np.ndarray) -> Any:
        """Return what the segmentor makes of an image, from the store where it is there."""
        if self._store is None:
            return self._model.encode([pixels])[0]
        asked = self._store.ask(stem, pixels)
        if asked.code is not None:
            return asked.code
        return self._store.keep(asked, self._model.encode([pixels])[0])

    def close(self) -> None:
        """Wait until embeddings are written."""
        with contextlib.suppress(AttributeError):
            self._store.close()
