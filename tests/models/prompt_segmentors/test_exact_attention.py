import importlib

import pytest
import torch
from sam_cases import SMALL, lively, loaded

from samrs_mm.models.prompt_segmentors.exact_attention import attend_in_place

SHAPES = {
    'windows of ViT-B': ((25, 14, 14, 768), 12),
    'global, of ViT-B': ((1, 24, 24, 768), 12),
    'global, of ViT-H': ((1, 20, 20, 1280), 16),
    'two images': ((2, 16, 16, 96), 3),
    'not square': ((1, 5, 9, 96), 3),
}


@pytest.fixture(params=[1, 2, 3], ids='{} threads'.format)
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize('package', ['segment_anything', 'segment_anything_hq'])
@pytest.mark.parametrize('shape', SHAPES)
@torch.no_grad()
def test_equals_the_attention_of_the_package_bit_for_bit(shape, package, threads):
    pytest.importorskip(package, reason=f'{package} is not installed')
    encoder = importlib.import_module(f'{package}.modeling.image_encoder')
    size, heads = SHAPES[shape]
    torch.manual_seed(threads)
    attention = encoder.Attention(size[-1], heads, use_rel_pos=True, input_size=size[1:3])
    lively(attention)
    x = torch.randn(size)
    expected, before = attention(x), x.clone()
    assert torch.equal(attend_in_place(attention, x), expected)
    assert torch.equal(x, before)
    assert expected.std() > 0.1


@pytest.mark.parametrize(
    ('options', 'expected'),
    [
        ({}, True),
        (dict(kernels='fast'), False),
        (dict(precision='bf16', unchecked=True), False),
    ],
    ids=str,
)
def test_only_the_exact_way_attends_in_place(options, expected):
    pytest.importorskip('segment_anything', reason='segment_anything is not installed')
    blocks = loaded(arch=SMALL, **options).model.image_encoder.blocks
    used = {getattr(block.attn.forward, 'func', None) is attend_in_place for block in blocks}
    assert used == {expected}
