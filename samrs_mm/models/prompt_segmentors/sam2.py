"""Masks from SAM 2 and 2.1.

Source: Ravi et al. 2024, arXiv:2408.00714; https://github.com/facebookresearch/sam2 (Apache-2.0).
The network is ``Sam2Model`` of the package ``transformers``; pixels are prepared here.
"""

from collections.abc import Mapping
from typing import Any

from torch import nn

from samrs_mm.models.prompt_segmentors.sam2_weights import build_sam2, check_arch
from samrs_mm.models.prompt_segmentors.sam_transformers import StretchedSegmentor
from samrs_mm.registry import PROMPT_SEGMENTORS


@PROMPT_SEGMENTORS.register_module()
class SAM2Segmentor(StretchedSegmentor):
    """Prompts SAM 2 or 2.1 with boxes, points and masks: one mask per prompt.

    Embeddings equal those of ``sam2.SAM2ImagePredictor``, masks and scores but for float rounding,
    for each prompt setting; a mask prompt without box or point is, as there, given alone. Other
    chunk sizes, batches, threads and devices change float rounding, so they are settings.

    Args:
        arch: Such as ``'sam2.1_hiera_large'``: ``sam2.1`` or ``sam2``, and ``tiny``, ``small``,
            ``base_plus`` or ``large``; or a dict of sizes (see ``sam2_weights.check_arch``).
        checkpoint: Meta's file (``.pt``) or a folder of the Hugging Face hub's; may be None only
            for a dict of sizes with a ``seed``.
        chunk: Prompts decoded at once; halved when memory runs out, as the record then notes.
        images_per_pass: Images encoded at once; an incomplete pass is filled up.
        dynamic_multimask: Where the single mask is unstable, take the best of the three others,
            as Meta's predictor does.
        precision: Of the image encoder: ``'fp32'``, or ``'fp16'`` or ``'bf16'``, which are faster
            on recent GPUs. An image beyond the range of fp16 is encoded in float32 and noted.
        threads: CPU threads of torch, set for the process in ``load``; None takes the cores that
            the process may use, or what the folder was started with.
        device: ``'cpu'``, ``'cuda'``, ``'cuda:1'``, ...; None takes a GPU where there is one.
        compile: Run the image encoder through ``torch.compile``, which pays on GPUs only.
        unchecked: Annotate at a reduced precision without a report of ``fidelity.py``.

    Raises:
        RefusedError: A value that can't be, or weights that are named nowhere.
    """

    family = 'SAM 2'
    mean = (0.485, 0.456, 0.406)
    std = (0.229, 0.224, 0.225)

    def __init__(
        self,
        arch: str | Mapping[str, Any] = 'sam2.1_hiera_large',
        checkpoint: str | None = None,
        chunk: int = 20,
        images_per_pass: int = 1,
        dynamic_multimask: bool = True,
        precision: str = 'fp32',
        threads: int | None = None,
        device: str | None = None,
        compile: bool = False,
        unchecked: bool = False,
    ):
        options = dict(
            chunk=chunk, images_per_pass=images_per_pass, precision=precision, threads=threads,
            device=device, compile=compile, unchecked=unchecked,
        )  # fmt: skip
        super().__init__(check_arch(arch, checkpoint), checkpoint, dynamic_multimask, options)

    def _build(self) -> tuple[nn.Module, str | None]:
        model, sha256 = build_sam2(self.arch, self.checkpoint, type(self).__name__)
        self.side = model.config.prompt_encoder_config.image_size
        return model, sha256
