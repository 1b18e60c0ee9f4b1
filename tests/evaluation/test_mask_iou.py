import importlib.util
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays

from samrs_mm.core import masks
from samrs_mm.core.errors import RefusedError
from samrs_mm.evaluation import MaskIoU, score_folder
from samrs_mm.formats.annotated.entries import BoxEntry
from samrs_mm.formats.annotated.record import Record

ROOT = Path(__file__).resolve().parents[2]
SHAPE = (10, 12)


def square(x, y, side):
    mask = np.zeros(SHAPE, bool)
    mask[y : y + side, x : x + side] = True
    return mask


def test_the_two_means_by_hand():
    score = MaskIoU()
    score.add_masks(square(0, 0, 4), square(0, 0, 4))  # 16 / 16
    score.add_masks(masks.encode(square(0, 0, 2)), masks.encode(square(1, 0, 2)))  # 2 / 6
    score.add_masks(None, square(5, 5, 3))  # 0 / 9
    score.add(1, 4)
    assert len(score) == 4
    assert score.miou_i == pytest.approx((1 + 2 / 6 + 0 + 1 / 4) / 4)
    assert score.miou_p == pytest.approx((16 + 2 + 0 + 1) / (16 + 6 + 9 + 4))


def test_an_empty_prediction_counts_as_zero():
    score = MaskIoU()
    score.add_masks(np.zeros(SHAPE, bool), square(0, 0, 2))
    assert (score.miou_i, score.miou_p) == (0, 0)


@pytest.mark.parametrize(('intersection', 'union'), [(0, 0), (-1, 4), (5, 4)])
def test_impossible_counts_are_refused(intersection, union):
    with pytest.raises(ValueError, match=rf'intersection {intersection} and union {union} px'):
        MaskIoU().add(intersection, union)


def test_masks_of_different_size_are_refused():
    with pytest.raises(ValueError, match=r'\[10, 12\] against a true one of \[12, 10\]'):
        MaskIoU().add_masks(square(0, 0, 2), square(0, 0, 2).T)


def test_nothing_added_has_no_mean():
    assert math.isnan(MaskIoU().miou_i)
    assert math.isnan(MaskIoU().miou_p)


def test_scores_can_be_joined():
    one, other, both = MaskIoU(), MaskIoU(), MaskIoU()
    one.add(1, 2)
    other.add(3, 9)
    both.update(one)
    both.update(other)
    assert both.miou_i == pytest.approx((1 / 2 + 1 / 3) / 2)
    assert both.miou_p == pytest.approx(4 / 11)


@given(pair=arrays(bool, (2, 7, 5)))
@settings(max_examples=100)
def test_run_lengths_and_pixels_agree(pair):
    first, second = pair
    if not (first | second).any():
        return
    score = MaskIoU()
    score.add_masks(first, second)
    score.add_masks(masks.encode(first), masks.encode(second))
    expected = (first & second).sum() / (first | second).sum()
    assert score.miou_i == pytest.approx(expected)
    assert score.miou_p == pytest.approx(expected)


def write_folder(root, boxes, tile=None):
    """Write an annotated folder of one image; boxes are (box_id, category, mask or None)."""
    (root / 'instances').mkdir(parents=True)
    height, width = SHAPE
    record = Record.of_image(path='P1.png', scene='P1', split=None, offset=[0, 0], width=width,
                             height=height, sha256='', notes=[])  # fmt: skip
    corners = np.array([[0, 0], [5, 0], [5, 5], [0, 5]])
    for number, (box_id, category, mask) in enumerate(boxes, 1):
        box = BoxEntry.new(number, box_id, 0, category, 'hbox', corners, corners, None, 'empty')
        if mask is not None:
            box.enter_mask(masks.Mask(masks.encode(mask)), '')
        record.boxes.append(box)
    record.write(root / 'instances/P1.json')
    (root / 'meta.json').write_text(json.dumps(dict(settings=dict(tile=tile))))
    return root


def write_truth(path, segmentations, **extra):
    images = [dict(id=7, file_name='P1.png', height=SHAPE[0], width=SHAPE[1])]
    entries = [
        dict(id=i + 100, image_id=7, category_id=1, segmentation=segmentation)
        | {key: values[i] for key, values in extra.items()}
        for i, segmentation in enumerate(segmentations)
    ]
    path.write_text(json.dumps(dict(images=images, annotations=entries, categories=[])))
    return path


def test_a_folder_is_scored_by_box_id(tmp_path):
    names = [f'labelTxt/P1.txt:{line}' for line in (3, 4, 5, 6)]
    out = write_folder(
        tmp_path / 'out',
        [
            (names[2], 'ship', square(0, 0, 2)),
            (names[0], 'ship', None),
            (names[1], 'plane', square(3, 3, 4)),
            ('labelTxt/P1.txt:9', 'plane', square(0, 0, 1)),
        ],
    )
    truth = [masks.encode(square(*s)) for s in ((0, 5, 3), (3, 3, 4), (1, 0, 2), (8, 8, 2))]
    score = score_folder(out, write_truth(tmp_path / 'truth.json', truth, box_id=names))
    assert list(score.classes) == ['plane', 'ship']
    assert score.classes['plane'].miou_i == 1
    assert score.classes['ship'].miou_i == pytest.approx((2 / 6 + 0) / 2)
    assert score.classes['ship'].miou_p == pytest.approx(2 / (6 + 9))
    assert score.overall.miou_p == pytest.approx((2 + 16) / (6 + 9 + 16))
    assert (len(score.overall), score.unscored, score.missing) == (3, 1, 1)


def test_a_filtered_mask_counts_as_none(tmp_path):
    mask = square(3, 3, 4)
    out = write_folder(tmp_path / 'out', [('labelTxt/P1.txt:3', 'ship', mask)])
    record = json.loads((out / 'instances/P1.json').read_text())
    record['boxes'][0]['status'] = 'filtered'
    (out / 'instances/P1.json').write_text(json.dumps(record))
    truth = write_truth(tmp_path / 'truth.json', [masks.encode(mask)], box_id=['labelTxt/P1.txt:3'])
    assert score_folder(out, truth).overall.miou_i == 0


def test_crowds_and_what_is_to_be_ignored_count_for_nothing(tmp_path):
    names = [f'labelTxt/P1.txt:{line}' for line in range(4)]
    out = write_folder(
        tmp_path / 'out',
        [(names[0], 'ship', square(3, 3, 4)), (names[1], 'ship', square(0, 0, 2)),
         (names[2], 'ship', None)],
    )  # fmt: skip
    path = out / 'instances/P1.json'
    record = json.loads(path.read_text())
    record['boxes'][2]['status'] = 'crowd'
    path.write_text(json.dumps(record))
    truth = [masks.encode(square(3, 3, 4)), *[masks.encode(square(5, 5, 4))] * 3]
    flags = dict(iscrowd=[0, 1, 0, 1], ignore=[0, 0, 1, 0], box_id=names)
    score = score_folder(out, write_truth(tmp_path / 'truth.json', truth, **flags))
    assert (len(score.overall), score.overall.miou_i) == (1, 1)
    assert (score.unscored, score.missing, score.regions) == (0, 0, 2)


def test_boxes_from_the_truth_file_itself_are_found_by_position(tmp_path):
    out = write_folder(
        tmp_path / 'out',
        [
            ('sub/annotations.json:annotations[2]', 'ship', square(0, 0, 2)),
            ('sub/annotations.json:annotations[0]', 'ship', square(5, 5, 2)),
        ],
    )
    truth = [masks.encode(square(5, 5, 2)), None, masks.encode(square(0, 0, 2))]
    for extra in ({}, {'box_id': [f'P1.txt:{i}' for i in range(3)]}):
        score = score_folder(out, write_truth(tmp_path / 'annotations.json', truth, **extra))
        assert (score.overall.miou_i, len(score.overall), score.missing) == (1, 2, 0)
    other = write_truth(tmp_path / 'other.json', truth)
    with pytest.raises(RefusedError, match=r'no box in common.*annotations\[0\].*other.json:anno'):
        score_folder(out, other)


def test_polygons_and_counted_runs_are_true_masks_too(tmp_path):
    mask = square(2, 3, 4)
    runs = np.diff(np.flatnonzero(np.diff(np.r_[2, mask.ravel(order='F'), 2])))
    polygon = [[2, 3, 6, 3, 6, 7, 2, 7]]
    truth = [polygon, dict(size=list(SHAPE), counts=runs.tolist())]
    path = write_truth(tmp_path / 'a.json', truth)
    boxes = [(f'a.json:annotations[{i}]', 'ship', mask) for i in range(2)]
    assert score_folder(write_folder(tmp_path / 'out', boxes), path).overall.miou_i == 1


def test_what_cannot_be_scored_is_told_in_one_line(tmp_path):
    box = ('a.json:annotations[0]', 'ship', square(0, 0, 2))
    good = write_truth(tmp_path / 'a.json', [masks.encode(square(0, 0, 2))])
    out = write_folder(tmp_path / 'out', [box])
    tiled = write_folder(tmp_path / 'tiled', [box], tile=dict(size=1024))
    (tmp_path / 'text.json').write_text('{')
    wrong = write_truth(tmp_path / 'wrong.json', ['x'])
    none = write_truth(tmp_path / 'none.json', [None])
    cases = [
        (tiled, good, 'is tiled'),
        (tmp_path, good, 'not the meta.json of an annotated folder'),
        (out, tmp_path / 'missing.json', 'cannot read the true masks'),
        (out, tmp_path / 'text.json', 'text.json:1:2: malformed JSON'),
        (out, wrong, r'annotations\[0\]: .*neither a list of polygons nor run lengths'),
        (out, none, 'no annotation has a segmentation'),
    ]
    for folder, truth, expected in cases:
        with pytest.raises(RefusedError, match=expected) as info:
            score_folder(folder, truth)
        assert '\n' not in str(info.value)


def test_truth_of_another_size_is_told(tmp_path):
    out = write_folder(tmp_path / 'out', [('a.json:annotations[0]', 'ship', square(0, 0, 2))])
    truth = write_truth(tmp_path / 'a.json', [masks.encode(square(0, 0, 2).T.copy())])
    with pytest.raises(
        RefusedError, match=r'a.json: annotations\[0\]: a mask of \[12, 10\] in an image of'
    ):
        score_folder(out, truth)


@pytest.fixture
def score_masks():
    path = ROOT / 'tools/analysis_tools/score_masks.py'
    spec = importlib.util.spec_from_file_location('score_masks', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_tool_prints_folders_side_by_side(score_masks, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = ['a.json:annotations[0]', 'a.json:annotations[1]']
    truth = write_truth(
        Path('a.json'), [masks.encode(square(0, 0, 2)), masks.encode(square(5, 5, 2))]
    )
    write_folder(Path('good'), [(n, 'ship', m) for n, m in zip(
        names, (square(0, 0, 2), square(5, 5, 2)), strict=True)])  # fmt: skip
    write_folder(Path('bad'), [(names[0], 'plane', square(1, 0, 2))])
    assert score_masks.main(['good', 'bad', '--truth', str(truth)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines[:5]] == [
        ['good', 'bad'],
        ['class', 'objects', 'mIOU_I', 'mIOU_P', 'objects', 'mIOU_I', 'mIOU_P'],
        ['plane', '0', '-', '-', '1', '0.333', '0.333'],
        ['ship', '2', '1.000', '1.000', '0', '-', '-'],
        ['all', 'classes', '2', '1.000', '1.000', '1', '0.333', '0.333'],
    ]
    assert lines[6] == 'good: mIOU_I 1.000  mIOU_P 1.000  (2 objects)'
    assert lines[7].startswith('bad: mIOU_I 0.333  mIOU_P 0.333  (1 object, 1 true mask without')


def test_the_tool_ends_with_one_line_on_bad_input(score_masks, tmp_path, capsys):
    assert score_masks.main([str(tmp_path), '--truth', 'none.json']) == 2
    error = capsys.readouterr().err
    assert error.startswith(f'error: {tmp_path}/meta.json: ')
    assert error.count('\n') == 1
