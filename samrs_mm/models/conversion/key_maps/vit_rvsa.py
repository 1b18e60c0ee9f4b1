"""ViT with RVSA: a plain ViT, of which the parts that predict windows are new."""

from samrs_mm.models.conversion.key_maps.vit import (
    NO_CLASS_TOKEN,
    PYRAMID,
    UNUSED_INDEX,
    VIT_CLASSIFIER,
)
from samrs_mm.models.conversion.rules import (
    OWN_INITIALISATION,
    UNUSED_BY_AUTHORS,
    Network,
    Rule,
)

_POSITIONS = r'relative_position_bias_table'
NETWORK = Network(
    'vit-rvsa',
    mark=r'blocks\.0\.attn\.sampling_offsets\.2\.weight',
    rules=(
        VIT_CLASSIFIER,
        NO_CLASS_TOKEN,
        UNUSED_INDEX,
        Rule(r'pos_embed', reason='the model has no absolute position embedding'),
        Rule(r'norm\.\w+', reason=UNUSED_BY_AUTHORS),
    ),
    fresh={
        PYRAMID: OWN_INITIALISATION,
        rf'blocks\.\d+\.attn\.(?:rel_pos_[hw]|{_POSITIONS}|sampling_.+)': OWN_INITIALISATION,
    },
    dead={
        rf'(blocks\.\d+\.attn)\.{_POSITIONS}': (r'\1.relative_position_index',),
        r'patch_embed\.proj\.weight': ('norm.weight', 'norm.bias'),
    },
)
