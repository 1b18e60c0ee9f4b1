"""A small SAM 3 tracker with random weights, and what Meta's own code makes of it.

Meta's package can't be installed beside ours, nor built without a GPU, so what it gave is kept in
``tests/data/sam_family/sam3.npz``, as in ``sam2_reference``. To make the file anew, with the files
of ``sam3`` 0.1.4, and of iopath and pkg_resources, on the path::

    PYTHONPATH=.:tests/support python tests/support/sam3_reference.py
"""

import sys
import types
from pathlib import Path

import sam2_reference as ref

GOLDEN = Path(__file__).resolve().parents[1] / 'data/sam_family/sam3.npz'
SIDE, PATCH = 224, 14
SMALL = dict(
    embed_dim=48, depth=4, num_heads=3, mlp_dim=192, global_attn_indexes=[1, 3], img_size=SIDE,
    window_size=8, pretrain_size=112,
)  # fmt: skip


def published(state):
    """Return the weights under the keys of Meta's file, which holds a detector, too."""
    detector = 'backbone.'
    return {
        f'detector.{key}' if key.startswith(detector) else f'tracker.{key}': value
        for key, value in state.items()
    }


def meta_model(state):
    """Return Meta's tracker with these weights, built on the CPU; each key of it must be there."""
    decord = types.ModuleType('decord')  # imported for videos
    decord.cpu = decord.VideoReader = None
    sys.modules.setdefault('decord', decord)
    import sam3.model_builder as builder
    from sam3.model.vitdet import ViT

    positions, tracker = builder.PositionEmbeddingSine, builder.Sam3TrackerPredictor
    vit = ViT(
        img_size=SIDE, pretrain_img_size=SMALL['pretrain_size'], patch_size=PATCH,
        embed_dim=SMALL['embed_dim'], depth=SMALL['depth'], num_heads=SMALL['num_heads'],
        mlp_ratio=4, norm_layer='LayerNorm', drop_path_rate=0.0, qkv_bias=True, use_abs_pos=True,
        tile_abs_pos=True, global_att_blocks=tuple(SMALL['global_attn_indexes']), rel_pos_blocks=(),
        use_rope=True, use_interp_rope=True, window_size=SMALL['window_size'],
        pretrain_use_cls_token=True, retain_cls_token=False, ln_pre=True, ln_post=False,
        return_interm_layers=False, bias_patch_embed=False,
    )  # fmt: skip
    builder.PositionEmbeddingSine = lambda **k: positions(**(k | dict(precompute_resolution=None)))
    builder.Sam3TrackerPredictor = lambda **k: tracker(**(k | dict(image_size=SIDE)))
    neck = builder._create_vit_neck(
        builder._create_position_encoding(), vit, enable_inst_interactivity=True
    )
    builder._create_vision_backbone = lambda **_: neck
    model = builder.build_tracker(False, with_backbone=True)
    if state is not None:
        model.load_state_dict(state)
    return model.eval().requires_grad_(False)


class MetaPredictor(ref.MetaPredictor):
    """Meta's predictor of images, a prompt at a time; holes are not filled."""

    def __init__(self, model):
        from sam3.model.sam1_task_predictor import SAM3InteractiveImagePredictor

        self.predictor = SAM3InteractiveImagePredictor(model, max_hole_area=0.0)
        self.predictor._bb_feat_sizes = [(SIDE // PATCH * scale,) * 2 for scale in (4, 2, 1)]
        self.side = SIDE

    @property
    def low_side(self):
        return 4 * SIDE // PATCH


def main():
    """Write the golden file."""
    model = meta_model(None)
    buffers = {key for key in model.state_dict() if key.endswith('freqs_cis')}
    shapes = {
        key: list(value.shape) for key, value in model.state_dict().items() if key not in buffers
    }
    state = ref.random_state(shapes)
    kept = {key: value for key, value in model.state_dict().items() if key in buffers}
    ref.write(GOLDEN, MetaPredictor(meta_model(state | kept)), shapes)


if __name__ == '__main__':
    main()
