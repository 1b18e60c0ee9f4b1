"""Annotating needs little: no training library, no compiled ops, no torch without SAM."""

import json
import os
import subprocess
import sys

import pytest
from folders import CONFIG, ROOT, write_dota

import samrs_mm

TOOL = ROOT / 'tools/sam_annotate.py'
# mmcv-lite has no mmcv._ext.
LITE = ('mmcv._ext', 'mmdet', 'mmpretrain', 'mmrotate')
TRAINING = ('torch', 'mmcv', 'mmseg', *LITE)
SMALL_SAM = """_base_ = {base!r}
model = dict(_delete_=True, type='SAMSegmentor', threads=1, device='cpu', arch=dict(
    embed_dim=96, depth=2, num_heads=3, global_attn_indexes=(1,), img_size=128, seed=3))
"""


def start(without: tuple[str, ...], *argv: str) -> subprocess.CompletedProcess:
    """Run the tool in a Python that cannot import some modules."""
    code = (
        'import runpy, sys\n'
        f'sys.modules.update(dict.fromkeys({without!r}))\n'
        f'sys.argv = [{str(TOOL)!r}, *{argv!r}]\n'
        f"runpy.run_path({str(TOOL)!r}, run_name='__main__')"
    )
    env = os.environ | dict(PYTHONPATH=str(ROOT))
    return subprocess.run([sys.executable, '-c', code], env=env, capture_output=True, text=True)


def test_help_needs_no_torch():
    done = start(TRAINING, '--help')
    assert done.returncode == 0, done.stderr
    assert '--data-root' in done.stdout


@pytest.mark.parametrize(
    ('model', 'workers'), [('GrabCutSegmentor', '0'), ('BoxFillSegmentor', '2')]
)
def test_masks_without_weights_need_no_torch(tmp_path, model, workers):
    """Where there is none, no processes read ahead."""
    write_dota(tmp_path / 'data', scenes=2)
    flags = '--data-root', str(tmp_path / 'data'), '--out', str(tmp_path / 'out')
    flags += '--workers', workers, '--cfg-options', f'model.type={model}', 'prompt=rbox'
    done = start(TRAINING, CONFIG, *flags)
    assert done.returncode == 0, done.stderr
    (record,) = (tmp_path / 'out/instances').glob('*0.json')
    assert {box['status'] for box in json.loads(record.read_bytes())['boxes']} == {'kept'}
    assert start(TRAINING, CONFIG, *flags, '--verify').returncode == 0


def test_sam_needs_no_compiled_ops(tmp_path):
    write_dota(tmp_path / 'data', scenes=2)
    (tmp_path / 'sam.py').write_text(SMALL_SAM.format(base=CONFIG))
    done = start(LITE, str(tmp_path / 'sam.py'), '--data-root', str(tmp_path / 'data'), '--out',
        str(tmp_path / 'out'), '--prompt', 'hbox', '--workers', '1')  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / 'out/semantic').iterdir())) == 2


def test_the_package_and_its_api_load_no_torch():
    code = (
        'import sys, samrs_mm\n'
        "assert 'samrs_mm.api' not in sys.modules\n"
        'from samrs_mm import *\n'
        'assert set(samrs_mm.__all__) <= {*globals(), *dir(samrs_mm)}\n'
        "assert load_network.__module__ == 'samrs_mm.api.network'\n"
        f'print(*sorted({set(TRAINING)!r} & sys.modules.keys()))'
    )
    env = os.environ | dict(PYTHONPATH=str(ROOT))
    done = subprocess.run([sys.executable, '-c', code], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def test_what_the_package_does_not_have():
    with pytest.raises(AttributeError, match="module 'samrs_mm' has no attribute 'load_segmenter'"):
        samrs_mm.load_segmenter  # noqa: B018
