import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from samrs_mm.core.errors import RefusedError
from samrs_mm.models.boxnet import weights
from samrs_mm.models.boxnet.network import BoxNet
from samrs_mm.models.boxnet.weights import WeightsInfo, load_weights, save_weights

SMALL = WeightsInfo(widths=(8, 16), side=32, temperature=1.5, shift=-0.25, recipe=dict(seed=7))


def network(seed=0):
    torch.manual_seed(seed)
    return BoxNet(SMALL.widths)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / 'small.safetensors'
    save_weights(path, network(), SMALL)
    return path


def metadata(info=SMALL, **changes):
    return {'boxnet': json.dumps(dict(info.__dict__) | changes)}


@pytest.mark.parametrize('half', [True, False])
def test_what_is_saved_is_loaded(tmp_path, half):
    path = tmp_path / 'w.safetensors'
    save_weights(path, network(), SMALL, half)
    loaded, info = load_weights(path)
    assert info == SMALL
    assert not loaded.training
    for name, value in network().state_dict().items():
        wanted = value.half().float() if half else value
        torch.testing.assert_close(loaded.state_dict()[name], wanted, rtol=0, atol=0)


def test_equal_weights_make_equal_bytes(tmp_path, file):
    again = tmp_path / 'again.safetensors'
    save_weights(again, network(), SMALL)
    assert again.read_bytes() == file.read_bytes()
    save_weights(again, network(seed=1), SMALL)
    assert again.read_bytes() != file.read_bytes()


def test_scores_follow_the_calibration():
    logits = torch.tensor([0.0, 3.0])
    torch.testing.assert_close(SMALL.score(logits), (logits / 1.5 - 0.25).sigmoid())
    torch.testing.assert_close(WeightsInfo().score(logits), logits.sigmoid())


def test_other_widths_or_weights_that_are_not_finite_are_not_saved(tmp_path):
    path = tmp_path / 'w.safetensors'
    with pytest.raises(ValueError, match=r'widths \(8, 16\), not \(8, 24\)'):
        save_weights(path, network(), replace(SMALL, widths=(8, 24)))
    large = network()
    large.mask.weight.data[0, 0] = 1e6  # beyond float16
    with pytest.raises(ValueError, match=r'mask\.weight holds NaN or values beyond float16'):
        save_weights(path, large, SMALL)
    assert not path.exists()
    save_weights(path, large, SMALL, half=False)


@pytest.mark.parametrize('kept', [0, 4, 200, 5_000])
def test_a_truncated_file(file, kept):
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(RefusedError, match='truncated, corrupt or no safetensors file'):
        load_weights(file)


def test_no_file_or_another_kind(tmp_path):
    with pytest.raises(RefusedError, match='no such file'):
        load_weights(tmp_path / 'none.safetensors')
    torch.save(network().state_dict(), tmp_path / 'w.pth')
    with pytest.raises(RefusedError, match=r'w\.pth: .* beside it, as .*\.safetensors: pass that'):
        load_weights(tmp_path / 'w.pth')
    with pytest.raises(RefusedError, match='no such file'):
        load_weights(tmp_path)


def test_a_foreign_file(tmp_path):
    path = tmp_path / 'other.safetensors'
    save_file(network().state_dict(), path)
    with pytest.raises(RefusedError, match="holds no BoxNet: its metadata have no 'boxnet'"):
        load_weights(path)


@pytest.mark.parametrize(
    ('changes', 'problem'),
    [
        (dict(widths=[8, 24]), r'down\.0\.0\.weight is \[16, 8, 3, 3\] instead of \[24, 8, 3, 3\]'),
        (dict(widths=[8, 16, 24]), r'lacks deep\.|it lacks down\.1'),
        (dict(widths=[8]), r'it has also deep|it has also down\.0'),
        (dict(widths=[8, 17]), 'no multiples of 8'),
        (dict(side=8), 'side 8 is not from 16 to 512'),
        (dict(side=4096), 'side 4096 is not from 16 to 512'),
        (dict(widths=7), 'not iterable'),
        (dict(side=90), 'no multiples of 8'),
        (dict(side=104, widths=[8, 16, 24, 32]), 'no multiple of 16'),
        (dict(temperature=0), 'temperature 0'),
        (dict(shift='much'), 'must be real number'),
        (dict(channels=['red']), 'other channels'),
        (dict(more=1), 'expected channels, recipe, shift, side, temperature, widths'),
    ],
)
def test_weights_of_another_size_or_description(file, changes, problem):
    save_file(load_file(file), file, metadata(**changes))
    with pytest.raises(RefusedError, match=problem) as caught:
        load_weights(file)
    assert '\n' not in str(caught.value)
    assert str(file) in str(caught.value)


def test_metadata_that_are_no_json(file):
    save_file(load_file(file), file, {'boxnet': '{'})
    with pytest.raises(RefusedError, match="metadata 'boxnet'"):
        load_weights(file)


def test_tensors_of_other_types_or_not_finite(file):
    state = load_file(file)
    save_file(state | {'mask.bias': torch.zeros(4, dtype=torch.int32)}, file, metadata())
    with pytest.raises(RefusedError, match=r'mask\.bias is torch\.int32'):
        load_weights(file)
    save_file(state | {'mask.bias': torch.full((4,), torch.nan)}, file, metadata())
    with pytest.raises(RefusedError, match=r'mask\.bias holds NaN or infinity'):
        load_weights(file)


def test_a_package_without_weights_says_so(monkeypatch):
    monkeypatch.setattr(weights, 'DEFAULT', 'missing.safetensors')
    with pytest.raises(RefusedError, match=r'comes without weights; .* model\.checkpoint=FILE'):
        weights.default_weights()
