"""What a prompt segmentor is: the interface between the annotation driver and a model."""

import inspect
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from samrs_mm.core import masks as mask_ops
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.parallel import compute_threads
from samrs_mm.core.prompts import PromptBatch, PromptSetting


@dataclass(frozen=True)
class MaskChunk:
    """The masks of a run of prompts, in prompt order.

    Args:
        masks: ``(n, H, W)`` bool at image size. A transposed (Fortran ordered) view encodes
            fastest.
        scores: Predicted IoU ``(n,)`` float, or None where the segmentor has none.
        stability: Stability score ``(n,)`` in [0, 1], or None.
        notes: What the record should say of this chunk, such as a halving on out-of-memory.
        window: Where ``masks`` are only a part of the image, ``(n, h, w)``: y and x of its first
            pixel, and the image's height and width. It saves time on large images.
        choices: Which of several masks it chose for a prompt ``(n,)`` int, where it chooses.
    """

    masks: np.ndarray
    scores: np.ndarray | None = None
    stability: np.ndarray | None = None
    notes: tuple[str, ...] = ()
    window: tuple[int, int, int, int] | None = None
    choices: np.ndarray | None = None

    def whole(self) -> np.ndarray:
        """Return the masks at the image's size, ``(n, H, W)`` bool."""
        if self.window is None:
            return self.masks
        y, x, height, width = self.window
        count, rows, columns = self.masks.shape
        whole = np.zeros((count, height, width), bool)
        whole[:, y : y + rows, x : x + columns] = self.masks
        return whole

    def encoded(self, valid: np.ndarray | None = None) -> Iterator[dict]:
        """Yield the masks as COCO RLE of the image's size.

        They are cut to ``valid``, the pixels with data, ``(H, W)`` bool; None leaves them whole.
        """
        if self.window is None:
            for mask in self.masks:
                yield mask_ops.encode_keeping_runs(mask if valid is None else mask & valid)
            return
        y, x, height, width = self.window
        rows, columns = self.masks.shape[1:]
        for mask in self.masks:
            if valid is not None:
                mask = mask & valid[y : y + rows, x : x + columns]
            yield mask_ops.encode_window(mask, y, x, height, width)


class PromptSegmentor(ABC):
    """Makes one mask for each prompt of an image.

    A minimal segmentor, which a config names by ``model = dict(type='CoreSegmentor', scale=0.8)``::

        @PROMPT_SEGMENTORS.register_module()
        class CoreSegmentor(PromptSegmentor):
            def __init__(self, scale=0.7):
                self.scale = scale

            @property
            def settings(self):
                return dict(type='CoreSegmentor', scale=self.scale)

            def unsupported(self, setting):
                return why_no_point(setting)

            def encode(self, images):
                return [image.shape[:2] for image in images]

            def decode(self, encoded, prompts):
                for outline in prompts.outlines:
                    centre = outline.mean(axis=0)
                    core = centre + (outline - centre) * self.scale
                    yield MaskChunk(fill_polygon(core, *encoded)[None])

    ``docs/extending.md`` shows the whole file and how a config finds it.

    Every entry of ``model`` beside ``type`` is an argument of the constructor; one that the
    constructor does not take is refused by name, so ``checkpoint`` and ``arch`` are arguments of
    segmentors with weights only. Unusable values raise ``RefusedError``: it is shown in one line.

    The driver calls ``load`` once before any image; then ``encode`` with up to
    ``images_per_pass`` images, and ``decode`` for each image that has prompts, once or, in an
    ablation, once for each setting. All in one process and one thread. An exception of ``encode``
    or ``decode`` fails the image, not the run.

    Attributes:
        images_per_pass: How many images ``encode`` takes at once.
        checkpoint_sha256: Hash of the weights after ``load``, or None without weights.
        asynchronous: Whether ``decode`` gives its device the work and returns before that is done:
            the driver then has the next images encoded before it takes the masks.
        takes_masks: Whether it looks at ``PromptBatch.masks``, which settings ``of_labels`` prompt.
        provided_scores: Which of ``score`` and ``stability`` all its masks come with.
        threads: CPU threads; where they are one of the settings, those of torch.
        threads_left_open: ``threads`` was left to the machine, see ``choose_threads``.
        exact_options: Arguments by which it computes exactly, where it has faster ways, too.
        packages: Distributions beside torch whose versions decide what it computes.
        renamed: Arguments of earlier versions, which are refused, with what takes their place.
    """

    images_per_pass: int = 1
    checkpoint_sha256: str | None = None
    takes_masks: bool = False
    provided_scores: tuple[str, ...] = ()

    @property
    def asynchronous(self) -> bool:
        """See above."""
        return False

    exact_options: Mapping[str, Any] = {}
    packages: tuple[str, ...] = ()
    renamed: Mapping[str, str] = {}

    threads: int = 1
    threads_left_open: bool = False

    @property
    def reduced(self) -> bool:
        """Whether its masks may differ from the exact ones by more than float rounding."""
        return False

    def choose_threads(self, threads: int | None) -> None:
        """Take the CPU threads that a config gives; None takes ``compute_threads``.

        Raises:
            RefusedError: Not a whole number from 1.
        """
        check_whole_numbers(threads=(1 if threads is None else threads, 1))
        self.threads_left_open = threads is None
        self.threads = compute_threads() if threads is None else threads

    def take_threads(self, threads: int) -> None:
        """Go on with the threads of torch of another run, as rounding follows their number."""
        self.threads = threads
        if torch := sys.modules.get('torch'):
            torch.set_num_threads(threads)

    @property
    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """All that may change a mask, as plain data: type, options, device, but not the weights.

        A folder is continued only with equal settings and an equal ``checkpoint_sha256``.
        """

    @abstractmethod
    def unsupported(self, setting: PromptSetting) -> str | None:
        """Return why a prompt setting can't be taken, or None if it can."""

    def load(self) -> None:  # noqa: B027 (segmentors without weights have nothing to load)
        """Load weights.

        Raises:
            RefusedError: The weights are missing, corrupt, or of another architecture.
        """

    def unload(self) -> None:  # noqa: B027 (as load)
        """Let go of the weights, so that others fit into memory."""

    @abstractmethod
    def encode(self, images: Sequence[np.ndarray]) -> list[Any]:
        """Return what ``decode`` needs of each image.

        Args:
            images: One to ``images_per_pass`` images ``(H, W, 3)`` uint8 RGB; sizes may differ.
        """

    @abstractmethod
    def decode(self, encoded: Any, prompts: PromptBatch) -> Iterator[MaskChunk]:
        """Yield the masks of all prompts of one image, chunk by chunk, in order.

        Args:
            encoded: What ``encode`` returned for the image.
            prompts: At least one prompt, of a setting that is supported.
        """


def passes_on_to(above: type) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Mark a constructor that passes its ``**options`` on to that of the class above.

    Its signature then names them, so that a config's unknown entry is refused with what there is.
    """

    def mark(constructor: Callable[..., None]) -> Callable[..., None]:
        own = list(inspect.signature(constructor).parameters.values())[:-1]
        theirs = inspect.signature(above).parameters.values()
        more = [each for each in theirs if each.name not in {one.name for one in own}]
        named = [*own, *(each.replace(kind=each.KEYWORD_ONLY) for each in more)]
        constructor.__signature__ = inspect.Signature(named)  # type: ignore[attr-defined]
        return constructor

    return mark


def check_whole_numbers(**options: tuple[Any, int]) -> None:
    """Refuse an option of a segmentor that is no whole number, or below its least; both given."""
    for name, (value, least) in options.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise RefusedError(f'model.{name}={value!r}; a whole number from {least} is needed')


def check_choices(**options: tuple[Any, Iterable[Any]]) -> None:
    """Refuse an option of a segmentor that is none of its choices; both given."""
    for name, (value, choices) in options.items():
        if value not in list(choices):
            raise RefusedError(f'model.{name}={value!r}; allowed: {", ".join(choices)}')


def check_switches(**options: Any) -> None:
    """Refuse an option of a segmentor that is neither True nor False, such as 'no'."""
    for name, value in options.items():
        if not isinstance(value, bool):
            raise RefusedError(f'model.{name}={value!r}; True or False is needed')


def why_no_point(setting: PromptSetting) -> str | None:
    """Return why a segmentor without point prompts can't take a setting, or None if it can."""
    if setting.name == 'cp':
        return 'a centre point alone has no extent; use a setting with a box or a mask prompt'
    if setting.point:
        return 'takes no centre point; leave out cp'
    return None
