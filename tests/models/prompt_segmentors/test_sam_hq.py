import json

import numpy as np
import pytest
import torch
from sam_cases import SMALL, prompts_of, results, scene
from sam_hq_cases import (
    SIZES,
    SMALL_TINY,
    assert_equal_to_predictor,
    enliven,
    loaded_hq,
    own_predictions,
)

from samrs_mm.core.errors import RefusedError
from samrs_mm.core.prompts import PAPER_SETTINGS, PromptSetting
from samrs_mm.models.prompt_segmentors.sam_hq import HQSAMSegmentor

hq_package = pytest.importorskip(
    'segment_anything_hq', reason='segment_anything_hq is not installed'
)
CASES = [*((shape, False) for shape in SIZES), ('wide', True)]


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    """A file as ``sam_hq_vit_b.pth``, of a small network with lively random weights."""
    path = tmp_path_factory.mktemp('weights') / 'sam_hq.pth'
    torch.save(enliven(loaded_hq().model).state_dict(), path)
    return str(path)


def reference(arch):
    """Return the predictor of ``segment_anything_hq`` around a network of its own."""
    return hq_package.SamPredictor(enliven(loaded_hq(arch).model))


@pytest.mark.parametrize(('shape', 'hq_token_only'), CASES)
def test_all_equals_the_predictor_of_its_authors_bit_for_bit(shape, hq_token_only, weights):
    segmentor = loaded_hq(checkpoint=weights, chunk=2, hq_token_only=hq_token_only)
    compared = dict(
        assert_equal_to_predictor(
            segmentor, reference(SMALL), SIZES[shape], PAPER_SETTINGS, hq_token_only=hq_token_only
        )
    )
    assert tuple(compared) == PAPER_SETTINGS
    for name, masks in compared.items():
        filled = masks.mean(axis=(1, 2))
        assert ((filled > 0.01) & (filled < 0.99)).all(), f'{name}: trivial masks: {filled}'
        assert len({mask.tobytes() for mask in masks}) > 1, f'{name}: equal masks'


def test_light_hq_sam_equals_the_predictor_of_its_authors(tmp_path):
    predictor = reference(SMALL_TINY)
    torch.save(predictor.model.state_dict(), tmp_path / 'sam_hq_vit_tiny.pth')
    segmentor = loaded_hq(SMALL_TINY, checkpoint=str(tmp_path / 'sam_hq_vit_tiny.pth'), chunk=2)
    names = ('hbox', 'cp+rbox-m')
    compared = assert_equal_to_predictor(segmentor, predictor, SIZES['wide'], names, count=2)
    assert tuple(dict(compared)) == names


@pytest.mark.parametrize('hq_token_only', [False, True])
@pytest.mark.parametrize('name', ['cp+hbox', 'hbox-m'])
def test_fast_kernels_change_rounding_only(name, hq_token_only):
    image, polygons = scene(*SIZES['wide'])
    prompts = prompts_of(name, polygons, *SIZES['wide'])
    made = {}
    for kernels in ('exact', 'fast'):
        segmentor = loaded_hq(kernels=kernels, hq_token_only=hq_token_only)
        made[kernels] = own_predictions(segmentor, segmentor.encode([image])[0], prompts)
    assert (made['exact'][0] != made['fast'][0]).mean() < 1e-3
    for exact, fast in zip(made['exact'][1:], made['fast'][1:], strict=True):
        np.testing.assert_allclose(fast, exact, atol=1e-4)
        assert (fast != exact).any(), 'the same code'


def test_the_token_alone_gives_other_masks_from_the_same_features(weights):
    image, polygons = scene(64, 64)
    prompts = prompts_of('hbox', polygons, 64, 64)
    both = loaded_hq(checkpoint=weights)
    masks, scores, _ = results(both, image, prompts)
    both.hq_token_only = True
    alone, same_scores, _ = results(both, image, prompts)
    assert (masks != alone).mean() > 0.01
    assert (scores == same_scores).all()


def test_features_go_through_named_tensors_and_back(weights):
    segmentor = loaded_hq(checkpoint=weights)
    image, polygons = scene(40, 60)
    prompts = prompts_of('cp+hbox', polygons, 40, 60)
    encoded = segmentor.encode([image])[0]
    tensors = segmentor.to_tensors(encoded)
    assert {name: tuple(value.shape) for name, value in tensors.items()} == dict(
        image=(1, 256, 8, 8), hq=(1, 32, 32, 32)
    )
    again = segmentor.from_tensors(tensors, (40, 60))
    for chunk, other in zip(
        segmentor.decode(encoded, prompts), segmentor.decode(again, prompts), strict=True
    ):
        assert (chunk.masks == other.masks).all()


def test_the_decoder_alone_decodes_and_encodes_when_asked(weights):
    image, polygons = scene(40, 60)
    prompts = prompts_of('cp+hbox', polygons, 40, 60)
    whole, decoder = (
        loaded_hq(checkpoint=weights),
        HQSAMSegmentor(arch=SMALL, checkpoint=weights, threads=1, device='cpu'),
    )
    decoder.load_decoder()
    tensors = whole.to_tensors(whole.encode([image])[0])
    stored = next(decoder.decode(decoder.from_tensors(tensors, (40, 60)), prompts))
    wanted = next(whole.decode(whole.encode([image])[0], prompts))
    assert (stored.scores == wanted.scores).all()
    for one, other in zip(
        decoder.encode([image])[0].features, whole.encode([image])[0].features, strict=True
    ):
        assert torch.equal(one, other)


def test_an_image_keeps_its_features_in_a_pass_of_several():
    images = [scene(*size, seed)[0] for seed, size in enumerate(SIZES.values())]
    alone = [loaded_hq().encode([image])[0] for image in images[:3]]
    for one, many in zip(alone, loaded_hq(images_per_pass=3).encode(images[:3]), strict=True):
        for feature, other in zip(one.features, many.features, strict=True):
            torch.testing.assert_close(other, feature, atol=1e-4, rtol=0)


def test_it_takes_all_settings_of_the_paper_but_no_oriented_box():
    segmentor = HQSAMSegmentor(arch=SMALL)
    assert not any(segmentor.unsupported(PromptSetting(name)) for name in PAPER_SETTINGS)
    assert segmentor.unsupported(PromptSetting('rbox')) == 'HQ-SAM takes no oriented box'


def test_the_token_is_a_setting():
    settings = [HQSAMSegmentor(arch=SMALL, hq_token_only=only).settings for only in (False, True)]
    assert [each['hq_token_only'] for each in settings] == [False, True]
    assert json.loads(json.dumps(settings)) == settings
    with pytest.raises(RefusedError, match=r"model\.hq_token_only='no'; True or False"):
        HQSAMSegmentor(arch=SMALL, hq_token_only='no')
