"""``kernels='fast'`` is equal to the exact way but for float rounding, in all that it is asked."""

import weakref

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sam_cases import SIZES, SMALL, lively, loaded, prompts_of, scene

from samrs_mm.core import masks as mask_ops
from samrs_mm.core.prompts import PAPER_SETTINGS
from samrs_mm.models.prompt_segmentors import fast_decoder, fast_encoder

pytest.importorskip('segment_anything', reason='segment_anything is not installed')


ARCH = {key: value for key, value in SMALL.items() if key != 'seed'}


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    """A checkpoint of a small SAM of which no part is dead."""
    path = tmp_path_factory.mktemp('weights') / 'lively.pth'
    model = loaded().model
    lively(model)
    torch.save(model.state_dict(), path)
    return str(path)


@pytest.fixture(scope='module')
def pair(weights):
    """An exact and a fast segmentor of the same weights."""
    options = dict(arch=ARCH, checkpoint=weights)
    return loaded(**options), loaded(kernels='fast', **options)


def logits(segmentor, encoded, prompts):
    low_res, scores = segmentor._predict_part(encoded, prompts, slice(None))
    return low_res.numpy(), scores


def masks_of(segmentor, encoded, prompts):
    chunks = segmentor.decode(encoded, prompts)
    return np.stack([mask_ops.decode(coded) for chunk in chunks for coded in chunk.encoded()])


def test_logits_pixels_and_scores_of_every_prompt_setting(pair):
    exact, fast = pair
    differ = pixels = 0
    for size in SIZES.values():
        image, polygons = scene(*size)
        one, other = (segmentor.encode([image])[0] for segmentor in pair)
        np.testing.assert_allclose(other.features[0], one.features[0], atol=1e-4, rtol=0)
        assert not torch.equal(other.features[0], one.features[0]), 'the same code ran twice'
        for name in PAPER_SETTINGS:
            prompts = prompts_of(name, polygons, *size)
            expected, scores = logits(exact, one, prompts)
            found, fast_scores = logits(fast, other, prompts)
            assert expected.std() > 0.1, f'{name}: weights that show nothing'
            np.testing.assert_allclose(found, expected, atol=1e-4, rtol=0, err_msg=name)
            np.testing.assert_allclose(fast_scores, scores, atol=1e-5, rtol=0, err_msg=name)
            masks, fast_masks = (
                F.interpolate(torch.from_numpy(each)[:, None], scale_factor=8, mode='bilinear') > 0
                for each in (expected, found)
            )
            differ += (masks != fast_masks).sum().item()
            pixels += masks.numel()
    print(f'{differ} of {pixels} pixels differ')
    assert differ <= 1e-6 * pixels


@pytest.mark.parametrize('name', ['cp+hbox', 'cp+rbox-m'])
def test_chunks_and_slices_of_them(pair, name, monkeypatch):
    exact, fast = pair
    image, polygons = scene(200, 256, count=9)
    prompts = prompts_of(name, polygons, 200, 256)
    one, other = (segmentor.encode([image])[0] for segmentor in pair)
    expected, scores = logits(exact, one, prompts)
    for at_once in (1, 3 * 64, 2**13):
        monkeypatch.setattr(fast_decoder, 'PIXELS_AT_ONCE', at_once)
        for chunk in (1, 4, 20):
            parts = [logits(fast, other, prompts[i : i + chunk]) for i in range(0, 9, chunk)]
            found, fast_scores = (np.concatenate(part) for part in zip(*parts, strict=True))
            np.testing.assert_allclose(found, expected, atol=1e-4, rtol=0)
            np.testing.assert_allclose(fast_scores, scores, atol=1e-5, rtol=0)


def test_what_the_prompts_share_is_made_once_for_an_image(pair, monkeypatch):
    _, fast = pair
    made = []
    side = fast.fast_decoder.transformer.image_side
    monkeypatch.setattr(
        fast.fast_decoder.transformer, 'image_side', lambda x: made.append(1) or side(x)
    )
    pictures = [scene(100, 90, seed) for seed in (1, 2)]
    encoded = [fast.encode([image])[0] for image, _ in pictures]
    found = {}
    for turn, i in enumerate((0, 0, 1, 0)):
        prompts = prompts_of('hbox', pictures[i][1], 100, 90)
        masks = masks_of(fast, encoded[i], prompts[:3])
        np.testing.assert_array_equal(masks, found.setdefault(i, masks))
        assert len(made) == (1, 1, 2, 3)[turn]


def test_several_images_in_a_pass(pair, weights):
    fast = loaded(arch=ARCH, checkpoint=weights, kernels='fast', images_per_pass=3)
    images = [scene(*size, seed)[0] for seed, size in enumerate([(128, 128), (40, 120), (20, 33)])]
    for image, encoded in zip(images, fast.encode(images), strict=True):
        expected = pair[0].encode([image])[0].features[0]
        torch.testing.assert_close(encoded.features[0], expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize('way', [fast_encoder.folded, fast_encoder.blocked])
@pytest.mark.parametrize(('block', 'size'), [(0, (16, 20)), (0, (14, 28)), (1, (8, 8))])
@pytest.mark.parametrize('at_once', [1, 3000, 2**22])
def test_both_ways_of_attention(pair, way, block, size, at_once, monkeypatch):
    """The one for GPUs is computed here, too."""
    monkeypatch.setattr(fast_encoder, 'SCORES_AT_ONCE', at_once)
    monkeypatch.setattr(fast_encoder, 'blocked', way)
    one = pair[0].model.image_encoder.blocks[block]
    x = torch.randn(2, *size, SMALL['embed_dim'])
    with torch.no_grad():
        expected = one(x)
        found = fast_encoder.run_block(one, x)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_no_weight_is_held_twice(pair):
    exact, fast = pair
    assert fast.model.state_dict().keys() == exact.model.state_dict().keys()
    held = {id(parameter) for parameter in fast.model.parameters()}
    transformer = fast.fast_decoder.transformer
    for attention in (transformer.final, *(layer.to_image for layer in transformer.layers)):
        assert {id(attention.query.weight), id(attention.value.bias)} <= held


def test_nothing_is_kept_of_what_is_unloaded(weights):
    fast = loaded(kernels='fast', arch=ARCH, checkpoint=weights)
    parts = [weakref.ref(each) for each in (fast.model.mask_decoder, fast.model.image_encoder)]
    fast.unload()
    assert [part() for part in parts] == [None, None]
