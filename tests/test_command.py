"""`samrs-mm`: names, help, exit codes; and that a tool runs as it does by itself."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from folders import ROOT, load_tool, tree, write_dota

from samrs_mm import command
from samrs_mm.command import main, print_configs, run_tool, tool_lines, version_lines
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.installed import TOOLS
from samrs_mm.version import __version__


def start(*argv, folder, code=None) -> subprocess.Popen:
    """Start `samrs-mm` in a folder, as an installation without a checkout beside it would."""
    before = ['-c', code] if code else ['-m', 'samrs_mm']
    return subprocess.Popen(
        [sys.executable, *before, *map(str, argv)],
        cwd=folder,
        env=os.environ | dict(PYTHONPATH=str(ROOT)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(*argv, folder, code=None) -> tuple[int, str, str]:
    process = start(*argv, folder=folder, code=code)
    out, err = process.communicate()
    return process.returncode, out, err


def in_this_process(*argv) -> int:
    """Return a tool's exit code."""
    with pytest.raises(SystemExit) as caught:
        main(argv)
    return caught.value.code or 0


@pytest.fixture(autouse=True)
def same_program(monkeypatch):
    monkeypatch.setattr(sys, 'argv', ['samrs-mm'])


@pytest.mark.parametrize('argv', [[], ['--help'], ['-h'], ['help'], ['configs', '--help']])
def test_alone_it_lists_all_tools(capsys, argv):
    assert main(argv) == 0
    listed = capsys.readouterr().out
    for name in TOOLS:
        assert re.search(rf'^  {name} +\S.*\.$', listed, re.M)
    assert re.search(r'^  train +Train the model of a config', listed, re.M)
    assert 'samrs-mm configs' in listed


def test_each_line_is_one_line_of_a_terminal():
    assert max(map(len, tool_lines())) <= 110


def test_flags_of_the_command_line_are_taken_from_the_program(monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', ['samrs-mm', '--version'])
    assert main() == 0
    assert __version__ in capsys.readouterr().out


def test_versions_say_which_set_is_installed(monkeypatch):
    there = {'onedl-mmengine': '0.10.12', 'onedl-mmcv': '2.3.6'}
    monkeypatch.setattr(command, 'mm_versions', lambda: there)
    monkeypatch.setattr(command, 'is_onedl', lambda: True)
    monkeypatch.setattr(command, 'check_sets', lambda: None)
    first, mm = version_lines()
    assert re.fullmatch(rf'samrs_mm {re.escape(__version__)}, Python 3\S+, torch \d\S+', first)
    assert mm == 'OneDL: onedl-mmengine 0.10.12, onedl-mmcv 2.3.6'


def test_versions_without_torch_and_mm_libraries(monkeypatch):
    monkeypatch.setattr(sys, 'path', [])
    (line,) = version_lines()
    assert line.endswith(', torch not installed')


def test_versions_name_two_sets_as_an_error(monkeypatch):
    def refuse():
        raise RefusedError('both')

    monkeypatch.setattr(command, 'check_sets', refuse)
    assert version_lines()[-1] == 'error: both'


def test_versions_of_this_environment():
    assert re.search(r'^(OneDL|OpenMMLab): .*mmengine \d', '\n'.join(version_lines()), re.M)


@pytest.mark.parametrize(
    ('name', 'hint'),
    [
        ('anotate', 'did you mean annotate?'),
        ('config', 'did you mean configs?'),
        ('zzz', '`samrs-mm` lists what there is'),
        ('--flag', '`samrs-mm` lists what there is'),
    ],
)
def test_a_wrong_name_says_what_was_meant(capsys, name, hint):
    assert main([name]) == 2
    assert capsys.readouterr().err == f'samrs-mm: no command {name!r}; {hint}\n'


def test_configs_are_listed_by_pattern(capsys):
    assert main(['configs', 'vitae', 'isaid']) == 0
    folder, *names = capsys.readouterr().out.splitlines()
    assert folder == f'in {ROOT / "configs"}:' or folder.endswith('samrs_mm/.mim/configs:')
    assert names == [
        'isaid/upernet_vitae_imp-sep_isaid.py', 'isaid/upernet_vitae_imp_isaid.py'
    ]  # fmt: skip
    assert main(['configs']) == 0
    assert len(capsys.readouterr().out.splitlines()) > 70
    assert main(['configs', 'sep/*_scratch']) == 0
    assert 'sep/unet_resnet50_scratch.py' in capsys.readouterr().out


def test_no_config_of_that_name(capsys):
    assert print_configs(['upernet_vita3']) == 1
    err = capsys.readouterr().err
    assert err.startswith("samrs-mm configs: none is named like 'upernet_vita3'; near are ")
    assert 'upernet_vitae' in err


@pytest.mark.parametrize(
    'argv', [('annotate', '--help'), ('sam_annotate', '--help'), ('help', 'annotate')]
)
def test_help_of_a_tool_names_the_command(capsys, argv):
    assert in_this_process(*argv) == 0
    shown = capsys.readouterr().out
    assert shown.startswith('usage: samrs-mm annotate ')
    assert 'samrs-mm annotate configs/annotate/dota_boxnet_rbox.py --data-root' in shown
    assert 'torchrun --nproc-per-node 8 -m samrs_mm annotate configs/' in shown
    assert 'tools/' not in shown


@pytest.mark.parametrize('name', TOOLS)
def test_no_help_names_a_file_of_tools(capsys, name):
    assert in_this_process(name, '--help') == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f'usage: samrs-mm {name} ')
    files = [Path(file).name for file in TOOLS.values() if '_' in file]
    assert not [file for file in ('tools/', *files) if file in shown]


def test_errors_and_exit_codes_are_the_tools(capsys):
    assert in_this_process('annotate') == 2
    assert 'samrs-mm annotate: error: the following arguments' in capsys.readouterr().err
    assert in_this_process('annotate', 'dota_grabcut', '--data-root', 'x') == 2
    assert 'error: config dota_grabcut: no such file; did you mean' in capsys.readouterr().err


def test_this_process_is_left_as_it_was():
    before = sys.modules['__main__']
    with pytest.raises(SystemExit):
        run_tool('score', ['--help'])
    assert sys.modules['__main__'] is before


def test_masks_are_those_of_the_tool(tmp_path, monkeypatch):
    """From a folder without a checkout, and a config's name alone."""
    write_dota(tmp_path / 'data', scenes=2)
    monkeypatch.chdir(tmp_path)
    argv = '--data-root', 'data', '--workers', '0', '--out'
    assert in_this_process('annotate', 'dota_grabcut_rbox', *argv, 'by-name') == 0
    path = str(ROOT / 'configs/annotate/dota_grabcut_rbox.py')
    assert load_tool('sam_annotate').main([path, *argv, 'by-path']) == 0
    assert tree(tmp_path / 'by-name') == tree(tmp_path / 'by-path')
    assert in_this_process('annotate', 'dota_grabcut_rbox', '--verify', *argv, 'by-name') == 0


@pytest.mark.slow
def test_reading_processes_can_be_spawned(tmp_path):
    """A spawned process runs the file of `__main__` again, so there has to be one."""
    write_dota(tmp_path / 'data', scenes=3)
    code = (
        'import multiprocessing, sys\n'
        'from samrs_mm.command import main\n'
        "if __name__ == '__main__':\n"
        "    multiprocessing.set_start_method('spawn')\n"
        '    main(sys.argv[1:])'
    )
    argv = 'annotate', 'dota_grabcut_rbox', '--data-root', 'data', '--out', 'out', '--workers', 2
    done = run(*argv, folder=tmp_path, code=code)
    assert done[0] == 0, done[2]
    assert '3 done' in done[1]


def test_hints_name_the_command(tmp_path):
    done = run('draw', 'scenes', '--scenes', 1, '--size', 64, '--format', 'dota', folder=tmp_path)
    assert done[0] == 0, done[2]
    hint = done[1].splitlines()[-1].strip()
    config = 'configs/annotate/dota_boxnet_rbox.py'
    assert hint == f'samrs-mm annotate {config} --data-root scenes --out scenes-masks'
    assert run(*hint.split()[1:], folder=tmp_path)[0] == 0


def test_an_interrupt_ends_it_as_it_ends_the_tool(tmp_path):
    write_dota(tmp_path / 'data', scenes=3)
    argv = 'annotate', 'dota_grabcut_rbox', '--data-root', 'data', '--out', 'out', '--workers', 0
    slow = (
        'import sys, time\n'
        'from samrs_mm.models.prompt_segmentors.grabcut import GrabCutSegmentor\n'
        "GrabCutSegmentor.decode = lambda *_: (print('decoding', flush=True), time.sleep(60))\n"
        'from samrs_mm.command import main\n'
        'main(sys.argv[1:])'
    )
    process = start(*argv, folder=tmp_path, code=slow)
    assert 'decoding\n' in iter(process.stdout.readline, '')
    time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 1
    assert 'interrupted; the same command goes on from here' in process.stderr.read()
