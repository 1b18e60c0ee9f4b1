"""Plain vision transformers: DeiT and timm, MAE, BEiT, mmpretrain."""

import torch
from torch import Tensor

from samrs_mm.core.errors import RefusedError
from samrs_mm.models.conversion.conversion import Fresh, Rule, State

_CLASSIFIER = Rule(r'(?:head|head_dist|fc_norm|pre_logits)\..+', reason='ImageNet classifier')
_NO_CLASS_TOKEN = Rule(r'cls_token|dist_token', reason='the model has no class token')
_UNUSED_INDEX = Rule(r'.+\.relative_position_index', reason='an index that the model computes')
_PYRAMID = Fresh(r'fpn[12]\..+')

PLAIN = (_CLASSIFIER, _NO_CLASS_TOKEN)
PLAIN_FRESH = (_PYRAMID,)

BEIT = (_CLASSIFIER, _UNUSED_INDEX)
BEIT_FRESH = (
    _PYRAMID,
    Fresh(r'norm\.\w+', "starts as the identity: fc_norm was the pooled vector's"),
)

ADAPTER = (
    _CLASSIFIER,
    _NO_CLASS_TOKEN,
    Rule(r'norm\.\w+', reason="the model has no final norm of the ViT's"),
)
ADAPTER_FRESH = (
    Fresh(r'(?:spm|interactions|up|norm[1-4])\..+|level_embed'),
    Fresh(r'blocks\.\d+\.gamma[12]', 'starts at 1'),
)

RVSA = (
    _CLASSIFIER,
    _NO_CLASS_TOKEN,
    _UNUSED_INDEX,
    Rule(r'pos_embed', reason='the model has no absolute position embedding'),
    Rule(r'norm\.\w+', reason="never used by the authors' model, which has it"),
)
RVSA_FRESH = (
    _PYRAMID,
    Fresh(r'blocks\.\d+\.attn\.(?:rel_pos_[hw]|relative_position_bias_table|sampling_.+)'),
)


def _joined_bias(query_bias: Tensor, name: str, state: State) -> Tensor:
    """Return the bias of queries, keys and values; BEiT's keys have none."""
    other = name.replace('q_bias', 'v_bias')
    if other not in state:
        raise RefusedError(f'{name}: the file has no {other} to join it with')
    return torch.cat([query_bias, torch.zeros_like(query_bias), state[other]])


def _taken_in(*_: object) -> None:
    return None


FROM_BEIT = (
    Rule(r'(blocks\.\d+)\.gamma_([12])', r'\1.gamma\2'),
    Rule(r'(blocks\.\d+\.attn)\.q_bias', r'\1.qkv.bias', 'joined: q_bias, 0, v_bias', _joined_bias),
    Rule(r'(blocks\.\d+\.attn)\.v_bias', r'\1.qkv.bias', 'joined: q_bias, 0, v_bias', _taken_in),
)
_LOSSY = 'left out, as the authors did'
FROM_BEIT_LOSSY = (
    Rule(r'blocks\.\d+\.gamma_[12]', reason=f'{_LOSSY}: scales of the branches, then 1'),
    Rule(r'blocks\.\d+\.attn\.[qv]_bias', reason=f'{_LOSSY}: biases of the attention, then 0'),
    Rule(r'.+\.relative_position_bias_table', reason=f'{_LOSSY}: positions, then random'),
    Rule(r'.+\.relative_position_index', reason=f'{_LOSSY}: positions, then random'),
)
BEIT_LOSSY_FRESH = (
    Fresh(r'blocks\.\d+\.attn\.qkv\.bias', 'starts at 0, as q_bias and v_bias are left out'),
    Fresh(r'pos_embed'),
    Fresh(r'norm\.\w+'),
)

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
