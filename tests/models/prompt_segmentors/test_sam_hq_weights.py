import importlib

import pytest
import torch
from sam_cases import SMALL, loaded
from sam_hq_cases import SMALL_TINY, loaded_hq, loaded_mobile, without

from samrs_mm.core.errors import RefusedError
from samrs_mm.models.prompt_segmentors import sam_hq_weights
from samrs_mm.models.prompt_segmentors.sam_hq import HQSAMSegmentor
from samrs_mm.models.prompt_segmentors.tiny_vit import PUBLISHED_SIZES

pytest.importorskip('segment_anything_hq', reason='segment_anything_hq is not installed')


def refusal(arch, path):
    with pytest.raises(RefusedError) as info:
        loaded_hq(arch, checkpoint=str(path))
    assert '\n' not in str(info.value)
    return str(info.value)


@pytest.fixture
def save(tmp_path):
    def save(segmentor):
        path = tmp_path / 'weights.pth'
        torch.save(segmentor.model.state_dict(), path)
        return path

    return save


def test_sizes_build_the_networks_that_the_package_builds():
    package = importlib.import_module('segment_anything_hq.build_sam')
    vit = dict(SMALL, img_size=1024)
    assert str(loaded_hq(vit).model) == str(package._build_sam(96, 2, 3, [1]))
    tiny = dict(PUBLISHED_SIZES, seed=0)
    assert str(loaded_hq(tiny).model) == str(package.build_sam_vit_t())


@pytest.mark.parametrize('arch', sam_hq_weights.PUBLISHED)
def test_missing_weights_are_answered_with_their_source(arch, tmp_path):
    published = sam_hq_weights.PUBLISHED[arch]
    line = refusal(arch, tmp_path / 'sam.pth')
    with pytest.raises(RefusedError) as info:
        HQSAMSegmentor(arch=arch)
    for text in (line, str(info.value)):
        assert f'https://huggingface.co/lkeab/hq-sam/resolve/main/sam_hq_{arch}.pth' in text
        assert published.sha256 is None or published.sha256 in text
    assert f'{tmp_path / "sam.pth"}: no such file' in line


def test_a_key_too_few_or_too_many_is_refused(tmp_path):
    state = loaded_hq().model.state_dict()
    path = tmp_path / 'sam_hq.pth'
    torch.save({key: value for key, value in state.items() if 'hf_mlp' not in key}, path)
    assert 'mask_decoder.hf_mlp.layers.0.weight' in refusal(SMALL, path)
    torch.save(state | {'mask_decoder.more': torch.zeros(1)}, path)
    assert 'mask_decoder.more' in refusal(SMALL, path)


def test_a_truncated_file_is_told_with_the_published_size(tmp_path):
    path = tmp_path / 'sam_hq_vit_h.pth'
    torch.save({'mask_decoder.hf_token.weight': torch.zeros(64, 64)}, path)
    path.write_bytes(path.read_bytes()[:900])
    line = refusal('vit_h', path)
    assert 'truncated' in line
    assert '900 bytes instead of 2,570,940,653' in line


def test_weights_of_another_member_are_named(save):
    assert 'this is SAM of other sizes: take a config of SAMSegmentor' in refusal(
        SMALL, save(loaded())
    )
    mobile = save(loaded_mobile())
    assert 'this is MobileSAM (TinyViT): take a config of MobileSAMSegmentor' in refusal(
        SMALL_TINY, mobile
    )


@pytest.mark.parametrize(
    ('held', 'asked', 'expected'),
    [
        (SMALL, SMALL_TINY, 'holds a HQ-SAM of embed_dim=96, depth=2, img_size=128, not a HQ-SAM'),
        (SMALL_TINY, 'vit_tiny', 'holds a HQ-SAM of embed_dims=[8, 16, 32, 320]'),
        (SMALL_TINY, 'vit_b', 'window_sizes=[7, 14, 7], not vit_b; set model.arch'),
        (dict(PUBLISHED_SIZES, seed=0), SMALL, 'holds vit_tiny, not a HQ-SAM of'),
    ],
)
def test_a_wrong_arch_is_answered_with_the_right_one(held, asked, expected, save):
    assert expected in refusal(asked, save(loaded_hq(held)))


@pytest.mark.parametrize(
    ('arch', 'expected'),
    [
        ('vit_t', "model.arch='vit_t'; allowed: vit_h, vit_l, vit_b, vit_tiny, or a dict"),
        (dict(SMALL, seed=None), 'add seed=0'),
        (dict(SMALL_TINY, img_size=512), 'model.arch: unknown img_size'),
        (dict(embed_dims=[8, 16, 32, 320]), 'missing depths, num_heads, window_sizes'),
    ],
)
def test_impossible_sizes_are_refused(arch, expected):
    with pytest.raises(RefusedError) as info:
        HQSAMSegmentor(arch=arch)
    assert expected in str(info.value)


def test_a_missing_package_is_named_with_its_installation(monkeypatch):
    without(monkeypatch, 'segment_anything_hq')
    with pytest.raises(RefusedError, match='HQSAMSegmentor needs segment_anything_hq and timm'):
        loaded_hq()
