import pytest
import torch
from mmseg.registry import MODELS
from mmseg.utils import register_all_modules
from segmentor_cases import CASCADE, CLASSES, small_model

from samrs_mm.core.errors import RefusedError
from samrs_mm.engine.level_check import check_levels
from samrs_mm.registry import register_all

NORM = dict(type='BN')
CONV = dict(type='ResNet', depth=18, base_channels=4, norm_cfg=NORM)
VIT = dict(type='MAEViT', arch=dict(embed_dims=8, depth=4, num_heads=2, mlp_ratio=2), in_channels=5)
PYRAMID = dict(type='Feature2Pyramid', embed_dim=8, norm_cfg=NORM)
HEAD = dict(
    type='UPerHead', in_channels=[4, 8, 16, 32], in_index=[0, 1, 2, 3], channels=8, norm_cfg=NORM,
    num_classes=3,
)  # fmt: skip


def network(backbone=CONV, head=HEAD, **parts):
    register_all_modules()
    register_all()
    model = dict(type='EncoderDecoder', backbone=backbone, decode_head=head)
    return MODELS.build(dict(model, data_preprocessor=dict(type='SegDataPreProcessor'), **parts))


def test_levels_that_fit_leave_the_model_as_it_was():
    model = network().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    assert check_levels(model) is None
    assert model.training
    assert torch.get_rng_state().equal(state)
    for name, value in model.state_dict().items():
        assert value.equal(before[name]), name


def test_other_channels_are_told_with_all_levels():
    wrong = dict(HEAD, in_channels=[4, 8, 16, 64])
    with pytest.raises(RefusedError) as caught:
        check_levels(network(head=wrong))
    assert str(caught.value) == (
        'model.decode_head.in_channels=[4, 8, 16, 64] of in_index=[0, 1, 2, 3], where ResNet gives '
        'level 0: stride 4, 4 channels, level 1: stride 8, 8 channels, level 2: stride 16, 16 '
        'channels, level 3: stride 32, 32 channels; set in_channels=[4, 8, 16, 32], or choose '
        'other levels'
    )


def test_levels_that_are_not_there_are_told():
    with pytest.raises(RefusedError, match=r'in_index=\[0, 1, 2, 3\]: there are 2 levels.*MAEViT'):
        check_levels(network(dict(VIT, out_blocks=(2, 4))))


def test_auxiliary_heads_are_checked_too():
    aux = dict(type='FCNHead', in_channels=8, in_index=2, channels=4, num_classes=3, norm_cfg=NORM)
    with pytest.raises(
        RefusedError, match=r'^model\.auxiliary_head\.1\.in_channels=8 of in_index=2'
    ):
        check_levels(network(auxiliary_head=[dict(aux, in_channels=16), aux]))


@pytest.mark.parametrize(
    ('head', 'message'),
    [
        (
            dict(in_index=4),
            r'1\.in_index=\[4\]: there are 4 levels.*level 3: stride 8, 64 channels',
        ),
        (dict(in_channels=8), r'1\.in_channels=8 of in_index=1, .* level 1: stride 8, 16 channels'),
    ],
)
def test_auxiliary_heads_of_sources_are_checked_too(head, message):
    first, second = CASCADE['auxiliary_head']
    model = small_model(**CASCADE | dict(auxiliary_head=[first, dict(second, **head)]))
    with pytest.raises(RefusedError, match=rf'^model\.auxiliary_head\.{message}'):
        check_levels(model)


@pytest.mark.parametrize('kind', ['MultiHeadCascadeEncoderDecoder', 'CascadeEncoderDecoder'])
def test_logits_of_another_size_than_ocr_works_at(kind):
    parts = dict(type=kind, backbone=dict(CASCADE['backbone'], strides=(1, 2, 1, 2)))
    if kind == 'CascadeEncoderDecoder':
        heads = [dict(head, num_classes=3) for head in CASCADE['decode_head']]
        parts |= dict(decode_head=heads, auxiliary_head=None, heads=None)
    assert check_levels(cascade(dict(parts, backbone=CASCADE['backbone']))) is None
    with pytest.raises(
        RefusedError,
        match=r'^model.decode_head.1.in_index=3 is of stride 16, and the logits of the head before '
        r'it are of stride 8, where ResNet gives level 0: stride 4, 8 channels',
    ) as error:
        check_levels(cascade(parts))
    assert '\n' not in str(error.value)


def cascade(parts):
    heads = {source: dict(num_classes=count) for source, count in CLASSES.items()}
    model = dict(CASCADE, heads=heads) | parts
    return MODELS.build({key: part for key, part in model.items() if part is not None})


def test_one_stride_for_all_levels_is_warned_of():
    head = dict(HEAD, in_channels=[8] * 4)
    note = check_levels(network(VIT, head))
    assert 'joins 4 levels of one stride' in note
    assert 'level 3: stride 16, 8 channels' in note
    assert check_levels(network(VIT, head, neck=PYRAMID)) is None


def test_a_neck_that_does_not_fit_is_told_with_the_levels():
    with pytest.raises(
        RefusedError, match=r'^model\.neck: Feature2Pyramid .* level 1: stride 8, 8'
    ):
        check_levels(network(neck=PYRAMID))


def test_other_models_are_left_alone():
    assert check_levels(torch.nn.Linear(1, 1)) is None
