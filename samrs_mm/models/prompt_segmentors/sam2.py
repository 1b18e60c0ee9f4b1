"""Masks from SAM 2 and 2.1.

Source: Ravi et al. 2024, arXiv:2408.00714; https://github.com/facebookresearch/sam2 (Apache-2.0).
The network is ``Sam2Model`` of the package ``transformers``; pixels are prepared here.
"""

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

    The other arguments are those of ``StretchedSegmentor``.
    """

    default_arch = 'sam2.1_hiera_large'
    check_arch = staticmethod(check_arch)
    build = staticmethod(build_sam2)
    family = 'SAM 2'
    mean = (0.485, 0.456, 0.406)
    std = (0.229, 0.224, 0.225)
