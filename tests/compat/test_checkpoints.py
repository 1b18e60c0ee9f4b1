import contextlib
import importlib
import os
import pickle

import numpy as np
import pytest
import torch
from evil_checkpoints import KINDS, MARKER, SUFFIXES, Evil, served, write_evil, zipped_alone
from mmengine.logging import HistoryBuffer, MessageHub
from mmengine.model import BaseModule
from mmengine.registry import MODELS, DefaultScope
from mmengine.runner import CheckpointLoader, load_checkpoint

from samrs_mm import compat
from samrs_mm.core.errors import RefusedError

pytestmark = pytest.mark.filterwarnings('ignore:.*(TorchScript|torch.jit|pickle protocol)')


class Getattr:
    """Pickles as `getattr(HistoryBuffer, '__init__')`, a way out of a careless allow-list."""

    def __reduce__(self):
        return getattr, (HistoryBuffer, '__init__')


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    """Have the code of a checkpoint, if it is run, leave its mark there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'torch_home'))
    monkeypatch.setenv('no_proxy', '127.0.0.1')
    before = torch.serialization.get_safe_globals()
    yield
    after = torch.serialization.get_safe_globals()
    assert set(before) <= set(after), 'the list is as it was'
    assert not [item for item in after if isinstance(item, tuple)], 'ours is open only within'


def ran():
    """Return whether code was run since the last call."""
    try:
        os.remove(MARKER)
    except FileNotFoundError:
        return False
    return True


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
    loaded = compat.safe_load(mmengine_checkpoint)
    assert loaded['state_dict']['w'].tolist() == [0, 1, 2, 3]
    assert loaded['message_hub']['log_scalars']['train/loss'].mean() == pytest.approx(0.25)
    assert loaded['message_hub']['runtime_info']['eta'] == 3.5


def test_mmengine_itself_loads_within_the_context(mmengine_checkpoint):
    model = torch.nn.Module()
    model.w, model.p = torch.nn.Parameter(torch.zeros(4)), torch.nn.Parameter(torch.zeros(2))
    with compat.strict_loading():
        load_checkpoint(model, str(mmengine_checkpoint), map_location='cpu')
    assert model.w.tolist() == [0, 1, 2, 3]


def test_getattr_of_history_buffers_reaches_nothing_else(tmp_path):
    torch.save({'x': Getattr()}, tmp_path / 'c.pth')
    with pytest.raises(ValueError, match=r'c\.pth: not loaded, it asks for builtins\.getattr'):
        compat.safe_load(tmp_path / 'c.pth')


@pytest.mark.parametrize('kind', sorted({*KINDS} - {'getattr', 'old tar', 'TorchScript'}))
def test_torch_would_run_the_code(kind):
    """The tests below would fail if nothing were done."""
    path = write_evil('evil.pth', kind)
    with contextlib.suppress(RuntimeError):  # no magic number comes after the code
        torch.load(path, weights_only=False)
    assert ran()


def test_getattr_on_the_list_would_run_code_without_unsafe_loading(monkeypatch):
    """So it does on onedl-mmengine, which allows `getattr`."""
    with monkeypatch.context() as patch:
        allowed = {getattr, HistoryBuffer}
        patch.setattr('torch._weights_only_unpickler._marked_safe_globals_set', allowed)
        torch.load(write_evil('evil.pth', 'getattr'), weights_only=True)
    assert ran()


@pytest.mark.parametrize('suffix', SUFFIXES)
@pytest.mark.parametrize('kind', KINDS)
def test_code_is_refused_under_each_suffix(kind, suffix):
    path = write_evil(f'evil{suffix}', kind)
    asked = KINDS[kind][1]
    line = f'{path}: not loaded, it asks for {asked}, which no checkpoint needs'
    with pytest.raises(ValueError, match='not loaded') as refused:
        compat.safe_load(path)
    assert str(refused.value).startswith(line)
    assert '\n' not in str(refused.value)
    with compat.strict_loading(), pytest.raises(RefusedError) as refused:
        CheckpointLoader.load_checkpoint(path, logger='silent')
    assert str(refused.value).startswith(f'checkpoint {line}')
    assert not ran()


READERS = {
    'torch.load': lambda path: torch.load(path, weights_only=False),
    'by keyword': lambda path: torch.load(f=path, map_location='cpu', weights_only=False),
    'pickle': lambda path: torch.load(path, None, pickle, weights_only=False),
    'torch.serialization.load': lambda path: torch.serialization.load(path, weights_only=False),
    'an open file': lambda path: torch.load(open(path, 'rb'), weights_only=False),
    'torch.hub': lambda _: torch.hub.load_state_dict_from_url('http://nowhere/evil.pth'),
    'mmengine': lambda path: load_checkpoint(torch.nn.Linear(1, 1), path, logger='silent'),
    'mmcls': lambda _: CheckpointLoader.load_checkpoint('mmcls://evil'),
    'open-mmlab': lambda _: CheckpointLoader.load_checkpoint('open-mmlab://evil'),
    'torchvision': lambda _: CheckpointLoader.load_checkpoint('torchvision://evil'),
}


@pytest.mark.parametrize('unsafe', [True, False])
@pytest.mark.parametrize('reader', READERS)
def test_no_reader_runs_code(reader, unsafe, tmp_path, monkeypatch):
    path = write_evil(tmp_path / 'evil.pth')
    cached = tmp_path / 'torch_home/hub/checkpoints/evil.pth'
    cached.parent.mkdir(parents=True)
    write_evil(cached)
    models = 'mmengine.runner.checkpoint.get_{}'
    for of in ('mmcls_models', 'external_models', 'torchvision_models'):
        monkeypatch.setattr(models.format(of), lambda: dict(evil='http://nowhere/evil.pth'))
    if unsafe:
        monkeypatch.setenv('TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD', '1')
    # the function itself, which somebody may have imported before, raises torch's error
    expected = Exception if reader == 'torch.serialization.load' else RefusedError
    with compat.strict_loading(), pytest.raises(expected, match=r'posix\.system|weights_only'):
        READERS[reader](path)
    assert not ran()
    assert os.environ.get('TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD') == ('1' if unsafe else None)
    assert 'TORCH_FORCE_WEIGHTS_ONLY_LOAD' not in os.environ
    assert torch.load is torch.serialization.load


@pytest.mark.parametrize('scope', ['', 'mmengine.', 'mmseg.', 'mmdet.', 'mmpretrain.'])
@pytest.mark.parametrize('prefix', [None, 'backbone.'])
def test_init_cfg_of_any_scope_runs_no_code(scope, prefix):
    if scope not in ('', 'mmengine.'):
        try:
            importlib.import_module(f'{scope}models')
        except (ImportError, TypeError) as error:
            pytest.skip(f'there is no {scope}models here: {error}')
    path = write_evil('evil.pth')
    about = dict(type=f'{scope}Pretrained', checkpoint=path, prefix=prefix)
    with (
        DefaultScope.overwrite_default_scope('mmengine'),  # other tests leave theirs
        compat.strict_loading(),
        pytest.raises(RefusedError, match=r'evil\.pth: not loaded'),
    ):
        BaseModule(init_cfg=about).init_weights()
    assert not ran()


def test_a_backbone_that_loads_by_itself_runs_no_code():
    import mmseg.models  # noqa: F401

    about = dict(type='Pretrained', checkpoint=write_evil('evil.pth'))
    swin = dict(
        type='mmseg.SwinTransformer', embed_dims=4, depths=(1, 1, 1, 1), num_heads=(1, 1, 1, 1),
        window_size=2, init_cfg=about,
    )  # fmt: skip
    backbone = MODELS.build(swin)
    with compat.strict_loading(), pytest.raises(RefusedError, match=r'evil\.pth: not loaded'):
        backbone.init_weights()
    assert not ran()


@pytest.mark.parametrize('zipped', [False, True])
def test_an_address_runs_no_code(zipped, tmp_path):
    (tmp_path / 'site').mkdir()
    file = tmp_path / 'site/evil.pth'
    file.write_bytes(zipped_alone()) if zipped else write_evil(file)
    cure = 'delete it before you try again, it is kept from a download'
    with served(tmp_path / 'site') as site, compat.strict_loading():
        for _ in range(2):
            with pytest.raises(RefusedError, match=rf'posix\.system.*{cure}'):
                CheckpointLoader.load_checkpoint(f'{site}/evil.pth', logger='silent')
    assert not ran()


def test_weights_at_an_address_load(tmp_path):
    (tmp_path / 'site').mkdir()
    torch.save({'w': torch.ones(2)}, tmp_path / 'site/good.pth')
    with served(tmp_path / 'site') as site, compat.strict_loading():
        loaded = CheckpointLoader.load_checkpoint(f'{site}/good.pth', logger='silent')
    assert loaded['w'].tolist() == [1, 1]


def test_what_was_checked_is_what_is_loaded(tmp_path):
    path = tmp_path / 'c.pth'
    torch.save({'w': torch.ones(2)}, path)
    with compat.strict_loading():
        compat.safe_load(path, keep=True)
        write_evil(path)
        assert torch.load(f'{tmp_path}/../{tmp_path.name}/c.pth')['w'].tolist() == [1, 1]
        with pytest.raises(RefusedError, match=r'c\.pth: not loaded'):
            torch.load(path)
    assert not ran()


def test_nothing_is_kept_beyond_the_context(tmp_path):
    path = tmp_path / 'c.pth'
    for value in (1, 2, 3):
        torch.save(value, path)
        compat.safe_load(path, keep=True)
        with compat.strict_loading():
            assert torch.load(path) == value
            compat.safe_load(path, keep=True)


def test_contexts_are_nested(mmengine_checkpoint):
    with compat.strict_loading():
        with compat.strict_loading():
            pass
        with pytest.raises(RefusedError):
            torch.load(write_evil('evil.pth'), weights_only=False)
        compat.safe_load(mmengine_checkpoint, keep=True)
    assert torch.load is torch.serialization.load


def test_what_a_user_allows_is_loaded(tmp_path):
    torch.save({'x': Evil}, tmp_path / 'c.pth')
    with torch.serialization.safe_globals([Evil]), compat.strict_loading():
        assert torch.load(tmp_path / 'c.pth') == {'x': Evil}
        assert compat.safe_load(tmp_path / 'c.pth') == {'x': Evil}


def test_a_reader_gets_its_device(tmp_path):
    torch.save({'w': torch.ones(2)}, tmp_path / 'c.pth')
    with compat.strict_loading():
        assert torch.load(tmp_path / 'c.pth', 'meta')['w'].device.type == 'meta'


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

    monkeypatch.setattr(torch.serialization, 'load', seek)
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
