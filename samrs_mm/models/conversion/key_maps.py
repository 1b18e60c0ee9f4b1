"""How weights are named: in our backbones, by those who trained them, in the authors' models."""

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from samrs_mm.core.errors import RefusedError

State = Mapping[str, Tensor]
"""Weights by name."""
Shapes = Mapping[str, tuple[int, ...]]
"""Shapes of weights by name."""


class Rule(NamedTuple):
    r"""What becomes of the weights whose whole name a pattern matches.

    ``target`` is the new name, in which ``\1`` is the pattern's first group; None drops the weight.
    ``change`` makes the new tensor from the old one, its name and all weights under the old names;
    None says that the rule of another weight takes this one in. ``reason`` says why a weight is
    dropped, or what ``change`` does.
    """

    pattern: str
    target: str | None = None
    reason: str = ''
    change: Callable[[Tensor, str, State], Tensor | None] | None = None


class Network(NamedTuple):
    """The names of a backbone's weights, in our model and elsewhere.

    Args:
        config: Name of its file in ``configs/_base_/backbones``.
        mark: Regular expression of a name that it alone has.
        rules: From the authors' and the usual names to ours.
        fresh: What files of pre-trained backbones lack by their nature: by regular expression of
            whole names what it starts as.
        options: What its config has beside that file.
        to_authors: Rules back, where names differ.
        dead: By regular expression of names of ours, as templates: what the authors have beside
            such a weight, and nothing uses.
    """

    config: str
    mark: str
    rules: tuple[Rule, ...] = ()
    fresh: Mapping[str, str] = {}
    options: Mapping[str, str] = {}
    to_authors: tuple[Rule, ...] = ()
    dead: Mapping[str, tuple[str, ...]] = {}


class Layout(NamedTuple):
    """A way of naming weights.

    Args:
        mark: Regular expression of a name that only it has.
        rules: To the plain names of a backbone.
        network: What such weights are for by default; empty: what the names say.
        fresh: What they lack beside what others for that backbone lack.
    """

    mark: str
    rules: tuple[Rule, ...] = ()
    network: str = ''
    fresh: Mapping[str, str] = {}


def to_unfold_order(merged: Tensor, *_: object) -> Tensor:
    """Re-order what Swin's PatchMerging joins, ``(..., 4 * C)``, from Microsoft's to mmseg's order.

    Microsoft concatenates the four pixels column by column, pixel after pixel; mmsegmentation
    unfolds them, row by row, channel after channel.
    """
    return merged.unflatten(-1, (2, 2, -1)).transpose(-1, -3).flatten(-3)


def from_unfold_order(merged: Tensor, *_: object) -> Tensor:
    """Undo ``to_unfold_order``."""
    return merged.unflatten(-1, (-1, 2, 2)).transpose(-1, -3).flatten(-3)


def _joined_bias(query_bias: Tensor, name: str, state: State) -> Tensor:
    """Return the bias of queries, keys and values; BEiT's keys have none."""
    other = name.replace('q_bias', 'v_bias')
    if other not in state:
        raise RefusedError(f'{name}: the file has no {other} to join it with')
    return torch.cat([query_bias, torch.zeros_like(query_bias), state[other]])


_OWN = 'starts from its own initialisation'
_CLASSIFIER = 'ImageNet classifier'
_UNUSED = "never used by the authors' model, which has it"
_COMPUTED = 'an index that the model computes'
_ORDER = 'merged pixels re-ordered'
_JOINED = 'joined: q_bias, 0, v_bias'
_LOSSY = 'left out, as the authors did'
_TABLE = 'relative_position_bias_table'
_BLOCK = r'\.(\d+\.blocks\.\d+)\.'
_QUERY_BIAS = r'blocks\.0\.attn\.q_bias'
_PYRAMID = {r'fpn[12]\..+': _OWN}
_VIT_CLASSIFIER = Rule(r'(?:head|head_dist|fc_norm|pre_logits)\..+', reason=_CLASSIFIER)
_NO_CLASS_TOKEN = Rule(r'cls_token|dist_token', reason='the model has no class token')
_NO_INDEX = Rule(r'.+\.relative_position_index', reason=_COMPUTED)

# In the order in which their marks are looked for
NETWORKS = {
    # mmsegmentation has torchvision's names
    'resnet50': Network(
        'resnet50',
        r'layer1\.0\.conv1\.weight',
        rules=(Rule(r'fc\.\w+', reason=_CLASSIFIER),),
        fresh={r'.+\.num_batches_tracked': 'starts at 0; torchvision had none until 2018'},
    ),
    # Microsoft's names and channel order become mmsegmentation's
    'swin': Network(
        'swin',
        r'(layers|stages)\.0\.blocks\.0\.attn\.(w_msa\.)?qkv\.weight',
        rules=(
            Rule(
                r'layers\..+\.attn_mask', reason='computed, as it depends on the size of the images'
            ),
            Rule(r'(?:norm|head)\.\w+', reason=_CLASSIFIER),
            Rule(r'patch_embed\.proj\.(\w+)', r'patch_embed.projection.\1'),
            Rule(rf'layers{_BLOCK}attn\.(.+)', r'stages.\1.attn.w_msa.\2'),
            Rule(rf'layers{_BLOCK}mlp\.fc1\.(\w+)', r'stages.\1.ffn.layers.0.0.\2'),
            Rule(rf'layers{_BLOCK}mlp\.fc2\.(\w+)', r'stages.\1.ffn.layers.1.\2'),
            Rule(rf'layers{_BLOCK}(norm[12]\.\w+)', r'stages.\1.\2'),
            Rule(r'layers\.(\d+\.downsample\.\w+\.\w+)', r'stages.\1', _ORDER, to_unfold_order),
        ),
        fresh={r'norm[0-3]\.\w+': _OWN, r'stages\..+\.relative_position_index': _COMPUTED},
        to_authors=(
            Rule(r'patch_embed\.projection\.(\w+)', r'patch_embed.proj.\1'),
            Rule(rf'stages{_BLOCK}attn\.w_msa\.(.+)', r'layers.\1.attn.\2'),
            Rule(rf'stages{_BLOCK}ffn\.layers\.0\.0\.(\w+)', r'layers.\1.mlp.fc1.\2'),
            Rule(rf'stages{_BLOCK}ffn\.layers\.1\.(\w+)', r'layers.\1.mlp.fc2.\2'),
            Rule(rf'stages{_BLOCK}(norm[12]\.\w+)', r'layers.\1.\2'),
            Rule(r'stages\.(\d+\.downsample\.\w+\.\w+)', r'layers.\1', _ORDER, from_unfold_order),
        ),
    ),
    # The authors' names, but not what nothing uses in their models
    'vitae': Network(
        'vitae',
        r'layers\.0\.RC\.PCM\.0\.weight',
        rules=(
            Rule(r'(?:head|norm)\.\w+', reason=_CLASSIFIER),
            Rule(
                rf'norm[0-3]\.\w+|layers\..+\.(?:{_TABLE}|relative_position_index|attn_mask)',
                reason=_UNUSED,
            ),
        ),
        dead={
            r'(layers\.[01]\.(?:RC\.attn\.attn|NC\.\d+\.attn))\.qkv\.weight': (
                rf'\1.{_TABLE}',
                r'\1.relative_position_index',
            ),
            r'layers\.([0-3])\.RC\.PCM\.0\.weight': (r'norm\1.weight', r'norm\1.bias'),
        },
    ),
    'internimage': Network(
        'internimage',
        r'levels\.0\.blocks\.0\.dcn\.offset\.weight',
        rules=(Rule(r'(?:conv_head|head)\..+', reason=_CLASSIFIER),),
    ),
    'vit-adapter': Network(
        'vit-adapter',
        r'spm\.stem\.0\.weight',
        rules=(
            _VIT_CLASSIFIER,
            _NO_CLASS_TOKEN,
            Rule(r'norm\.\w+', reason="the model has no final norm of the ViT's"),
        ),
        fresh={
            r'(?:spm|interactions|up|norm[1-4])\..+|level_embed': _OWN,
            r'blocks\.\d+\.gamma[12]': 'starts at 1',
        },
    ),
    'vit-rvsa': Network(
        'vit-rvsa',
        r'blocks\.0\.attn\.sampling_offsets\.2\.weight',
        rules=(
            _VIT_CLASSIFIER,
            _NO_CLASS_TOKEN,
            _NO_INDEX,
            Rule(r'pos_embed', reason='the model has no absolute position embedding'),
            Rule(r'norm\.\w+', reason=_UNUSED),
        ),
        fresh={**_PYRAMID, rf'blocks\.\d+\.attn\.(?:rel_pos_[hw]|{_TABLE}|sampling_.+)': _OWN},
        dead={
            rf'(blocks\.\d+\.attn)\.{_TABLE}': (r'\1.relative_position_index',),
            r'patch_embed\.proj\.weight': ('norm.weight', 'norm.bias'),
        },
    ),
    'vit-beit': Network(
        'vit',
        rf'blocks\.0\.attn\.{_TABLE}',
        rules=(_VIT_CLASSIFIER, _NO_INDEX),
        fresh={**_PYRAMID, r'norm\.\w+': "starts as the identity: fc_norm was the pooled vector's"},
        options=dict(variant='beit'),
    ),
    'vit': Network(
        'vit', r'fpn1\.0\.weight', rules=(_VIT_CLASSIFIER, _NO_CLASS_TOKEN), fresh=_PYRAMID
    ),
}
VITS = ('vit', 'vit-adapter', 'vit-rvsa', 'vit-beit')

SAMRS, OURS, PLAIN = 'samrs', 'ours', 'plain'
# In the order in which they are tried
LAYOUTS = {
    SAMRS: Layout(r'semseghead(_\d)?\..+'),
    OURS: Layout(r'decode_head\..+'),
    'beit': Layout(
        _QUERY_BIAS,
        rules=(
            Rule(r'(blocks\.\d+)\.gamma_([12])', r'\1.gamma\2'),
            Rule(r'(blocks\.\d+\.attn)\.q_bias', r'\1.qkv.bias', _JOINED, _joined_bias),
            Rule(r'(blocks\.\d+\.attn)\.v_bias', r'\1.qkv.bias', _JOINED, lambda *_: None),
        ),
        network='vit-beit',
    ),
    'beit-lossy': Layout(
        _QUERY_BIAS,
        rules=(
            Rule(r'blocks\.\d+\.gamma_[12]', reason=f'{_LOSSY}: scales of the branches, then 1'),
            Rule(
                r'blocks\.\d+\.attn\.[qv]_bias', reason=f'{_LOSSY}: biases of the attention, then 0'
            ),
            Rule(
                rf'.+\.(?:{_TABLE}|relative_position_index)',
                reason=f'{_LOSSY}: positions, then random',
            ),
        ),
        network='vit',
        fresh={
            r'blocks\.\d+\.attn\.qkv\.bias': 'starts at 0, as q_bias and v_bias are left out',
            r'pos_embed': _OWN,
            r'norm\.\w+': _OWN,
        },
    ),
    # The authors', the original's and mmpretrain's
    'mae': Layout(
        r'(.+\.)?mask_token|decoder_embed\..+|(backbone\.)?layers\.0\.ln1\.weight',
        rules=(
            Rule(
                r'(?:encoder\.)?mask_token|decoder[_.].+|neck\..+|target_generator\..+',
                reason='of the pre-training task: mask token and decoder',
            ),
            Rule(r'(?:encoder|backbone)\.(.+)', r'\1'),
            Rule(r'patch_embed\.projection\.(\w+)', r'patch_embed.proj.\1'),
            Rule(r'layers\.(\d+)\.ln([12])\.(\w+)', r'blocks.\1.norm\2.\3'),
            Rule(r'layers\.(\d+)\.attn\.(.+)', r'blocks.\1.attn.\2'),
            Rule(r'layers\.(\d+)\.ffn\.layers\.0\.0\.(\w+)', r'blocks.\1.mlp.fc1.\2'),
            Rule(r'layers\.(\d+)\.ffn\.layers\.1\.(\w+)', r'blocks.\1.mlp.fc2.\2'),
            Rule(r'ln1\.(\w+)', r'norm.\1'),
        ),
        network='vit-rvsa',
    ),
    PLAIN: Layout(r'.+', (Rule(r'backbone\.(.+)', r'\1'),)),
}
# Whose files with plain names may be of which networks
PLAIN_ORIGINS = {
    'timm': VITS,
    'rsp': ('resnet50', 'swin', 'vitae'),
    'torchvision': ('resnet50',),
    'swin': ('swin',),
    'vitae': ('vitae',),
    'internimage': ('internimage',),
}

# Decode heads, named as in ``configs/_base_/decoders``: a regular expression of a name that its
# trunk alone has, and where the authors' head and ours have the classifier
DECODERS = {
    'unet': (r'blocks\.0\.conv1\.0\.weight', '0', 'conv_seg'),
    'upernet': (r'fpn_bottleneck\.conv\.weight', '1', 'conv_seg'),
    'mask2former': (r'pixel_decoder\.mask_feature\.weight', 'cls_embed', 'cls_embed'),
}
# In the paper's order of the heads
SOURCES = ('sota', 'sior', 'fast')


def whole_rules(network: Network, decoder: str, back: bool = False) -> list[Rule]:
    """Return the rules from the authors' names of a whole model to ours, or back.

    Theirs are ``encoder.*``, ``decoder.*``, and ``semseghead_{1,2,3}.*`` of a pre-trained model or
    ``semseghead.*`` of a fine-tuned one.
    """
    _, theirs, ours = DECODERS[decoder]
    pairs = [('encoder', 'backbone', '(.+)')]
    for number, source in enumerate(SOURCES, 1):
        pairs.append((f'semseghead_{number}.{theirs}', f'heads.{source}', '(weight|bias)'))
    pairs.append((f'semseghead.{theirs}', f'decode_head.{ours}', '(weight|bias)'))
    pairs.append(('decoder', 'decode_head', '(.+)'))
    if back:
        pairs = [(ours, theirs, rest) for theirs, ours, rest in pairs]
    old, new, _ = pairs[0]
    return [
        rule._replace(
            pattern=rf'{old}\.(?:{rule.pattern})', target=rule.target and f'{new}.{rule.target}'
        )
        for rule in (network.to_authors if back else network.rules)
    ] + [Rule(rf'{re.escape(old)}\.{rest}', rf'{new}.\1') for old, new, rest in pairs]
