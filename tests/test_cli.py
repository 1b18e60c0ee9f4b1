import argparse
import re

import pytest
from folders import ROOT

from samrs_mm.cli import REQUIRED_KEYS, OptionsAction, load_config, one_line, run_command
from samrs_mm.core.errors import ImageReadError, RefusedError

CONFIG = """
model = dict(type='GrabCutSegmentor', checkpoint=None)
dataset = dict(type='DOTABoxDataset')
data_root, out, prompt, tile = 'data', 'out', 'hbox', None
overlap_policy = 'score'
"""


@pytest.fixture
def path(tmp_path):
    path = tmp_path / 'config.py'
    path.write_text(CONFIG)
    return str(path)


def options(*words):
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=OptionsAction)
    return parser.parse_args(['--cfg-options', *words]).cfg_options


def test_options_and_flags_are_applied_in_this_order(path):
    config = load_config(
        path,
        options('prompt=cp', 'model.type=BoxFillSegmentor', 'data_root=elsewhere'),
        {'prompt': 'rbox', 'out': None, 'model.checkpoint': '1e3,a'},
    )
    assert config.prompt == 'rbox'
    assert config.data_root == 'elsewhere'
    assert config.out == 'out'
    assert config.model == dict(type='BoxFillSegmentor', checkpoint='1e3,a')


@pytest.mark.parametrize('before', ['None', 'dict(size=600, overlap=150)'])
def test_tiles_by_single_options(path, before, tmp_path):
    (tmp_path / 'config.py').write_text(CONFIG + f'tile = {before}')
    config = load_config(path, options('tile.size=800', 'tile.pad=[0,0,0]'), {})
    assert config.tile.size == 800
    assert list(config.tile.pad) == [0, 0, 0]
    assert config.tile.get('overlap') == (None if before == 'None' else 150)
    assert load_config(path, options('tile=None'), {}).tile is None


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['tile'], "--cfg-options: 'tile' is not of the form key=value"),
        (['=3'], "--cfg-options: '=3' is not of the form key=value"),
        (['tile=dict(size=3)'], 'write the entries one by one, such as tile.size=600'),
    ],
)
def test_malformed_options(capsys, words, message):
    with pytest.raises(SystemExit) as caught:
        options(*words)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['modle.arch=vit_b'], "--cfg-options: unknown key 'modle'; did you mean 'model'?"),
        (['zzz=1'], "--cfg-options: unknown key 'zzz'; keys: model, dataset"),
        (['prompt.name=cp'], "prompt.name=cp: 'prompt' is not a dict in this config"),
    ],
)
def test_options_that_do_not_fit(path, words, message):
    with pytest.raises(RefusedError, match=re.escape(message)):
        load_config(path, options(*words), {})


@pytest.mark.parametrize('key', REQUIRED_KEYS)
def test_a_config_of_another_kind(tmp_path, key):
    path = tmp_path / 'a.py'
    path.write_text(CONFIG.replace(f'{key} =', 'x =').replace(f', {key}', ', x').replace(
        f'{key},', 'x,'))  # fmt: skip
    with pytest.raises(RefusedError, match=f'a.py: has no {key!r}; it is not an annotate config'):
        load_config(str(path), None, {})


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('a = (', r'SyntaxError: '),
        ("_base_ = ['gone.py']", r'FileNotFoundError: .*gone\.py'),
        ('a = 1 / 0', r'ZeroDivisionError: '),
        ("custom_imports = dict(imports=['no_such_module'])", r'no_such_module'),
    ],
)
def test_a_broken_config_is_told_in_one_line(tmp_path, text, message):
    path = tmp_path / 'a.py'
    path.write_text(text)
    with pytest.raises(RefusedError, match=rf'a\.py: .*{message}') as caught:
        load_config(str(path), None, {})
    assert '\n' not in str(caught.value)


def test_no_such_file(tmp_path):
    with pytest.raises(RefusedError, match=r'config .*none.py: no such file'):
        load_config(str(tmp_path / 'none.py'), None, {})


@pytest.mark.parametrize(
    'path', sorted((ROOT / 'configs/annotate').glob('*.py')), ids=lambda p: p.stem
)
def test_all_annotate_configs_load(path):
    assert load_config(str(path), {'prompt': 'cp'}, {}).prompt == 'cp'


def fail(error):
    raise error


@pytest.mark.parametrize(
    ('error', 'code', 'said'),
    [
        (RefusedError('no such folder'), 2, 'error: no such folder\n'),
        (ImageReadError('a.png: empty'), 1, 'error: a.png: empty\n'),
        (OSError(28, 'No space left', 'out/x'), 1, 'error: out/x: No space left\n'),
        (
            RuntimeError('DataLoader worker (pid 7) is killed by signal: Killed. '),
            1,
            'error: a reading process died: DataLoader worker (pid 7) is killed by signal: Killed. '
            'the same command goes on from here; give it fewer workers if memory ran out\n',
        ),
        (KeyboardInterrupt(), 1, 'interrupted; the same command goes on from here\n'),
    ],
)
def test_errors_are_one_line(capsys, error, code, said):
    assert run_command(lambda: fail(error)) == code
    assert capsys.readouterr().err == said


@pytest.mark.parametrize(('result', 'code'), [(None, 0), (0, 0), (1, 1)])
def test_exit_code(result, code):
    assert run_command(lambda: result) == code


def test_a_mistake_of_ours_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        run_command(lambda: 1 / 0)
    with pytest.raises(RuntimeError, match='shapes'):
        run_command(lambda: fail(RuntimeError('shapes do not fit')))


def test_an_error_of_a_reading_process_is_its_last_line():
    text = 'Caught RefusedError in worker 0.\nTraceback\nsamrs_mm.errors.RefusedError: a.png: bad\n'
    assert one_line(RefusedError(text)) == 'a.png: bad'
    assert one_line(RefusedError('a.png: bad')) == 'a.png: bad'
