import re
import sys

import pytest
from folders import ROOT

from samrs_mm.core import installed
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.installed import (
    TOOLS,
    called_by_name,
    config_names,
    find_config,
    nearest,
    spoken,
)

LEAF = ROOT / 'configs/annotate/dota_grabcut_rbox.py'
MAINTAINING = {'analysis_tools/readme_tables.py'}  # it writes into the checkout


def test_every_tool_has_a_name():
    files = {path.relative_to(ROOT / 'tools').as_posix() for path in ROOT.glob('tools/**/*.py')}
    assert set(TOOLS.values()) == files - MAINTAINING


def test_what_comes_with_the_package_is_found_installed_and_in_a_checkout(tmp_path, monkeypatch):
    monkeypatch.setattr(installed, 'PACKAGE', tmp_path / 'samrs_mm')
    monkeypatch.setattr(installed, 'MIM', tmp_path / 'samrs_mm/.mim')
    assert installed.shipped('tools') == tmp_path / 'tools'
    (tmp_path / 'samrs_mm/.mim/tools').mkdir(parents=True)
    assert installed.shipped('tools') == tmp_path / 'samrs_mm/.mim/tools'


@pytest.mark.parametrize('suffix', ['', '.py'])
@pytest.mark.parametrize('before', ['', 'annotate/', 'configs/annotate/', 'samrs_mm::annotate/'])
def test_a_config_of_the_package_is_found_from_any_folder(tmp_path, monkeypatch, before, suffix):
    monkeypatch.chdir(tmp_path)
    assert find_config(f'{before}dota_grabcut_rbox{suffix}').samefile(LEAF)


def test_a_base_is_found_by_its_path_alone():
    base = 'configs/_base_/prompt_segmentors/box_fill.py'
    assert find_config(base).samefile(ROOT / base)
    with pytest.raises(RefusedError, match='no such file'):
        find_config('box_fill')


def test_a_file_of_the_user_goes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'dota_grabcut_rbox.py').write_text('')
    for name in ('dota_grabcut_rbox.py', 'dota_grabcut_rbox', tmp_path / 'dota_grabcut_rbox'):
        assert find_config(str(name)).absolute().parent == tmp_path
    for name in ('annotate/dota_grabcut_rbox', 'samrs_mm::dota_grabcut_rbox'):
        assert find_config(name).samefile(LEAF)


def test_what_is_no_config_does_not_hide_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'dota_grabcut_rbox').write_text('a log')
    assert find_config('dota_grabcut_rbox').samefile(LEAF)
    (tmp_path / 'mine.txt').write_text('')
    with pytest.raises(RefusedError, match=r'config mine\.txt: not a config, which is \.py, '):
        find_config('mine.txt')


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('dota_grabcut', 'did you mean dota_grabcut_rbox? '),
        ('configs/annotate/dota_grabcut_rbx.py', 'did you mean dota_grabcut_rbox or '),
        ('qqqq', 'no such file; `samrs-mm configs` '),
        # Someone else's folders are not ours, whatever the name of the file.
        ('mine/dota_grabcut_rbox.py', 'no such file'),
        ('/configs/annotate/dota_grabcut_rbox.py', 'no such file'),
        ('sep/../annotate/dota_grabcut_rbox.py', 'no such file'),
        ('annotate', 'no such file'),
        ('', 'no such file'),
    ],
)
def test_other_names_are_refused(tmp_path, monkeypatch, name, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RefusedError, match=re.escape(message)) as caught:
        find_config(name)
    assert str(caught.value).startswith(f'config {name}: no such file; ')
    assert str(caught.value).endswith("`samrs-mm configs` lists the package's own")


def test_configs_are_listed_without_bases():
    names = config_names()
    assert 'annotate/dota_grabcut_rbox.py' in names
    assert names == sorted(names)
    assert not any('_base_' in name for name in names)


def test_near_names():
    known = ['annotate', 'train', 'test', 'configs']
    assert nearest('anotate', known) == ['annotate']
    assert nearest('rai', known) == ['train']
    assert nearest('zz', known) == []


@pytest.mark.parametrize(
    ('start', 'wanted'),
    [
        ('samrs-mm annotate', True),
        ('/site/samrs_mm/.mim/tools/sam_annotate.py', True),
        ('tools/sam_annotate.py', False),
        ('', False),
    ],
)
def test_who_calls_tools_by_name(monkeypatch, start, wanted):
    monkeypatch.setattr(sys, 'argv', [start])
    assert called_by_name() is wanted


@pytest.mark.parametrize(
    ('text', 'wanted'),
    [
        ('run: python tools/train.py configs/sep/a.py x', 'run: samrs-mm train configs/sep/a.py x'),
        ('tools/dataset_converters/make_splits.py A', 'samrs-mm splits A'),
        ('as make_splits.py writes them', 'as samrs-mm splits writes them'),
        ('sam_annotate.py --finalise', 'samrs-mm annotate --finalise'),
        ('torchrun --nproc-per-node 8 tools/sam_annotate.py A',
         'torchrun --nproc-per-node 8 -m samrs_mm annotate A'),
        ('tools/dist_train.sh CONFIG 8',
         'torchrun --nproc-per-node 8 -m samrs_mm train CONFIG --launcher pytorch'),
        ('tools/dist_test.sh CONFIG CHECKPOINT 2',
         'torchrun --nproc-per-node 2 -m samrs_mm test CONFIG CHECKPOINT --launcher pytorch'),
        ('such as tools/slurm_train.sh PARTITION JOB CONFIG',
         'such as srun python -m samrs_mm train CONFIG --launcher slurm'),
        # files of the user's own
        ('mine/train.py: no such file', 'mine/train.py: no such file'),
        ('config test.py: no such file', 'config test.py: no such file'),
        ('/a/tools/train.py', '/a/tools/train.py'),
        ('configs/demo.py, sam_annotate.pyc', 'configs/demo.py, sam_annotate.pyc'),
    ],
)  # fmt: skip
def test_tools_are_named_as_the_user_calls_them(monkeypatch, text, wanted):
    monkeypatch.setattr(sys, 'argv', ['tools/train.py'])
    assert spoken(text) == text
    monkeypatch.setattr(sys, 'argv', ['samrs-mm train'])
    assert spoken(text) == wanted
