"""``kernels='fast'`` of SAM 2 and SAM 3 is equal to the exact way but for float rounding."""

import numpy as np
import pytest
import sam2_reference as ref
import sam3_reference as ref3
import torch
import torch.nn.functional as F
from sam_cases import prompts_of

from samrs_mm.core.prompts import PAPER_SETTINGS
from samrs_mm.models.prompt_segmentors import fast_decoder
from samrs_mm.models.prompt_segmentors.sam2 import SAM2Segmentor
from samrs_mm.models.prompt_segmentors.sam3 import SAM3Segmentor

pytest.importorskip('transformers', reason='transformers is not installed')


@pytest.fixture(scope='module', params=['SAM 2', 'SAM 3'])
def pair(request, tmp_path_factory):
    """An exact and a fast segmentor of the same weights, of which no part is dead."""
    path = tmp_path_factory.mktemp('weights') / 'lively.pt'
    if request.param == 'SAM 2':
        kind, arch, state = SAM2Segmentor, ref.SMALL, ref.random_state(ref.read()[1])
    else:
        kind, arch = SAM3Segmentor, ref3.SMALL
        state = ref3.published(ref.random_state(ref.read(ref3.GOLDEN)[1]))
    torch.save(state, path)
    options = dict(arch=arch, checkpoint=str(path), threads=1, device='cpu')
    made = kind(**options), kind(kernels='fast', **options)
    for each in made:
        each.load()
    return made


def predicted(segmentor, encoded, prompts):
    """Return the logits and scores of all four masks."""
    with torch.no_grad():
        return segmentor._predict_all(encoded, segmentor._in_square(prompts, encoded.frame))


def keeping(predict_all, made):
    """Return a segmentor's ``_predict_all`` as one that also appends what it returns."""
    return lambda *args: made.append(predict_all(*args)) or made[-1]


def pixels_of(logits):
    return F.interpolate(logits, scale_factor=8, mode='bilinear') > 0


def test_logits_pixels_and_scores_of_every_prompt_setting(pair, monkeypatch):
    exact, fast = pair
    made = []
    for each in pair:
        monkeypatch.setattr(each, '_predict_all', keeping(each._predict_all, made))
    differ = pixels = chosen = 0
    for size in ref.IMAGES.values():
        image, corners = ref.picture(*size), ref.polygons(*size, count=5)
        encoded = exact.encode([image])[0]
        assert all(map(torch.equal, encoded.features, fast.encode([image])[0].features))
        for name in PAPER_SETTINGS:
            prompts = prompts_of(name, corners, *size)
            choices = [each._predict_part(encoded, prompts, slice(None))[2] for each in pair]
            (expected, scores), (found, fast_scores) = made[-2:]
            assert found.shape == expected.shape
            assert not torch.equal(found, expected), 'the same code ran twice'
            assert expected.std() > 0.1, f'{name}: weights that show nothing'
            torch.testing.assert_close(found, expected, atol=1e-4, rtol=0, msg=name)
            torch.testing.assert_close(fast_scores, scores, atol=1e-5, rtol=0, msg=name)
            ours, theirs = map(pixels_of, (found, expected))
            differ += (ours != theirs).sum().item()
            pixels += ours.numel()
            chosen += sum(a != b for a, b in zip(*choices, strict=True))
    print(f'{differ} of {pixels} pixels and {chosen} choices differ')
    assert differ <= 1e-6 * pixels
    assert chosen == 0


def test_without_the_choice_only_the_single_mask_is_made(pair, monkeypatch):
    exact, fast = pair
    size = ref.IMAGES['wide']
    encoded = exact.encode([ref.picture(*size)])[0]
    prompts = ref.prompts('hbox', *size)
    expected, scores = predicted(exact, encoded, prompts)
    made, masks = [], fast.fast_decoder.masks
    monkeypatch.setattr(
        fast.fast_decoder, 'masks', lambda *args: made.append(masks(*args)) or made[0]
    )
    monkeypatch.setattr(fast, 'dynamic_multimask', False)
    found, fast_scores = fast._predict_part(encoded, prompts, slice(None))
    assert made[0][0].shape[1] == 1
    torch.testing.assert_close(found, expected[:, 0], atol=1e-4, rtol=0)
    torch.testing.assert_close(fast_scores, scores[:, 0], atol=1e-5, rtol=0)


@pytest.mark.parametrize('name', ['cp+hbox', 'cp+rbox-m'])
def test_chunks_and_slices_of_them(pair, name, monkeypatch):
    exact, fast = pair
    size = ref.IMAGES['larger']
    encoded = exact.encode([ref.picture(*size)])[0]
    prompts = prompts_of(name, ref.polygons(*size, count=5), *size)
    expected, _ = predicted(exact, encoded, prompts)
    for at_once, chunk in ((1, 5), (3 * 64, 2), (2**13, 5)):
        monkeypatch.setattr(fast_decoder, 'PIXELS_AT_ONCE', at_once)
        parts = [predicted(fast, encoded, prompts[i : i + chunk])[0] for i in range(0, 5, chunk)]
        torch.testing.assert_close(torch.cat(parts), expected, atol=1e-4, rtol=0)


def test_what_the_prompts_share_is_that_of_their_image(pair):
    exact, fast = pair
    sizes = ref.IMAGES['square'], ref.IMAGES['tall']
    encoded = [exact.encode([ref.picture(*size)])[0] for size in sizes]
    for i in (0, 1, 1, 0):
        prompts = ref.prompts('hbox', *sizes[i])
        made = [predicted(each, encoded[i], prompts)[0] for each in pair]
        torch.testing.assert_close(made[1], made[0], atol=1e-4, rtol=0)
    side = fast.fast_decoder.image_side(encoded[0].features[-1])
    predicted(fast, encoded[0], ref.prompts('cp', *sizes[0]))
    assert fast.fast_decoder.image_side(encoded[0].features[-1]) is side


def test_no_weight_is_held_twice_and_the_setting_is_recorded(pair):
    exact, fast = pair
    assert fast.model.state_dict().keys() == exact.model.state_dict().keys()
    held = {id(parameter) for parameter in fast.model.parameters()}
    transformer = fast.fast_decoder.transformer
    for attention in (transformer.final, *(layer.to_image for layer in transformer.layers)):
        assert {id(attention.query.weight), id(attention.value.bias)} <= held
    assert fast.settings == exact.settings | dict(kernels='fast')
    np.testing.assert_equal(fast.encoder_rounding['kernels'], 'fast')
