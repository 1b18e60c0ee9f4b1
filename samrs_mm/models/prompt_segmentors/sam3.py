"""Masks from SAM 3's tracker, which takes boxes, points and masks of one object.

Source: Carion et al. 2025, arXiv:2511.16719; https://github.com/facebookresearch/sam3 (code and
weights under Meta's SAM License). The network is ``Sam3TrackerModel`` of the package
``transformers`` (Apache-2.0); pixels are prepared here.
"""

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

    The other arguments are those of ``StretchedSegmentor``.
    """

    default_arch = 'sam3'
    check_arch = staticmethod(check_arch)
    build = staticmethod(build_sam3)
    family = 'SAM 3'
    mean = std = (0.5, 0.5, 0.5)

    @property
    def low_side(self) -> int:
        """Four for each patch of the image encoder: 288 for 1008 px."""
        return 4 * self.side // PATCH
