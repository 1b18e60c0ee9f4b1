import copy
import subprocess
import sys

import pytest
import torch

from samrs_mm import compat


def test_mmrotate_boxes_leave_mmdet_as_it_was():
    import mmdet

    before = copy.copy(mmdet.__version__)
    boxes = compat.mmrotate_boxes()
    assert mmdet.__version__ == before
    polygon = torch.tensor([[1.0, 2.0, 9.0, 3.0, 8.0, 7.0, 2.0, 6.0]])
    assert boxes.QuadriBoxes(polygon).convert_to('hbox').tensor.tolist() == [[1, 2, 9, 7]]


@pytest.mark.parametrize('missing', ['mmrotate', 'mmdet', 'mmcv._ext'])
def test_missing_parts_of_mmrotate_are_named(missing):
    code = f"""
import sys
sys.modules[{missing!r}] = None
from samrs_mm import compat
try:
    compat.mmrotate_boxes()
except ImportError as error:
    print(error)
"""
    result = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    lines = [line for line in result.stdout.splitlines() if 'rotated boxes need' in line]
    assert len(lines) == 1, result.stderr
    assert missing in lines[0]
    assert 'make env' in lines[0]
