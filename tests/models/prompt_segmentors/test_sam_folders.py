"""SAM from a folder of the Hugging Face hub, against the network of ``transformers``."""

import json
import shutil

import pytest
import torch
from sam_cases import lively, loaded, prompts_of, scene

from samrs_mm.core.errors import RefusedError
from samrs_mm.models.prompt_segmentors import sam_folders
from samrs_mm.models.prompt_segmentors.hf_models import folder_sha256, quiet
from samrs_mm.models.prompt_segmentors.sam import SAMSegmentor
from samrs_mm.models.prompt_segmentors.sam_weights import PUBLISHED

transformers = pytest.importorskip('transformers', reason='transformers is not installed')
pytest.importorskip('segment_anything', reason='segment_anything is not installed')

ARCH = dict(embed_dim=96, depth=2, num_heads=3, global_attn_indexes=[1], img_size=128)


@pytest.fixture(scope='module')
def network():
    """A ``SamModel`` with the epsilon of Meta's decoder, of which no part is dead."""
    vision = transformers.SamVisionConfig(
        hidden_size=96, num_hidden_layers=2, num_attention_heads=3, global_attn_indexes=[1],
        image_size=128, mlp_dim=384,
    )  # fmt: skip
    config = transformers.SamConfig(
        vision_config=vision,
        prompt_encoder_config=transformers.SamPromptEncoderConfig(
            image_size=128, image_embedding_size=8
        ),
        mask_decoder_config=transformers.SamMaskDecoderConfig(layer_norm_eps=1e-5),
    )
    model = transformers.SamModel._from_config(config, attn_implementation='eager').eval()
    lively(model)
    positions = model.prompt_encoder.shared_embedding.positional_embedding
    model.shared_image_embedding.positional_embedding.data.copy_(positions)
    return model


@pytest.fixture(scope='module')
def folder(network, tmp_path_factory):
    path = tmp_path_factory.mktemp('folder')
    with quiet(transformers):
        network.save_pretrained(path)
    assert json.loads((path / 'config.json').read_text())['model_type'] == 'sam'
    return path


@torch.no_grad()
def test_it_computes_as_the_network_there(network, folder):
    segmentor = loaded(arch=ARCH, checkpoint=str(folder))
    assert segmentor.checkpoint_sha256 == folder_sha256(folder)
    image, polygons = scene(90, 120)
    encoded = segmentor.encode([image])[0]
    pixels = segmentor._preprocess(image)
    features = network.get_image_embeddings(pixels)
    torch.testing.assert_close(encoded.features[0], features, atol=1e-4, rtol=0)
    prompts = segmentor._in_square(prompts_of('cp+hbox', polygons, 90, 120), encoded.frame)
    logits, scores = segmentor._predict(encoded, prompts)
    theirs = network(
        image_embeddings=features,
        input_points=prompts.points[None],
        input_labels=prompts.labels[None],
        input_boxes=prompts.boxes[None],
        multimask_output=False,
    )
    assert logits.std() > 0.01
    torch.testing.assert_close(logits, theirs.pred_masks[0, :, 0], atol=1e-5, rtol=0)
    torch.testing.assert_close(scores, theirs.iou_scores[0, :, 0], atol=1e-5, rtol=0)


def test_its_decoder_alone_is_that_of_the_whole(folder):
    segmentor = SAMSegmentor(arch=ARCH, checkpoint=str(folder), threads=1, device='cpu')
    segmentor.load_decoder()
    whole = loaded(arch=ARCH, checkpoint=str(folder))
    image, _ = scene(50, 60)
    first, second = (each.encode([image])[0].features[0] for each in (segmentor, whole))
    assert torch.equal(first, second)
    assert segmentor.checkpoint_sha256 == whole.checkpoint_sha256


def test_what_prompts_and_image_share_may_be_under_either_name_or_both(folder, tmp_path):
    from safetensors.torch import load_file, save_file

    path = shutil.copytree(folder, tmp_path / 'folder')
    tensors = load_file(folder / 'model.safetensors')
    names = sam_folders._POSITIONS, sam_folders._ONCE_MORE
    (value,) = (tensors.pop(name) for name in names if name in tensors)
    for kept in (names[:1], names[1:], names):
        shared = {name: value.clone() for name in kept}
        save_file(tensors | shared, path / 'model.safetensors', {'format': 'pt'})
        encoder = loaded(arch=ARCH, checkpoint=str(path)).model.prompt_encoder
        assert torch.equal(encoder.pe_layer.positional_encoding_gaussian_matrix, value)


def refusal(path, **options):
    options = dict(arch=ARCH, threads=1, device='cpu') | options
    with pytest.raises(RefusedError) as info:
        SAMSegmentor(checkpoint=str(path), **options).load()
    assert '\n' not in str(info.value)
    return str(info.value)


def test_other_folders_are_refused_in_a_line(folder, tmp_path):
    spoiled = shutil.copytree(folder, tmp_path / 'folder')
    assert 'of embed_dim=96, depth=2, img_size=128, not vit_b' in refusal(
        other_heads(spoiled), arch='vit_b'
    )
    shutil.copy(folder / 'config.json', spoiled)
    config = json.loads((spoiled / 'config.json').read_text())
    for key, value in (('num_attention_heads', 4), ('window_size', 7), ('hidden_act', 'relu')):
        changed = config | dict(vision_config=config['vision_config'] | {key: value})
        (spoiled / 'config.json').write_text(json.dumps(changed))
        assert f'config.json: vision_config.{key}={value!r} instead of' in refusal(spoiled)
    (spoiled / 'config.json').write_text(json.dumps(config))
    weights = spoiled / 'model.safetensors'
    weights.write_bytes(weights.read_bytes()[:-50])
    assert 'its weights cannot be read' in refusal(spoiled)
    weights.rename(spoiled / 'pytorch_model.bin')
    line = refusal(spoiled, arch='vit_b')
    assert 'has only pytorch_model.bin, a pickle, which may run code' in line
    assert PUBLISHED['vit_b'].url in line


def other_heads(path):
    """Let a folder say what is right of ViT-B, all but its weights."""
    config = json.loads((path / 'config.json').read_text())
    config['vision_config'] |= dict(num_attention_heads=12, global_attn_indexes=[2, 5, 8, 11])
    (path / 'config.json').write_text(json.dumps(config))
    return path
