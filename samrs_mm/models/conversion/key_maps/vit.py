"""Plain vision transformers (DeiT, timm) and BEiT; MAE's and BEiT's own names."""

import torch
from torch import Tensor

from samrs_mm.core.errors import RefusedError
from samrs_mm.models.conversion.rules import (
    CLASSIFIER,
    COMPUTED_INDEX,
    OWN_INITIALISATION,
    Network,
    Rule,
    State,
)

VIT_CLASSIFIER = Rule(r'(?:head|head_dist|fc_norm|pre_logits)\..+', reason=CLASSIFIER)
NO_CLASS_TOKEN = Rule(r'cls_token|dist_token', reason='the model has no class token')
UNUSED_INDEX = Rule(r'.+\.relative_position_index', reason=COMPUTED_INDEX)
PYRAMID = r'fpn[12]\..+'

NETWORK = Network(
    'vit',
    mark=r'fpn1\.0\.weight',
    rules=(VIT_CLASSIFIER, NO_CLASS_TOKEN),
    fresh={PYRAMID: OWN_INITIALISATION},
)
BEIT = Network(
    'vit',
    mark=r'blocks\.0\.attn\.relative_position_bias_table',
    options=dict(variant='beit'),
    rules=(VIT_CLASSIFIER, UNUSED_INDEX),
    fresh={
        PYRAMID: OWN_INITIALISATION,
        r'norm\.\w+': "starts as the identity: fc_norm was the pooled vector's",
    },
)


def _joined_bias(query_bias: Tensor, name: str, state: State) -> Tensor:
    """Return the bias of queries, keys and values; BEiT's keys have none."""
    other = name.replace('q_bias', 'v_bias')
    if other not in state:
        raise RefusedError(f'{name}: the file has no {other} to join it with')
    return torch.cat([query_bias, torch.zeros_like(query_bias), state[other]])


def _taken_in(*_: object) -> None:
    return None


_JOINED = 'joined: q_bias, 0, v_bias'
FROM_BEIT = (
    Rule(r'(blocks\.\d+)\.gamma_([12])', r'\1.gamma\2'),
    Rule(r'(blocks\.\d+\.attn)\.q_bias', r'\1.qkv.bias', _JOINED, _joined_bias),
    Rule(r'(blocks\.\d+\.attn)\.v_bias', r'\1.qkv.bias', _JOINED, _taken_in),
)
_LOSSY = 'left out, as the authors did'
FROM_BEIT_LOSSY = (
    Rule(r'blocks\.\d+\.gamma_[12]', reason=f'{_LOSSY}: scales of the branches, then 1'),
    Rule(r'blocks\.\d+\.attn\.[qv]_bias', reason=f'{_LOSSY}: biases of the attention, then 0'),
    Rule(r'.+\.relative_position_(?:bias_table|index)', reason=f'{_LOSSY}: positions, then random'),
)
FRESH_BEIT_LOSSY = {
    r'blocks\.\d+\.attn\.qkv\.bias': 'starts at 0, as q_bias and v_bias are left out',
    r'pos_embed': OWN_INITIALISATION,
    r'norm\.\w+': OWN_INITIALISATION,
}
# The authors', the original's and mmpretrain's
FROM_MAE = (
    Rule(
        r'(?:encoder\.)?mask_token|decoder[_.].+|neck\..+|target_generator\..+',
        reason='of the pre-training task: mask token and decoder',
    ),
    Rule(r'encoder\.(.+)', r'\1'),
    Rule(r'(?:backbone\.)?patch_embed\.projection\.(\w+)', r'patch_embed.proj.\1'),
    Rule(r'(?:backbone\.)?layers\.(\d+)\.ln([12])\.(\w+)', r'blocks.\1.norm\2.\3'),
    Rule(r'(?:backbone\.)?layers\.(\d+)\.attn\.(.+)', r'blocks.\1.attn.\2'),
    Rule(r'(?:backbone\.)?layers\.(\d+)\.ffn\.layers\.0\.0\.(\w+)', r'blocks.\1.mlp.fc1.\2'),
    Rule(r'(?:backbone\.)?layers\.(\d+)\.ffn\.layers\.1\.(\w+)', r'blocks.\1.mlp.fc2.\2'),
    Rule(r'(?:backbone\.)?ln1\.(\w+)', r'norm.\1'),
    Rule(r'backbone\.(.+)', r'\1'),
)
