"""The fidelity tool, and the annotation that asks for its report."""

import json

import pytest
import torch
from folders import CONFIG, load_tool
from sam_cases import SMALL, lively, loaded

pytest.importorskip('segment_anything', reason='segment_anything is not installed')

FP16 = ('--cfg-options', 'model.precision=fp16', 'model.kernels=fast')
FEW = ('fidelity.masks=2', 'fidelity.images=3')


@pytest.fixture(scope='module')
def tool():
    return load_tool('analysis_tools/fidelity')


@pytest.fixture
def config(tmp_path, monkeypatch):
    """A config of a small SAM with weights of its own; reports go below the working folder."""
    monkeypatch.chdir(tmp_path)
    model = loaded().model
    lively(model)
    torch.save(model.state_dict(), tmp_path / 'small.pth')
    arch = {key: value for key, value in SMALL.items() if key != 'seed'}
    path = tmp_path / 'small_sam.py'
    path.write_text(f"""
_base_ = ['{CONFIG}']
model = dict(type='SAMSegmentor', arch={arch}, checkpoint='small.pth', threads=1, device='cpu',
             precision='fp32', kernels='exact', _delete_=True)
prompt = 'hbox'
""")
    return str(path)


def test_the_annotation_needs_a_report_that_the_tool_writes(
    tool, annotate, config, dota, tmp_path, capsys
):
    def run(*flags):
        return annotate('--prompt', 'hbox', *flags, config=config)

    assert run(*FP16) == 2
    error = capsys.readouterr().err
    assert error.count('\n') == 1
    assert "model.precision='fp16': not compared with fp32 yet for these weights" in error
    command = error.partition('run `')[2].partition('`')[0].split()
    assert command[:2] == ['python', 'tools/analysis_tools/fidelity.py']
    assert not (tmp_path / 'out/instances').exists()

    code = tool.main([*command[2:], '--images', '3'])
    shown = capsys.readouterr().out
    [report] = (tmp_path / 'work_dirs/fidelity').iterdir()
    assert report.name.startswith('SAMSegmentor-fp16-')
    content = json.loads(report.read_bytes())
    assert content['about']['model']['precision'] == 'fp16'
    assert content['about']['prompt'] == 'hbox'
    assert str(tmp_path) not in json.dumps(content['about'])
    summary = content['summary']
    assert summary['images'] == 3
    assert 0.98 < summary['iou_mean'] <= 1
    assert f'mean {summary["iou_mean"]:.5f}' in shown
    assert 'precision=fp16, kernels=fast, compile=False, device=cpu' in shown
    assert code == 1
    assert 'not passed: ' in shown
    assert 'of 3 images compared, at least 100 masks of 10 images are needed' in shown

    summary['iou_mean'] = 0.995
    report.write_text(json.dumps(content))
    assert run(*FP16, 'model.chunk=3') == 2
    error = capsys.readouterr().err
    assert 'of 3 images compared, at least 100 masks of 10 images are needed' in error
    assert error.count('\n') == 1
    assert run(*FP16, 'model.chunk=3', *FEW) == 0
    assert run('--verify', *FP16, 'model.chunk=3') == 0
    settings = json.loads((tmp_path / 'out/meta.json').read_bytes())['settings']['model']
    assert (settings['precision'], settings['kernels']) == ('fp16', 'fast')
    assert 'unchecked' not in settings
    summary['iou_mean'] = 0.5
    report.write_text(json.dumps(content))
    capsys.readouterr()
    assert run(*FP16, 'model.chunk=3', *FEW) == 2
    assert 'mean IoU 0.5 with the fp32 masks, 0.99 is needed' in capsys.readouterr().err


def test_unchecked_is_taken_and_recorded(annotate, config, tmp_path):
    flags = '--prompt', 'hbox', *FP16, 'model.unchecked=True'
    assert annotate(*flags, config=config) == 0
    settings = json.loads((tmp_path / 'out/meta.json').read_bytes())['settings']['model']
    assert settings['unchecked'] is True


def test_reports_elsewhere(annotate, config, tmp_path, capsys):
    assert annotate('--fidelity', 'other place', *FP16, config=config) == 2
    assert "--out 'other place'" in capsys.readouterr().err


def test_what_can_not_be_compared_is_refused(tool, config, dota, capsys):
    data = '--data-root', str(dota)
    for flags, line in (
        ((config, *data), 'the config is the exact way'),
        ((CONFIG, *data), 'GrabCutSegmentor computes in one way only'),
        ((config, *data, '--cfg-options', 'model.precision=int8'), "model.precision='int8'"),
        ((config, *data, '--checkpoint', 'none.pth', *FP16), 'none.pth: no such file'),
    ):
        assert tool.main([*flags]) == 2
        error = capsys.readouterr().err
        assert line in error
        assert error.count('\n') == 1


def test_a_picture_that_can_not_be_read_is_named(tool, config, dota, capsys):
    [first, *_] = sorted((dota / 'images').iterdir())
    first.write_bytes(b'no picture')
    assert tool.main([config, '--data-root', str(dota), '--images', '9', *FP16]) == 1
    assert first.name in capsys.readouterr().err


def test_masks_that_are_far_from_exact_do_not_pass(tool, config, dota, capsys, monkeypatch):
    from samrs_mm.models.prompt_segmentors.sam import SAMSegmentor

    embed = SAMSegmentor._embedded
    monkeypatch.setattr(
        SAMSegmentor, '_embedded',
        lambda self, x, precision: embed(self, x if precision == 'fp32' else x.flip(-1), precision),
    )  # fmt: skip
    assert tool.main([config, '--data-root', str(dota), '--images', '3', *FP16, *FEW]) == 1
    assert 'not passed: mean IoU 0.' in capsys.readouterr().out
