"""Meta's names of the weights of SAM 2 and SAM 3, and those that ``transformers`` gives them.

What only the video part and SAM 3's detector have is left out, by name; any other key stays, so
that a strict load finds it.
"""

import re
from collections.abc import Mapping

import torch

# Meta's names of keys, and those of transformers; each rule is applied once, in this order.
_MLP = r'((?:iou_prediction_head|pred_obj_score_head|output_hypernetworks_mlps\.\d+))\.layers\.'
_DECODER = (
    (r'^sam_prompt_encoder\.', 'prompt_encoder.'),
    (r'^sam_mask_decoder\.', 'mask_decoder.'),
    (r'^no_mem_embed$', 'no_memory_embedding'),
    (r'\.norm(\w*)\.', r'.layer_norm\1.'),
    (r'\.mlp\.layers\.0\.', '.mlp.proj_in.'),
    (r'\.mlp\.layers\.1\.', '.mlp.proj_out.'),
    (r'\.mlp\.lin1\.', '.mlp.proj_in.'),
    (r'\.mlp\.lin2\.', '.mlp.proj_out.'),
    (r'\.out_proj\.', '.o_proj.'),
    (r'output_upscaling\.0\.', 'upscale_conv1.'),
    (r'output_upscaling\.1\.', 'upscale_layer_norm.'),
    (r'output_upscaling\.3\.', 'upscale_conv2.'),
    (r'mask_downscaling\.0\.', 'mask_embed.conv1.'),
    (r'mask_downscaling\.1\.', 'mask_embed.layer_norm1.'),
    (r'mask_downscaling\.3\.', 'mask_embed.conv2.'),
    (r'mask_downscaling\.4\.', 'mask_embed.layer_norm2.'),
    (r'mask_downscaling\.6\.', 'mask_embed.conv3.'),
    (
        r'pe_layer\.positional_encoding_gaussian_matrix',
        'shared_embedding.positional_embedding',
    ),
    (_MLP + r'0\.', r'\1.proj_in.'),
    (_MLP + r'1\.', r'\1.layers.0.'),
    (_MLP + r'2\.', r'\1.proj_out.'),
)
"""Of prompt encoder and mask decoder, which SAM 3 has, too."""
_HIERA = (
    (r'^image_encoder\.trunk\.', 'vision_encoder.backbone.'),
    (r'^image_encoder\.neck\.convs\.(\d+)\.conv\.', r'vision_encoder.neck.convs.\1.'),
    (r'patch_embed\.proj\.', 'patch_embed.projection.'),
)
SAM2_VIDEO = (
    'memory_attention.',
    'memory_encoder.',
    'mask_downsample.',
    'obj_ptr_',
    'maskmem_tpos_enc',
    'no_mem_pos_enc',
    'no_obj_',
)


def sam2_state(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return Meta's weights of SAM 2 under the keys of ``Sam2Model``, without the video part."""
    kept = {key: value for key, value in state.items() if not key.startswith(SAM2_VIDEO)}
    return _renamed(kept, _HIERA + _DECODER)


def _renamed(
    state: Mapping[str, torch.Tensor], table: tuple[tuple[str, str], ...]
) -> dict[str, torch.Tensor]:
    """Return weights under new names, the four point embeddings as one tensor.

    A position embedding that Meta's code shares between prompts and image is there twice.
    """
    made = {}
    for key, value in state.items():
        for pattern, replacement in table:
            key = re.sub(pattern, replacement, key)
        made[key] = value
    prefix = 'prompt_encoder.point_embed'
    points = [made.pop(f'{prefix}dings.{i}.weight', None) for i in range(4)]
    if all(point is not None for point in points):
        made[f'{prefix}.weight'] = torch.cat(points)
    shared = made.get('prompt_encoder.shared_embedding.positional_embedding')
    if shared is not None:
        made['shared_image_embedding.positional_embedding'] = shared
    return made


_VIT = (
    (r'^detector\.backbone\.vision_backbone\.trunk\.', 'vision_encoder.backbone.'),
    (r'^(.*)\.pos_embed$', r'\1.embeddings.position_embeddings'),
    (r'\.patch_embed\.proj\.', '.embeddings.patch_embeddings.projection.'),
    (r'\.ln_pre\.', '.layer_norm.'),
    (r'\.blocks\.', '.layers.'),
    (r'\.attn\.proj\.', '.attention.o_proj.'),
    (r'\.attn\.', '.attention.'),
    (r'^detector\.backbone\.vision_backbone\.sam2_convs\.', 'vision_encoder.neck.fpn_layers.'),
    (r'dconv_2x2_0', 'scale_layers.0'),
    (r'dconv_2x2_1', 'scale_layers.2'),
    (r'dconv_2x2\.', 'scale_layers.0.'),
    (r'conv_1x1', 'proj1'),
    (r'conv_3x3', 'proj2'),
)
_OF_VISION = ('trunk.', 'sam2_convs.0.', 'sam2_convs.1.', 'sam2_convs.2.')
_VISION = tuple(f'detector.backbone.vision_backbone.{part}' for part in _OF_VISION)
_TRACKER_VIDEO = ('transformer.', 'maskmem_', 'mask_downsample.', 'obj_ptr_', 'no_mem_pos_enc')
_SAM3_DROPPED = ('detector.', *(f'tracker.{part}' for part in (*_TRACKER_VIDEO, 'no_obj_')))


def sam3_state(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return Meta's weights of SAM 3 under the keys of ``Sam3TrackerModel``.

    The detector's vision part is the tracker's, too; its coarsest level is not used.
    """
    kept: dict[str, torch.Tensor] = {}
    for key, value in state.items():
        dropped = key.startswith(_SAM3_DROPPED) and not key.startswith(_VISION)
        if dropped or key.endswith('.freqs_cis'):
            continue
        key = key.removeprefix('tracker.')
        if key.endswith('trunk.pos_embed'):
            value = value[:, 1:]  # that of the class token
        if '.qkv.' in key:
            for name, part in zip('qkv', value.chunk(3), strict=True):
                kept[key.replace('.qkv.', f'.{name}_proj.')] = part
        else:
            kept[key] = value
    return _renamed(kept, _VIT + _DECODER)
