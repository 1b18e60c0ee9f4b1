import sys

import pytest

from samrs_mm.compat import refuse_missing_package
from samrs_mm.core.errors import RefusedError

NEEDS = {
    'TIMMBackbone': 'timm', 'mmseg.TIMMBackbone': 'timm', 'HuggingFaceBackbone': 'transformers',
    'mmpretrain.ConvNeXt': 'mmpretrain',
}  # fmt: skip


@pytest.mark.parametrize('kind', NEEDS)
def test_a_missing_package_is_named_with_its_command(kind, monkeypatch):
    monkeypatch.setitem(sys.modules, NEEDS[kind], None)
    with pytest.raises(RefusedError, match=f'^x: {kind} needs {NEEDS[kind]}, .*: pip install '):
        refuse_missing_package(kind, 'x: ')


def test_others_need_nothing(monkeypatch):
    for package in NEEDS.values():
        monkeypatch.setitem(sys.modules, package, None)
    for kind in ('ResNet', 'mmseg.ResNet', 'mmdet.FPN'):
        refuse_missing_package(kind)
