"""Small networks of HQ-SAM and MobileSAM with lively random weights, and what they predict."""

import sys

import numpy as np
import pytest
import torch
from sam_cases import SMALL, predictions, prompts_of, scene, whole_masks

from samrs_mm.models.prompt_segmentors.mobile_sam import MobileSAMSegmentor
from samrs_mm.models.prompt_segmentors.sam_hq import HQSAMSegmentor

SMALL_TINY = dict(
    embed_dims=[8, 16, 32, 320],
    depths=[1, 1, 1, 1],
    num_heads=[1, 2, 4],
    window_sizes=[7, 14, 7],
    seed=3,
)
SIZES = {'square': (128, 128), 'wide': (40, 120), 'tall': (120, 40), 'tiny': (20, 33)}


def enliven(model, seed=2):
    """Fill a network in place, by a generator whose numbers no release changes.

    What is zero or one at first (positions, biases, norms, running means) would hide an error.
    These weights make of rounding errors large ones, too: only equal code gives equal logits.
    """
    rng = np.random.RandomState(seed)
    for name, values in model.state_dict().items():
        if not values.is_floating_point():
            continue
        noise = rng.standard_normal(tuple(values.shape))
        if name.endswith('running_var'):
            noise = 1 + 0.3 * np.abs(noise)
        elif values.ndim == 1:
            noise = 1 + 0.2 * noise if name.endswith('weight') else 0.1 * noise
        elif 'attention_biases' in name or 'rel_pos' in name or 'pos_embed' in name:
            noise = 0.3 * noise
        elif not any(part in name for part in ('gaussian', 'embed.', 'embeddings', 'token')):
            noise = 1.5 * noise / np.sqrt(np.prod(values.shape[1:]))
        values.copy_(torch.from_numpy(np.asarray(noise)))
    return model.eval()


def loaded_hq(arch=SMALL, **options):
    segmentor = HQSAMSegmentor(**dict(arch=arch, threads=1, device='cpu') | options)
    segmentor.load()
    return segmentor


def loaded_mobile(arch=SMALL_TINY, **options):
    segmentor = MobileSAMSegmentor(**dict(arch=arch, threads=1, device='cpu') | options)
    segmentor.load()
    return segmentor


def own_predictions(segmentor, encoded, prompts):
    """Return masks ``(n, H, W)``, scores and logits of a segmentor, as ``predictions`` does."""
    logits, predict = [], segmentor._predict_part

    def noted(*args):
        made = predict(*args)
        logits.append(made[0])
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segmentor, '_predict_part', noted)
        chunks = list(segmentor.decode(encoded, prompts))
    masks = np.concatenate([whole_masks(chunk) for chunk in chunks])
    scores = np.concatenate([chunk.scores for chunk in chunks])
    return masks, scores, torch.cat(logits).numpy()


def without(monkeypatch, package):
    """Let importing a package fail, and ``segment_anything_hq`` be imported anew."""
    for name in list(sys.modules):
        if name.partition('.')[0] in (package, 'segment_anything_hq'):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)


def assert_equal_to_predictor(segmentor, predictor, size, names, count=3, **options):
    """Compare with a ``SamPredictor``: features, masks, scores and logits, bit for bit.

    Yields each setting with its masks.
    """
    image, polygons = scene(*size, count=count)
    encoded = segmentor.encode([image])[0]
    predictor.set_image(image)
    assert torch.equal(encoded.features[0], predictor.features)
    for name in names:
        prompts = prompts_of(name, polygons, *size)
        got = own_predictions(segmentor, encoded, prompts)
        wanted = predictions(predictor, prompts, *size, segmentor.chunk, **options)
        for ours, theirs in zip(got, wanted, strict=True):
            np.testing.assert_array_equal(ours, theirs, name)
        yield name, got[0]
