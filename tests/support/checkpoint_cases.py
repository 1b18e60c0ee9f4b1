"""Checkpoints as other code bases write them: names and shapes, without memory.

Backbones' own files are put together from what is known of them and the authors' models.
"""

import torch
from released_keys import released_keys
from torch import Tensor

State = dict[str, Tensor]


def released(model: str) -> State:
    """Return a whole model of the authors."""
    return {
        name: torch.empty(shape, dtype=getattr(torch, dtype), device='meta')
        for name, (shape, dtype) in released_keys(model).items()
    }


def numbered(state: State) -> State:
    """Fill each tensor with a number of its own, still without memory."""
    return {
        name: torch.tensor(number, dtype=value.dtype).expand(value.shape)
        for number, (name, value) in enumerate(state.items())
    }


def below(state: State, prefix: str) -> State:
    """Return what a prefix stands before, without it."""
    return {
        name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)
    }


def fine_tuned(state: State, classes: int = 5) -> State:
    """Return the authors' fine-tuned model in place of their pre-trained one."""
    heads = [name for name in state if name.startswith('semseghead_1.')]
    trunk = {name: value for name, value in state.items() if not name.startswith('semseghead_')}
    # Mask2Former has one more class, "no object", than the 18 of the first head
    extra = state[heads[0]].shape[0] - 18
    return trunk | {
        name.replace('semseghead_1', 'semseghead'): sized(classes + extra, *state[name].shape[1:])
        for name in heads
    }


def sized(*shape: int) -> Tensor:
    """Return an empty float tensor."""
    return torch.empty(shape, device='meta')


def imagenet(state: State, channels: int, head: str = 'head') -> State:
    """Return weights with a classifier of 1000 classes."""
    return state | {f'{head}.weight': sized(1000, channels), f'{head}.bias': sized(1000)}


def deit() -> State:
    """DeiT-B, as timm's ViT-B."""
    encoder = below(released('vit_b_upernet'), 'encoder.')
    vit = {name: value for name, value in encoder.items() if not name.startswith('fpn')}
    tokens = dict(cls_token=sized(1, 1, 768), pos_embed=sized(1, 197, 768))
    return imagenet(vit | tokens, 768)


def mae() -> State:
    """MAE's pre-training checkpoint."""
    state = {name: value for name, value in deit().items() if not name.startswith('head')}
    decoder = ('decoder_embed.weight', 'decoder_blocks.0.norm1.bias', 'decoder_pos_embed')
    return state | {name: sized(512) for name in ('mask_token', *decoder)}


def beit() -> State:
    """BEiT-B, fine-tuned on ImageNet-22k."""
    state = {}
    for name, value in deit().items():
        if name.endswith('attn.qkv.bias'):
            block = name.removesuffix('attn.qkv.bias')
            state[f'{block}gamma_1'] = state[f'{block}gamma_2'] = sized(768)
            state[f'{block}attn.q_bias'] = state[f'{block}attn.v_bias'] = sized(768)
            state[f'{block}attn.relative_position_bias_table'] = sized(732, 12)
            state[f'{block}attn.relative_position_index'] = sized(197, 197)
        elif name.startswith('norm.'):
            state[f'fc_{name}'] = value
        elif name != 'pos_embed':
            state[name] = value
    return state
