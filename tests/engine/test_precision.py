import pytest
import torch
from mmengine.config import Config

from samrs_mm.core.errors import RefusedError
from samrs_mm.engine import precision
from samrs_mm.engine.precision import set_precision


@pytest.fixture(autouse=True)
def _switches():
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    yield
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.setattr(precision, 'get_device', lambda: 'cuda')


def config_of(said=None, **wrapper):
    return Config(dict(optim_wrapper=dict(type='OptimWrapper') | wrapper, precision=said))


def switches():
    return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32


@pytest.mark.parametrize(('wanted', 'expect'), [('fp32', False), ('tf32', True)])
@pytest.mark.parametrize('where', ['flag', 'config'])
def test_tf32_is_for_products_and_convolutions_alike(wanted, expect, where):
    torch.backends.cudnn.allow_tf32 = not expect
    flag = wanted if where == 'flag' else None
    config = config_of(None if flag else wanted)
    assert set_precision(config, flag).startswith(f'Precision: {wanted} (')
    assert switches() == (expect, expect)
    assert config.optim_wrapper == dict(type='OptimWrapper')


def test_unsaid_nothing_is_changed():
    before = switches()
    said = set_precision(config_of(), None)
    assert said.startswith('Precision: as torch has it (float32; on GPUs matrix products without')
    assert switches() == before


@pytest.mark.parametrize(
    ('wanted', 'amp', 'dtype', 'scale'),
    [('bf16', False, 'bfloat16', 1.0), ('fp16', False, 'float16', 'dynamic'),
     (None, True, 'float16', 'dynamic'), ('fp16', True, 'float16', 'dynamic')],
)  # fmt: skip
def test_mixed(gpu, wanted, amp, dtype, scale):
    config = config_of()
    set_precision(config, wanted, amp)
    expected = dict(type='AmpOptimWrapper', dtype=dtype, loss_scale=scale)
    assert config.optim_wrapper == expected


def test_the_loss_is_scaled_as_the_wanted_type_needs(gpu):
    given = dict(type='AmpOptimWrapper', dtype='bfloat16', loss_scale=1.0)
    config = config_of(**given)
    set_precision(config, 'fp16')
    assert config.optim_wrapper == dict(given, dtype='float16', loss_scale='dynamic')
    set_precision(config, 'bf16')
    assert config.optim_wrapper == given


def test_amp_leaves_the_type_of_the_config(gpu):
    config = config_of(dtype='bfloat16')
    assert set_precision(config, None, amp=True).startswith('Precision: bf16 (')
    assert config.optim_wrapper.dtype == 'bfloat16'
    config = config_of(type='AmpOptimWrapper', loss_scale=512.0)
    set_precision(config, 'fp16')
    assert config.optim_wrapper.loss_scale == 512.0


@pytest.mark.parametrize(
    ('wanted', 'amp', 'wrapper', 'message'),
    [
        ('fp64', False, {}, r"precision='fp64': allowed are fp32, tf32, bf16, fp16"),
        ('bf16', True, {}, r'--amp is --precision fp16; leave it out, or'),
        ('tf32', False, dict(type='AmpOptimWrapper'), r'which is mixed precision; give fp16 or'),
        ('bf16', False, dict(type='Mine'), r"--precision bf16: optim_wrapper.type is 'Mine'"),
    ],
)
def test_refused(gpu, wanted, amp, wrapper, message):
    with pytest.raises(RefusedError, match=message):
        set_precision(config_of(**wrapper), wanted, amp)


@pytest.mark.parametrize('wanted', ['bf16', 'fp16'])
def test_mixed_needs_a_gpu(monkeypatch, wanted):
    monkeypatch.setattr(precision, 'get_device', lambda: 'cpu')
    with pytest.raises(RefusedError, match='mixed precision needs a GPU and none is visible'):
        set_precision(config_of(), wanted)


@pytest.mark.parametrize('imitated', [True, False])
def test_a_gpu_without_bfloat16(gpu, monkeypatch, imitated):
    """One that computes it by other types is such a one."""

    def supported(including_emulation=True):
        return imitated and including_emulation

    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'is_bf16_supported', supported)
    with pytest.raises(RefusedError, match=r'this GPU has no bfloat16, and .* give fp16'):
        set_precision(config_of(), 'bf16')
