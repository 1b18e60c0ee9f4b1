import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmseg.registry import MODELS
from segmentor_cases import (
    CLASSES,
    NORM,
    batch_of,
    freeze_batch_norm,
    gradients,
    sample_of,
    small_model,
)
from torch import nn

from samrs_mm.core.errors import RefusedError

MIXED = ['fast', 'sota', 'fast', 'sior', 'sota']


def test_names_and_shapes_of_parameters():
    names = small_model().state_dict()
    assert {name.split('.')[0] for name in names} == {'backbone', 'decode_head', 'heads'}
    assert not [name for name in names if 'conv_seg' in name]
    heads = {name: tuple(value.shape) for name, value in names.items() if name.startswith('heads')}
    assert heads == {
        f'heads.{source}.{part}': shape
        for source, classes in CLASSES.items()
        for part, shape in (('weight', (classes, 16, 1, 1)), ('bias', (classes,)))
    }


def test_backbone_and_trunk_load_into_a_plain_encoder_decoder():
    ours = small_model()
    plain = MODELS.build(
        dict(
            type='EncoderDecoder',
            backbone=dict(type='ResNet', depth=18, base_channels=8, norm_cfg=NORM),
            decode_head=dict(
                type='UPerHead',
                in_channels=[8, 16, 32, 64],
                in_index=[0, 1, 2, 3],
                channels=16,
                norm_cfg=NORM,
                num_classes=4,
            ),
            test_cfg=dict(mode='whole'),
        )
    )
    result = plain.load_state_dict(ours.state_dict(), strict=False)
    assert set(result.missing_keys) == {'decode_head.conv_seg.weight', 'decode_head.conv_seg.bias'}
    assert {key.split('.')[0] for key in result.unexpected_keys} == {'heads'}


def test_classifiers_begin_as_the_authors_did_and_the_rest_as_mmseg_does():
    model = small_model().float()
    model.init_weights()
    for source, head in model.heads.items():
        bound = (6 / (16 + CLASSES[source])) ** 0.5
        assert head.weight.abs().max() <= bound
        assert head.weight.abs().max() > 0.8 * bound
        assert not head.bias.any()


def upsampling_matrix(small, large):
    """Half-pixel bilinear interpolation as a matrix ``(large, small)``."""
    matrix = np.zeros((large, small))
    for row in range(large):
        centre = max((row + 0.5) * small / large - 0.5, 0)
        left = min(int(centre), small - 1)
        right = min(left + 1, small - 1)
        matrix[row, left] += 1 - (centre - left)
        matrix[row, right] += centre - left
    return matrix


def reference(features, weight, bias, labels):
    """Mean cross entropy over labelled pixels, and its gradients, in numpy float64."""
    up = upsampling_matrix(features.shape[2], labels.shape[1])
    logits = np.einsum('kc,nchw->nkhw', weight[:, :, 0, 0], features) + bias[:, None, None]
    logits = np.einsum('yh,nkhw,xw->nkyx', up, logits, up)
    exp = np.exp(logits - logits.max(1, keepdims=True))
    probability = exp / exp.sum(1, keepdims=True)
    delta, total, count = np.zeros_like(logits), 0.0, 0
    for n, y, x in np.argwhere(labels != 255):
        label = labels[n, y, x]
        total -= np.log(probability[n, label, y, x])
        delta[n, :, y, x] = probability[n, :, y, x]
        delta[n, label, y, x] -= 1
        count += 1
    delta = np.einsum('yh,nkyx,xw->nkhw', up, delta / max(count, 1), up)
    gradient = dict(
        weight=np.einsum('nkhw,nchw->kc', delta, features)[:, :, None, None],
        bias=delta.sum((0, 2, 3)),
        features=np.einsum('kc,nkhw->nchw', weight[:, :, 0, 0], delta),
    )
    return total / max(count, 1), gradient


@pytest.mark.parametrize('forward_mode', ['joint', 'sequential'])
@pytest.mark.parametrize(
    'case', ['random', 'no class 1', 'one source unlabelled', 'no label at all']
)
def test_loss_and_gradients_equal_a_float64_reference(forward_mode, case):
    model = freeze_batch_norm(small_model(forward_mode=forward_mode))
    images, samples = batch_of(MIXED, valid=0.2)
    for sample in samples:
        label = sample.gt_sem_seg.data
        if case == 'no class 1':
            label[label == 1] = 0
        elif case == 'no label at all' or (case != 'random' and sample.source == 'sota'):
            label[:] = 255
    kept = []

    def keep(module, inputs, output):
        output.retain_grad()
        kept.append(output)

    model.decode_head.register_forward_hook(keep)
    losses, grads = gradients(model, images, samples)
    for number, source in enumerate(CLASSES):
        rows = [row for row, name in enumerate(MIXED) if name == source]
        features = kept[0][rows] if forward_mode == 'joint' else kept[number]
        feature_grad = kept[0].grad[rows] if forward_mode == 'joint' else kept[number].grad
        head = model.heads[source]
        loss, gradient = reference(
            features.detach().numpy(),
            head.weight.detach().numpy(),
            head.bias.detach().numpy(),
            np.concatenate([samples[row].gt_sem_seg.data.numpy() for row in rows]),
        )
        close = dict(rtol=1e-8, atol=1e-12)
        assert np.allclose(losses[f'loss_{source}_ce'].item(), loss, **close)
        assert np.allclose(grads[f'heads.{source}.weight'], gradient['weight'], **close)
        assert np.allclose(grads[f'heads.{source}.bias'], gradient['bias'], **close)
        assert np.allclose(feature_grad, gradient['features'], **close)


def test_accuracy_is_of_labelled_pixels_in_percent():
    model = small_model().eval()
    images, samples = batch_of(MIXED)
    losses = model.loss(images, samples)
    predicted = model.predict(images, samples)
    for source in CLASSES:
        mine = [sample for sample in predicted if sample.source == source]
        truth = torch.stack([sample.gt_sem_seg.data for sample in mine])
        hits = torch.stack([sample.pred_sem_seg.data for sample in mine]) == truth
        expected = 100 * hits[truth != 255].double().mean()
        assert losses[f'acc_{source}'].item() == pytest.approx(expected.item())


def test_joint_equals_one_forward_per_source_where_batch_norm_does_not_mix():
    images, samples = batch_of(MIXED)
    joint = gradients(freeze_batch_norm(small_model()), images, samples)
    apart = gradients(freeze_batch_norm(small_model(forward_mode='sequential')), images, samples)
    for ours, theirs in zip(joint, apart, strict=True):
        assert ours.keys() == theirs.keys()
        for name, value in ours.items():
            torch.testing.assert_close(value, theirs[name], rtol=1e-9, atol=1e-12)


def test_running_statistics_are_updated_once_or_once_per_source():
    images, samples = batch_of([*MIXED, 'sior'])
    for mode, updates in dict(joint=1, sequential=3).items():
        model = small_model(forward_mode=mode).train()
        model.loss(images, samples)
        assert model.backbone.bn1.num_batches_tracked == updates
        assert model.decode_head.bottleneck.bn.num_batches_tracked == updates


def test_sequential_mode_visits_the_sources_in_the_order_of_the_heads():
    images, samples = batch_of([*MIXED, 'sior'])
    model, seen = small_model(forward_mode='sequential').train(), []
    model.backbone.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    model.loss(images, samples)
    for batch, rows in zip(seen, ([1, 4], [3, 5], [0, 2]), strict=True):
        assert torch.equal(batch, images[rows])


def test_classifying_before_upsampling_equals_the_authors_order():
    model = small_model().eval()
    images, samples = batch_of(['sior', 'sior'])
    features = model.decode_head(model.extract_feat(images))
    features = F.interpolate(features, size=(64, 64), mode='bilinear', align_corners=False)
    ours = model.encode_decode(images, [sample.metainfo for sample in samples])
    torch.testing.assert_close(ours, model.heads['sior'](features), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize('head', ['UPerHead', 'UNetHead'])
def test_gradient_reaches_every_parameter(head):
    model = small_model(head).train()
    _, grads = gradients(model, *batch_of(MIXED))
    assert [name for name, grad in grads.items() if not grad.abs().sum() > 0] == []


def test_gradient_checkpointing_changes_nothing():
    images, samples = batch_of(MIXED)
    backbone = dict(type='ResNet', depth=18, base_channels=8, norm_cfg=NORM, with_cp=True)
    saving = small_model(backbone=backbone)
    saving.load_state_dict(small_model().state_dict())
    _, expected = gradients(freeze_batch_norm(small_model()), images, samples)
    _, found = gradients(freeze_batch_norm(saving), images, samples)
    for name, grad in expected.items():
        torch.testing.assert_close(found[name], grad, rtol=1e-9, atol=1e-12)


def test_a_source_absent_from_the_batch_gets_a_zero_gradient():
    _, grads = gradients(freeze_batch_norm(small_model()), *batch_of(['sota', 'fast']))
    assert not grads['heads.sior.weight'].any()
    assert not grads['heads.sior.bias'].any()


def test_prediction_is_routed_by_source_also_without_labels():
    model = small_model().eval()
    images, _ = batch_of(MIXED)
    results = model.predict(images, [sample_of(source) for source in MIXED])
    for row, (source, result) in enumerate(zip(MIXED, results, strict=True)):
        alone = model.predict(images[row : row + 1], [sample_of(source)])[0]
        assert result.seg_logits.data.shape == (CLASSES[source], 64, 64)
        assert result.pred_sem_seg.data.shape == (1, 64, 64)
        torch.testing.assert_close(result.seg_logits.data, alone.seg_logits.data)


def test_sliding_windows_and_odd_sizes():
    images, _ = batch_of(['sior', 'fast'], size=(70, 90))
    whole = small_model().eval()
    slide = small_model(test_cfg=dict(mode='slide', crop_size=(64, 64), stride=(43, 43))).eval()
    for model in (whole, slide):
        results = model.predict(
            images, [sample_of(name, size=(70, 90)) for name in ('sior', 'fast')]
        )
        assert [tuple(result.seg_logits.data.shape) for result in results] == [
            (5, 70, 90),
            (2, 70, 90),
        ]
        assert all(torch.isfinite(result.seg_logits.data).all() for result in results)
    window = images[:, :, :64, :64].contiguous()
    samples = [[sample_of('sior'), sample_of('fast')] for _ in range(2)]
    for one, other in zip(
        whole.predict(window, samples[0]), slide.predict(window, samples[1]), strict=True
    ):
        torch.testing.assert_close(one.seg_logits.data, other.seg_logits.data)


def test_input_size_resizes_what_the_network_sees_and_not_what_it_returns():
    """As InternImage's second row in the paper's table 9: of 512 px, seen at 224."""
    images, _ = batch_of(['sior', 'fast'], size=(96, 128))
    model = small_model(test_cfg=dict(mode='whole', input_size=(64, 32))).eval()
    samples = [sample_of(name, size=(96, 128)) for name in ('sior', 'fast')]
    results = model.predict(images, samples)
    seen = F.interpolate(images, size=(64, 32), mode='bilinear', align_corners=False)
    features = model.decode_head(model.extract_feat(seen))
    for row, (name, result) in enumerate(zip(('sior', 'fast'), results, strict=True)):
        logits = model.heads[name](features[row : row + 1])
        expected = F.interpolate(logits, size=(96, 128), mode='bilinear', align_corners=False)
        torch.testing.assert_close(result.seg_logits.data, expected[0])
    windows = small_model(
        test_cfg=dict(mode='slide', crop_size=(96, 128), stride=(64, 64), input_size=(64, 32))
    ).eval()
    for one, other in zip(results, windows.predict(images, samples), strict=True):
        torch.testing.assert_close(one.seg_logits.data, other.seg_logits.data)


def test_tensor_mode():
    model = small_model().eval()
    images, samples = batch_of(['sior', 'fast'])
    every = model(images)
    assert {source: tuple(logits.shape) for source, logits in every.items()} == {
        source: (2, classes, 16, 16) for source, classes in CLASSES.items()
    }
    routed = model(images, samples)
    torch.testing.assert_close(routed[0], every['sior'][0])
    torch.testing.assert_close(routed[1, :2], every['fast'][1])
    assert routed[1, 2:].isneginf().all()


def test_the_source_of_samples_that_have_none():
    model = small_model(test_cfg=dict(mode='whole', source='sior')).eval()
    images, _ = batch_of(['sota', 'sior'])
    one, other = model.predict(images, [sample_of('sota'), sample_of(None)])
    assert [one.source, other.source] == ['sota', 'sior']
    assert [len(one.seg_logits.data), len(other.seg_logits.data)] == [3, 5]
    [named] = model.predict(images[1:], [sample_of('sior')])
    torch.testing.assert_close(other.seg_logits.data, named.seg_logits.data)
    torch.testing.assert_close(model(images), small_model().eval()(images)['sior'])
    with pytest.raises(RefusedError, match='an image without a source'):
        model.loss(*batch_of([None]))
    with pytest.raises(RefusedError, match=r"test_cfg.source='x': no head; choose from sota, sior"):
        small_model(test_cfg=dict(mode='whole', source='x'))


def test_the_classes_that_viewers_see():
    sources = {name: dict(classes=[f'{name} {i}' for i in range(count)], palette=[[0, 0, count]])
               for name, count in CLASSES.items()}  # fmt: skip
    whole = sources['sota'] | dict(sources=sources)
    models = {name: small_model(test_cfg=dict(mode='whole', source=name)) for name in CLASSES}
    for name, model in models.items():
        model.dataset_meta = whole
        assert model.dataset_meta == sources[name]
        model.dataset_meta = sources['sota']  # MMSegInferencer knows no other
        found = model.dataset_meta
        assert list(found['classes']) == sources[name]['classes'], 'names or numbers'
        assert len(found['palette']) == len(found['classes']) or name == 'sota'
    plain = small_model()
    assert plain.dataset_meta is None
    plain.dataset_meta = whole
    assert plain.dataset_meta is whole


@pytest.mark.parametrize(
    ('source', 'message'),
    [
        ('potsdam', "source 'potsdam' is unknown; the model has heads for sota, sior, fast"),
        (None, 'an image without a source; the model has heads for sota, sior, fast: name one'),
    ],
)
def test_unknown_sources_are_refused_with_the_known_ones(source, message):
    model = small_model().eval()
    images, _ = batch_of(['sota'])
    with pytest.raises(RefusedError, match=message):
        model.predict(images, [sample_of(source)])


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(heads={}), 'model.heads is empty'),
        (dict(heads={'a.b': dict(num_classes=2)}), "'a.b' cannot name a source"),
        (dict(heads={'keys': dict(num_classes=2)}), "'keys' cannot name a source"),
        (dict(heads={'training': dict(num_classes=2)}), "'training' cannot name a source"),
        (dict(heads={'lossy': dict(num_classes=2)}), "'lossy' cannot name a source"),
        (dict(heads=dict(a=2)), r'model.heads.a=2; needed: dict\(num_classes=K\)'),
        (dict(heads=dict(a=dict(num_classes=1))), 'a.num_classes=1; needed: a whole number from 2'),
        (dict(forward_mode='both'), "forward_mode='both'; choose from joint, sequential"),
        (
            dict(decode_head=dict(type='FCNHead', sampler=dict(type='OHEM'))),
            'as model.heads.SOURCE.sampler',
        ),
    ],
)
def test_what_cannot_be_built_is_refused_in_one_line(options, message):
    with pytest.raises(RefusedError, match=message) as error:
        small_model(**options)
    assert '\n' not in str(error.value)


def test_several_losses_are_summed():
    images, samples = batch_of(MIXED)
    once = small_model().eval().loss(images, samples)
    cross_entropy = dict(type='CrossEntropyLoss', avg_non_ignore=True, loss_weight=0.5)
    model = small_model()
    model.decode_head.loss_decode = nn.ModuleList([MODELS.build(cross_entropy) for _ in range(2)])
    for name, value in model.eval().loss(images, samples).items():
        torch.testing.assert_close(value, once[name])
