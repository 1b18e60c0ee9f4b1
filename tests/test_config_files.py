import argparse
import re
import sys

import pytest
from folders import ROOT

from samrs_mm.config_files import REQUIRED_KEYS, OptionsAction, load_config, read_config
from samrs_mm.core.errors import RefusedError

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


def test_blanks_in_values_are_kept():
    found = options(
        'data_root=/data/my  own (1)/scenes', 'model.a=[/a b/c, /d e]', 'model.b= (1, 2.5 , (3,4) )'
    )
    assert found == {
        'data_root': '/data/my  own (1)/scenes',
        'model.a': ['/a b/c', '/d e'],
        'model.b': (1, 2.5, (3, 4)),
    }
    assert options('model .type = x y') == {'model .type ': 'x y'}, (
        'keys are for the config to refuse'
    )


@pytest.mark.parametrize('before', ['None', 'dict(size=600, overlap=150)'])
def test_tiles_by_single_options(path, before, tmp_path):
    (tmp_path / 'config.py').write_text(CONFIG + f'tile = {before}')
    config = load_config(path, options('tile.size=800', 'tile.pad=[0,0,0]'), {})
    assert config.tile.size == 800
    assert list(config.tile.pad) == [0, 0, 0]
    assert config.tile.get('overlap') == (None if before == 'None' else 150)
    assert load_config(path, options('tile=None'), {}).tile is None


@pytest.mark.parametrize(
    ('words', 'said'),
    [
        (['tile.size=300'], 'tile.size=300: the overlap stays 150 px; tile.overlap=N changes it\n'),
        (['tile.size=300', 'tile.overlap=50'], ''),
        (['tile.iof=0.5'], ''),
        ([], ''),
    ],
)
def test_an_overlap_that_stays_is_told(path, capsys, tmp_path, words, said):
    (tmp_path / 'config.py').write_text(CONFIG + 'tile = dict(size=600, overlap=150)')
    load_config(path, options(*words) if words else None, {})
    assert capsys.readouterr().err == said


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
        ("custom_imports = ['mine']", r"custom_imports=\['mine'\]: expected dict"),
        ('custom_imports = dict(imports=[3])', r'custom_imports=.*: expected dict'),
    ],
)
def test_a_broken_config_is_reported_in_one_line(tmp_path, text, message):
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


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Write a config and, beside it, the module that it imports; the module is forgotten."""
    monkeypatch.setattr(sys, 'path', sys.path[:])

    def write(code: str, imports="'samrs_test_plugin'", **more) -> str:
        (tmp_path / 'samrs_test_plugin.py').write_text(code)
        options = ''.join(f', {key}={value}' for key, value in more.items())
        (tmp_path / 'a.py').write_text(f'custom_imports = dict(imports=[{imports}]{options})\n')
        return str(tmp_path / 'a.py')

    yield write
    sys.modules.pop('samrs_test_plugin', None)


def test_a_plugin_beside_its_config_is_imported(plugin):
    read_config(plugin('value = 7'))
    assert sys.modules['samrs_test_plugin'].value == 7


@pytest.mark.parametrize(
    ('code', 'imports', 'says'),
    [
        ('\nimport scipi', "'samrs_test_plugin'", r"plugin\.py:2: ModuleNotFoundError: .*'scipi'$"),
        ('1 / 0', "'samrs_test_plugin'", r'plugin\.py:1: ZeroDivisionError: division by zero$'),
        ('\n\na = (', "'samrs_test_plugin'", r'plugin\.py:3: SyntaxError: '),
        ('', "'no_such_plugin'", r'no_such_plugin: no such module beside the config or on Python'),
        ('', "'json.no_such'", r'json\.no_such: no such module beside the config'),
    ],
)
def test_a_plugin_that_fails_is_reported_with_its_own_error(plugin, code, imports, says):
    with pytest.raises(
        RefusedError, match=rf'^config \S+a\.py: custom_imports: .*{says}'
    ) as caught:
        read_config(plugin(code, imports))
    assert '\n' not in str(caught.value)


def test_a_plugin_may_be_allowed_to_fail(plugin):
    read_config(plugin('import scipi', allow_failed_imports=True))
    with pytest.raises(RefusedError, match='ZeroDivisionError'):
        read_config(plugin('1 / 0', allow_failed_imports=True))


def test_modules_of_ours_by_names_of_an_older_version_are_no_error(plugin):
    """As configs that earlier versions dumped name them; the tools register all anyway."""
    read_config(plugin('', "'samrs_mm.engine.gone', 'samrs_mm.datasets.old'"))


def test_a_base_of_the_package_that_was_never_installed(monkeypatch, tmp_path):
    monkeypatch.setattr('samrs_mm.config_files.MIM', tmp_path / '.mim')
    error = FileNotFoundError(2, 'No such file', '/checkout/samrs_mm/.mim/model-index.yml')

    def fromfile(*_, **__):
        raise error

    monkeypatch.setattr('mmengine.config.Config.fromfile', fromfile)
    config = tmp_path / 'leaf.py'
    config.write_text("_base_ = 'samrs_mm::sep/upernet_vitae.py'\n")
    with pytest.raises(RefusedError, match='run `make env` or'):
        read_config(str(config))
