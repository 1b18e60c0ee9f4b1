"""The tables of benchmarks/boxnet_table.py."""

import argparse
import sys

import cv2
import numpy as np
import pytest
from folders import load_tool
from object_sets import write_coco

from samrs_mm.models.boxnet.network import BoxNet
from samrs_mm.models.boxnet.weights import WeightsInfo, save_weights


@pytest.fixture(scope='module')
def table():
    return load_tool('../benchmarks/boxnet_table')


def picture(table, *boxes):
    objects = []
    for y0, y1, x0, x1 in boxes:
        mask = np.zeros((60, 80), bool)
        mask[y0:y1, x0:x1] = True
        objects.append(table.Object(mask, 'barn'))
    return table.Picture('set', 'P0', np.zeros((60, 80, 3), np.uint8), objects)


def test_filled_boxes_score_as_their_looseness_says(table):
    own = picture(table, (10, 30, 20, 60), (5, 50, 5, 15))
    rows = list(table.score(own, dict(fill=table.BoxFillSegmentor())))
    assert len(rows) == 2 * 2 * 3
    ious = {(row.prompt, row.loose): row.iou for row in rows}
    assert ious['hbox', 0.0] == ious['rbox', 0.0] == 1
    assert 1 > ious['hbox', 0.05] > ious['hbox', 0.15] > 1 / 1.3**2


def test_boxes_are_the_same_every_time_and_no_looser_than_said(table):
    own = picture(table, (10, 30, 20, 60))
    loose = table.corners_of(own, 'hbox', 0.15)
    assert np.array_equal(loose, table.corners_of(own, 'hbox', 0.15))
    low, high = loose[0].min(axis=0), loose[0].max(axis=0)
    assert (low <= [20, 10]).all()
    assert (low >= [20 - 6, 10 - 3]).all()
    assert (high <= [60 + 6, 30 + 3]).all()


def test_things_are_drawn_over_a_picture_and_known_exactly(table, tmp_path):
    path = tmp_path / 'meadow.png'
    cv2.imwrite(str(path), np.full((240, 300, 3), (40, 180, 90), np.uint8))
    copies = list(table.drawn_over(str(path), 0))
    assert len(copies) == table.COPIES
    assert {each.group for each in copies} == {'over meadow'}
    assert not np.array_equal(copies[0].pixels, copies[1].pixels)
    things = np.zeros((240, 300), bool)
    for item in copies[0].objects:
        assert not (things & item.mask).any(), 'they keep their distance'
        things |= item.mask
    green, others = copies[0].pixels[~things], copies[0].pixels[things]
    assert np.abs(np.median(green, axis=0) - (90, 180, 40)).max() < 20
    assert np.abs(np.median(others, axis=0) - (90, 180, 40)).max() > 40


def test_drawn_scenes_can_be_left_out(table, tmp_path):
    root = write_coco(tmp_path / 'set', counts=(2,))
    args = argparse.Namespace(isaid=[], coco=[str(root)], over=[], drawn=0, every=1)
    assert [each.group for each in table.all_pictures(args, tmp_path)] == ['set']


def test_the_best_of_a_column_is_bold(table):
    rows = [
        table.Row('a', 'ship', prompt, loose, method, iou, None, 1.0)
        for prompt in table.PROMPTS
        for loose in table.LOOSE
        for method, iou in (('fill', 0.5), ('GrabCut', 0.8))
    ]
    lines = table.by_place(rows, lambda row: row.kind).splitlines()
    assert lines[0] == '| boxes | prompt | masks by | ship (1) |'
    assert lines[2] == '| tight | hbox | fill | 0.500 (0%) |'
    assert lines[3] == '| tight | hbox | GrabCut | **0.800** (100%) |'


def test_the_calibration_of_scores_in_order(table):
    rows = [
        table.Row('a', 'ship', 'hbox', 0.0, 'BoxNet', iou, iou / 2, 1.0, iou)
        for iou in np.linspace(0.1, 0.9, 10)
    ]
    cells = table.calibration(rows).splitlines()[2].split(' | ')
    assert cells[1:6] == ['10', '1.00', '-1.00', '0.250', '0.500']


def test_the_doubt_is_the_one_of_the_report(table):
    mask = np.zeros((60, 80), bool)
    mask[10:20, 20:60] = True
    box = np.array([(20, 10), (60, 10), (60, 30), (20, 30)], float)
    assert table.doubt_of(mask, box, 0.9, 0.8) == pytest.approx((0.1 + 0.2 + 0.5) / 5)
    mask[40:44, 20:60] = True  # 160 of 560 px outside, a second part
    wanted = (0.1 + 0.2 + 0.5 + 160 / 560 + 0.5) / 5
    assert table.doubt_of(mask, box, 0.9, 0.8) == pytest.approx(wanted, abs=1e-4)
    assert table.doubt_of(mask & False, box, 0.9, 0.8) == 1


def test_all_tables_are_printed(table, tmp_path, monkeypatch, capsys):
    weights = tmp_path / 'w.safetensors'
    save_weights(weights, BoxNet((8, 16)), WeightsInfo((8, 16), side=32))
    root = write_coco(tmp_path / 'set', counts=(2,))
    argv = [
        '--coco',
        str(root),
        '--drawn',
        '1',
        '--drawn-every',
        '40',
        '--checkpoint',
        str(weights),
    ]
    monkeypatch.setattr(sys, 'argv', ['boxnet_table.py', *argv])
    assert table.main() == 0
    out = capsys.readouterr().out
    titles = [line for line in out.splitlines() if line.startswith('## ')]
    assert len(titles) == 5
    assert '| set (2) |' in out
    assert '| 0 to 15% | rbox | BoxNet |' in out
    assert '| set | cp | ' in out
