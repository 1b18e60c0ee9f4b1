"""The weights that SAM2Segmentor takes or refuses: files of Meta, folders of the hub."""

import json
import shutil

import numpy as np
import pytest
import sam2_reference as ref
import torch
from sam2_cases import SHAPES, SIZES, loaded, predicted, refusal

from samrs_mm.core.errors import RefusedError
from samrs_mm.models.prompt_segmentors import hf_models, meta_keys, sam2_weights
from samrs_mm.models.prompt_segmentors.sam2 import SAM2Segmentor

pytest.importorskip('transformers', reason='transformers is not installed')


@pytest.fixture(scope='module')
def state():
    return ref.random_state(SHAPES)


def test_every_key_of_metas_file_is_accounted_for(state, tmp_path):
    video = [key for key in state if key.startswith(meta_keys.SAM2_VIDEO)]
    image = meta_keys.sam2_state(state)
    # Four point embeddings are one tensor there, and one embedding is there twice.
    assert len(image) == len(state) - len(video) - 4 + 1 + 1
    path = tmp_path / 'small.pt'
    for change, expected in (
        (dict(extra=torch.zeros(1)), 'Unexpected key(s) in state_dict: "extra"'),
        ({'sam_mask_decoder.iou_token.weight': None}, 'Missing key(s)'),
        (
            {'sam_mask_decoder.iou_token.weight': torch.zeros(1, 3)},
            'size mismatch for mask_decoder',
        ),
    ):
        changed = {key: value for key, value in (state | change).items() if value is not None}
        torch.save({'model': changed}, path)
        assert expected in refusal(path)


def test_weights_of_half_precision_are_taken_in_float32(state, tmp_path):
    size, made = ref.IMAGES['tiny'], []
    for name, kind in (('half', torch.float16), ('whole', torch.float32)):
        path = tmp_path / f'{name}.pt'
        torch.save({key: value.half().to(kind) for key, value in state.items()}, path)
        segmentor = loaded(checkpoint=str(path))
        assert {value.dtype for value in segmentor.model.parameters()} == {torch.float32}
        encoded = segmentor.encode([ref.picture(*size)])[0]
        made.append(predicted(segmentor, encoded, ref.prompts('hbox', *size)))
    for half, whole in zip(*made, strict=True):
        np.testing.assert_array_equal(half, whole)


@pytest.mark.parametrize('arch', sam2_weights.PUBLISHED)
def test_missing_weights_are_answered_with_their_sources(arch, tmp_path):
    published = sam2_weights.PUBLISHED[arch]
    with pytest.raises(RefusedError) as info:
        SAM2Segmentor(arch=arch)
    for line in (str(info.value), refusal(tmp_path / 'no.pt', arch=arch)):
        assert 'https://dl.fbaipublicfiles.com/segment_anything_2/' in line
        assert f'/{arch}.pt' in line
        assert published.sha256 in line
        assert f'facebook/{arch.replace("_", "-")} of the Hugging Face hub' in line


def fake(width, depth, *more):
    """What a member is recognised by, and nothing else."""
    keys = [f'image_encoder.trunk.blocks.{i}.norm1.weight' for i in range(depth)] + list(more)
    state = dict.fromkeys(keys, torch.zeros(1))
    return state | {'image_encoder.trunk.patch_embed.proj.weight': torch.zeros(width, 1, 1, 1)}


@pytest.mark.parametrize(
    ('asked', 'held', 'expected'),
    [
        (
            'sam2.1_hiera_large',
            fake(112, 24, 'no_obj_embed_spatial'),
            "holds SAM 2.1 base+, not SAM 2.1 large; set model.arch='sam2.1_hiera_base_plus'",
        ),
        (
            'sam2.1_hiera_tiny',
            fake(96, 12),
            "holds SAM 2 tiny, not SAM 2.1 tiny; set model.arch='sam2_hiera_tiny'",
        ),
        (
            'sam2_hiera_tiny',
            fake(24, 5),
            'holds SAM 2 of other sizes, not SAM 2 tiny; set model.arch to its sizes',
        ),
        (
            'sam2_hiera_tiny',
            {'image_encoder.patch_embed.proj.weight': torch.zeros(768, 1, 1, 1)},
            'holds no SAM 2; this is SAM ViT-B: take a config of SAMSegmentor',
        ),
    ],
)
def test_a_wrong_arch_is_answered_with_the_right_one(asked, held, expected, tmp_path):
    path = tmp_path / 'weights.pt'
    torch.save({'model': held}, path)
    assert expected in refusal(path, arch=asked)


@pytest.fixture(scope='module')
def folder(state, tmp_path_factory):
    """A folder as published: of the video network, here with weights in bfloat16."""
    import transformers

    path = tmp_path_factory.mktemp('folder')
    hiera, side = sam2_weights.encoder_of(ref.SMALL)
    image = sam2_weights._network(transformers, hiera, side)
    config = transformers.Sam2VideoConfig(
        vision_config=image.config.vision_config,
        prompt_encoder_config=transformers.models.sam2_video.configuration_sam2_video
        .Sam2VideoPromptEncoderConfig(image_size=side),
        memory_attention_num_layers=1,
        memory_fuser_num_layers=1,
    )  # fmt: skip
    video = transformers.Sam2VideoModel._from_config(config)
    video.load_state_dict(meta_keys.sam2_state(state), strict=False)
    with hf_models.quiet(transformers):
        video.to(torch.bfloat16).save_pretrained(path)
    assert json.loads((path / 'config.json').read_text())['model_type'] == 'sam2_video'
    return path


def test_a_hugging_face_folder_is_loaded_in_float32_and_quietly(
    folder, state, tmp_path, capfd, caplog
):
    caplog.clear()
    segmentor = loaded(checkpoint=str(folder))
    assert not caplog.records
    assert capfd.readouterr() == ('', '')
    assert {value.dtype for value in segmentor.model.parameters()} == {torch.float32}
    assert segmentor.checkpoint_sha256 == hf_models.file_sha256(folder / 'model.safetensors')
    path = tmp_path / 'rounded.pt'
    torch.save({key: value.bfloat16().float() for key, value in state.items()}, path)
    other, size = loaded(checkpoint=str(path)), ref.IMAGES['tiny']
    encoded = [each.encode([ref.picture(*size)])[0] for each in (segmentor, other)]
    assert all(map(torch.equal, encoded[0].features, encoded[1].features))


@pytest.fixture
def spoiled(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / 'folder')


def test_a_truncated_folder_is_one_clear_line(spoiled):
    weights = spoiled / 'model.safetensors'
    weights.write_bytes(weights.read_bytes()[:-100])
    line = refusal(spoiled)
    assert line.startswith(f'checkpoint {spoiled}: its weights cannot be read (SafetensorError')
    weights.write_bytes(b'')
    assert 'its weights cannot be read' in refusal(spoiled)


def test_a_folder_with_a_pickle_is_refused(spoiled):
    (spoiled / 'model.safetensors').rename(spoiled / 'pytorch_model.bin')
    assert (
        'needs model.safetensors, it has only pytorch_model.bin, a pickle, which may run code'
        in refusal(spoiled)
    )


def test_a_folder_of_other_sizes_or_keys_is_refused(spoiled):
    asked = dict(arch='sam2.1_hiera_tiny')
    assert 'not sam2.1_hiera_tiny; set model.arch to what it holds' in refusal(spoiled, **asked)
    from safetensors.torch import load_file, save_file

    tensors = load_file(spoiled / 'model.safetensors')
    key = 'mask_decoder.iou_token.weight'
    for change, expected in (
        ({key: None}, f'lacks {key}'),
        ({'mask_decoder.other': torch.zeros(1)}, 'has the unknown mask_decoder.other'),
        ({key: torch.zeros(2, 3)}, f'has another shape of {key}'),
    ):
        changed = {name: value for name, value in (tensors | change).items() if value is not None}
        save_file(changed, spoiled / 'model.safetensors', {'format': 'pt'})
        assert expected in refusal(spoiled)


@pytest.mark.parametrize(
    ('place', 'value', 'expected'),
    [
        (('vision_config', 'backbone_config', 'layer_norm_eps'), 0.1, '=0.1 instead of 1e-06'),
        (('vision_config', 'backbone_config', 'hidden_act'), 'relu', "='relu' instead of 'gelu'"),
        (('vision_config', 'backbone_config', 'image_size'), 64, 'image_size=64 instead of [128'),
        (('mask_decoder_config', 'hidden_act'), 'relu', "='relu' instead of 'gelu'"),
        (('mask_decoder_config', 'num_attention_heads'), 4, 'num_attention_heads=4 instead of 8'),
        (('prompt_encoder_config', 'image_size'), 256, 'image_size=256 instead of 128'),
    ],
)
def test_a_folder_that_computes_otherwise_with_equal_weights_is_refused(
    spoiled, place, value, expected
):
    file = spoiled / 'config.json'
    config = json.loads(file.read_text())
    held = config
    for key in place[:-1]:
        held = held.setdefault(key, {})
    held[place[-1]] = value
    file.write_text(json.dumps(config))
    assert f'config.json: {".".join(place)}' in refusal(spoiled)
    assert expected in refusal(spoiled)


# As ``convert_sam2_to_hf.py`` of transformers wrote the published folders: what is not named there
# has the default, so the larger two say nothing of ``num_attention_heads``.
CONVERTED = {
    'tiny': {},
    'small': dict(blocks_per_stage=[1, 2, 11, 2], global_attention_blocks=[7, 10, 13]),
    'base_plus': dict(
        hidden_size=112, embed_dim_per_stage=[112, 224, 448, 896],
        num_attention_heads_per_stage=[2, 4, 8, 16], blocks_per_stage=[2, 3, 16, 3],
        global_attention_blocks=[12, 16, 20],
        window_positional_embedding_background_size=[14, 14],
    ),
    'large': dict(
        hidden_size=144, embed_dim_per_stage=[144, 288, 576, 1152],
        num_attention_heads_per_stage=[2, 4, 8, 16], blocks_per_stage=[2, 6, 36, 4],
        global_attention_blocks=[23, 33, 43], window_size_per_stage=[8, 4, 16, 8],
        window_positional_embedding_background_size=[7, 7],
    ),
}  # fmt: skip


def converted(path, size, keys, kind='Sam2VideoConfig'):
    """Write a folder as published, without the weights of the image part."""
    import transformers
    from safetensors.torch import save_file

    hiera = transformers.Sam2HieraDetConfig(**CONVERTED[size])
    vision = transformers.Sam2VisionConfig(
        backbone_config=hiera, backbone_channel_list=hiera.embed_dim_per_stage[::-1]
    )
    config = getattr(transformers, kind)(vision_config=vision)
    path.mkdir()
    (path / 'config.json').write_text(config.to_json_string(use_diff=False))
    tensors = {key: torch.zeros(1) for key in keys}
    save_file(tensors, path / 'model.safetensors', {'format': 'pt'})
    return path


OF_2_1 = 'occlusion_spatial_embedding_parameter'
OF_VIDEOS = 'memory_attention.layer_norm.weight'


@pytest.mark.parametrize('size', CONVERTED)
def test_published_folders_are_those_of_the_names_of_their_sizes(size, tmp_path, monkeypatch):
    loads = []
    monkeypatch.setattr(
        sam2_weights, 'load_folder', lambda _, kind, config, path: loads.append(config)
    )
    cases = [('sam2.1', [OF_VIDEOS, OF_2_1]), ('sam2', [OF_VIDEOS]), ('sam2', []), ('sam2.1', [])]
    for number, (version, keys) in enumerate(cases):
        kind = 'Sam2VideoConfig' if keys else 'Sam2Config'
        path = converted(tmp_path / str(number), size, keys, kind)
        segmentor = SAM2Segmentor(arch=f'{version}_hiera_{size}', checkpoint=str(path), threads=1)
        segmentor.build(segmentor.arch, str(path), 'SAM2Segmentor')
    heads = CONVERTED[size].get('num_attention_heads_per_stage', [1, 2, 4, 8])
    backbones = [config.vision_config.backbone_config for config in loads]
    assert [each.num_attention_heads_per_stage for each in backbones] == [heads] * len(cases)


@pytest.mark.parametrize(
    ('asked', 'keys', 'expected'),
    [
        ('sam2.1_hiera_large', [OF_VIDEOS], 'holds SAM 2 large, not SAM 2.1 large; set model.arch'),
        ('sam2_hiera_large', [OF_VIDEOS, OF_2_1], "set model.arch='sam2.1_hiera_large', or pass"),
        ('sam2_hiera_tiny', [OF_VIDEOS], 'holds SAM 2.1 large or SAM 2 large, not sam2_hiera_tiny'),
    ],
)
def test_a_folder_of_the_other_version_or_size_is_refused(asked, keys, expected, tmp_path):
    assert expected in refusal(converted(tmp_path / 'folder', 'large', keys), arch=asked)


@pytest.mark.parametrize(
    ('index', 'expected'),
    [
        ('{', 'is no index of weights'),
        ('{"weight_map": []}', 'is no index of weights'),
        ('{"weight_map": {"a": 3}}', 'is no index of weights'),
        ('{"weight_map": {"a": "one.safetensors"}}', 'names one.safetensors, which is not beside'),
        ('{"weight_map": {"a": "sub/two.safetensors"}}', 'names sub/two.safetensors, which is not'),
        ('{"weight_map": {"a": "../two.safetensors"}}', 'names ../two.safetensors, which is not'),
    ],
)
def test_an_index_of_parts_that_are_not_there_is_refused(spoiled, index, expected):
    (spoiled / 'sub').mkdir()
    (spoiled / 'model.safetensors').rename(spoiled / 'sub/two.safetensors')
    (spoiled / 'model.safetensors.index.json').write_text(index)
    assert expected in refusal(spoiled)


def test_paths_that_are_no_weights_are_one_clear_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    hub = refusal('facebook/sam2.1-hiera-tiny', arch='sam2.1_hiera_tiny')
    assert hub.startswith(
        'checkpoint facebook/sam2.1-hiera-tiny: no such file or folder (names on the Hugging Face '
        'hub are not looked up); download https://'
    )
    assert 'its config.json is missing' in refusal(tmp_path)
    (tmp_path / 'config.json').write_text(json.dumps({'model_type': 'sam3_video'}))
    assert 'this is SAM 3 in a Hugging Face folder: take a config of SAM3Segmentor' in refusal(
        tmp_path
    )
    (tmp_path / 'model.safetensors').write_bytes(b'')
    assert 'SAM3Segmentor take the folder around it' in refusal(tmp_path / 'model.safetensors')


@pytest.mark.parametrize(
    ('version', 'expected'),
    [
        (None, 'SAM2Segmentor needs transformers, which is not installed: pip install "trans'),
        ('4.57.1', 'below 6 (tried: 5.20.2 and 5.24.0), but 4.57.1 is installed'),
        ('6.0', 'but 6.0 is installed: pip install "transformers>=5.20,<6"'),
        ('6.0.0rc1', 'but 6.0.0rc1 is installed: pip install "transformers>=5.20,<6"'),
        ('odd', 'but odd is installed'),
    ],
)
def test_a_missing_or_untried_package_is_answered_with_what_to_install(
    version, expected, monkeypatch
):
    monkeypatch.setattr(hf_models, 'installed_version', lambda: version)
    with pytest.raises(RefusedError) as info:
        SAM2Segmentor(arch=SIZES, threads=1, device='cpu').load()
    assert expected in str(info.value)


@pytest.mark.slow
@pytest.mark.parametrize('arch', sam2_weights.PUBLISHED)
def test_metas_networks_of_each_size_are_taken_key_by_key(arch, tmp_path):
    pytest.importorskip('sam2', reason="Meta's package is not installed")
    from sam2.build_sam import HF_MODEL_ID_TO_FILENAMES, build_sam2

    config = dict((b[:-3], a) for a, b in HF_MODEL_ID_TO_FILENAMES.values())[arch]
    path = tmp_path / 'weights.pt'
    torch.save({'model': build_sam2(config, None, device='cpu').state_dict()}, path)
    loaded(arch=arch, checkpoint=str(path))
