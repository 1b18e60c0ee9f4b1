"""The tools where Python lacks what Windows lacks: same files, same exit codes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from export_cases import tool as export
from export_cases import write_folder
from folders import CONFIG, ROOT, load_tool, tree, write_dota
from training_runs import write_run

OTHER = ROOT / 'tests/support/other_system'
PATH = os.pathsep.join(map(str, (OTHER, ROOT, ROOT / 'tests/support')))


def run(*command: object, folder: Path = ROOT) -> subprocess.CompletedProcess:
    environment = os.environ | dict(
        PYTHONPATH=PATH, PYTHONIOENCODING='cp1252', CUDA_VISIBLE_DEVICES='-1', OMP_NUM_THREADS='1'
    )
    return subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=folder, env=environment, capture_output=True, encoding='cp1252',
    )  # fmt: skip


def run_tool(name: str, *arguments: object, folder: Path = ROOT) -> str:
    done = run(ROOT / f'tools/{name}.py', *arguments, folder=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ('code', 'error'),
    [
        ('os.fork()', 'AttributeError'),
        ("os.symlink('a', 'b')", 'PermissionError'),
        ("os.open('.', os.O_RDONLY)", 'PermissionError'),
        ("os.mkdir('d'); os.mkdir('e'); os.rename('d', 'e')", 'PermissionError'),
        ("file = open('a', 'wb'); os.unlink('a')", 'PermissionError'),
        (
            "file = open('a', 'wb'); open('b', 'wb').close(); os.replace('b', 'a')",
            'PermissionError',
        ),
        ("os.mkdir('d'); file = open('d/a', 'wb'); os.rename('d', 'e')", 'PermissionError'),
        ('import fcntl', 'ModuleNotFoundError'),
    ],
)
def test_what_is_missing_there(tmp_path, code, error):
    (tmp_path / 'main.py').write_text(f'import os\n{code}\n')
    done = run('main.py', folder=tmp_path)
    assert done.stderr.splitlines()[-1].startswith(error)


@pytest.mark.slow
def test_masks_are_the_same_and_two_processes_make_them(tmp_path):
    data = write_dota(tmp_path / 'data', scenes=3)
    argv = CONFIG, '--data-root', data, '--cfg-options', 'tile.size=64', 'tile.overlap=16'
    assert load_tool('sam_annotate').main([*map(str, argv), '--out', str(tmp_path / 'here')]) == 0
    run_tool('sam_annotate', *argv, '--out', tmp_path / 'there', '--workers', 2)
    assert tree(tmp_path / 'there') == tree(tmp_path / 'here')
    assert json.loads((tmp_path / 'there/meta.json').read_bytes())['data_root'] == '../data'
    run_tool('sam_annotate', *argv, '--out', tmp_path / 'there', '--verify', '--workers', 2)


def test_tiles_are_the_same(tmp_path):
    data = write_dota(tmp_path / 'data', scenes=3)
    argv = CONFIG, '--data-root', data, '--size', 64, '--overlap', 16
    main = load_tool('dataset_converters/prepare_tiles').main
    assert main([*map(str, argv), '--workers', '0', '--out', str(tmp_path / 'here')]) == 0
    run_tool('dataset_converters/prepare_tiles', *argv, '--workers', 2, '--out', tmp_path / 'there')
    assert tree(tmp_path / 'there') == tree(tmp_path / 'here')


@pytest.mark.parametrize('name', ['coco', pytest.param('yolo-seg', marks=pytest.mark.slow)])
def test_exports_are_the_same(tmp_path, name):
    made = write_folder(tmp_path / 'made')
    argv = made.root, '--to', name, '--images', 'copy'
    assert export(*argv, '--out', tmp_path / 'here') == 0
    (tmp_path / 'there').mkdir()
    tool = 'dataset_converters/export_dataset'
    run_tool(tool, *argv, '--out', tmp_path / 'there', '--workers', 2)
    assert tree(tmp_path / 'there') == tree(tmp_path / 'here')
    refused = run(ROOT / f'tools/{tool}.py', made.root, '--to', name, '--out', tmp_path / 'linked')
    assert refused.returncode == 2
    assert 'give --images copy' in refused.stderr


@pytest.mark.slow
def test_training_reads_with_two_processes_and_predicts(tmp_path):
    config = write_run(tmp_path, env_cfg=dict(mp_cfg=dict(mp_start_method='spawn')))
    options = 'train_dataloader.num_workers=2', 'train_cfg.max_iters=2', 'train_cfg.val_interval=2'
    run_tool('train', config, '--cfg-options', *options)
    lines = (tmp_path / 'rank0.jsonl').read_text().splitlines()
    assert [json.loads(line)['iter'] for line in lines] == [0, 1]
    flags = '--source', 'red', '--window', 32, '--save', 'labels,overlays'
    weights, images = tmp_path / 'sep/tiny.pth', tmp_path / 'data/red/images'
    run_tool('predict', config, weights, images, '--out', tmp_path / 'maps', *flags)
    assert len(list((tmp_path / 'maps/labels').glob('*.png'))) == 5
