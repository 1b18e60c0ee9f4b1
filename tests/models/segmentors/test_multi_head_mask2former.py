from pathlib import Path

import pytest
import torch
from backbone_cases import perturb
from label_cases import assert_best_class
from mask2former_cases import (
    as_upstream,
    blocks,
    build,
    head_config,
    same_points_everywhere,
    sample_of,
)
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmseg.registry import MODELS
from mmseg.utils import register_all_modules
from released_keys import released_keys
from segmentor_cases import AUXILIARY, freeze_batch_norm
from training_runs import record, run_tool, write_run

import samrs_mm.models.segmentors  # noqa: F401  (registers)
from samrs_mm.core.errors import RefusedError
from samrs_mm.models.decode_heads import partial_label_mask2former_head

ROOT = Path(__file__).resolve().parents[3]
CLASSES = dict(sota=3, sior=5, fast=2)
MIXED = ['fast', 'sota', 'fast', 'sior', 'sota']
BACKBONE = dict(type='ResNet', depth=18, base_channels=8, norm_cfg=dict(type='BN'))


def small_model(seed=0, **options):
    config = dict(
        type='MultiHeadMask2Former',
        backbone=BACKBONE,
        decode_head=head_config(),
        heads={source: dict(num_classes=classes) for source, classes in CLASSES.items()},
        test_cfg=dict(mode='whole'),
    )
    # Weights that aren't zero anywhere, so that images and queries differ
    return perturb(build(config | options, seed), std=0.1)


def plain_model(model, source, upstream=True):
    """An ``EncoderDecoder`` with one source's classes and the weights of ``model``."""
    head = head_config(num_classes=CLASSES[source])
    plain = build(
        dict(
            type='EncoderDecoder',
            backbone=BACKBONE,
            decode_head=as_upstream(head) if upstream else head,
            test_cfg=dict(mode='whole'),
        )
    )
    weights = {
        name.replace(f'heads.{source}', 'decode_head.cls_embed'): value
        for name, value in model.state_dict().items()
        if not name.startswith('heads') or name.startswith(f'heads.{source}')
    }
    plain.load_state_dict(weights)
    return plain


def batch_of(sources, seed=0, unlabelled=0.4, size=64):
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(len(sources), 3, size, size, generator=generator)
    samples = [
        sample_of(blocks(CLASSES[source], 10 * seed + row, size, unlabelled), source=source)
        for row, source in enumerate(sources)
    ]
    return images, samples


def gradients(model, images, samples, seed=7):
    model.zero_grad()
    torch.manual_seed(seed)
    losses = model.loss(images, samples)
    model.parse_losses(losses)[0].backward()
    return losses, {name: weight.grad.clone() for name, weight in model.named_parameters()}


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(('upstream', 'unlabelled'), [(True, 0.0), (False, 0.4)])
def test_loss_is_that_of_a_model_per_source(upstream, unlabelled):
    """Of mmsegmentation's head where every pixel is labelled; of ours in any case."""
    model = freeze_batch_norm(small_model())
    images, samples = batch_of(MIXED, unlabelled=unlabelled)
    losses, grads = gradients(model, images, samples)
    plain = {source: freeze_batch_norm(plain_model(model, source, upstream)) for source in CLASSES}
    torch.manual_seed(7)
    expected, expected_grads = {}, {}
    for source, alone in plain.items():
        rows = [row for row, name in enumerate(MIXED) if name == source]
        parts = alone.loss(images[rows], [samples[row] for row in rows])
        sum(parts.values()).backward()
        for kind in ('cls', 'mask', 'dice'):
            expected[f'loss_{source}_{kind}'] = sum(
                value.squeeze() for name, value in parts.items() if name.endswith(kind)
            )
        for name, weight in alone.named_parameters():
            name = name.replace('decode_head.cls_embed', f'heads.{source}')
            expected_grads[name] = expected_grads.get(name, 0) + weight.grad
    assert_equal(losses, expected)
    assert_equal(grads, expected_grads)


def test_joint_equals_one_forward_per_source_where_batch_norm_does_not_mix():
    images, samples = batch_of(MIXED)
    joint = gradients(freeze_batch_norm(small_model()), images, samples)
    apart = gradients(freeze_batch_norm(small_model(forward_mode='sequential')), images, samples)
    for ours, theirs in zip(joint, apart, strict=True):
        assert_equal(ours, theirs)


def test_auxiliary_heads_add_losses_and_change_no_other():
    plain = small_model().eval()
    model = small_model(auxiliary_head=[AUXILIARY]).eval()
    model.load_state_dict(plain.state_dict(), strict=False)
    images, samples = batch_of(MIXED)
    (losses, grads), (without, _) = (gradients(each, images, samples) for each in (model, plain))
    assert all(torch.equal(losses[name], value) for name, value in without.items())
    added = {f'{s}.aux_0.{term}' for s in CLASSES for term in ('loss_ce', 'acc_seg')}
    assert losses.keys() - without.keys() == added
    assert all(grad.any() for name, grad in grads.items() if name.startswith(('aux', 'side')))
    metas = [sample.metainfo for sample in samples]
    found, expected = (each.encode_decode(images, metas) for each in (model, plain))
    assert torch.equal(found, expected)


def test_gradient_reaches_every_parameter():
    _, grads = gradients(small_model().train(), *batch_of(MIXED))
    assert [name for name, grad in grads.items() if not grad.abs().sum() > 0] == []


def test_a_source_absent_from_the_batch_costs_and_moves_nothing():
    losses, grads = gradients(small_model().train(), *batch_of(['sota', 'fast']))
    assert losses['loss_sior_cls'] == losses['loss_sior_mask'] == losses['loss_sior_dice'] == 0
    assert not grads['heads.sior.weight'].any()
    assert not grads['heads.sior.bias'].any()
    assert grads['heads.sota.weight'].any()


@torch.no_grad()
def test_prediction_is_that_of_a_plain_model_of_the_source():
    model = small_model().eval()
    images, samples = batch_of(MIXED)
    results = model.predict(images, samples)
    for row, (source, result) in enumerate(zip(MIXED, results, strict=True)):
        plain = plain_model(model, source).eval()
        [expected] = plain.predict(images[row : row + 1], [batch_of(MIXED)[1][row]])
        assert result.seg_logits.data.shape == (CLASSES[source], 64, 64)
        torch.testing.assert_close(result.seg_logits.data, expected.seg_logits.data)
        assert_best_class(result.pred_sem_seg.data, expected.seg_logits.data)


def test_tensor_mode():
    model = small_model().eval()
    images, samples = batch_of(['sior', 'fast'])
    every = model(images)
    assert {source: tuple(scores.shape) for source, scores in every.items()} == {
        source: (2, classes, 16, 16) for source, classes in CLASSES.items()
    }
    routed = model(images, samples)
    torch.testing.assert_close(routed[0], every['sior'][0])
    torch.testing.assert_close(routed[1, :2], every['fast'][1])
    assert routed[1, 2:].isneginf().all()


def test_sliding_windows():
    images, samples = batch_of(['sior', 'fast'], size=96)
    slide = small_model(test_cfg=dict(mode='slide', crop_size=(64, 64), stride=(32, 32))).eval()
    scores = [result.seg_logits.data for result in slide.predict(images, samples)]
    assert [tuple(score.shape) for score in scores] == [(5, 96, 96), (2, 96, 96)]
    whole = small_model().eval().predict(images[..., :64, :64], batch_of(['sior', 'fast'])[1])
    for score, result in zip(scores, whole, strict=True):  # one window only sees the corner
        torch.testing.assert_close(score[:, :32, :32], result.seg_logits.data[:, :32, :32])


def test_unknown_sources_are_refused():
    images, samples = batch_of(['sota'])
    samples[0].set_metainfo(dict(source='potsdam'))
    with pytest.raises(RefusedError, match="source 'potsdam' is unknown"):
        small_model().eval().predict(images, samples)


def test_segmentor_and_head_have_to_fit():
    with pytest.raises(RefusedError, match='has no conv_seg; for Mask2Former choose'):
        small_model(type='MultiHeadEncoderDecoder')
    unet = dict(
        type='UNetHead',
        in_channels=[8, 16, 32, 64],
        in_index=[0, 1, 2, 3],
        loss_decode=dict(type='CrossEntropyLoss'),
    )
    with pytest.raises(RefusedError, match="'UNetHead': MultiHeadMask2Former needs Partial"):
        small_model(decode_head=unet)


@pytest.mark.parametrize(
    ('first', 'second'),
    [
        (['sota', 'sior'], ['fast', 'fast', 'sota']),
        (['sota'], ['sior', 'sior', 'fast']),
    ],
)
def test_ranks_together_equal_one_process(monkeypatch, first, second):
    """Two simulated ranks with the same random points: what DDP and the log average."""
    same_points_everywhere(monkeypatch)
    model = freeze_batch_norm(small_model())
    parts = [batch_of(first, seed=1, unlabelled=0.1), batch_of(second, seed=2, unlabelled=0.7)]
    totals = []
    monkeypatch.setattr(
        partial_label_mask2former_head, 'all_reduce', lambda total: totals.append(total.clone())
    )
    whole, expected = gradients(
        model, torch.cat([images for images, _ in parts]), parts[0][1] + parts[1][1]
    )
    assert len(totals) == len(CLASSES), 'once for each source, present or not'
    ranks = []
    monkeypatch.setattr(partial_label_mask2former_head, 'get_world_size', lambda: 2)
    for part in parts:
        reduced = iter(totals)
        monkeypatch.setattr(
            partial_label_mask2former_head,
            'all_reduce',
            lambda total, reduced=reduced: total.copy_(next(reduced)),
        )
        ranks.append(gradients(model, *part))
    for found, reference in zip(zip(*ranks, strict=True), (whole, expected), strict=True):
        mean = {name: (found[0][name] + found[1][name]) / 2 for name in reference}
        assert_equal(mean, reference)


def load_config(path):
    register_all_modules(init_default_scope=True)
    return Config.fromfile(ROOT / 'configs' / path)


def released_model():
    cfg = load_config('sep/mask2former_resnet50.py')
    cfg.model.backbone.init_cfg = None
    with torch.device('meta'):
        return MODELS.build(cfg.model)


def test_the_released_network_by_name_shape_and_number():
    model = released_model()
    places = {'encoder': 'backbone', 'decoder': 'decode_head'} | {
        f'semseghead_{number}.cls_embed': f'heads.{source}'
        for number, source in enumerate(CLASSES, 1)
    }
    expected = {}
    for name, (shape, _) in released_keys('resnet50_m2f').items():
        place = next(place for place in places if name.startswith(f'{place}.'))
        expected[places[place] + name.removeprefix(place)] = shape
    found = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    assert found == expected
    assert len(found) == 614
    parts = dict(whole=model, decoder=model.decode_head, **{s: model.heads[s] for s in model.heads})
    assert {
        name: sum(weight.numel() for weight in part.parameters()) for name, part in parts.items()
    } == dict(whole=44_022_606, decoder=20_494_528, sota=4_883, sior=5_397, fast=9_766)


def test_backbone_and_trunk_load_into_a_plain_encoder_decoder():
    sep = load_config('sep/mask2former_resnet50.py').model
    with torch.device('meta'):
        plain = MODELS.build(
            dict(
                type='EncoderDecoder',
                backbone=sep.backbone | dict(init_cfg=None),
                decode_head=sep.decode_head | dict(num_classes=5),
                test_cfg=dict(mode='whole'),
            )
        )
    result = plain.load_state_dict(released_model().state_dict(), strict=False, assign=True)
    assert set(result.missing_keys) == {
        'decode_head.cls_embed.weight',
        'decode_head.cls_embed.bias',
    }
    assert {key.split('.')[0] for key in result.unexpected_keys} == {'heads'}
    assert sum(weight.numel() for weight in plain.parameters()) == 44_022_606 - 20_046 + 1_542


def test_fine_tuning_spares_embeddings_and_norms_from_decay():
    wrapper = load_config('_base_/schedules/adamw_mask2former_80k.py').optim_wrapper
    model = released_model()
    names = {weight: name for name, weight in model.named_parameters()}
    groups = build_optim_wrapper(model, wrapper).optimizer.param_groups
    assert {group['lr'] for group in groups} == {1e-4}
    spared = {
        names[weight]
        for group in groups
        for weight in group['params']
        if group['weight_decay'] == 0
    }
    embeddings = {
        f'decode_head.{name}.weight' for name in ('query_embed', 'query_feat', 'level_embed')
    }
    norms = {
        f'{name}.{part}'
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.BatchNorm2d | torch.nn.GroupNorm | torch.nn.LayerNorm)
        for part in ('weight', 'bias')
    }
    # batch norm of ResNet-50; group norm of five convolutions; layer norms
    assert len(norms) == 2 * (53 + 5 + 6 * 2 + 9 * 3 + 1)
    assert spared == embeddings | norms


@pytest.mark.slow
def test_training_validation_and_export_by_the_tools(tmp_path):
    config = write_run(tmp_path)
    cfg = Config.fromfile(config)
    norm = cfg.model.backbone.norm_cfg
    cfg.model.type = 'MultiHeadMask2Former'
    cfg.model.decode_head = head_config(in_channels=[4, 8, 16, 32])
    cfg.model.backbone.norm_cfg = norm
    cfg.train_cfg.update(max_iters=2, val_interval=2)
    cfg.custom_hooks.append(dict(type='PredictionPictureHook', per_source=1))
    cfg.default_hooks.checkpoint.interval = 2
    cfg.dump(config)
    codes, log = run_tool('train', [config], tmp_path / 'log')
    assert codes == [0], log[-3000:]
    for line in record(tmp_path)[0]:
        names = {f'loss_{s}_{kind}' for s in cfg.model.heads for kind in ('cls', 'mask', 'dice')}
        assert names | {'loss'} <= set(line['logs'])
        total = sum(line['logs'][name] for name in names)
        assert line['logs']['loss'] == pytest.approx(total, rel=1e-4)
    assert 'blue/mIoU' in log
    exported = torch.load(tmp_path / 'sep/tiny.pth', weights_only=True)['state_dict']
    assert {name.split('.')[0] for name in exported} == {'backbone', 'decode_head', 'heads'}
    assert not [name for name in exported if 'cls_embed' in name]
    assert list(tmp_path.rglob('*.png'))
    codes, log = run_tool(
        'test', [config, str(tmp_path / 'work/iter_2.pth')], tmp_path / 'test_log'
    )
    assert codes == [0], log[-3000:]
    assert 'blue/mIoU' in log


def heads_of(**own):
    return {source: dict(num_classes=n, **own.get(source, {})) for source, n in CLASSES.items()}


def test_a_source_is_weighted(monkeypatch):
    same_points_everywhere(monkeypatch)
    images = torch.rand(len(MIXED), 3, 64, 64)
    samples = [sample_of(blocks(CLASSES[source]), source=source) for source in MIXED]
    plain = small_model().loss(images, samples)
    found = small_model(heads=heads_of(sior=dict(loss_weight=4))).loss(images, samples)
    assert {name for name in plain if name.startswith('loss_sior')}
    for name, value in plain.items():
        assert torch.equal(found[name], (4 if 'sior' in name else 1) * value), name


@pytest.mark.parametrize('name', ['loss_decode', 'sampler'])
def test_a_source_has_no_losses_of_its_own(name):
    with pytest.raises(RefusedError, match=f'heads.sota.{name}: Mask2Former has losses of its own'):
        small_model(heads=heads_of(sota={name: dict(type='CrossEntropyLoss')}))
