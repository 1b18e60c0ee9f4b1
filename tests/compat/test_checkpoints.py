import os
import pickle

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer, MessageHub

from samrs_mm import compat
from samrs_mm.core.errors import RefusedError


class Evil:
    def __reduce__(self):
        return os.system, ('touch never',)


class Getattr:
    """Pickles as `getattr(HistoryBuffer, '__init__')`, a way out of a careless allow-list."""

    def __reduce__(self):
        return getattr, (HistoryBuffer, '__init__')


@pytest.fixture
def mmengine_checkpoint(tmp_path):
    hub = MessageHub('test_checkpoints')
    hub.update_scalar('train/loss', 0.5, count=2)
    hub.update_info('eta', np.float64(3.5))
    path = tmp_path / 'iter_1.pth'
    content = {
        'state_dict': {'w': torch.arange(4.0), 'p': torch.nn.Parameter(torch.ones(2))},
        'message_hub': hub.state_dict(),
        'meta': {'epoch': 1, 'iter': 1},
    }
    torch.save(content, path)
    return path


def test_an_mmengine_checkpoint_loads(mmengine_checkpoint):
    before = torch.load
    loaded = compat.safe_load(mmengine_checkpoint)
    assert loaded['state_dict']['w'].tolist() == [0, 1, 2, 3]
    assert loaded['message_hub']['log_scalars']['train/loss'].mean() == pytest.approx(0.25)
    assert loaded['message_hub']['runtime_info']['eta'] == 3.5
    assert torch.load is before
    left = [item for item in torch.serialization.get_safe_globals() if isinstance(item, tuple)]
    assert not left, 'the list is open only within the context'


def test_mmengine_itself_loads_within_the_context(mmengine_checkpoint):
    from mmengine.runner import load_checkpoint

    model = torch.nn.Module()
    model.w, model.p = torch.nn.Parameter(torch.zeros(4)), torch.nn.Parameter(torch.zeros(2))
    with compat.checkpoint_safe_globals():
        load_checkpoint(model, str(mmengine_checkpoint), map_location='cpu')
    assert model.w.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize('zip_format', [True, False])
@pytest.mark.parametrize('payload', [Evil(), Getattr()])
def test_code_in_a_checkpoint_is_refused(tmp_path, monkeypatch, payload, zip_format):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / 'evil.pth'
    content = {'w': torch.zeros(1), 'x': payload}
    torch.save(content, path, _use_new_zipfile_serialization=zip_format)
    with pytest.raises(ValueError, match=r'evil\.pth: not loaded, it asks for \w+\.\w+') as error:
        compat.safe_load(path)
    assert '\n' not in str(error.value)
    assert not (tmp_path / 'never').exists()


def test_old_formats_load(tmp_path):
    path = tmp_path / 'old.pth'
    torch.save({'w': torch.ones(2)}, path, _use_new_zipfile_serialization=False)
    assert compat.safe_load(path)['w'].tolist() == [1, 1]


def test_a_file_written_under_numpy_1_loads(tmp_path):
    path = tmp_path / 'numpy1.pth'
    content = pickle.dumps({'eta': np.float64(2)}, protocol=2)
    assert b'numpy._core.multiarray' in content

    class AsNumpy1:
        __name__ = 'as_numpy_1'

        class Pickler:
            def __init__(self, file, protocol):
                self.file = file

            def dump(self, value):
                self.file.write(content.replace(b'numpy._core.', b'numpy.core.'))

    torch.save({}, path, pickle_module=AsNumpy1)
    assert compat.safe_load(path) == {'eta': 2.0}


@pytest.mark.parametrize('content', [b'', b'PK\x03\x04', b'not a checkpoint', b'\x80\x02'])
def test_a_corrupt_file_gets_one_line(tmp_path, content):
    path = tmp_path / 'corrupt.pth'
    path.write_bytes(content)
    with pytest.raises(ValueError, match='truncated, corrupt or no torch checkpoint') as error:
        compat.safe_load(path)
    assert '\n' not in str(error.value)


def test_a_truncated_file_gets_one_line(tmp_path, mmengine_checkpoint):
    path = tmp_path / 'half.pth'
    content = mmengine_checkpoint.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match='truncated, corrupt'):
        compat.safe_load(path)


def test_a_seek_within_a_truncated_file_gets_one_line(tmp_path, monkeypatch):
    def seek(*_, **__):
        raise OSError(22, 'Invalid argument')

    monkeypatch.setattr(torch, 'load', seek)
    with pytest.raises(ValueError, match='it is truncated, corrupt or no torch checkpoint'):
        compat.safe_load(tmp_path / 'cut.pth')


def test_arrays_of_losses_load(tmp_path):
    for dtype in ('float32', 'float64'):
        torch.save(dict(loss_pretrain=np.ones((2, 4), dtype)), tmp_path / 'one.pth')
        assert compat.safe_load(tmp_path / 'one.pth')['loss_pretrain'].dtype == dtype


def test_a_missing_file_stays_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        compat.safe_load(tmp_path / 'nowhere.pth')


def test_a_torch_that_is_too_old_is_refused(monkeypatch, mmengine_checkpoint):
    monkeypatch.setattr(torch, '__version__', '2.6.0+cu121')
    with pytest.raises(RefusedError, match=r'torch 2\.6\.0\+cu121 cannot .*; torch 2\.7 or newer'):
        compat.safe_load(mmengine_checkpoint)
