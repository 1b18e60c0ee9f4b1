from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from line_runs import runner_of
from mmengine.fileio import LocalBackend
from mmengine.logging import HistoryBuffer, MessageHub

from samrs_mm.engine.hooks import PlainCheckpointHook


def test_a_checkpoint_loads_without_any_class_allowed(tmp_path):
    hub = MessageHub.get_instance('plain_checkpoint_hook')
    hub.update_scalar('train/loss', np.float64(2.5))
    hub.update_info('eta', np.float64(1.5))
    hub.update_info('kept', [1, (np.int64(2), 'a')])
    palette = np.zeros((2, 3), np.uint8)
    checkpoint = dict(
        meta=dict(iter=3, dataset_meta=dict(palette=palette, classes=('a', 'b'))),
        state_dict=OrderedDict(w=torch.ones(2)),
        message_hub=hub.state_dict(),
    )
    path = tmp_path / 'c.pth'
    torch.save(checkpoint, path)
    with pytest.raises(Exception, match='Weights only load failed'):
        torch.load(path, weights_only=True)
    PlainCheckpointHook().before_save_checkpoint(None, checkpoint)
    torch.save(checkpoint, path)
    loaded = torch.load(path, weights_only=True)
    assert loaded['message_hub'] == dict(
        log_scalars={},
        runtime_info=dict(eta=1.5, kept=[1, (2, 'a')]),
        resumed_keys=dict(eta=True, kept=True),
    )
    assert loaded['meta']['dataset_meta'] == dict(palette=[[0] * 3] * 2, classes=('a', 'b'))
    assert isinstance(hub.get_scalar('train/loss'), HistoryBuffer), 'the run keeps its own'
    MessageHub.get_instance('fresh').load_state_dict(loaded['message_hub'])


@pytest.mark.parametrize('fails', [0, 1], ids=['while writing', 'at once'])
def test_a_checkpoint_is_whole_or_not_there(tmp_path, monkeypatch, fails):
    """As on a full disk: the one before stays, and is what a resumed run begins with."""

    def half(self, content, path):
        if 'iter_4' in str(path):
            if not fails:
                Path(path).write_bytes(bytes(content[:100]))
            raise OSError(28, 'No space left on device')
        Path(path).write_bytes(content)

    monkeypatch.setattr(LocalBackend, 'put', half)
    runner = runner_of(tmp_path, 6, hooks=['PlainCheckpointHook'])
    with pytest.raises(OSError, match='No space left') as caught:
        runner.train()
    assert caught.value.filename == str(tmp_path / 'iter_4.pth')
    assert [path.name for path in tmp_path.glob('*iter*')] == ['iter_2.pth']
    assert (tmp_path / 'last_checkpoint').read_text() == str(tmp_path / 'iter_2.pth')


def test_every_checkpoint_goes_by_another_name_first(tmp_path, monkeypatch):
    names, put = [], LocalBackend.put
    monkeypatch.setattr(LocalBackend, 'put', lambda self, content, path: names.append(
        Path(path).name) or put(self, content, path))  # fmt: skip
    runner_of(tmp_path, 4, hooks=['PlainCheckpointHook']).train()
    assert names == ['.iter_2.pth.tmp', '.iter_4.pth.tmp']
    assert sorted(path.name for path in tmp_path.glob('*iter*')) == ['iter_2.pth', 'iter_4.pth']
