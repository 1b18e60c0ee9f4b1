import numpy as np
import pytest
import torch
from torch.utils.data import default_collate

import samrs_mm.models.boxnet.packing  # noqa: F401 (registers the steps)
from samrs_mm.core.errors import RefusedError
from samrs_mm.datasets.crops.base import PROMPTS
from samrs_mm.drawn.datasets.drawn_crops import DrawnCrops
from samrs_mm.models.boxnet.inputs import BACKGROUND_CLICKS, OBJECT_CLICKS, PREVIOUS
from samrs_mm.models.boxnet.network import BoxNet
from samrs_mm.models.boxnet.trainer import BoxNetTrainer, enter_step
from samrs_mm.models.boxnet.weights import WeightsInfo, save_weights

WIDTHS = (8, 16)


@pytest.fixture(scope='module')
def batch():
    crops = DrawnCrops(8, ((0, 32),), seed=4, pipeline=[dict(type='PackCrop')])
    return default_collate([crops[i] for i in range(8)])


def copied(batch):
    return {
        key: value.clone() if hasattr(value, 'clone') else value for key, value in batch.items()
    }


def trainer(**options):
    torch.manual_seed(0)
    return BoxNetTrainer(WIDTHS, **options)


def test_a_few_steps_teach_it(batch):
    model = trainer(clicked=0.25)
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    losses = []
    for _ in range(30):
        parts = model(**copied(batch), mode='loss')
        loss = sum(value for name, value in parts.items() if 'loss' in name)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert parts.keys() == {'loss_bce', 'loss_dice', 'loss_iou', 'iou'}
    assert losses[-1] < 0.75 * losses[0]


def test_clicks_follow_from_the_place_and_reach_the_input(batch):
    model, seen = trainer(clicked=1.0), []
    model.network.register_forward_pre_hook(lambda _, args: seen.append(args[0].clone()))
    losses = [model(**copied(batch), mode='loss') for _ in range(2)]
    assert losses[0]['loss_bce'] == losses[1]['loss_bce']
    last = seen[len(seen) // 2 - 1]
    clicks = last[:, [OBJECT_CLICKS, BACKGROUND_CLICKS]] - batch['inputs'][:, 11:13]
    assert (clicks.amax((1, 2, 3)) > 0.9).sum() >= 6, 'all but those whose mask was right'
    assert (last[:, PREVIOUS] != batch['inputs'][:, PREVIOUS]).any((1, 2)).all()
    other = model(**copied(batch) | dict(index=batch['index'] + 1), mode='loss')
    assert other['loss_bce'] != losses[0]['loss_bce']


def test_without_clicks_the_batch_goes_through_once(batch):
    model, calls = trainer(clicked=0.0), []
    model.network.register_forward_hook(lambda *_: calls.append(1))
    given = copied(batch)
    model(**given, mode='loss')
    assert len(calls) == 1
    assert torch.equal(given['inputs'], batch['inputs'])


def test_only_the_last_round_has_gradients(batch):
    model, grads = trainer(clicked=1.0, rounds=2), []
    model.network.register_forward_hook(lambda *_: grads.append(torch.is_grad_enabled()))
    model(**copied(batch), mode='loss')
    assert grads == [False, False, True]


def test_validation_clicks_on_all_crops(batch):
    model = trainer(rounds=2).eval()
    found = model(**copied(batch), mode='predict')
    assert len(found) == 8
    for place, entry in enumerate(found):
        assert entry['ious'].shape == entry['logits'].shape == (3,)
        assert entry['prompt'] == batch['prompt'][place]
        assert entry['prompt'] in PROMPTS
        assert entry['kind']
    again = model(**copied(batch), mode='predict')
    assert all(np.array_equal(a['ious'], b['ious']) for a, b in zip(found, again, strict=True))


def test_a_step_enters_the_mask_and_the_click():
    inputs, target = torch.zeros(2, 14, 16, 16), torch.zeros(2, 16, 16)
    target[1, 2:13, 2:13] = 1
    enter_step(inputs, torch.tensor([1]), torch.full((1, 16, 16), -2.0), target)
    assert not inputs[0].any()
    assert inputs[1, OBJECT_CLICKS, 7, 7] == 1
    assert not inputs[1, BACKGROUND_CLICKS].any()
    assert inputs[1, PREVIOUS].unique().tolist() == pytest.approx([2 * 0.1192 - 1], abs=1e-3)
    hard = torch.tensor([True])
    enter_step(inputs, torch.tensor([1]), torch.full((1, 16, 16), -2.0), target, hard)
    assert inputs[1, PREVIOUS].unique().tolist() == [-1]


def test_bfloat16_is_near_and_gives_float32(batch):
    exact, fast = trainer().eval(), trainer(bf16=True).eval()
    with torch.no_grad():
        wanted, found = exact(batch['inputs']), fast(batch['inputs'])
    assert found[0].dtype == found[1].dtype == torch.float32
    assert not torch.equal(wanted[0], found[0])
    assert (wanted[0] - found[0]).abs().max() < 0.2


def test_it_starts_from_weights(tmp_path):
    network = BoxNet(WIDTHS)
    save_weights(tmp_path / 'w.safetensors', network, WeightsInfo(WIDTHS), half=False)
    model = BoxNetTrainer(None, str(tmp_path / 'w.safetensors'))
    for name, value in network.state_dict().items():
        assert torch.equal(model.network.state_dict()[name], value)
    with pytest.raises(RefusedError, match=r'widths=\(32, 48, 80, 112\), but .*has \(8, 16\)'):
        BoxNetTrainer(checkpoint=str(tmp_path / 'w.safetensors'))


@pytest.mark.parametrize('options', [dict(clicked=1.2), dict(clicked=-1), dict(rounds=0)])
def test_values_that_cannot_be(options):
    with pytest.raises(RefusedError, match='a share from 0 to 1'):
        trainer(**options)
