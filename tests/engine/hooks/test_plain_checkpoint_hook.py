from collections import OrderedDict

import numpy as np
import pytest
import torch
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
