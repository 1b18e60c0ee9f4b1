import pytest
import torch
from mmengine.registry import init_default_scope


@pytest.fixture(autouse=True)
def mmseg_scope():
    init_default_scope('mmseg')
    torch.set_num_threads(1)
