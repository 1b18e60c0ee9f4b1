"""Every way by which a tool loads weights, tried with a checkpoint that holds code."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from evil_checkpoints import KINDS, MARKER, SUFFIXES, served, write_evil
from folders import CONFIG, ROOT, load_tool, write_dota
from mmengine.config import Config
from mmseg.apis import init_model
from mmseg.registry import MODELS
from training_runs import run_tool, write_run

import samrs_mm
from samrs_mm.compat import strict_loading
from samrs_mm.core.errors import RefusedError
from samrs_mm.engine import run_start
from samrs_mm.engine.checkpoint_match import Checkpoint
from samrs_mm.registry import register_all

EACH_SUFFIX = ['.pth', *(pytest.param(each, marks=pytest.mark.slow) for each in SUFFIXES[1:])]
INIT = 'model.backbone.init_cfg'
SMALL_SAM = """_base_ = {base!r}
model = dict(_delete_=True, type='SAMSegmentor', threads=1, device='cpu', arch=dict(
    embed_dim=96, depth=2, num_heads=3, global_attn_indexes=(1,), img_size=128, seed=3))
"""


def scoped(kind):
    return [f'{INIT}.type={kind}', f'{INIT}.checkpoint={{file}}']


# Options of tools/train.py, or its flags
WAYS = {
    'load_from': ['load_from={file}'],
    'resume': ['resume=True', 'load_from={file}'],
    '--resume FILE': ['--resume', '{file}'],
    '--resume': ['--resume'],
    'model.init_cfg': ['model.init_cfg.type=Pretrained', 'model.init_cfg.checkpoint={file}'],
    'Pretrained': scoped('Pretrained'),
    'prefix': [*scoped('Pretrained'), f'{INIT}.prefix=backbone.'],
    'mmengine.Pretrained': scoped('mmengine.Pretrained'),
    'samrs_mm.Pretrained': scoped('samrs_mm.Pretrained'),
    'its class': scoped('mmengine.model.weight_init.PretrainedInit'),
    'model.pretrained': ['model.pretrained={file}'],
    'backbone.pretrained': ['model.backbone.pretrained={file}'],
    'init_cfg address': [f'{INIT}.type=Pretrained', f'{INIT}.checkpoint={{site}}/{{name}}'],
    'pretrained address': ['model.pretrained={site}/{name}'],
}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a run, where the code of a checkpoint, if it is run, leaves its mark."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'home'))
    monkeypatch.setenv('no_proxy', '127.0.0.1')
    monkeypatch.setenv('LOCAL_RANK', '0')
    write_run(tmp_path)
    yield tmp_path
    assert not Path(MARKER).exists(), 'the code ran'
    assert torch.load is torch.serialization.load


def train_by(way, place, suffix, kind='zip'):
    """Return the arguments of a training that starts from a file with code."""
    name = f'evil{suffix}'
    file = write_evil(place / name, kind)
    if way == '--resume':
        (place / 'work').mkdir()
        (place / 'work/last_checkpoint').write_text(file)
    words = [word.replace('{file}', file).replace('{name}', name) for word in WAYS[way]]
    options = [] if words[0].startswith('--') else ['--cfg-options']
    return ['tiny.py', *options, *words]


def refused(code, capsys, file, asked='posix.system'):
    """Check that a tool ended with one line that names the file and what it asks for."""
    error = capsys.readouterr().err
    assert code == 2, error
    (line,) = [line for line in error.splitlines() if line.startswith('error: ')]
    assert f'{file}: not loaded, it asks for {asked}, which no checkpoint needs' in line
    assert 'save its state_dict alone' in line


@pytest.mark.parametrize('suffix', EACH_SUFFIX)
@pytest.mark.parametrize('checked', [True, False], ids=['as it is', 'without the checks before'])
@pytest.mark.parametrize('way', WAYS)
def test_training_starts_from_no_code(way, checked, suffix, place, capsys, monkeypatch):
    train = load_tool('train')
    if not checked:
        nothing = Checkpoint({}, {'iter': 0}, frozenset(run_start._RESUMED), None)
        monkeypatch.setattr(run_start, 'read_checkpoint', lambda _: nothing)
        monkeypatch.setattr(train, 'check_match', lambda *_, **__: '')
        monkeypatch.setattr(train, 'check_pretrained', lambda _: None)
    with served(place) as site:
        argv = [word.format(site=site) for word in train_by(way, place, suffix)]
        refused(train.main(argv), capsys, f'evil{suffix}')
    assert not list(place.glob('work/iter_*.pth'))


@pytest.mark.parametrize('kind', KINDS)
def test_training_starts_from_no_kind_of_code(kind, place, capsys):
    code = load_tool('train').main(train_by('mmengine.Pretrained', place, '.pth', kind))
    refused(code, capsys, 'evil.pth', KINDS[kind][1])


@pytest.mark.parametrize('suffix', EACH_SUFFIX)
@pytest.mark.parametrize('tool', ['test', 'predict', 'model_converters/convert_checkpoint'])
def test_no_tool_runs_code(tool, suffix, place, capsys):
    evil = write_evil(place / f'evil{suffix}')
    image = str(place / 'data/red/images/red00.png')
    argv = dict(
        test=['tiny.py', evil], predict=['tiny.py', evil, image, '--out', 'out']
    ).get(tool, [evil, 'out.pth'])  # fmt: skip
    refused(load_tool(tool).main(argv), capsys, f'evil{suffix}')


def test_annotating_runs_no_code(place, capsys):
    write_dota(place / 'dota', scenes=1)
    (place / 'sam.py').write_text(SMALL_SAM.format(base=CONFIG))
    evil = write_evil(place / 'evil.pth')
    argv = ['sam.py', '--data-root', 'dota', '--out', 'out', '--checkpoint', evil]
    argv += ['--prompt', 'hbox']
    refused(load_tool('sam_annotate').main(argv), capsys, 'evil.pth')


def test_the_api_runs_no_code(place):
    evil = write_evil(place / 'evil.pth')
    with pytest.raises(RefusedError, match=r'evil\.pth: not loaded, it asks for posix\.system'):
        samrs_mm.load_network('tiny.py', evil)
    (place / 'sam.py').write_text(SMALL_SAM.format(base=CONFIG))
    with pytest.raises(RefusedError, match=r'evil\.pth: not loaded, it asks for posix\.system'):
        samrs_mm.load_segmentor('sam.py', evil)


def test_functions_of_mmsegmentation_run_no_code_within_the_context(place):
    evil = write_evil(place / 'evil.pth')
    with strict_loading(), pytest.raises(RefusedError, match=r'evil\.pth: not loaded, it asks for'):
        init_model('tiny.py', evil, 'cpu')


@pytest.fixture
def good(place):
    """Weights of the run's network, all of one number."""
    register_all()
    model = MODELS.build(Config.fromfile('tiny.py').model)
    state = {name: torch.full_like(value, 0.25) for name, value in model.state_dict().items()}
    torch.save(dict(state_dict=state), place / 'start.pth')
    torch.save({name.removeprefix('backbone.'): value for name, value in state.items()},
               place / 'backbone.pth')  # fmt: skip
    return state


def test_files_are_read_once_and_what_was_checked_is_used(place, good, monkeypatch, capsys):
    """They are swapped for code after the checks."""
    train = load_tool('train')
    read = []

    def swap(config, ranks):
        for name in ('start.pth', 'backbone.pth'):
            write_evil(place / name)

    def load(file, *args, real=torch.serialization.load, **options):
        read.append(Path(file).name)
        return real(file, *args, **options)

    monkeypatch.setattr(train, 'check_batch', swap)
    monkeypatch.setattr(torch.serialization, 'load', load)
    monkeypatch.setattr(torch, 'load', load)
    code = train.main([
        'tiny.py', '--cfg-options', 'load_from=start.pth', *(word.format(file='backbone.pth')
        for word in scoped('mmengine.Pretrained')), 'optim_wrapper.optimizer.lr=0.0',
        'optim_wrapper.optimizer.weight_decay=0.0', 'param_scheduler=None',
        'train_cfg.max_iters=1', 'train_cfg.val_interval=9',
    ])  # fmt: skip
    assert code == 0, capsys.readouterr().err
    assert sorted(read) == ['backbone.pth', 'start.pth']
    monkeypatch.undo()
    written = torch.load(place / 'work/iter_1.pth', weights_only=True)['state_dict']
    assert all(torch.equal(written[name], value) for name, value in good.items())


@pytest.mark.slow
@pytest.mark.parametrize('ranks', [1, 2])
def test_no_rank_runs_code(place, ranks):
    argv = train_by('model.pretrained', place, '.pth')
    codes, log = run_tool('train', argv, place / 'log', ranks, folder=place)
    assert codes == [2] * ranks, log
    assert 'evil.pth: not loaded, it asks for posix.system' in log


SCRIPTS = {
    'tools/train.py': '{config} --cfg-options model.pretrained={evil}',
    'tools/test.py': '{config} {evil}',
    'tools/predict.py': '{config} {evil} data/red/images/red00.png --out out',
    'tools/model_converters/convert_checkpoint.py': '{evil} out.pth',
    # as `mim train samrs_mm CONFIG` calls it, after the links that the installation makes
    '.mim/tools/train.py': '{config} --launcher none --cfg-options load_from={evil}',
    '-m samrs_mm': 'train {config} --resume {evil}',
}


@pytest.mark.slow
@pytest.mark.parametrize('script', SCRIPTS)
def test_no_command_runs_code(script, place):
    (place / '.mim').mkdir()
    (place / '.mim/tools').symlink_to(ROOT / 'tools')
    words = SCRIPTS[script].format(config='tiny.py', evil=write_evil(place / 'evil.pkl')).split()
    begin = script if script.startswith(('-m', '.mim')) else str(ROOT / script)
    support = ROOT / 'tests/support'
    env = os.environ | dict(PYTHONPATH=f'{ROOT}{os.pathsep}{support}', CUDA_VISIBLE_DEVICES='-1')
    done = subprocess.run(
        [sys.executable, *begin.split(' '), *words], env=env, capture_output=True, text=True
    )
    assert done.returncode == 2, done.stderr
    assert 'evil.pkl: not loaded, it asks for posix.system' in done.stderr
    assert 'Traceback' not in done.stderr
