"""A small SAM 2, loaded and asked, and what it refuses."""

import pytest
import sam2_reference as ref
import torch
from sam_cases import gathered

from samrs_mm.core.errors import RefusedError
from samrs_mm.models.prompt_segmentors.sam2 import SAM2Segmentor

GOLDEN, SHAPES = ref.read()
SIZES = ref.SMALL | dict(seed=0)


def loaded(**options):
    segmentor = SAM2Segmentor(**dict(arch=ref.SMALL, threads=1, device='cpu') | options)
    segmentor.load()
    return segmentor


def predicted(segmentor, encoded, prompts):
    """Return masks, scores and logits, these clamped as Meta returns them."""
    with torch.no_grad():
        logits, *_ = segmentor._predict(encoded, segmentor._in_square(prompts, encoded.frame))
    masks, scores, stability = gathered(segmentor.decode(encoded, prompts))
    assert ((stability >= 0) & (stability <= 1)).all()
    return masks, scores, logits.clamp(-32, 32)


def refusal(path, **options):
    segmentor = SAM2Segmentor(**dict(arch=ref.SMALL, checkpoint=str(path), threads=1) | options)
    with pytest.raises(RefusedError) as info:
        segmentor.load()
    assert '\n' not in str(info.value)
    return str(info.value)
