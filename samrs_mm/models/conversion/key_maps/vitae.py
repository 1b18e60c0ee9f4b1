"""ViTAEv2: we have its authors' names, but not what nothing uses in their models."""

from samrs_mm.models.conversion.rules import CLASSIFIER, UNUSED_BY_AUTHORS, Network, Rule

_POSITIONS = (r'\1.relative_position_bias_table', r'\1.relative_position_index')
NETWORK = Network(
    'vitae',
    mark=r'layers\.0\.RC\.PCM\.0\.weight',
    rules=(
        Rule(r'(?:head|norm)\.\w+', reason=CLASSIFIER),
        Rule(
            r'norm[0-3]\.\w+|layers\..+\.(?:relative_position_(?:bias_table|index)|attn_mask)',
            reason=UNUSED_BY_AUTHORS,
        ),
    ),
    dead={
        r'(layers\.[01]\.(?:RC\.attn\.attn|NC\.\d+\.attn))\.qkv\.weight': _POSITIONS,
        r'layers\.([0-3])\.RC\.PCM\.0\.weight': (r'norm\1.weight', r'norm\1.bias'),
    },
)
