"""Work dirs as real runs leave them; one is of a real run."""

import csv
import json

import pytest
from folders import load_tool
from training_runs import run_tool, write_run

from samrs_mm.evaluation.paper.tables import paper_tables
from samrs_mm.evaluation.results import RUN_KEY, run_entry

CONFIG = 'unet_resnet50_imp-sep_potsdam-3pct'


@pytest.fixture
def main():
    return load_tool('analysis_tools/results_table').main


def write_test(folder, config=CONFIG, weights='iter_80000.pth', **scores):
    folder.mkdir(parents=True, exist_ok=True)
    about = run_entry(f'configs/{config}.py', weights, True, None)
    (folder / 'metrics.json').write_text(json.dumps(scores | {RUN_KEY: about}))


def test_markdown_goes_to_the_screen(main, tmp_path, capsys):
    write_test(tmp_path / 'a', mF1=76.5)
    assert main([str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert [f'## Table {number}:' in said for number in (3, 4, 5, 6, 9)] == [True] * 5
    origin = f'3%: iter_80000.pth, TTA flip; {tmp_path}/a/metrics.json'
    assert f'| UNet | IMP+SEP | ResNet-50 | ours |  | 76.50 |  | {origin} |' in said
    assert '| UNet | IMP+SEP | ResNet-50 | paper | 81.80 | 77.97 | 69.70 |  |' in said
    assert 'average 74.67, its columns give 74.76' in said


def test_a_short_training_is_in_no_table(main, tmp_path, capsys):
    write_test(tmp_path / 'a', weights='iter_2.pth', mF1=12.5)
    write_test(tmp_path / 'b', weights='mine.pth', mF1=76.5)
    assert main([str(tmp_path)]) == 0
    tables, _, below = capsys.readouterr().out.partition('Misprints')
    assert '12.50' not in tables
    assert '76.50' in tables
    title = 'Trainings of fewer than 80,000 iterations, not shown:'
    assert f'{title}\n\n- {CONFIG}: mF1 12.50 (iter_2.pth, ' in below


def test_files(main, tmp_path):
    write_test(tmp_path / 'a', mF1=76.5)
    out = tmp_path / 'out/tables'
    assert main([str(tmp_path / 'a'), '--out', str(out)]) == 0
    names = ['results.md', *(f'table_{number}.csv' for number in (3, 4, 5, 6, 9))]
    assert sorted(path.name for path in out.iterdir()) == names
    with (out / 'table_5.csv').open(newline='') as file:
        rows = list(csv.DictReader(file))
    assert [row['3%'] for row in rows[2:4]] == [f'{paper_tables()[5].rows[CONFIG][0]:.2f}', '76.50']
    assert [row['Numbers'] for row in rows[2:4]] == ['paper', 'ours']


@pytest.mark.parametrize(('kind', 'count'), [('md', 1), ('csv', 5)])
def test_one_format(main, tmp_path, kind, count):
    write_test(tmp_path / 'a', mF1=76.5)
    assert main([str(tmp_path / 'a'), '--out', str(tmp_path / 'b'), '--format', kind]) == 0
    assert [path.suffix for path in (tmp_path / 'b').iterdir()] == [f'.{kind}'] * count


def test_an_unknown_format(main, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main([str(tmp_path), '--format', 'html'])
    assert stop.value.code == 2
    assert 'allowed are md, csv' in capsys.readouterr().err


def test_a_damaged_file_is_named_and_the_rest_is_written(main, tmp_path, capsys):
    write_test(tmp_path / 'a', mF1=76.5)
    (tmp_path / 'b').mkdir()
    (tmp_path / 'b/metrics.json').write_text('{"mF1": 3')
    assert main([str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert '76.50' in said.out
    assert said.err.startswith(f'skipped: {tmp_path}/b/metrics.json: not JSON')


def test_no_such_folder(main, tmp_path, capsys):
    assert main([str(tmp_path / 'gone')]) == 2
    assert capsys.readouterr().err == (
        f'error: {tmp_path}/gone: no such folder; give work dirs of training or testing\n'
    )


def test_a_real_run_is_listed_below_the_tables(main, tmp_path, capsys):
    """Trained with two validations and tested, by the tools; its config has no row."""
    config = write_run(tmp_path)
    options = ['--cfg-options', 'train_cfg.max_iters=4', 'train_cfg.val_interval=2']
    assert run_tool('train', [config, *options], tmp_path / 'log')[0] == [0]
    work = tmp_path / 'work'
    argv = [config, str(work / 'iter_4.pth'), '--work-dir', str(work), '--out', str(work / 'test')]
    assert run_tool('test', [*argv, '--cfg-options', 'sync_bn=None'], tmp_path / 'log')[0] == [0]
    assert main([str(work)]) == 0
    said = capsys.readouterr().out
    test = json.loads((work / 'test/metrics.json').read_text())
    below, other = said.partition('Configs without a row:')[2].split('Results not shown')
    assert f'mIoU {test["mIoU"]:.2f}' in below
    assert f'(iter_4.pth, TTA none, sync_bn=None; {work}/test/metrics.json)' in below
    assert f'mIoU {test["mIoU"]:.2f}' in other, 'the last validation is of the same weights'
    assert '(iteration 4, last validation, no TTA; ' in other
