import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samrs_mm.core.errors import RefusedError
from samrs_mm.datasets.boxes.base import Scene
from samrs_mm.datasets.boxes.fair1m import FAIR1MBoxDataset, parse_fair1m
from samrs_mm.registry import BOX_DATASETS

RING = [(1, 2), (9.5, 3), (8, 12), (0, 11), (1, 2)]


def an_object(points, name='<name>Dry Cargo Ship</name>'):
    points = ''.join(
        f'<point>{p}</point>' if isinstance(p, str) else '<point>{:f},{:f}</point>'.format(*p)
        for p in points
    )
    return (
        '<object><coordinate>pixel</coordinate><type>rectangle</type>'
        f'<possibleresult>{name}</possibleresult>\n<points>{points}</points></object>'
    )


def parse(*objects):
    text = '<annotation><objects>\n' + '\n'.join(objects) + '\n</objects></annotation>'
    return parse_fair1m(text.encode(), '1.xml')


@pytest.mark.parametrize('points', [RING, RING[:4]])
def test_rings_of_five_and_four_points(points):
    (box,) = parse(an_object(points)).boxes
    assert box.box_id == '1.xml:2'
    assert box.category == 'Dry Cargo Ship'
    np.testing.assert_array_equal(box.polygon, RING[:4])


def test_zero_area_is_kept():
    labels = parse(an_object([(5, 5)] * 5))
    np.testing.assert_array_equal(labels.boxes[0].polygon, [[5, 5]] * 4)
    assert not labels.problems


def test_points_may_be_spaced_and_nan():
    (box,) = parse(an_object([' 1 , 2 ', 'nan,3', '8,12', '0,11', '1,2'])).boxes
    np.testing.assert_array_equal(box.polygon, [[1, 2], [np.nan, 3], [8, 12], [0, 11]])


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        (an_object(RING[:3]), '3 points'),
        (an_object(RING + RING), '10 points'),
        (an_object([]), '0 points'),
        (an_object([*RING[:4], (5, 5)]), 'does not repeat the first'),
        (an_object(['1,2', '3,4', '5,b', '7,8']), "<point> is 'b', not a number"),
        (an_object(['1,2', '3,4', '5', '7,8']), "<point> is '5'; allowed: x,y"),
        (an_object(RING, name=''), 'no <possibleresult/name>'),
        ('<object/>', 'no <possibleresult/name>'),
    ],
)
def test_bad_object_is_a_problem_and_the_rest_is_kept(text, message):
    labels = parse(text, an_object(RING))
    assert len(labels.boxes) == 1
    (problem,) = labels.problems
    assert problem.box_id == '1.xml:2'
    assert message in problem.message


def test_object_of_another_format_is_a_problem_not_silence():
    data = b'<annotation>\n<object><name>ship</name></object></annotation>'
    labels = parse_fair1m(data, '1.xml')
    assert [problem.box_id for problem in labels.problems] == ['1.xml:2']


def test_no_objects():
    assert parse().boxes == []
    assert parse_fair1m(b'<annotation/>', '1.xml').boxes == []


@given(st.lists(st.tuples(st.floats(width=64), st.floats(width=64)), min_size=4, max_size=4))
def test_any_float_survives(points):
    (box,) = parse(an_object([f'{x!r},{y!r}' for x, y in points])).boxes
    np.testing.assert_array_equal(np.sort(box.polygon, axis=0), np.sort(points, axis=0))


def test_parts_share_ids_but_not_stems(fair1m_root):
    dataset = BOX_DATASETS.build(
        dict(type='FAIR1MBoxDataset', data_root=str(fair1m_root), classes='fast')
    )
    assert dataset.scenes == [
        Scene('train_1', 'train/part1/images/1.tif', 'train/part1/labelXml/1.xml', 'train'),
        Scene('train_2', 'train/part2/images/2.tif', 'train/part2/labelXmls/2.xml', 'train'),
        Scene('valid_1', 'validation/images/1.tif', 'validation/labelXmls/1.xml', 'val'),
    ]
    assert dataset.collect_classes().boxes == 3
    (box,) = dataset.labels(0).boxes
    assert dataset.classes[dataset.table.index(box.category)] == 'Dry-Cargo-Ship'


def test_small_first_release(fair1m_root):
    (fair1m_root / 'train/part2').rename(fair1m_root / 'data')
    scenes = FAIR1MBoxDataset(fair1m_root).scenes
    assert Scene('train_2', 'data/images/2.tif', 'data/labelXmls/2.xml', 'train') in scenes


def test_unknown_class_is_refused_with_the_nearest(fair1m_root, make_text):
    path = fair1m_root / 'validation/labelXmls/1.xml'
    make_text(path, path.read_text().replace('A220', 'A320'))
    with pytest.raises(RefusedError, match=r"validation/labelXmls/1.xml:2: unknown class 'A320'"):
        FAIR1MBoxDataset(fair1m_root, classes='fast').collect_classes()


def test_part_without_label_folder_is_refused(fair1m_root):
    (fair1m_root / 'train/part2/labelXmls').rename(fair1m_root / 'train/part2/labels')
    with pytest.raises(RefusedError, match=r'train/part2/images holds images, but .*labelXml'):
        FAIR1MBoxDataset(fair1m_root)


def test_id_in_both_train_parts_is_refused(fair1m_root, make_image):
    make_image(fair1m_root / 'train/part2/images/1.tif')
    with pytest.raises(RefusedError, match="both be called 'train_1'"):
        FAIR1MBoxDataset(fair1m_root)


def test_flags_are_kept():
    text = an_object(RING).replace('<type>', '<difficult>1</difficult><type>')
    assert parse(text).boxes[0].flags == dict(difficult=1)


def test_the_size_that_labels_are_for():
    text = '<annotation><size><width>600</width><height>500</height></size></annotation>'
    assert parse_fair1m(text.encode(), '1.xml').size == (600, 500)


def test_a_ring_row_by_row_is_put_in_order():
    (box,) = parse(an_object([(1, 1), (9, 1), (1, 5), (9, 5), (1, 1)])).boxes
    np.testing.assert_array_equal(box.polygon, [(1, 1), (9, 1), (9, 5), (1, 5)])
    assert box.notes
