"""A small SAM 2.1 with random weights, and what Meta's own code makes of it.

Meta's package can't be installed with the tests (it is a third party's upload, in hydra), so what
it gave is kept in ``tests/data/sam_family/sam2.npz``: samples of embeddings and logits, scores, and
the masks. To make the file anew, with Meta's ``sam2``, hydra-core and iopath on the path::

    PYTHONPATH=.:tests/support python tests/support/sam2_reference.py

Where the package can be imported, the tests compare with it live, too.
"""

import json
import zlib
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from samrs_mm.core import boxes as box_ops
from samrs_mm.core.prompts import PromptBatch, PromptSetting, mask_prompt

GOLDEN = Path(__file__).resolve().parents[1] / 'data/sam_family/sam2.npz'
SIDE = 128
SMALL = dict(embed_dim=24, stages=[1, 1, 2, 1], num_heads=1, global_attn_indexes=[3], img_size=SIDE)
IMAGES = {
    'square': (128, 128),
    'wide': (40, 120),
    'tall': (120, 40),
    'tiny': (20, 33),
    'larger': (200, 170),
}
# What a network is given, by the setting that gives it: with and without a point, box, mask.
KINDS = ('hbox', 'cp', 'cp+hbox', 'hbox-m', 'cp+hbox-m', 'hbox+hbox-m', 'cp+hbox+hbox-m')


def random_state(shapes, seed=0):
    """Return weights by key, that depend on the key's name, its shape and the seed alone.

    They are livelier than fresh ones: nothing is zero, so no part of the network is idle.
    """
    state = {}
    for key, shape in shapes.items():
        rng = np.random.RandomState((zlib.crc32(key.encode()) + seed) % 2**32)
        values = rng.standard_normal(shape)
        if 'embed' in key and len(shape) != 4:
            values *= 0.5
        elif 'pos_embed' in key:
            values *= 0.3
        elif 'gaussian' in key or key.endswith(('token.weight', 'tokens.weight')):
            pass
        elif len(shape) > 1:
            values *= 0.9 / np.sqrt(np.prod(shape[1:]))
        elif key.endswith('weight'):
            values = 1 + 0.2 * values
        else:
            values *= 0.05
        state[key] = torch.from_numpy(values.astype(np.float32))
    return state


def picture(height, width, seed=0):
    """A picture of soft patches and noise ``(H, W, 3)`` uint8."""
    rng = np.random.RandomState(seed)
    coarse = rng.randint(0, 256, (max(2, height // 12), max(2, width // 12), 3)).astype(np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.NEAREST))
    noise = rng.randint(-20, 21, (height, width, 3))
    return np.clip(smooth.astype(int) + noise, 0, 255).astype(np.uint8)


def polygons(height, width, count=3, seed=0):
    """Corners of turned boxes ``(count, 4, 2)``, their centres within the picture."""
    rng = np.random.RandomState(seed + 1)
    made = []
    for _ in range(count):
        centre = rng.uniform((0.2 * width, 0.2 * height), (0.8 * width, 0.8 * height))
        half = rng.uniform(0.1, 0.3, 2) * min(height, width)
        angle = rng.uniform(0, np.pi)
        axes = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        made.append(centre + np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half @ axes)
    return np.array(made)


def prompts(kind, height, width, count=3):
    """Return the prompts of one of ``KINDS`` (no turned boxes) for a picture."""
    setting = PromptSetting.parse(kind)
    corners = polygons(height, width, count)
    hulls = box_ops.clip(box_ops.bounding_boxes(corners), width, height)
    return PromptBatch(
        setting,
        boxes=hulls if setting.box else None,
        points=(hulls[:, :2] + hulls[:, 2:]) / 2 if setting.point else None,
        regions=box_ops.corners(hulls) if setting.mask else None,
    )


def meta_model(state, dynamic=True):
    """Return Meta's network with these weights; each key of it must be there."""
    from sam2.build_sam import build_sam2

    trunk = 'model.image_encoder.trunk'
    model = build_sam2(
        'configs/sam2.1/sam2.1_hiera_t.yaml',
        None,
        device='cpu',
        hydra_overrides_extra=[
            f'++model.image_size={SIDE}',
            f'++{trunk}.embed_dim={SMALL["embed_dim"]}',
            f'++{trunk}.stages={SMALL["stages"]}',
            f'++{trunk}.global_att_blocks={SMALL["global_attn_indexes"]}',
            '++model.image_encoder.neck.backbone_channel_list=[192,96,48,24]',
        ],
    )
    if state is not None:
        model.load_state_dict(state)
    model.sam_mask_decoder.dynamic_multimask_via_stability = dynamic
    return model.requires_grad_(False)


class MetaPredictor:
    """Meta's predictor of images, a prompt at a time."""

    def __init__(self, model):
        from sam2.sam2_image_predictor import SAM2ImagePredictor

        self.predictor = SAM2ImagePredictor(model)
        self.predictor._bb_feat_sizes = [(SIDE // step,) * 2 for step in (4, 8, 16)]
        self.side = SIDE

    def set_image(self, image):
        """Embed an image; return its three levels."""
        self.predictor.set_image(image)
        self.size = image.shape[:2]
        features = self.predictor._features
        return [*features['high_res_feats'], features['image_embed']]

    def __call__(self, batch):
        """Return masks ``(n, H, W)`` bool, scores ``(n,)`` and logits ``(n, S / 4, S / 4)``."""
        made = [self.one(batch[i : i + 1]) for i in range(len(batch))]
        return tuple(np.concatenate(part) for part in zip(*made, strict=True))

    def one(self, prompt):
        """The same of one prompt."""
        mask = None
        if prompt.regions is not None:
            mask = mask_prompt(prompt.regions[0], *self.size, 4 * self.low_side, stretched=True)
        masks, scores, logits = self.predictor.predict(
            point_coords=prompt.points,
            point_labels=None if prompt.points is None else np.array([1]),
            box=None if prompt.boxes is None else prompt.boxes[0],
            mask_input=None if mask is None else mask[None],
            multimask_output=False,
        )
        return masks > 0, scores, logits

    @property
    def low_side(self):
        """Side of logits and mask prompts."""
        return self.side // 4


def sample(array, count=48):
    """Return values from all over an array."""
    flat = np.asarray(array, np.float32).ravel()
    return flat[np.linspace(0, flat.size - 1, count).astype(int)]


def golden_of(predictor):
    """Return what the golden file holds of the pictures: arrays by name."""
    made = {}
    for name, (height, width) in IMAGES.items():
        levels = predictor.set_image(picture(height, width))
        for i, level in enumerate(levels):
            made[f'{name}/level{i}'] = sample(level)
        for kind in KINDS if name == 'wide' else KINDS[:1]:
            masks, scores, logits = predictor(prompts(kind, height, width))
            made[f'{name}/{kind}/scores'] = scores.astype(np.float32)
            made[f'{name}/{kind}/logits'] = sample(logits)
            made[f'{name}/{kind}/masks'] = np.packbits(masks)
    return made


def difference(golden, name, kind, masks, scores, logits):
    """Return what differs most from a golden file: logits, scores, and the number of pixels."""
    expected = np.unpackbits(golden[f'{name}/{kind}/masks'])[: masks.size].reshape(masks.shape)
    return (
        np.abs(sample(logits) - golden[f'{name}/{kind}/logits']).max(),
        np.abs(scores - golden[f'{name}/{kind}/scores']).max(),
        int((masks != expected).sum()),
    )


def write(path, predictor, shapes):
    """Write a golden file: what the predictor gives, and the shape of each key of its weights."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, shapes=np.array(json.dumps(shapes)), **golden_of(predictor))
    print(path, path.stat().st_size, 'bytes')


def read(path=GOLDEN):
    """Return the arrays of a golden file, and the shapes of the weights."""
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    return arrays, json.loads(str(arrays.pop('shapes')))


def main():
    """Write the golden file."""
    shapes = {key: list(value.shape) for key, value in meta_model(None).state_dict().items()}
    write(GOLDEN, MetaPredictor(meta_model(random_state(shapes))), shapes)


if __name__ == '__main__':
    main()
