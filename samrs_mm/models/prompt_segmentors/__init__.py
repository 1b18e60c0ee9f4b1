"""Prompt segmentors: an image and prompts in, masks out."""

from samrs_mm.models.prompt_segmentors.base import MaskChunk, PromptSegmentor
from samrs_mm.models.prompt_segmentors.box_fill import BoxFillSegmentor
from samrs_mm.models.prompt_segmentors.grabcut import GrabCutSegmentor
from samrs_mm.models.prompt_segmentors.sam import SAMSegmentor

__all__ = ['BoxFillSegmentor', 'GrabCutSegmentor', 'MaskChunk', 'PromptSegmentor', 'SAMSegmentor']
