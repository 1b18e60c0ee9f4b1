"""What the members of the SAM family share: one encode for an image, chunks of prompts, masks.

A member is a subclass of ``SAMFamilySegmentor`` in a module of its own: ``sam.py`` (SAM),
``sam2.py`` (SAM 2 and 2.1), and so on. It says

* ``default_arch``, ``check_arch``: which networks there are;
* ``side``, ``stretched``: the square of pixels that its network sees, and how an image lies in it;
* ``feature_names``: what its image encoder gives, by which files of embeddings name the tensors;
* ``_build()``: the network with its weights, and their sha256;
* ``_preprocess(image)``: the pixels of an image as the network takes them;
* ``_embed(batch)``: its image encoder;
* ``_predict(encoded, prompts)``: its prompt encoder and mask decoder; ``proposing.py`` has more;
* ``_use_fast_kernels()``: faster code for both;
* ``own_settings``: options beside the shared ones that may change a mask; ``passes_on_to``
  marks its constructor then.

Its weights are read by ``weights_files.read_weights``; a package is imported in ``_build``.
"""

import gc
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain, islice
from typing import Any

import numpy as np
import torch
from torch import nn

from samrs_mm.core import masks as mask_ops
from samrs_mm.core.errors import SegmentorError
from samrs_mm.core.prompts import PromptBatch, PromptSetting, low_mask, mask_prompt
from samrs_mm.core.wording import counted
from samrs_mm.models.prompt_segmentors.base import (
    MaskChunk,
    PromptSegmentor,
    check_choices,
    check_switches,
    check_whole_numbers,
)
from samrs_mm.models.prompt_segmentors.clicking import ClickTaker
from samrs_mm.models.prompt_segmentors.encoded_image import EncodedImage, SquarePrompts
from samrs_mm.models.prompt_segmentors.frame import Frame
from samrs_mm.models.prompt_segmentors.in_parts import in_parts, is_out_of_memory
from samrs_mm.models.prompt_segmentors.kept_memory import give_back, keep_freed_memory
from samrs_mm.models.prompt_segmentors.precision import KERNELS, OVERFLOW, PRECISIONS
from samrs_mm.models.prompt_segmentors.proposing import GridProposer
from samrs_mm.models.prompt_segmentors.scale_up import mask_chunks, scale_up
from samrs_mm.models.prompt_segmentors.stored_features import StoredFeatures
from samrs_mm.models.prompt_segmentors.torch_device import (
    fix_rounding,
    to_device,
    to_host,
    torch_device,
)
from samrs_mm.models.prompt_segmentors.weights_files import InFile

_BITS_AHEAD = 2**31
"""Pixels of masks that a GPU may have ready before the first is taken; a byte holds eight."""


class SAMFamilySegmentor(GridProposer, ClickTaker, StoredFeatures, PromptSegmentor):
    """Prompts a network of the SAM family: one mask per prompt.

    Chunk sizes, batches, threads, devices, ``kernels`` and ``compile`` change float rounding, so
    they are settings. ``precision`` changes more than rounding: see ``annotate.fidelity``.

    Args:
        arch: Name of a published network, or a dict of sizes, as the member's ``check_arch`` says;
            None takes ``default_arch``.
        checkpoint: Path of the weights, in the member's formats; may be None only for a dict of
            sizes with a ``seed``.
        chunk: Prompts decoded at once; halved when memory runs out, as the record then notes.
        images_per_pass: Images encoded at once; an incomplete pass is filled up.
        precision: Of the image encoder, one of ``precision.PRECISIONS``: ``'fp32'`` is exact, the
            others are faster on recent GPUs; the decoder stays in float32. An image whose features
            are beyond the range of ``'fp16'`` is encoded in float32, as the record then notes.
        threads: CPU threads of torch, set for the process in ``load``; None takes the cores that
            the process may use, or what the folder was started with.
        device: ``'cpu'``, ``'cuda'``, ``'cuda:1'``, ...; None takes a GPU where there is one.
        kernels: ``'exact'``, the authors' code, or ``'fast'``: the same but for float rounding.
        compile: Run the image encoder, and the decoder of fast kernels, through ``torch.compile``,
            which pays on GPUs only.
        unchecked: Annotate at a reduced precision without a report of ``fidelity.py``.

    Raises:
        RefusedError: A value that can't be, or weights that are named nowhere.

    Attributes:
        family: The member's name in messages.
        default_arch: Of the published networks.
        check_arch: Returns ``arch`` as plain data; refuses what the member does not know.
        stretched: An image is stretched to the square, not padded.
        side: Of the square in pixels, after ``load``.
        mask_threshold: Logits above it are the mask.
    """

    provided_scores = ('score', 'stability')
    takes_masks = True
    exact_options: Mapping[str, Any] = dict(precision='fp32', kernels='exact', compile=False)
    family = 'SAM'
    default_arch: str
    check_arch: Callable[[str | Mapping[str, Any], str | None], str | dict[str, Any]]
    stretched = False
    mask_threshold = 0.0
    side: int

    def __init__(
        self,
        arch: str | Mapping[str, Any] | None = None,
        checkpoint: str | None = None,
        chunk: int = 20,
        images_per_pass: int = 1,
        precision: str = 'fp32',
        threads: int | None = None,
        device: str | None = None,
        kernels: str = 'exact',
        compile: bool = False,
        unchecked: bool = False,
    ):
        check_whole_numbers(chunk=(chunk, 1), images_per_pass=(images_per_pass, 1))
        check_choices(precision=(precision, PRECISIONS), kernels=(kernels, KERNELS))
        check_switches(compile=compile, unchecked=unchecked)
        self.choose_threads(threads)
        self.arch = self.check_arch(self.default_arch if arch is None else arch, checkpoint)
        self.checkpoint = checkpoint
        self.chunk, self.images_per_pass = chunk, images_per_pass
        self.precision, self.kernels, self.compile = precision, kernels, compile
        self.unchecked = unchecked
        self.device = torch_device(device)
        self.model: Any = None
        self.fast_decoder: Any = None
        self._encoder_in_file: InFile | None = None
        self._last_settled: tuple[EncodedImage, EncodedImage] | None = None

    @abstractmethod
    def _build(self) -> tuple[nn.Module, str | None]:
        """Return the network in evaluation mode, on the CPU, and the sha256 of its weights, if any.

        Also sets ``side``.

        Raises:
            RefusedError: A package or the weights are missing, corrupt, or of something else.
        """

    @abstractmethod
    def _preprocess(self, image: np.ndarray) -> torch.Tensor:
        """Return an image ``(H, W, 3)`` uint8 RGB as ``(1, 3, S, S)`` float32 on the device."""

    @abstractmethod
    def _embed(self, batch: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return what ``feature_names`` says of preprocessed images ``(n, 3, S, S)``."""

    @abstractmethod
    def _predict(self, encoded: EncodedImage, prompts: SquarePrompts) -> tuple[torch.Tensor, ...]:
        """Return logits ``(n, S / 4, S / 4)`` and predicted IoUs ``(n,)``, on the device.

        Members that choose one of several masks add which, ``(n,)`` int.
        """

    @property
    def asynchronous(self) -> bool:
        """See ``PromptSegmentor``."""
        return self.device.type == 'cuda'

    @property
    def reduced(self) -> bool:
        """See ``PromptSegmentor``."""
        return self.precision != 'fp32'

    @property
    def own_settings(self) -> dict[str, Any]:
        """Settings beside those that all members have."""
        return {}

    @property
    def settings(self) -> dict[str, Any]:
        """Everything but the weights' hash that may change a bit of a mask, as plain data."""
        return dict(
            type=type(self).__name__,
            arch=self.arch,
            chunk=self.chunk,
            images_per_pass=self.images_per_pass,
            precision=self.precision,
            threads=self.threads,
            device=self.device.type,
            kernels=self.kernels,
            compile=self.compile,
            **(dict(unchecked=True) if self.reduced and self.unchecked else {}),
            **self.own_settings,
        )

    def unsupported(self, setting: PromptSetting) -> str | None:
        """The family takes every setting of the paper, but no oriented box itself."""
        return f'{self.family} takes no oriented box' if setting.box == 'rbox' else None

    def load(self) -> None:
        """Build the network, load its weights and move it to the device.

        Also fixes, for the process, what decides float rounding: threads, no TF32, deterministic
        cuDNN. A process that computes on the CPU keeps the memory that it frees from then on.

        Raises:
            RefusedError: A package that it needs or the weights are missing, corrupt, or the
                weights are of another architecture.
        """
        fix_rounding(self.threads)
        model, self.checkpoint_sha256 = self._build()
        self.model = model.requires_grad_(False).to(self.device)
        self._finish_loading()

    def _finish_loading(self) -> None:
        if self.device.type == 'cpu':
            keep_freed_memory()
        if self.kernels == 'fast':
            self._use_fast_kernels()
        if self.compile:
            self._compile_encoder()
            if self.kernels == 'fast':
                self.fast_decoder.compile()

    def _compile_encoder(self) -> None:
        self._image_encoder.compile()

    def unload(self) -> None:
        """See ``PromptSegmentor``."""
        self.model = self.fast_decoder = self._encoder_in_file = self._last_settled = None
        gc.collect()  # modules and what computes in their place hold each other
        if self.device.type == 'cpu':
            give_back()

    @property
    def _image_encoder(self) -> nn.Module:
        """What ``_embed`` calls."""
        return self.model.image_encoder

    @abstractmethod
    def _use_fast_kernels(self) -> None:
        """Take faster code for what ``_embed`` and ``_predict`` do; called in ``load``."""

    @property
    def low_side(self) -> int:
        """Side of logits and mask prompts."""
        return self.side // 4

    def frame(self, original_size: tuple[int, int]) -> Frame:
        """Return how an image of that height and width lies in the square."""
        return Frame(self.side, original_size, self.stretched)

    @torch.no_grad()
    def encode(self, images: Sequence[np.ndarray]) -> list[EncodedImage]:
        """Embed images.

        Raises:
            SegmentorError: Memory ran out.
        """
        if self._encoder_in_file is not None:
            self._encoder_in_file.take(self.device)
            self._encoder_in_file = None
        batch = [self._preprocess(image) for image in images]
        # Rounding follows the shape of a pass, so a pass of left-over images keeps it.
        batch += [torch.zeros_like(batch[0])] * (self.images_per_pass - len(batch))
        features = self._embedded(torch.cat(batch), self.precision)
        return [
            EncodedImage(
                tuple(level[i : i + 1] for level in features),
                self.frame((image.shape[0], image.shape[1])),
                pixels=batch[i] if self.precision == 'fp16' else None,
            )
            for i, image in enumerate(images)
        ]

    def _embedded(self, batch: torch.Tensor, precision: str) -> tuple[torch.Tensor, ...]:
        dtype = PRECISIONS[precision]
        try:
            with torch.autocast(self.device.type, dtype, enabled=dtype != torch.float32):
                # The decoder may round by how features lie in memory, which no file tells.
                return tuple(level.float().contiguous() for level in self._embed(batch))
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise SegmentorError(
                f'out of memory while encoding {counted(len(batch), "image")} at once; lower '
                'model.images_per_pass, take a smaller model.arch, or model.device=cpu'
            ) from error

    def settled(self, encoded: EncodedImage) -> EncodedImage:
        """Return an image's features of which it is known that they are numbers.

        Those beyond the range of fp16 are made again in float32. ``encode`` does not look itself:
        that would keep the next images waiting for the device.

        Raises:
            SegmentorError: Memory ran out.
        """
        if encoded.pixels is None:
            return encoded
        if self._last_settled is None or self._last_settled[0] is not encoded:
            self._last_settled = encoded, self._settle(encoded, encoded.pixels)
        return self._last_settled[1]

    @torch.no_grad()
    def _settle(self, encoded: EncodedImage, pixels: torch.Tensor) -> EncodedImage:
        finite = torch.stack([level.isfinite().all() for level in encoded.features])
        if finite.all().item():
            return EncodedImage(encoded.features, encoded.frame)
        return EncodedImage(self._embedded(pixels, 'fp32'), encoded.frame, (OVERFLOW,))

    def decode(self, encoded: EncodedImage, prompts: PromptBatch) -> Iterator[MaskChunk]:
        """Yield masks, predicted IoUs and stability scores (AMG's, offset 1), in prompt order.

        Each is a window of its image. A GPU is given the work of many chunks at once.

        Raises:
            SegmentorError: Memory ran out for a single prompt, or the weights give no numbers.
        """
        chunks = self._chunks(encoded, prompts)
        if not self.asynchronous:
            return chain.from_iterable(chunks)
        height, width = encoded.frame.original_size
        ahead = islice(chunks, max(1, _BITS_AHEAD // (self.chunk * height * width)))
        return chain.from_iterable(chain(list(ahead), chunks))

    def _chunks(self, encoded: EncodedImage, prompts: PromptBatch) -> Iterator[Iterator[MaskChunk]]:
        """Yield the masks of each chunk of prompts; see ``scale_up`` for when they are made."""
        encoded = self.settled(encoded)
        predict = partial(self._predict_part, encoded, prompts)
        notes = list(encoded.notes)
        for _, (low_res, *told) in in_parts(predict, len(prompts), self.chunk, notes):
            made = scale_up(low_res, encoded.frame, self.mask_threshold)
            yield mask_chunks(made, told, encoded.frame, tuple(notes))

    @torch.no_grad()
    def _predict_part(
        self, encoded: EncodedImage, prompts: PromptBatch, part: slice
    ) -> tuple[torch.Tensor, ...]:
        """Return what ``_predict`` does: logits on the device, all else on the CPU.

        That is there as soon as masks of the logits are.
        """
        low_res, *told = self._predict(encoded, self._in_square(prompts[part], encoded.frame))
        return low_res, *map(to_host, told)

    def _in_square(self, prompts: PromptBatch, frame: Frame) -> SquarePrompts:
        """Return prompts as the network's prompt encoder takes them."""
        points = labels = boxes = masks = None
        if prompts.points is not None:
            points = self._tensor(self._scaled(prompts.points[:, None], frame))
            labels = torch.ones((len(points), 1), dtype=torch.int, device=self.device)
        if prompts.boxes is not None:
            corners = self._scaled(prompts.boxes.reshape(-1, 2, 2), frame)
            boxes = self._tensor(corners.reshape(-1, 4))
        if prompts.regions is not None:
            size, how = (*frame.original_size, 4 * self.low_side), (prompts.style, self.stretched)
            made = [mask_prompt(region, *size, *how) for region in prompts.regions]
            masks = self._tensor(np.stack(made))[:, None]
        elif prompts.masks is not None:
            side = 4 * self.low_side
            made = [low_mask(mask_ops.decode(rle), side, self.stretched) for rle in prompts.masks]
            masks = self._tensor(np.stack(made))[:, None]
        return SquarePrompts(points, labels, boxes, masks)

    def _scaled(self, coords: np.ndarray, frame: Frame) -> np.ndarray:
        """Return x and y ``(..., 2)`` in pixels of the image as those of the square."""
        (height, width), (new_height, new_width) = frame.original_size, frame.input_size
        return coords * np.array([new_width / width, new_height / height])

    def _tensor(self, array: np.ndarray) -> torch.Tensor:
        return to_device(array.astype(np.float32), self.device)
