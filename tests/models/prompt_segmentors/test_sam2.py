"""SAM2Segmentor against Meta's SAM2ImagePredictor."""

import json

import numpy as np
import pytest
import sam2_reference as ref
import torch
from sam2_cases import GOLDEN, SHAPES, SIZES, loaded, predicted
from sam_cases import prompts_of

from samrs_mm.core.errors import RefusedError
from samrs_mm.core.prompts import PAPER_SETTINGS, PromptSetting
from samrs_mm.models.prompt_segmentors import hf_models
from samrs_mm.models.prompt_segmentors.sam2 import SAM2Segmentor

pytest.importorskip('transformers', reason='transformers is not installed')


@pytest.fixture(scope='module')
def state():
    return ref.random_state(SHAPES)


@pytest.fixture(scope='module')
def checkpoint(state, tmp_path_factory):
    path = tmp_path_factory.mktemp('weights') / 'small.pt'
    torch.save({'model': state}, path)
    return str(path)


@pytest.fixture(scope='module')
def segmentor(checkpoint):
    return loaded(checkpoint=checkpoint)


@pytest.mark.parametrize('name', ref.IMAGES)
def test_it_gives_what_metas_predictor_gave(name, segmentor):
    size = ref.IMAGES[name]
    encoded = segmentor.encode([ref.picture(*size)])[0]
    for i, level in enumerate(encoded.features):
        np.testing.assert_allclose(ref.sample(level), GOLDEN[f'{name}/level{i}'], atol=2e-5, rtol=0)
    kinds = [key.split('/')[1] for key in GOLDEN if key.startswith(f'{name}/') and 'logits' in key]
    assert len(kinds) == (len(ref.KINDS) if name == 'wide' else 1)
    for kind in kinds:
        made = predicted(segmentor, encoded, ref.prompts(kind, *size))
        logits, scores, pixels = ref.difference(GOLDEN, name, kind, *made)
        assert logits < 1e-4, f'{kind}: logits differ by {logits:.1e}'
        assert scores < 1e-5, f'{kind}: scores differ by {scores:.1e}'
        assert pixels <= 1, f'{kind}: {pixels} pixels differ'


@pytest.mark.parametrize('dynamic', [True, False])
def test_it_gives_what_metas_predictor_gives(dynamic, state, checkpoint):
    pytest.importorskip('sam2', reason="Meta's package is not installed")
    segmentor = loaded(checkpoint=checkpoint, dynamic_multimask=dynamic)
    predictor = ref.MetaPredictor(ref.meta_model(state, dynamic))
    for size in ref.IMAGES.values():
        image, corners = ref.picture(*size), ref.polygons(*size)
        encoded = segmentor.encode([image])[0]
        for level, theirs in zip(encoded.features, predictor.set_image(image), strict=True):
            assert torch.equal(level, theirs)
        for name in PAPER_SETTINGS:
            prompts = prompts_of(name, corners, *size)
            ours = predicted(segmentor, encoded, prompts)
            masks, scores, logits = predictor(prompts)
            np.testing.assert_allclose(ours[2], logits, atol=1e-4, rtol=0, err_msg=name)
            np.testing.assert_allclose(ours[1], scores, atol=1e-5, rtol=0, err_msg=name)
            assert (ours[0] != masks).sum() <= 1, name


def test_the_dynamic_choice_is_a_setting(segmentor, checkpoint):
    size = ref.IMAGES['wide']
    prompts = ref.prompts('hbox', *size)
    fixed = loaded(checkpoint=checkpoint, dynamic_multimask=False)
    encoded = segmentor.encode([ref.picture(*size)])[0]
    dynamic, single = (predicted(each, encoded, prompts) for each in (segmentor, fixed))
    assert (dynamic[0] != single[0]).mean() > 0.01
    chunks = [list(each.decode(encoded, prompts)) for each in (segmentor, fixed)]
    choices = np.concatenate([chunk.choices for chunk in chunks[0]])
    same = (dynamic[0] == single[0]).all(axis=(1, 2))
    assert ((choices == 0) == same).all()
    assert ((choices >= 0) & (choices <= 3)).all()
    assert all(chunk.choices is None for chunk in chunks[1])
    assert fixed.settings == segmentor.settings | dict(dynamic_multimask=False)
    with pytest.raises(RefusedError, match=r"model.dynamic_multimask='no'; True or False"):
        SAM2Segmentor(arch=SIZES, dynamic_multimask='no')


def test_all_settings_of_the_paper_are_taken_but_no_oriented_box():
    segmentor = SAM2Segmentor(arch=SIZES)
    assert not any(segmentor.unsupported(PromptSetting(name)) for name in PAPER_SETTINGS)
    assert segmentor.unsupported(PromptSetting('rbox')) == 'SAM 2 takes no oriented box'


def test_settings_are_plain_and_complete():
    settings = SAM2Segmentor(
        arch=SIZES | dict(stages=(1, 1, 2, 1)), threads=1, device='cpu'
    ).settings
    assert json.loads(json.dumps(settings)) == settings
    assert settings['type'] == 'SAM2Segmentor'
    assert settings['arch'] == SIZES
    assert settings['dynamic_multimask'] is True
    assert settings['transformers'] == hf_models.installed_version()


@pytest.mark.filterwarnings('error')
def test_an_image_that_cannot_be_written_to_is_no_reason_for_a_warning(segmentor):
    image = ref.picture(*ref.IMAGES['tiny'])
    image.flags.writeable = False
    assert segmentor.encode([image])[0].frame.original_size == ref.IMAGES['tiny']


def test_chunks_and_passes_change_rounding_only(segmentor, checkpoint):
    images = [ref.picture(*size) for size in ref.IMAGES.values()]
    prompts = ref.prompts('cp+hbox-m', *ref.IMAGES['square'], count=5)
    whole = predicted(segmentor, segmentor.encode(images[:1])[0], prompts)
    other = loaded(checkpoint=checkpoint, chunk=2, images_per_pass=3)
    encoded = other.encode(images[:2])
    assert encoded[1].frame.original_size == ref.IMAGES['wide']
    parts = predicted(other, encoded[0], prompts)
    np.testing.assert_allclose(parts[2], whole[2], atol=1e-4)
    assert (parts[0] != whole[0]).mean() < 1e-4


def test_features_go_through_tensors_by_name(segmentor):
    image = ref.picture(*ref.IMAGES['tall'])
    encoded = segmentor.encode([image])[0]
    tensors = segmentor.to_tensors(encoded)
    assert {name: tuple(tensor.shape) for name, tensor in tensors.items()} == {
        'high_res_0': (1, 32, 32, 32),
        'high_res_1': (1, 64, 16, 16),
        'image': (1, 256, 8, 8),
    }
    shuffled = dict(reversed(tensors.items()))
    again = segmentor.from_tensors(shuffled, image.shape[:2])
    assert again.frame == encoded.frame
    assert all(map(torch.equal, again.features, encoded.features))


def test_random_weights_follow_the_seed_and_leave_the_global_generator_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first, again, other = (loaded(arch=SIZES | dict(seed=seed)) for seed in (0, 0, 1))
    assert torch.rand(1) == expected
    key = 'mask_decoder.mask_tokens.weight'
    weights = [each.model.state_dict()[key] for each in (first, again, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert first.checkpoint_sha256 is None


@pytest.mark.parametrize(
    ('options', 'expected'),
    [
        (dict(arch='sam2_hiera_huge', checkpoint='a.pt'), 'allowed: sam2.1_hiera_tiny, sam2.1_'),
        (dict(arch=dict(embed_dim=96)), 'missing stages, num_heads'),
        (dict(arch=SIZES | dict(width=3)), 'unknown width'),
        (dict(arch=ref.SMALL), 'add seed=0'),
        (dict(arch=SIZES | dict(img_size=100)), 'img_size=100 is not a multiple of 32'),
        (dict(arch=SIZES | dict(global_attn_indexes=[2])), 'has 2, the first block of a stage'),
        (dict(arch=SIZES | dict(window_size=[8, 1, 4, 4])), 'all but the last are halved'),
        (dict(arch=SIZES | dict(stages=[1, 1, 2])), 'there are four stages'),
        (dict(arch=SIZES, chunk=0), 'model.chunk=0'),
    ],
)
def test_impossible_options_are_refused(options, expected):
    with pytest.raises(RefusedError, match=expected):
        SAM2Segmentor(**options)
