import pytest
import torch
from sam_hq_cases import SMALL_TINY, enliven, loaded_hq, without

from samrs_mm.core.errors import RefusedError
from samrs_mm.models.prompt_segmentors import tiny_vit

SIZES = {key: value for key, value in SMALL_TINY.items() if key != 'seed'}


@pytest.mark.parametrize('package', ['segment_anything_hq', 'timm'])
def test_a_missing_package_is_one_line_with_its_installation(package, monkeypatch):
    without(monkeypatch, package)
    with pytest.raises(RefusedError) as info:
        tiny_vit.import_segment_anything_hq('OwnSegmentor')
    line = str(info.value)
    assert '\n' not in line
    assert line.startswith('OwnSegmentor needs segment_anything_hq and timm (')
    assert package in line.partition('(')[2].partition(')')[0]
    assert line.endswith('pip install segment-anything-hq==0.3 timm')


def test_sizes_are_kept_as_plain_lists():
    given = {key: tuple(value) for key, value in SIZES.items()}
    assert tiny_vit.check_sizes(given | dict(seed=1)) == SIZES


@pytest.mark.parametrize(
    ('changes', 'expected'),
    [
        (dict(depths=[1, 1, 1]), 'depths=[1, 1, 1]; 4 whole numbers from 1 are needed, such as'),
        (dict(depths=2), 'depths=2; 4 whole numbers'),
        (dict(depths=[1, 0, 1, 1]), 'depths=[1, 0, 1, 1]; 4 whole numbers'),
        (dict(num_heads=[1, True, 4]), 'num_heads=[1, True, 4]; 3 whole numbers'),
        (dict(embed_dims=[8, 16, 32, 64]), 'embed_dims=[8, 16, 32, 64]; the last, and no other'),
        (dict(embed_dims=[8, 16, 448, 320]), 'the last, and no other, must be one of 320, 448'),
        (dict(num_heads=[1, 3, 4]), 'embed_dims=[8, 16, 32, 320] with num_heads=[1, 3, 4]'),
    ],
)
def test_sizes_that_cannot_be_are_refused(changes, expected):
    with pytest.raises(RefusedError) as info:
        tiny_vit.check_sizes(SIZES | changes)
    assert expected in str(info.value)


def test_sizes_are_read_off_weights():
    pytest.importorskip('segment_anything_hq', reason='segment_anything_hq is not installed')
    for sizes in (SIZES, dict(SIZES, depths=[2, 1, 3, 1], window_sizes=[5, 7, 4])):
        state = loaded_hq(dict(sizes, seed=0)).model.state_dict()
        assert tiny_vit.is_tiny_vit(state)
        assert tiny_vit.sizes_of(state) == sizes
    assert not tiny_vit.is_tiny_vit(dict.fromkeys(['image_encoder.patch_embed.proj.weight']))


def test_loaded_weights_reach_the_table_that_attention_reads(tmp_path):
    """TinyViT makes it of its weights when it is put into evaluation mode, not when it is filled.

    The package's own builder does that too early, and leaves zeros in it.
    """
    package = pytest.importorskip(
        'segment_anything_hq', reason='segment_anything_hq is not installed'
    )
    source = loaded_hq(SMALL_TINY)
    torch.save(enliven(source.model).state_dict(), tmp_path / 'light.pth')
    segmentor = loaded_hq(SMALL_TINY, checkpoint=str(tmp_path / 'light.pth'))
    attention = segmentor.model.image_encoder.layers[1].blocks[0].attn
    expected = attention.attention_biases[:, attention.attention_bias_idxs]
    assert torch.equal(attention.ab, expected)
    assert expected.std() > 0.1

    early = package.sam_model_registry['vit_tiny']()
    state = {key: torch.ones_like(value) for key, value in early.state_dict().items()}
    early.load_state_dict(state)
    assert not early.image_encoder.layers[1].blocks[0].attn.ab.any(), 'mended: say so in tiny_vit'
