"""Masks from SAM 3's tracker, which takes boxes, points and masks of one object.

Source: Carion et al. 2025, arXiv:2511.16719; https://github.com/facebookresearch/sam3 (code and
weights under Meta's SAM License). The network is ``Sam3TrackerModel`` of the package
``transformers`` (Apache-2.0); pixels are prepared here.
"""

from collections.abc import Mapping
from typing import Any

from torch import nn

from samrs_mm.models.prompt_segmentors.sam3_weights import PATCH, build_sam3, check_arch
from samrs_mm.models.prompt_segmentors.sam_transformers import StretchedSegmentor
from samrs_mm.registry import PROMPT_SEGMENTORS


@PROMPT_SEGMENTORS.register_module()
class SAM3Segmentor(StretchedSegmentor):
    """Prompts SAM 3 with boxes, points and masks: one mask per prompt.

    Masks equal those of ``sam3.SAM3InteractiveImagePredictor`` but for float rounding, without the
    small holes that it fills (``max_hole_area=0``); a mask prompt without box or point is, as
    there, given alone. SAM 3's other prompts, words and examples of a class, are another task.

    Args:
        arch: ``'sam3'``, or a dict of sizes (see ``sam3_weights.check_arch``).
        checkpoint: Meta's file (``sam3.pt``) or the folder of the Hugging Face hub's; may be None
            only for a dict of sizes with a ``seed``.
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

    family = 'SAM 3'
    mean = std = (0.5, 0.5, 0.5)

    def __init__(
        self,
        arch: str | Mapping[str, Any] = 'sam3',
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
        model, sha256 = build_sam3(self.arch, self.checkpoint, type(self).__name__)
        self.side = model.config.prompt_encoder_config.image_size
        return model, sha256

    @property
    def low_side(self) -> int:
        """Four for each patch of the image encoder: 288 for 1008 px."""
        return 4 * self.side // PATCH
