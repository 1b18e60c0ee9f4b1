"""Auxiliary heads for every source, and decode heads in a row, beside mmsegmentation's own."""

import copy

import pytest
import torch
from mmseg.registry import MODELS
from segmentor_cases import (
    AUXILIARY,
    CASCADE,
    CLASSES,
    LOSS,
    batch_of,
    freeze_batch_norm,
    gradients,
    share_totals,
    small_model,
)

from samrs_mm.core.errors import RefusedError
from samrs_mm.models.segmentors import multi_head_cascade_encoder_decoder
from samrs_mm.models.segmentors.multi_head_cascade_encoder_decoder import _counting_nothing

MIXED = ['fast', 'sota', 'fast', 'sior', 'sota']
FCN, OCR = CASCADE['decode_head']
SOTA = dict(heads=dict(sota=dict(num_classes=3)))
PLACES = {'': 'decode_1', 'decode_0': 'decode_0', 'aux_0': 'aux_0', 'aux_1': 'aux_1'}
EXACT = dict(rtol=1e-9, atol=1e-12)


def of_mmseg(model):
    """``CascadeEncoderDecoder`` with the weights of a cascade of one source, sota."""
    plain = copy.deepcopy(CASCADE) | dict(type='CascadeEncoderDecoder', test_cfg=dict(mode='whole'))
    for head in (*plain['decode_head'], *plain['auxiliary_head']):
        head['num_classes'] = 3
    plain = MODELS.build(plain).double()
    names = {
        'heads.sota': 'decode_head.1.conv_seg',
        'side_heads.decode_0.sota': 'decode_head.0.conv_seg',
        'side_heads.aux_0.sota': 'auxiliary_head.0.conv_seg',
        'side_heads.aux_1.sota': 'auxiliary_head.1.conv_seg',
    }
    state = {}
    for name, value in model.state_dict().items():
        module, _, weight = name.rpartition('.')
        state[f'{names.get(module, module)}.{weight}'] = value
    plain.load_state_dict(state)
    back = {theirs: ours for ours, theirs in names.items()}
    return plain, lambda name: '.'.join(
        [back.get(name.rpartition('.')[0], name.rpartition('.')[0]), name.rpartition('.')[2]]
    )


@pytest.fixture(scope='module')
def both():
    """Losses and gradients of one source by ours and by mmsegmentation's, in training mode."""
    ours = small_model(**CASCADE | SOTA).train()
    theirs, named = of_mmseg(ours)
    images, samples = batch_of(['sota'] * 3)
    found = gradients(ours, images, samples)
    expected = gradients(theirs.train(), images, samples)
    return ours, theirs, found, (expected[0], {named(k): v for k, v in expected[1].items()})


def test_losses_of_one_source_are_those_of_mmseg_bit_for_bit(both):
    _, _, (losses, _), (expected, _) = both
    assert len(losses) == len(expected) == 8
    for place, theirs in PLACES.items():
        loss = losses[f'sota.{place}.loss_ce' if place else 'loss_sota_ce']
        assert torch.equal(loss, expected[f'{theirs}.loss_ce'])
        accuracy = losses[f'sota.{place}.acc_seg' if place else 'acc_sota']
        torch.testing.assert_close(
            accuracy, expected[f'{theirs}.acc_seg'][0], rtol=1e-6, atol=1e-5, check_dtype=False
        )


def test_gradients_of_one_source_are_those_of_mmseg(both):
    """Not bit for bit: mmsegmentation's first head runs twice, and so do its gradients."""
    _, _, (_, grads), (_, expected) = both
    assert grads.keys() == expected.keys()
    for name, grad in grads.items():
        worst = (grad - expected[name]).abs().max() / expected[name].abs().max()
        assert worst < 1e-9, name


def test_each_head_runs_once_in_training(both):
    ours, theirs, *_ = both
    counts = [
        model.decode_head[0].convs[0].bn.num_batches_tracked.item() for model in (ours, theirs)
    ]
    assert counts == [1, 2]


@pytest.mark.parametrize('mode', ['whole', 'slide'])
def test_predictions_of_one_source_are_those_of_mmseg_bit_for_bit(mode):
    test_cfg = dict(mode=mode, crop_size=(64, 64), stride=(43, 43))
    ours = small_model(**CASCADE | SOTA | dict(test_cfg=test_cfg)).eval()
    theirs, _ = of_mmseg(ours)
    theirs.eval().test_cfg = ours.test_cfg
    images, samples = batch_of(['sota'], size=(70, 90))
    [found], [expected] = (
        model.predict(images, copy.deepcopy(samples)) for model in (ours, theirs)
    )
    assert torch.equal(found.seg_logits.data, expected.seg_logits.data)
    assert torch.equal(ours(images)['sota'], theirs(images))


@pytest.mark.parametrize('forward_mode', ['joint', 'sequential'])
def test_the_joint_loss_is_the_sum_of_the_parts_alone(forward_mode):
    model = freeze_batch_norm(small_model(**CASCADE, forward_mode=forward_mode))
    images, samples = batch_of(MIXED)
    losses, grads = gradients(model, images, samples)
    summed = {name: torch.zeros_like(grad) for name, grad in grads.items()}
    for source in CLASSES:
        rows = [row for row, name in enumerate(MIXED) if name == source]
        alone, parts = gradients(model, images[rows], [samples[row] for row in rows])
        for name in (f'loss_{source}_ce', *(f'{source}.{p}.loss_ce' for p in PLACES if p)):
            torch.testing.assert_close(losses[name], alone[name], **EXACT)
        for name, grad in parts.items():
            summed[name] += grad
    total = sum(losses[name] for name in losses if 'loss' in name)
    torch.testing.assert_close(model.parse_losses(losses)[0], total)
    assert len([name for name in losses if 'loss' in name]) == 4 * len(CLASSES)
    for name, grad in grads.items():
        torch.testing.assert_close(summed[name], grad, **EXACT)


def test_gradient_reaches_every_parameter():
    _, grads = gradients(small_model(**CASCADE).train(), *batch_of(MIXED))
    assert [name for name, grad in grads.items() if not grad.abs().sum() > 0] == []


def test_a_source_absent_from_the_batch_gets_a_zero_gradient():
    losses, grads = gradients(small_model(**CASCADE).train(), *batch_of(['sota', 'fast']))
    assert [losses[f'sior.{place}.loss_ce'].item() for place in PLACES if place] == [0, 0, 0]
    mine = [grad for name, grad in grads.items() if '.sior.' in name]
    assert len(mine) == 8
    assert not any(grad.any() for grad in mine)


def test_ranks_together_equal_one_process(monkeypatch):
    model = freeze_batch_norm(small_model(**CASCADE))
    parts = [batch_of(['sota'], 1, valid=0.9), batch_of(['sior', 'sior', 'fast'], 2, valid=0.1)]
    images, samples = torch.cat([images for images, _ in parts]), parts[0][1] + parts[1][1]
    whole, expected = gradients(model, images, samples)
    share_totals(monkeypatch, model, parts)
    ranks = [gradients(model, *part) for part in parts]
    for name, value in whole.items():
        torch.testing.assert_close((ranks[0][0][name] + ranks[1][0][name]) / 2, value, **EXACT)
    for name, value in expected.items():
        mean = (ranks[0][1][name] + ranks[1][1][name]) / 2
        assert (mean - value).abs().max() <= 1e-9 * value.abs().max(), name


class Recording(torch.nn.SyncBatchNorm):
    """Keeps what it is given, and gives it back as torch's own does without a sample."""

    def forward(self, maps):
        self.given = maps
        return maps.clone()


@pytest.mark.parametrize(
    ('dtype', 'sent'),
    [
        (torch.bfloat16, torch.float32),
        (torch.float16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_a_norm_without_a_sample_sends_numbers_of_the_size_that_others_send(dtype, sent):
    """Torch's own sends zeros of its input's type, and of samples sums of float32 at least."""
    norm, maps = Recording(3), torch.ones(2, 3, 4, 4, dtype=dtype, requires_grad=True)
    hooks = [*_counting_nothing(norm)]
    found = norm(maps)
    assert norm.given.shape == (0, 3, 4, 4)
    assert norm.given.dtype == sent
    assert found.dtype == dtype
    assert not found.any()
    found.sum().backward()  # through the norm, which waits there, too
    assert not maps.grad.any()
    for hook in hooks:
        hook.remove()


class NaiveSyncBatchNorm(torch.nn.BatchNorm2d):
    """Another library's."""


def test_norms_that_would_wait_for_ever_are_refused_on_ranks(monkeypatch):
    model = small_model(**CASCADE).train()
    model.decode_head[1].bottleneck.bn = NaiveSyncBatchNorm(16).double()
    batch = batch_of(['sota', 'sior'])
    model.loss(*batch)  # alone it waits for nobody
    monkeypatch.setattr(multi_head_cascade_encoder_decoder, 'get_world_size', lambda: 2)
    with pytest.raises(RefusedError, match=r"NaiveSyncBatchNorm of .* choose sync_bn='torch'"):
        model.loss(*batch)


def test_the_mean_over_parts_is_that_of_the_whole_batch():
    model = freeze_batch_norm(small_model(**CASCADE))
    images, samples = batch_of(['sota', 'sior', 'fast', 'sota'])
    _, expected = gradients(model, images, samples)
    model.zero_grad()
    with model.in_parts(samples, 2):
        for rows in (slice(0, 2), slice(2, 4)):
            losses = model.loss(images[rows], samples[rows])
            (model.parse_losses(losses)[0] / 2).backward()
    for name, weight in model.named_parameters():
        worst = (weight.grad - expected[name]).abs().max() / expected[name].abs().max()
        assert worst < 1e-9, name


def test_auxiliary_heads_add_losses_and_change_no_other():
    plain = small_model().eval()
    model = small_model(auxiliary_head=AUXILIARY).eval()
    model.load_state_dict(plain.state_dict(), strict=False)
    images, samples = batch_of(MIXED)
    losses, without = model.loss(images, samples), plain.loss(images, samples)
    assert all(torch.equal(losses[name], value) for name, value in without.items())
    added = {f'{s}.aux.{term}' for s in CLASSES for term in ('loss_ce', 'acc_seg')}
    assert losses.keys() - without.keys() == added
    found, expected = (
        m.encode_decode(images, [s.metainfo for s in samples]) for m in (model, plain)
    )
    assert torch.equal(found, expected)
    names = model.state_dict().keys() - plain.state_dict().keys()
    assert {name.rpartition('.')[0] for name in names if 'side' in name} == {
        f'side_heads.aux.{source}' for source in CLASSES
    }
    assert not [name for name in names if 'conv_seg' in name]


def test_what_a_source_has_of_its_own():
    """Its weight is for all heads, its terms and hard pixels for the one that predicts."""
    dice = dict(type='DiceLoss')
    heads = dict(
        sota=dict(num_classes=3, loss_weight=0.5, loss_decode=dice),
        sior=dict(num_classes=5, sampler=dict(type='OHEMPixelSampler', thresh=0.3, min_kept=9)),
        fast=dict(num_classes=2),
    )
    weights = {source: [1.0 + i for i in range(count)] for source, count in CLASSES.items()}
    aux = dict(AUXILIARY, loss_decode=dict(type='CrossEntropyLoss', class_weight=weights))
    images, samples = batch_of(MIXED)
    plain = small_model(auxiliary_head=AUXILIARY).eval().loss(images, samples)
    own = small_model(auxiliary_head=AUXILIARY, heads=heads).eval().loss(images, samples)
    assert {'loss_sota_dice', 'sota.aux.loss_ce'} <= own.keys()
    torch.testing.assert_close(own['sota.aux.loss_ce'], 0.5 * plain['sota.aux.loss_ce'], **EXACT)
    assert torch.equal(own['sior.aux.loss_ce'], plain['sior.aux.loss_ce'])
    weighted = small_model(auxiliary_head=aux).eval().loss(images, samples)
    assert all(weighted[f'{s}.aux.loss_ce'] != plain[f'{s}.aux.loss_ce'] for s in CLASSES)
    assert torch.equal(weighted['loss_sota_ce'], plain['loss_sota_ce'])


def test_heads_of_lists_begin_as_their_configs_say():
    constant = dict(type='Constant', layer='Conv2d', val=0.25)
    heads = [dict(head, init_cfg=constant) for head in (FCN, OCR)]
    model = small_model(
        **CASCADE | dict(decode_head=heads, auxiliary_head=[dict(AUXILIARY, init_cfg=constant)])
    )
    model.init_weights()
    for head in (model.decode_head[0], model.auxiliary_head[0]):
        assert torch.all(head.convs[0].conv.weight == 0.25)
    for heads in (model.heads, *model.side_heads.values()):
        for head in heads.values():
            bound = (6 / (head.in_channels + head.out_channels)) ** 0.5
            assert 0.5 * bound < head.weight.abs().max() <= bound


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(auxiliary_head=[]), 'model.auxiliary_head is an empty list; give a head'),
        (dict(auxiliary_head=[2]), r'model.auxiliary_head.0=2; needed: dict\(type=...\)'),
        (dict(auxiliary_head=[AUXILIARY, OCR]), "auxiliary_head.1.type='OCRHead' takes the logits"),
        (
            dict(auxiliary_head=dict(type='EncHead', in_channels=[8], in_index=[0], channels=8)),
            "auxiliary_head.type='EncHead' has a loss of its own",
        ),
        (
            dict(auxiliary_head=dict(AUXILIARY, sampler=dict(type='OHEMPixelSampler'))),
            'auxiliary_head.sampler: give it to the sources',
        ),
        (
            dict(auxiliary_head=dict(AUXILIARY, loss_decode=dict(LOSS, class_weight=[1, 2]))),
            'model.auxiliary_head.loss_decode.class_weight has 2 values, model.heads.sota has 3',
        ),
        (dict(decode_head=[FCN, OCR]), "is a list of 2; choose model.type='MultiHeadCascade"),
        (dict(decode_head=OCR), "decode_head.type='OCRHead' takes the logits of a head before it"),
        (CASCADE | dict(num_stages=3), r'num_stages=3, and model.decode_head has 2 heads'),
        (CASCADE | dict(decode_head=[FCN]), 'needed is a list of two heads or more'),
        (CASCADE | dict(decode_head=[]), 'needed is a list of two heads or more'),
        (CASCADE | dict(decode_head=FCN), "for one choose model.type='MultiHeadEncoderDecoder'"),
        (CASCADE | dict(decode_head=[FCN, FCN]), "decode_head.1.type='FCNHead' takes no logits"),
        (CASCADE | dict(decode_head=[OCR, OCR]), "decode_head.0.type='OCRHead' takes the logits"),
    ],
)
def test_what_cannot_be_built_is_refused_in_one_line(options, message):
    options = dict(backbone=CASCADE['backbone']) | options
    with pytest.raises(RefusedError, match=message) as error:
        small_model(**options)
    assert '\n' not in str(error.value)
