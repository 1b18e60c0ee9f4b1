import json

import numpy as np
from PIL import Image

from samrs_mm.engine.learning_curves import NAME, draw, panels, read_scalars


def write(work_dir, name, *lines):
    folder = work_dir / name / 'vis_data'
    folder.mkdir(parents=True)
    text = ''.join(json.dumps(line) + '\n' for line in lines)
    (folder / 'scalars.json').write_text(text)


def test_a_resumed_run_is_one_and_what_was_done_again_is_there_once(tmp_path):
    first = [dict(step=step, iter=step, loss=float(step)) for step in (10, 20, 30)]
    write(tmp_path, '20260101_100000', *first, dict(step=30, **{'a/mIoU': 5.0}))
    write(tmp_path, '20260101_110000', dict(step=30, loss=0.5), dict(step=40, loss=0.25, name='x'))
    found = read_scalars(tmp_path)
    assert found == {'loss': [(10, 10.0), (20, 20.0), (30, 0.5), (40, 0.25)]}


def test_a_run_begun_anew_hides_the_old_one(tmp_path):
    write(tmp_path, '1', dict(step=10, loss=1.0), dict(step=20, loss=2.0))
    write(tmp_path, '2', dict(step=10, loss=3.0))
    assert read_scalars(tmp_path) == {'loss': [(10, 3.0)]}


def test_a_validation_that_was_owed_hides_no_training(tmp_path):
    write(tmp_path, '1', dict(step=10, lr=0.1, loss=1.0), dict(step=10, mIoU=5.0))
    write(tmp_path, '2', dict(step=10, mIoU=6.0), dict(step=20, lr=0.1, loss=0.5))
    found = read_scalars(tmp_path)
    assert (found['loss'], found['mIoU']) == ([(10, 1.0), (20, 0.5)], [(10, 6.0)])
    write(tmp_path, '3', dict(step=10, lr=0.1, loss=3.0), dict(step=10, mIoU=7.0))
    found = read_scalars(tmp_path)
    assert (found['loss'], found['mIoU']) == ([(10, 3.0)], [(10, 7.0)])


def test_half_a_line_of_a_killed_run_is_left_out(tmp_path):
    write(tmp_path, '1', dict(step=10, loss=1.0))
    with open(tmp_path / '1/vis_data/scalars.json', 'a') as file:
        file.write('[1]\n{"step": 20, "lo')
    assert read_scalars(tmp_path) == {'loss': [(10, 1.0)]}


SERIES = {
    'loss': [(1, 2.0), (2, 1.0)], 'lr': [(1, 0.1)], 'images_s': [(1, 9.0)], 'time': [(1, 0.3)],
    'loss_sota_ce': [(1, 1.0)], 'sota.aux.loss_ce': [(1, 0.4)], 'loss_sota2_ce': [(1, 1.0)],
    'acc_sota': [(1, 40.0)], 'acc_sota2': [(1, 41.0)], 'sota/mIoU': [(2, 12.0)],
    'sota/aAcc': [(2, 50.0)], 'mIoU': [(2, 12.0)],
}  # fmt: skip


def test_each_source_has_panels_of_its_own():
    found = {title: [*curves] for title, curves in panels(SERIES).items()}
    assert found == {
        'loss': ['loss'], 'validation': ['mIoU'], 'learning rate': ['lr'], 'images a second':
        ['images_s'], 'sota: loss': ['loss_sota_ce', 'sota.aux.loss_ce'],
        'sota: percent': ['acc_sota', 'sota/mIoU', 'sota/aAcc'], 'sota2: loss': ['loss_sota2_ce'],
        'sota2: percent': ['acc_sota2'],
    }  # fmt: skip


def test_one_dataset_has_its_terms():
    series = {'loss': [(1, 1.0)], 'decode.loss_ce': [(1, 1.0)], 'decode.acc_seg': [(1, 9.0)]}
    assert [*panels(series)] == ['loss', 'loss terms', 'percent']


def test_the_picture_shows_something(tmp_path):
    assert draw(SERIES, tmp_path / NAME, 'run of $1')
    pixels = np.asarray(Image.open(tmp_path / NAME).convert('L'))
    assert pixels.shape[0] > 800, 'eight panels, three a row'
    assert (pixels < 128).mean() > 0.002
    assert not draw({'time': [(1, 2.0)]}, tmp_path / 'none.png', 'run')
    assert not (tmp_path / 'none.png').exists()
