import json

import pytest
import torch

from samrs_mm.core.errors import RefusedError
from samrs_mm.models.prompt_segmentors.sam_families import (
    HQ,
    MOBILE,
    SAM,
    SAM2,
    SAM3,
    SEGMENTORS,
    recognise,
    recognise_folder,
)  # fmt: skip
from samrs_mm.models.prompt_segmentors.weights_files import PublishedWeights, read_weights


def vit(width, *more):
    keys = [f'image_encoder.blocks.{i}.norm1.weight' for i in range(3)] + list(more)
    return dict.fromkeys(keys, torch.zeros(1)) | {
        'image_encoder.patch_embed.proj.weight': torch.zeros(width, 1, 1, 1)
    }


def hiera(width, depth, *more):
    keys = [f'image_encoder.trunk.blocks.{i}.norm1.weight' for i in range(depth)] + list(more)
    return dict.fromkeys(keys, torch.zeros(1)) | {
        'image_encoder.trunk.patch_embed.proj.weight': torch.zeros(width, 1, 1, 1)
    }


TOKEN = 'mask_decoder.hf_token.weight'
TINY = {'image_encoder.patch_embed.seq.0.c.weight': torch.zeros(1)}
CASES = {
    'SAM ViT-H': vit(1280),
    'SAM ViT-B': vit(768),
    'SAM of other sizes': vit(96),
    'HQ-SAM ViT-L': vit(1024, TOKEN),
    'HQ-SAM light (TinyViT)': TINY | {TOKEN: torch.zeros(1)},
    'MobileSAM (TinyViT)': TINY,
    'SAM 2 tiny': hiera(96, 12),
    'SAM 2.1 small': {'model': hiera(96, 16, 'no_obj_embed_spatial')},
    'SAM 2.1 base+': {'model': hiera(112, 24, 'no_obj_embed_spatial')},
    'SAM 2 large': {'model': hiera(144, 48)},
    'SAM 2 of other sizes': hiera(12, 3),
    'EdgeTAM': {'model': {'image_encoder.trunk.body.stem.weight': torch.zeros(1)}},
    'SAM 3': {'detector.backbone.a': torch.zeros(1), 'tracker.b': torch.zeros(1)},
}


@pytest.mark.parametrize('name', CASES)
def test_weights_are_named(name):
    member = recognise(CASES[name])
    assert member.name == name
    assert member.name.startswith(member.family)


@pytest.mark.parametrize('content', [None, [1], {}, {3: 4}, {'model': 5}, {'conv.weight': 0}])
def test_other_content_is_nothing(content):
    assert recognise(content) is None


@pytest.mark.parametrize('family', [SAM, SAM2, SAM3, HQ, MOBILE])
@pytest.mark.parametrize('name', ['SAM ViT-H', 'HQ-SAM ViT-L', 'SAM 2.1 base+', 'SAM 3', 'EdgeTAM'])
def test_every_loader_names_a_file_of_another_family(family, name, tmp_path):
    path = tmp_path / 'weights.pth'
    torch.save(CASES[name], path)
    member = recognise(CASES[name])
    if member.family == family:
        assert (
            read_weights(path, family, None).keys() == CASES[name].get('model', CASES[name]).keys()
        )
        return
    with pytest.raises(RefusedError) as info:
        read_weights(path, family, None)
    taker = SEGMENTORS.get(member.family)
    advice = f'take a config of {taker}' if taker else 'no segmentor takes it'
    assert str(info.value) == (
        f'checkpoint {path}: holds no {family}; this is {name}: {advice}, or pass the other '
        'checkpoint'
    )


@pytest.mark.parametrize(
    ('kind', 'family', 'taker'),
    [('sam2_video', 'SAM 2', 'SAM2Segmentor'), ('sam3_video', 'SAM 3', 'SAM3Segmentor')],
)
def test_a_folder_of_another_family_is_named(kind, family, taker, tmp_path):
    (tmp_path / 'config.json').write_text(json.dumps({'model_type': kind}))
    assert recognise_folder(tmp_path).family == family
    with pytest.raises(RefusedError) as info:
        read_weights(tmp_path, SAM, None)
    assert str(info.value) == (
        f'checkpoint {tmp_path}: a folder; this is {family} in a Hugging Face folder: take a '
        f'config of {taker}, or pass the other checkpoint'
    )


def test_a_folder_where_a_file_is_read_is_answered_with_the_file(tmp_path):
    family = HQ
    (tmp_path / 'config.json').write_text(json.dumps({'model_type': 'sam_hq'}))
    with pytest.raises(RefusedError) as info:
        read_weights(tmp_path, family, PublishedWeights(url='https://example.org/b.pth'))
    assert str(info.value) == (
        f'checkpoint {tmp_path}: a folder of the Hugging Face hub; {family} is read from its '
        "authors' file: download https://example.org/b.pth"
    )


@pytest.mark.parametrize('text', ['', '[]', '{"model_type": []}', '{"model_type": "bert"}'])
def test_a_folder_of_something_else_is_nothing(text, tmp_path):
    assert recognise_folder(tmp_path) is None
    (tmp_path / 'config.json').write_text(text)
    assert recognise_folder(tmp_path) is None


def test_advice_tells_what_is_known_of_published_weights():
    url = 'https://example.org/a/b.pt'
    assert PublishedWeights(url=url).advice == f'download {url}'
    weights = PublishedWeights(url=url, size=1234, sha256='ab', licence='for research only')
    assert weights.advice == f'download {url} (1,234 bytes, sha256 ab, for research only)'
    assert weights.file == 'b.pt'
