"""SAM3Segmentor against Meta's predictor of images, and the weights that it takes or refuses."""

import json

import numpy as np
import pytest
import sam2_reference as ref
import sam3_reference as ref3
import torch
from sam_cases import gathered

from samrs_mm.core.errors import RefusedError
from samrs_mm.core.prompts import PAPER_SETTINGS, PromptSetting
from samrs_mm.models.prompt_segmentors import hf_models, meta_keys, sam3_weights
from samrs_mm.models.prompt_segmentors.sam3 import SAM3Segmentor

pytest.importorskip('transformers', reason='transformers is not installed')
GOLDEN, SHAPES = ref.read(ref3.GOLDEN)
SIZES = ref3.SMALL | dict(seed=0)


def loaded(**options):
    segmentor = SAM3Segmentor(**dict(arch=ref3.SMALL, threads=1, device='cpu') | options)
    segmentor.load()
    return segmentor


@pytest.fixture(scope='module')
def state():
    """The keys of Meta's file, with some of its detector."""
    detector = {
        'detector.transformer.a': torch.zeros(1),
        'detector.dot_prod_scoring.b': torch.ones(1),
    }
    return ref3.published(ref.random_state(SHAPES)) | detector


@pytest.fixture(scope='module')
def checkpoint(state, tmp_path_factory):
    path = tmp_path_factory.mktemp('weights') / 'small.pt'
    torch.save(state, path)
    return str(path)


@pytest.fixture(scope='module')
def segmentor(checkpoint):
    return loaded(checkpoint=checkpoint)


@pytest.mark.parametrize('name', ref.IMAGES)
def test_it_gives_what_metas_predictor_gave(name, segmentor):
    size = ref.IMAGES[name]
    encoded = segmentor.encode([ref.picture(*size)])[0]
    for i, level in enumerate(encoded.features):
        np.testing.assert_allclose(ref.sample(level), GOLDEN[f'{name}/level{i}'], atol=1e-5, rtol=0)
    kinds = [key.split('/')[1] for key in GOLDEN if key.startswith(f'{name}/') and 'logits' in key]
    assert len(kinds) == (len(ref.KINDS) if name == 'wide' else 1)
    for kind in kinds:
        prompts = ref.prompts(kind, *size)
        with torch.no_grad():
            logits, *_ = segmentor._predict(encoded, segmentor._in_square(prompts, encoded.frame))
        masks, scores, _ = gathered(segmentor.decode(encoded, prompts))
        assert logits.shape == (3, 64, 64)
        made = masks, scores, logits.clamp(-32, 32)
        logits, scores, pixels = ref.difference(GOLDEN, name, kind, *made)
        assert logits < 1e-4, f'{kind}: logits differ by {logits:.1e}'
        assert scores < 1e-5, f'{kind}: scores differ by {scores:.1e}'
        assert pixels <= 2, f'{kind}: {pixels} pixels differ'


def test_transformers_puts_the_embedding_of_no_memory_where_it_is_not_seen():
    """When this fails, transformers has mended it: then the published four levels are right, too.

    With them it adds the embedding to the fourth, which it then drops; so ours has three.
    """
    import transformers

    sizes = sam3_weights._DEFAULTS | SIZES
    with torch.random.fork_rng(devices=[]):
        model = sam3_weights._network(transformers, sizes)
        config = model.config.__class__.from_dict(model.config.to_dict())
        config.vision_config.scale_factors = [4.0, 2.0, 1.0, 0.5]
        four = transformers.Sam3TrackerModel._from_config(config).eval()
        pixels = torch.randn(1, 3, ref3.SIDE, ref3.SIDE)
    levels = {}
    for number, each in ((3, model.eval()), (4, four)):
        each.load_state_dict(model.state_dict(), strict=False)
        levels[number] = []
        for value in (0.0, 1.0):
            each.no_memory_embedding.data.fill_(value)
            levels[number].append(each.get_image_embeddings(pixels)[2])
    torch.testing.assert_close(levels[3][1], levels[3][0] + 1)
    assert torch.equal(levels[4][1], levels[4][0])


def test_all_settings_of_the_paper_are_taken_but_no_oriented_box():
    segmentor = SAM3Segmentor(arch=SIZES)
    assert not any(segmentor.unsupported(PromptSetting(name)) for name in PAPER_SETTINGS)
    assert segmentor.unsupported(PromptSetting('rbox')) == 'SAM 3 takes no oriented box'


def test_settings_are_plain_and_complete():
    settings = SAM3Segmentor(arch=SIZES, threads=1, device='cpu').settings
    assert json.loads(json.dumps(settings)) == settings
    assert settings['type'] == 'SAM3Segmentor'
    assert settings['arch'] == SIZES
    assert settings['transformers'] == hf_models.installed_version()


def test_every_key_of_metas_file_is_accounted_for(state, tmp_path):
    made = meta_keys.sam3_state(state)
    assert not [key for key in made if key.startswith(('detector', 'tracker'))]
    path = tmp_path / 'small.pt'
    vision = 'detector.backbone.vision_backbone.trunk'
    for change, expected in (
        ({'tracker.extra': torch.zeros(1)}, 'Unexpected key(s) in state_dict: "extra"'),
        ({f'{vision}.extra': torch.zeros(1)}, '"vision_encoder.backbone.extra"'),
        ({'tracker.sam_mask_decoder.iou_token.weight': None}, 'Missing key(s)'),
    ):
        changed = {key: value for key, value in (state | change).items() if value is not None}
        torch.save(changed, path)
        assert expected in refusal(path)


def refusal(path, **options):
    segmentor = SAM3Segmentor(**dict(arch=ref3.SMALL, checkpoint=str(path), threads=1) | options)
    with pytest.raises(RefusedError) as info:
        segmentor.load()
    assert '\n' not in str(info.value)
    return str(info.value)


def test_missing_weights_are_answered_with_source_and_licence(tmp_path):
    with pytest.raises(RefusedError) as info:
        SAM3Segmentor()
    for line in (
        str(info.value),
        refusal(tmp_path / 'sam3.pt', arch='sam3'),
        refusal('facebook/sam3', arch='sam3'),
    ):
        assert 'https://huggingface.co/facebook/sam3/resolve/main/sam3.pt' in line
        assert "under Meta's SAM License, which is no open-source licence" in line
        assert 'given on request' in line
    assert 'names on the Hugging Face hub are not looked up' in line


def save_folder(model, path, name):
    """Save a tracker as a folder, of its own kind or as the published one, of videos."""
    import transformers

    with hf_models.quiet(transformers):
        model.save_pretrained(path)
    if name == 'sam3_tracker':
        return
    from safetensors.torch import load_file, save_file

    config = json.loads((path / 'config.json').read_text())
    whole = dict(model_type=name, tracker_config=config, detector_config={})
    (path / 'config.json').write_text(json.dumps(whole))
    # Saved under the published names already, but for a second prefix of the vision part.
    prefix = 'tracker_model.'
    tensors = {
        key.removeprefix(prefix)
        if key.startswith((f'{prefix}det', f'{prefix}tracker_n'))
        else key: value
        for key, value in load_file(path / 'model.safetensors').items()
    }
    assert 'detector_model.vision_encoder.backbone.embeddings.position_embeddings' in tensors
    assert 'tracker_neck.fpn_layers.3.proj1.weight' in tensors
    assert 'tracker_model.mask_decoder.iou_token.weight' in tensors
    tensors['detector_model.text_encoder.a'] = torch.zeros(1)
    tensors['tracker_model.memory_encoder.b'] = torch.zeros(1)
    save_file(tensors, path / 'model.safetensors', {'format': 'pt'})


@pytest.mark.parametrize('name', ['sam3_tracker', 'sam3_video'])
def test_a_hugging_face_folder_gives_the_same_masks(name, state, segmentor, tmp_path, capfd):
    """With all four levels and the epsilon of transformers, as published."""
    import transformers

    config = segmentor.model.config.__class__.from_dict(segmentor.model.config.to_dict())
    config.vision_config.scale_factors = [4.0, 2.0, 1.0, 0.5]
    config.vision_config.backbone_config.layer_norm_eps = 1e-6
    model = transformers.Sam3TrackerModel._from_config(config)
    model.load_state_dict(segmentor.model.state_dict(), strict=False)
    save_folder(model, tmp_path, name)
    assert json.loads((tmp_path / 'config.json').read_text())['model_type'] == name
    capfd.readouterr()
    other = loaded(checkpoint=str(tmp_path))
    assert capfd.readouterr() == ('', '')
    size = ref.IMAGES['tiny']
    encoded = [each.encode([ref.picture(*size)])[0] for each in (segmentor, other)]
    assert all(map(torch.equal, encoded[0].features, encoded[1].features))
    assert layer_norm_eps(tmp_path) == 1e-6
    layer_norm_eps(tmp_path, 1e-3)
    assert 'layer_norm_eps=0.001 instead of 1e-05' in refusal(tmp_path)
    layer_norm_eps(tmp_path, 1e-5)
    line = refusal(tmp_path, arch='sam3')
    assert 'holds a SAM 3 of embed_dim=48 instead of 1024, depth=4 instead of 32' in line
    assert 'not be read' in refusal_of_half(tmp_path)


def layer_norm_eps(path, value=None):
    """Return what a folder's config says of the image encoder's norms, or change it."""
    config = json.loads((path / 'config.json').read_text())
    vit = config.get('tracker_config', config)['vision_config']['backbone_config']
    if value is not None:
        vit['layer_norm_eps'] = value
        (path / 'config.json').write_text(json.dumps(config))
    return vit['layer_norm_eps']


def refusal_of_half(path):
    weights = path / 'model.safetensors'
    weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])
    return refusal(path)


def test_a_file_of_another_member_is_named(tmp_path):
    path = tmp_path / 'weights.pt'
    torch.save({'model': {'image_encoder.trunk.pos_embed': torch.zeros(1)}}, path)
    assert 'holds no SAM 3; this is SAM 2 of other sizes: take a config of SAM2Segm' in refusal(
        path
    )


@pytest.mark.parametrize(
    ('options', 'expected'),
    [
        (dict(arch='sam3.1', checkpoint='a.pt'), "model.arch='sam3.1'; allowed: sam3, or a dict"),
        (dict(arch=dict(embed_dim=96)), 'missing depth, num_heads'),
        (dict(arch=SIZES | dict(width=3)), 'unknown width'),
        (dict(arch=ref3.SMALL), 'add seed=0'),
        (dict(arch=SIZES | dict(img_size=100)), 'img_size=100 is not a multiple of 14'),
    ],
)
def test_impossible_options_are_refused(options, expected):
    with pytest.raises(RefusedError, match=expected):
        SAM3Segmentor(**options)


def test_random_weights_follow_the_seed():
    key = 'mask_decoder.mask_tokens.weight'
    weights = [loaded(arch=SIZES | dict(seed=seed)).model.state_dict()[key] for seed in (0, 0, 1)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
