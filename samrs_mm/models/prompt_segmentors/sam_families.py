"""Which member of the SAM family weights are of, told from their keys and shapes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SAM, SAM2, SAM3 = 'SAM', 'SAM 2', 'SAM 3'
HQ, MOBILE, EDGE = 'HQ-SAM', 'MobileSAM', 'EdgeTAM'

SEGMENTORS = {
    SAM: 'SAMSegmentor',
    SAM2: 'SAM2Segmentor',
    SAM3: 'SAM3Segmentor',
    HQ: 'HQSAMSegmentor',
    MOBILE: 'MobileSAMSegmentor',
}
"""The type that takes a family's weights; a family that is not named has none."""

# A key that starts so tells the family; the first that fits counts.
_MARKS = (
    ('mask_decoder.hf_token.', HQ),
    ('image_encoder.patch_embed.seq.', MOBILE),
    ('image_encoder.patch_embed.proj.', SAM),
    ('image_encoder.trunk.body.', EDGE),
    ('image_encoder.trunk.', SAM2),
    ('detector.backbone.', SAM3),
    ('tracker.', SAM3),
)
_VITS = {1280: 'ViT-H', 1024: 'ViT-L', 768: 'ViT-B'}
_HIERAS = {(96, 12): 'tiny', (96, 16): 'small', (112, 24): 'base+', (144, 48): 'large'}
_ONLY_IN_2_1 = 'no_obj_embed_spatial'
# `model_type` of config.json in a Hugging Face folder.
_MODEL_TYPES = {
    'sam': SAM,
    'sam_hq': HQ,
    'sam2': SAM2,
    'sam2_video': SAM2,
    'sam3': SAM3,
    'sam3_video': SAM3,
    'sam3_tracker': SAM3,
    'sam3_tracker_video': SAM3,
    'edgetam': EDGE,
    'edgetam_video': EDGE,
}


@dataclass(frozen=True)
class Member:
    """A member of the SAM family: its family, such as ``SAM2``, and its full name for messages."""

    family: str
    name: str

    @property
    def advice(self) -> str:
        """Say what takes it."""
        segmentor = SEGMENTORS.get(self.family)
        takes = f'take a config of {segmentor}' if segmentor else 'no segmentor takes it'
        return f'this is {self.name}: {takes}, or pass the other checkpoint'


def bare_state(content: Any) -> Any:
    """Return a state dict without what is around it in the file: Meta's files say ``model``."""
    if isinstance(content, Mapping) and isinstance(content.get('model'), Mapping):
        return content['model']
    return content


def recognise(content: Any) -> Member | None:
    """Return what weights are of, or None where they are of nothing known.

    Args:
        content: What a checkpoint file holds: a state dict in its authors' layout.
    """
    state = bare_state(content)
    if not isinstance(state, Mapping):
        return None
    keys = [str(key) for key in state]
    family = next((name for mark, name in _MARKS if any(key.startswith(mark) for key in keys)), '')
    if not family:
        return None
    return Member(family, _full_name(family, state, keys))


def recognise_folder(path: Path) -> Member | None:
    """Return what a Hugging Face folder holds by its ``config.json``, or None."""
    try:
        config = json.loads((path / 'config.json').read_text(encoding='utf-8'))
        family = _MODEL_TYPES[config['model_type']]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Member(family, f'{family} in a Hugging Face folder')


def _full_name(family: str, state: Mapping, keys: list[str]) -> str:
    if family == SAM2:
        version = '2.1' if _ONLY_IN_2_1 in state else '2'
        width = _width(state, 'image_encoder.trunk.patch_embed.proj.weight')
        return f'SAM {version} {_HIERAS.get((width, _depth(keys, 3)), "of other sizes")}'
    if family == MOBILE:
        return 'MobileSAM (TinyViT)'
    if family in (SAM, HQ):
        if any(key.startswith('image_encoder.patch_embed.seq.') for key in keys):
            return f'{family} light (TinyViT)'
        width = _width(state, 'image_encoder.patch_embed.proj.weight')
        return f'{family} {_VITS.get(width, "of other sizes")}'
    return family


def _width(state: Mapping, key: str) -> int:
    shape = getattr(state.get(key), 'shape', None)
    return shape[0] if shape else 0


def _depth(keys: list[str], at: int) -> int:
    """How many blocks the image encoder has; ``at`` is the place of their number in a key."""
    found = (key.split('.') for key in keys if key.startswith('image_encoder.'))
    return len({parts[at] for parts in found if len(parts) > at and parts[at - 1] == 'blocks'})
