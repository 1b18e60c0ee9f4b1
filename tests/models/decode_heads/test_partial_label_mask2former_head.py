import math
import sys

import pytest
import torch
from mask2former_cases import (
    QUERIES,
    as_upstream,
    blocks,
    build,
    head_config,
    levels_of,
    sample_of,
)

from samrs_mm.core.errors import RefusedError

CLASSES = 5


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def heads(**options):
    """Ours and mmsegmentation's, with the same weights."""
    config = head_config(num_classes=CLASSES)
    ours, upstream = build(config | options), build(as_upstream(config))
    upstream.load_state_dict(ours.state_dict())
    return ours, upstream


def losses_and_gradients(head, levels, samples):
    head.zero_grad()
    torch.manual_seed(3)
    losses = head.loss(levels, samples, train_cfg={})
    sum(losses.values()).backward()
    return losses, {name: weight.grad for name, weight in head.named_parameters()}


@pytest.mark.parametrize(('unlabelled', 'options'), [(0.0, {}), (0.5, dict(ignore_in_masks=False))])
def test_loss_and_gradients_equal_upstream(unlabelled, options):
    """With every pixel labelled; or with unlabelled ones as the authors take them."""
    samples = [sample_of(blocks(CLASSES, seed, unlabelled=unlabelled)) for seed in (4, 5)]
    ours, upstream = (losses_and_gradients(head, levels_of(), samples) for head in heads(**options))
    for found, expected in zip(ours, upstream, strict=True):
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            # upstream's masks' losses are of shape (1,)
            torch.testing.assert_close(
                found[name], value.reshape(found[name].shape), rtol=1e-5, atol=1e-6
            )
    assert len(ours[0]) == 3 * (1 + 3)


def test_unlabelled_pixels_make_a_difference_by_default():
    samples = [sample_of(blocks(CLASSES, seed, unlabelled=0.5)) for seed in (4, 5)]
    ours, upstream = (losses_and_gradients(head, levels_of(), samples)[0] for head in heads())
    assert not torch.isclose(ours['loss_mask'], upstream['loss_mask'], rtol=1e-2)


def predictions(seed=0, side=16, images=1):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(images, QUERIES, CLASSES + 1, generator=generator)
    return scores, torch.randn(images, QUERIES, side, side, generator=generator)


def loss_of_maps(head, scores, masks, samples):
    masks = masks.clone().requires_grad_()
    torch.manual_seed(3)
    losses = head.loss_by_feat([scores], [masks], *head._seg_data_to_instance_data(samples))
    total = sum(losses.values())
    total.backward()
    return total.detach(), masks.grad


@pytest.mark.parametrize(('ignore', 'same'), [(True, True), (False, False)])
def test_logits_under_unlabelled_pixels_change_nothing(ignore, same):
    head, _ = heads(ignore_in_masks=ignore)
    label = blocks(CLASSES, seed=4)
    label[:, 24:] = 255
    scores, masks = predictions()
    changed = masks.clone()
    changed[..., 7:] = 5 * torch.randn(masks[..., 7:].shape)  # 6 is interpolated into pixel 23
    one, gradient = loss_of_maps(head, scores, masks, [sample_of(label)])
    other, other_gradient = loss_of_maps(head, scores, changed, [sample_of(label)])
    assert torch.equal(one, other) is same
    assert torch.equal(gradient, other_gradient) is same
    assert gradient[..., :6].any()
    assert gradient[..., 7:].any() is not same


def interpolate(grid, x, y):
    """Bilinear at (x, y) from 0 to 1, zeros around; pixel centres at (i + 0.5) / size."""
    height, width = grid.shape
    column, row = x * width - 0.5, y * height - 0.5
    value = 0.0
    for i in (math.floor(row), math.floor(row) + 1):
        for j in (math.floor(column), math.floor(column) + 1):
            if 0 <= i < height and 0 <= j < width:
                value += (1 - abs(row - i)) * (1 - abs(column - j)) * float(grid[i, j])
    return value


def touches(grid, x, y):
    return interpolate(grid.float(), x, y) > 0


def test_loss_of_one_mask_by_hand():
    """One query and one class: points, cross entropy and dice in a loop."""
    head = build(head_config(num_classes=CLASSES, num_queries=1))
    label = torch.full((64, 64), 2)
    label[20:50, 10:40] = 255
    label[30:, :6] = 255
    scores, masks = predictions(seed=1)
    scores, masks = scores[:, :1], masks[:, :1]
    torch.manual_seed(3)
    losses = head.loss_by_feat(
        [scores], [masks], *head._seg_data_to_instance_data([sample_of(label)])
    )
    torch.manual_seed(3)
    torch.rand(1, 48, 2)  # for matching
    logit = masks[0, 0]
    candidates = []
    for x, y in torch.rand(1, 144, 2)[0].tolist():
        certain = math.inf if touches(label == 255, x, y) else abs(interpolate(logit, x, y))
        candidates.append((certain, x, y))
    points = [point[1:] for point in sorted(candidates)[:36]] + torch.rand(1, 12, 2)[0].tolist()
    terms, inside, both, target = [], 0.0, 0.0, 0.0
    for x, y in points:
        if touches(label == 255, x, y):
            continue
        z, t = interpolate(logit, x, y), interpolate(label == 2, x, y)
        p = 1 / (1 + math.exp(-z))
        terms.append(-t * math.log(p) - (1 - t) * math.log(1 - p))
        inside, target, both = inside + p, target + t, both + p * t
    assert 36 <= len(terms) < 48
    assert losses['loss_mask'].item() == pytest.approx(5 * sum(terms) / len(terms), rel=1e-4)
    dice = 1 - (2 * both + 1) / (inside + target + 1)
    assert losses['loss_dice'].item() == pytest.approx(5 * dice, rel=1e-4)
    classes = -2 * scores[0, 0].log_softmax(-1)[2].item()
    assert losses['loss_cls'].item() == pytest.approx(classes, rel=1e-5)


def only_dots():
    label = torch.full((64, 64), 255)
    label[8::16, 8::16] = 3  # nowhere four labelled pixels together: no point is labelled
    return label


@pytest.mark.parametrize('label', [torch.full((64, 64), 255), only_dots()], ids=['none', 'dots'])
def test_images_without_a_labelled_point_have_a_finite_loss(label):
    head, _ = heads()
    losses, gradients = losses_and_gradients(head, levels_of(1), [sample_of(label)])
    assert all(loss.isfinite() for loss in losses.values())
    assert losses['loss_mask'] == losses['loss_dice'] == 0
    assert losses['loss_cls'] > 0
    assert all(gradient.isfinite().all() for gradient in gradients.values())


def test_no_image_is_a_zero_that_touches_all_it_is_given():
    head, _ = heads()
    scores, masks = (item.requires_grad_() for item in predictions(images=0))
    losses = head.loss_by_feat([scores], [masks], [], [])
    assert [loss.item() for loss in losses.values()] == [0, 0, 0]
    sum(losses.values()).backward()
    assert scores.grad.shape == scores.shape
    assert masks.grad.shape == masks.shape


def test_fewer_classes_cost_what_a_head_of_so_many_costs():
    wide, narrow = build(head_config(num_classes=9)), build(head_config(num_classes=CLASSES))
    samples = [sample_of(blocks(CLASSES, seed, unlabelled=0.3)) for seed in (1, 2)]
    scores, masks = predictions(images=2)
    found, gradient = loss_of_maps(wide, scores, masks, samples)
    expected, expected_gradient = loss_of_maps(narrow, scores, masks, samples)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(gradient, expected_gradient)


def test_predictions_equal_upstream():
    ours, upstream = (head.eval() for head in heads())
    metas = [sample_of(blocks(CLASSES)).metainfo] * 2
    with torch.no_grad():
        found, expected = (head.predict(levels_of(), metas, {}) for head in (ours, upstream))
    assert found.shape == (2, CLASSES, 64, 64)
    torch.testing.assert_close(found, expected)


def test_a_window_is_predicted_at_its_own_size():
    """mmsegmentation's sliding windows put theirs in img_shape and leave pad_shape."""
    head, _ = heads()
    meta = dict(img_shape=torch.Size((64, 64)), pad_shape=(96, 128))
    with torch.no_grad():
        assert head.eval().predict(levels_of(), [meta] * 2, {}).shape == (2, CLASSES, 64, 64)


def test_deformable_attention_begins_as_its_authors_had_it():
    head, _ = heads()
    head.init_weights()
    attention = head.pixel_decoder.encoder.layers[0].self_attn
    assert not attention.sampling_offsets.weight.any()
    assert not attention.attention_weights.weight.any()
    # two heads look to the right and to the left, the second point twice as far
    offsets = attention.sampling_offsets.bias.view(2, 3, 2, 2)  # head, level, point, (x, y)
    for level in range(3):
        expected = torch.tensor([[[1.0, 0], [2, 0]], [[-1, 0], [-2, 0]]])
        torch.testing.assert_close(offsets[:, level], expected, rtol=0, atol=1e-6)


def test_without_mmdet_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, 'mmdet', None)
    with pytest.raises(
        RefusedError, match=r'needs mmdet .*pip install (mmdet|onedl-mmdetection)'
    ) as error:
        build(head_config(num_classes=CLASSES))
    assert '\n' not in str(error.value)
