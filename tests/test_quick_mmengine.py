"""Bases of our configs are read once in tests, and no config sees what another did to them."""

from folders import ROOT
from mmengine.config import Config
from quick_mmengine import bases_once

LEAF = ROOT / 'configs/sep/upernet_vitae.py'


def test_configs_of_kept_bases_are_those_of_files(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Config, '_file2dict', staticmethod(bases_once(Config._file2dict)))
        first = Config.fromfile(LEAF)
        wanted = first.to_dict(), first.text
        first.model.backbone.type = 'Other'
        first.train_pipeline.clear()
        second = Config.fromfile(LEAF)
    assert (second.to_dict(), second.text) == wanted


def test_a_base_is_read_once(tmp_path):
    read = []
    once = bases_once(lambda *args: read.append(args) or ([], 'text', {}))
    base, own = str(ROOT / 'configs/sep/../_base_/a.py'), str(tmp_path / '_base_/a.py')
    for name in (base, base, own, own):
        once(name, True)[0].append(1)
    assert once(base, True) == ([], 'text', {})
    assert read == [(base, True), (own, True), (own, True)]
