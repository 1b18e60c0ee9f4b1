"""Terms of the loss beside mmsegmentation's own head, and on ranks."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmseg.models.decode_heads import FCNHead
from mmseg.models.losses import FocalLoss
from segmentor_cases import (
    CLASSES,
    batch_of,
    freeze_batch_norm,
    gradients,
    share_totals,
    small_model,
)

from samrs_mm.core.errors import RefusedError

MIXED = ['fast', 'sota', 'fast', 'sior', 'sota']
CE = dict(type='CrossEntropyLoss', avg_non_ignore=True)
LOVASZ = dict(type='LovaszLoss', reduction='none')
TERMS = dict(
    ce=CE,
    sigmoid=dict(CE, use_sigmoid=True),
    whole=dict(type='CrossEntropyLoss', reduction='none'),
    sum=dict(type='CrossEntropyLoss', reduction='sum', loss_weight=1e-4),
    dice=dict(type='DiceLoss', loss_weight=3.0),
    softmax_dice=dict(type='DiceLoss', use_sigmoid=False, naive_dice=True),
    focal=dict(type='FocalLoss'),
    tversky=dict(type='TverskyLoss', class_weight=None),
    lovasz=LOVASZ,
    lovasz_of_images=dict(type='LovaszLoss', per_image=True),
)
WEIGHTS = {source: [0.5 + i for i in range(count)] for source, count in CLASSES.items()}


def model_of(*terms, **changes):
    # float: Lovász of mmsegmentation takes no other
    return freeze_batch_norm(small_model(decode_head=head_of(*terms), **changes)).float()


def batch(*args, **options):
    images, samples = batch_of(*args, **options)
    return images.float(), samples


def head_of(*terms):
    return dict(
        type='UPerHead', in_channels=[8, 16, 32, 64], in_index=[0, 1, 2, 3], channels=16,
        dropout_ratio=0.0, norm_cfg=dict(type='BN'),
        loss_decode=terms[0] if len(terms) == 1 else list(terms),
    )  # fmt: skip


def by_mmseg(model, images, samples, terms):
    """Return what mmsegmentation's own head has for each source, called by its ``loss_by_feat``."""
    features = model.decode_head(model.extract_feat(images))
    found = {}
    for source, count in CLASSES.items():
        rows = [row for row, sample in enumerate(samples) if sample.source == source]
        own = [dict(term) for term in terms]
        for term in own:
            if isinstance(term.get('class_weight'), dict):
                term['class_weight'] = term['class_weight'].get(source)
        head = FCNHead(
            in_channels=16, channels=16, num_convs=0, concat_input=False, num_classes=count,
            loss_decode=own,
        )  # fmt: skip
        logits, own = model.heads[source](features[rows]), [samples[row] for row in rows]
        if isinstance(head.loss_decode[0], FocalLoss):
            found[source] = dict(loss_focal=focal(head.loss_decode[0], logits, own))
        else:
            found[source] = head.loss_by_feat(logits, own)
    return found


def focal(term, logits, samples):
    """What mmsegmentation's computes on a GPU; on a CPU its own fails."""
    label = torch.cat([sample.gt_sem_seg.data for sample in samples])
    logits = F.interpolate(logits, size=label.shape[1:], mode='bilinear', align_corners=False)
    found = []
    for k in range(logits.shape[1]):
        truth = (label == k).float()
        signed = (2 * truth - 1) * logits[:, k]
        weight = term.class_weight[k] if term.class_weight else 1
        found.append(
            -weight * 0.5 * F.sigmoid(-signed) ** 2 * F.logsigmoid(signed) * (label != 255)
        )
    return torch.stack(found).mean()


@pytest.mark.parametrize('name', TERMS)
@pytest.mark.parametrize('valid', [1.0, 0.6])
def test_a_term_is_that_of_mmsegs_head(name, valid):
    model = model_of(TERMS[name])
    images, samples = batch(MIXED, valid=valid)
    losses = model.loss(images, samples)
    for source, expected in by_mmseg(model, images, samples, [TERMS[name]]).items():
        [term] = [key for key in expected if key.startswith('loss')]
        found = losses[f'loss_{source}_{term.removeprefix("loss_")}']
        torch.testing.assert_close(
            found, expected[term].mean(), rtol=1e-5, atol=1e-6, check_dtype=False
        )
        assert found > 0


@pytest.mark.parametrize('kind', ['CrossEntropyLoss', 'FocalLoss', 'TverskyLoss'])
def test_class_weights_by_source(kind):
    term = dict(type=kind, class_weight=WEIGHTS)
    images, samples = batch(MIXED, valid=1.0)
    model = model_of(term)
    losses = model.loss(images, samples)
    for source, expected in by_mmseg(model, images, samples, [term]).items():
        [name] = [key for key in expected if key.startswith('loss')]
        found = losses[f'loss_{source}_{name.removeprefix("loss_")}']
        torch.testing.assert_close(found, expected[name], rtol=1e-5, atol=1e-6, check_dtype=False)
    plain = model_of(dict(type=kind)).loss(images, samples)
    assert all(losses[key] != plain[key] for key in plain if key.startswith('loss'))


def test_weighted_cross_entropy_of_partial_labels_equals_torch():
    """mmsegmentation's own head fails on 255 there."""
    model = model_of(dict(type='CrossEntropyLoss', class_weight=dict(sior=WEIGHTS['sior'])))
    images, samples = batch(['sior', 'sota'], valid=0.4)
    losses = model.loss(images, samples)
    features = model.decode_head(model.extract_feat(images))
    logits = F.interpolate(
        model.heads['sior'](features[:1]), size=(64, 64), mode='bilinear', align_corners=False
    )
    weight, label = logits.new_tensor(WEIGHTS['sior']), samples[0].gt_sem_seg.data
    expected = F.cross_entropy(logits, label, weight, ignore_index=255)
    torch.testing.assert_close(
        losses['loss_sior_ce'], expected, rtol=1e-5, atol=1e-6, check_dtype=False
    )


def test_several_terms_are_logged_by_name_and_added_up():
    terms = [CE, TERMS['dice'], dict(CE, loss_weight=0.5), dict(CE, loss_name='watched')]
    images, samples = batch(MIXED)
    losses, _ = gradients(model_of(*terms), images, samples)
    names = {f'loss_{source}_{term}' for source in CLASSES for term in ('ce', 'dice')}
    names |= {f'{source}_watched' for source in CLASSES}
    assert names == {name for name in losses if not name.startswith('acc')}
    once, _ = gradients(model_of(CE), images, samples)
    total, logged = model_of(*terms).parse_losses(losses)
    for source in CLASSES:
        single = once[f'loss_{source}_ce']
        torch.testing.assert_close(losses[f'loss_{source}_ce'], 1.5 * single)
        torch.testing.assert_close(losses[f'{source}_watched'], single)
    counted = [value for name, value in losses.items() if name.startswith('loss')]
    torch.testing.assert_close(total, sum(counted))
    assert {*logged} == {'loss', *losses}


def assert_two_ranks_equal_one(monkeypatch, model):
    """Assert that losses and gradients of two parts of a batch average to those of the whole."""
    parts = [
        batch(['sota', 'sior'], seed=1, valid=0.9),
        batch(['fast', 'fast', 'sota'], seed=2, valid=0.1),
    ]
    images = torch.cat([images for images, _ in parts])
    whole, expected = gradients(model, images, parts[0][1] + parts[1][1])
    share_totals(monkeypatch, model, parts)
    ranks = [gradients(model, *part) for part in parts]
    for key, value in whole.items():
        mean = (ranks[0][0][key] + ranks[1][0][key]) / 2
        torch.testing.assert_close(mean, value, rtol=1e-5, atol=1e-6, check_dtype=False)
    for key, value in expected.items():
        mean = (ranks[0][1][key] + ranks[1][1][key]) / 2
        assert (mean - value).abs().max() <= 1e-4 * value.abs().max(), key


@pytest.mark.parametrize('name', [name for name in TERMS if name != 'lovasz'])
def test_two_ranks_equal_one_process(monkeypatch, name):
    term = dict(TERMS[name])
    if name == 'ce':
        term['class_weight'] = WEIGHTS
    model = model_of(term)
    assert_two_ranks_equal_one(monkeypatch, model)


@pytest.mark.parametrize('name', [name for name in TERMS if name != 'lovasz'])
def test_the_mean_over_parts_is_that_of_the_whole_batch(name):
    """Of parts with other sources and other shares of labelled pixels; batch norm doesn't mix."""
    model = model_of(TERMS[name])
    (images, samples), (others, more) = (
        batch(['sota', 'sior', 'sota'], seed=1, valid=0.9),
        batch(['fast', 'fast', 'sota'], seed=2, valid=0.1),
    )
    everything = samples + more
    whole, expected = gradients(model, torch.cat([images, others]), everything)
    with model.in_parts(everything, 2):
        parts = [gradients(model, images, samples), gradients(model, others, more)]
    for key, value in whole.items():
        mean = (parts[0][0][key].mean() + parts[1][0][key].mean()) / 2
        torch.testing.assert_close(mean, value.mean(), rtol=1e-5, atol=1e-6, check_dtype=False)
    for key, value in expected.items():
        mean = (parts[0][1][key] + parts[1][1][key]) / 2
        assert (mean - value).abs().max() <= 1e-4 * value.abs().max(), key
    again, _ = gradients(model, torch.cat([images, others]), everything)
    assert all(torch.equal(again[key], whole[key]) for key in whole), 'only within the block'


@pytest.mark.parametrize('name', TERMS)
@pytest.mark.parametrize('pixels', [0, 1])
def test_images_of_which_hardly_a_pixel_is_labelled(name, pixels):
    images, samples = batch(MIXED)
    for sample in samples:
        sample.gt_sem_seg.data[:] = 255
        sample.gt_sem_seg.data.view(-1)[:pixels] = 0
    losses, grads = gradients(model_of(TERMS[name]), images, samples)
    assert all(torch.isfinite(value).all() for value in [*losses.values(), *grads.values()])


def test_an_image_without_labels_counts_0_for_lovasz():
    term = TERMS['lovasz_of_images']
    images, samples = batch(['sota', 'sota'])
    samples[1].gt_sem_seg.data[:] = 255
    losses, _ = gradients(model_of(term), images, samples)
    alone, _ = gradients(model_of(term), images[:1], samples[:1])
    torch.testing.assert_close(losses['loss_sota_lovasz'], alone['loss_sota_lovasz'] / 2)


def heads_of(**own):
    return {source: dict(num_classes=n, **own.get(source, {})) for source, n in CLASSES.items()}


def losses_of(model, images, samples):
    return {name: value.detach() for name, value in model.loss(images, samples).items()}


def test_a_source_has_losses_of_its_own():
    images, samples = batch(MIXED, valid=0.6)
    own = [CE, dict(TERMS['dice']), dict(LOVASZ)]
    plain = losses_of(model_of(CE), images, samples)
    of_all = losses_of(model_of(*own), images, samples)
    found = losses_of(model_of(CE, heads=heads_of(sior=dict(loss_decode=own))), images, samples)
    names = {'loss_sior_ce', 'loss_sior_dice', 'loss_sior_lovasz'}
    assert found.keys() == plain.keys() | names
    for name, value in found.items():
        assert torch.equal(value, (of_all if name in names else plain)[name]), name


def test_a_source_has_class_weights_of_its_own():
    images, samples = batch(MIXED, valid=0.6)
    weights = WEIGHTS['fast']
    by_source = losses_of(model_of(mask_one(class_weight=dict(fast=weights))), images, samples)
    own = dict(fast=dict(loss_decode=mask_one(class_weight=weights)))
    found = losses_of(model_of(mask_one(), heads=heads_of(**own)), images, samples)
    assert all(torch.equal(found[name], value) for name, value in by_source.items())


def test_the_weight_of_a_source_multiplies_all_of_its_terms_and_gradients():
    images, samples = batch(MIXED, valid=0.6)
    terms = CE, TERMS['dice']
    plain, grads = gradients(model_of(*terms), images, samples)
    heads = heads_of(sota=dict(loss_weight=4))
    found, changed = gradients(model_of(*terms, heads=heads), images, samples)
    for name, value in plain.items():
        factor = 4 if name.startswith('loss_sota') else 1
        assert torch.equal(found[name], factor * value), name
    for name, value in grads.items():
        if name.startswith('heads.'):
            factor = 4 if name.startswith('heads.sota') else 1
            torch.testing.assert_close(changed[name], factor * value)


OHEM = dict(type='OHEMPixelSampler', thresh=0.35, min_kept=100)


@pytest.mark.parametrize('sampler', [OHEM, dict(type='OHEMPixelSampler', min_kept=300)])
@pytest.mark.parametrize('valid', [1.0, 0.3])
def test_hard_pixels_are_those_of_mmsegs_head(sampler, valid):
    terms = [CE, TERMS['dice']]
    images, samples = batch(MIXED, valid=valid)
    heads = heads_of(sior=dict(sampler=sampler))
    found = losses_of(model_of(*terms, heads=heads), images, samples)
    plain = losses_of(model_of(*terms), images, samples)
    changed = {name for name, value in plain.items() if not torch.equal(found[name], value)}
    assert changed == {'loss_sior_ce'}, "Dice and others' losses see all pixels"
    model = model_of(CE)
    head = FCNHead(
        in_channels=16, channels=16, num_convs=0, concat_input=False, sampler=dict(sampler),
        num_classes=CLASSES['sior'], loss_decode=CE,
    )  # fmt: skip
    rows = [row for row, sample in enumerate(samples) if sample.source == 'sior']
    logits = model.heads['sior'](model.decode_head(model.extract_feat(images))[rows])
    expected = head.loss_by_feat(logits, [samples[row] for row in rows])['loss_ce']
    torch.testing.assert_close(
        found['loss_sior_ce'], expected, rtol=1e-5, atol=1e-6, check_dtype=False
    )


def test_two_ranks_equal_one_process_where_sources_differ(monkeypatch):
    own = dict(
        sota=dict(loss_decode=[CE, TERMS['dice'], TERMS['lovasz_of_images']], loss_weight=0.5),
        fast=dict(loss_decode=mask_one(class_weight=WEIGHTS['fast']), loss_weight=3),
        sior=dict(sampler=dict(OHEM, min_kept=2)),  # so few that the threshold decides
    )
    model = model_of(CE, heads=heads_of(**own))
    assert_two_ranks_equal_one(monkeypatch, model)


def test_losses_of_sources_move_with_the_network_and_add_no_weights():
    model = model_of(CE, heads=heads_of(sota=dict(loss_decode=[CE, TERMS['dice']])))
    assert {*model.own_losses} == {'sota'}
    assert model.state_dict().keys() == model_of(CE).state_dict().keys()


@pytest.mark.parametrize(
    ('own', 'message'),
    [
        (dict(loss_decode=[]), 'heads.sota.loss_decode is empty; give at least one term'),
        (dict(loss_decode=3), 'heads.sota.loss_decode=3; needed: dict(type=...)'),
        (dict(loss_decode=dict(type='DiseLoss')), 'heads.sota.loss_decode: KeyError: '),
        (dict(loss_decode=dict(type='DiceLoss', weights=1)), 'unexpected keyword argument'),
        (dict(loss_decode=[CE, dict(type='OhemCrossEntropy')]),
         "heads.sota.loss_decode.1.type='OhemCrossEntropy' takes no ignore_index"),
        (dict(loss_decode=dict(type='CrossEntropyLoss', class_weight=[1.0])),
         'heads.sota.loss_decode.class_weight has 1 value, model.heads.sota has 3 classes; '
         'give one for each class'),
        (dict(loss_decode=dict(type='CrossEntropyLoss', class_weight=dict(sota=[1.0] * 3))),
         'the term is of sota alone; give a list of 3'),
        (dict(loss_decode=TERMS['dice'], sampler=OHEM),
         'heads.sota.sampler: it picks pixels for CrossEntropyLoss, '),
        (dict(loss_decode=TERMS['sigmoid'], sampler=OHEM), 'which sota has with use_sigmoid;'),
        (dict(sampler=dict(type='OHEMPixelSampler', min_kept=1)), 'heads.sota.sampler: Assertion'),
        (dict(sampler=dict(type='OHEM')), 'heads.sota.sampler: KeyError'),
    ],
)  # fmt: skip
def test_what_a_source_cannot_have(own, message):
    with pytest.raises(RefusedError) as caught:
        model_of(CE, heads=heads_of(sota=own))
    assert message in str(caught.value)
    assert '\n' not in str(caught.value)


def mask_one(**changes):
    return dict(type='CrossEntropyLoss', **changes)


@pytest.mark.parametrize(
    ('terms', 'message'),
    [
        ([mask_one(class_weight=[1.0] * 3)],
         'model.decode_head.loss_decode.class_weight has 3 values, model.heads.sior has 5 classes; '
         'give one for each class, or by source: class_weight=dict(sior=[...])'),
        ([CE, mask_one(class_weight=dict(sior=[1.0]))], 'loss_decode.1.class_weight has 1 value'),
        ([mask_one(class_weight=dict(siro=[1.0]))], "'siro' is no head; there are sota"),
        ([dict(type='FocalLoss', alpha=[0.5, 0.5])], 'loss_decode.alpha has 2 values'),
        ([dict(type='OhemCrossEntropy')], "type='OhemCrossEntropy' takes no ignore_index"),
        ([mask_one(use_mask=True)], 'use_mask=True is for masks of instances'),
        ([mask_one(use_sigmoid=True, class_weight=WEIGHTS)], 'takes none with use_sigmoid=True'),
    ],
)  # fmt: skip
def test_refused(terms, message):
    with pytest.raises(RefusedError) as caught:
        model_of(*terms)
    assert message in str(caught.value)


def test_class_weights_may_be_a_file(tmp_path):
    np.save(tmp_path / 'weights.npy', [1.0, 2.0, 3.0])
    heads = dict(sota=dict(num_classes=3))
    term = mask_one(class_weight=str(tmp_path / 'weights.npy'))
    losses = model_of(term, heads=heads).loss(*batch(['sota', 'sota'], valid=0.5))
    assert losses['loss_sota_ce'] > 0
