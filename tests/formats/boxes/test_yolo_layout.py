import pytest
from hypothesis import given
from hypothesis import strategies as st

from samrs_mm.core.errors import RefusedError
from samrs_mm.formats.boxes.yolo_layout import TASKS, LineSurvey, YoloLayout

BOX, CORNERS = '0 0.5 0.5 0.2 0.2', '0 0.1 0.2 0.3 0.2 0.3 0.4 0.1 0.4'
TRIANGLE, FIVE = '0 0.1 0.1 0.5 0.2 0.3 0.9', '0 0.1 0.1 0.9 0.1 0.9 0.9 0.5 0.7 0.1 0.9'
POSE2 = '0 0.5 0.5 0.4 0.4 0.35 0.35 0.6 0.6 0.65 0.4'
POSE3 = '0 0.5 0.5 0.4 0.4 0.35 0.35 2 0.6 0.6 1'


def survey(*lines: str) -> LineSurvey:
    found = LineSurvey()
    found.add('\n'.join(lines), 'labels/a.txt')
    return found


@pytest.mark.parametrize(
    ('lines', 'layout'),
    [
        ([], YoloLayout('detect')),
        ([BOX, '', BOX], YoloLayout('detect')),
        ([CORNERS, CORNERS], YoloLayout('obb')),
        (['0 0.6 0.6 0.9 0.9', BOX], YoloLayout('detect')),
        (['0 0.95 0.5 0.4 0.2'], YoloLayout('detect')),
        ([TRIANGLE], YoloLayout('segment')),
        ([TRIANGLE, CORNERS, FIVE], YoloLayout('segment')),
        ([FIVE, FIVE], YoloLayout('segment')),
        ([f'{BOX} 0.93', f'{BOX} 1'], YoloLayout('detect', confidence=True)),
        ([f'{CORNERS} 0.93'], YoloLayout('obb', confidence=True)),
        ([BOX, f'{BOX} 7'], YoloLayout('detect')),
        ([CORNERS, f'{CORNERS} 0.5'], YoloLayout('obb')),
    ],
)
def test_the_layout_is_that_of_all_lines(lines, layout):
    assert survey(*lines).layout(None) == layout


@pytest.mark.parametrize(
    ('lines', 'says'),
    [
        ([f'{BOX} 7', f'{BOX} 8'], "labels/a.txt:1 ends in '7': column 6 of 6 is no confidence"),
        ([f'{BOX} 1', f'{BOX} 0'], 'all others end in 0 or 1: column 6 of 6 is no confidence'),
        ([f'{CORNERS} 12'], "ends in '12': column 10 of 10 is no confidence"),
        (['0 0.6 0.6 0.9 0.9', '1 0 0.1 0.3 0.5'], 'all boxes reach out .* as cx cy w h, and none'),
        ([BOX, CORNERS], r'1 of 5 columns \(first labels/a.txt:1\), 1 of 9 columns'),
        ([BOX, TRIANGLE], r'1 of 7 columns \(first labels/a.txt:2\).*--task segment'),
        ([CORNERS] * 20 + [TRIANGLE], r'20 of 9 columns .*1 of 7 columns .*--task obb'),
        (['0 0.5 0.5 0.2'], 'labels/a.txt:1: 4 columns; a YOLO line is'),
        ([f'{BOX} 0.1 0.1 2', f'{BOX} 0.2 0.2 2'], '8 columns.*key points need kpt_shape'),
        ([POSE2, POSE2], 'all lines have 11 columns, which may be a polygon or a box with key'),
        ([POSE3, POSE3], 'all lines have 11 columns'),
        ([f'{BOX} 0.9 1', f'{BOX} 0.8 2'], 'all lines have 7 columns.*tracker id'),
        (['0,0.5,0.5,0.2,0.2'], 'labels/a.txt:1: commas'),
    ],
)
def test_lines_that_nothing_explains_are_refused_with_their_place(lines, says):
    with pytest.raises(RefusedError, match=says):
        survey(*lines).layout(None)


def test_key_points_are_explained_by_their_shape():
    assert survey(POSE3).layout((2, 3)) == YoloLayout('pose', columns=11)
    assert survey(CORNERS).layout((2, 2)) == YoloLayout('pose', columns=9)
    assert survey(f'{POSE3} 0.5').layout((2, 3)) == YoloLayout('pose', True, 11)
    with pytest.raises(RefusedError, match=r'5 columns, but kpt_shape \[17, 3\] means 56 columns'):
        survey(BOX).layout((17, 3))


def test_a_user_may_say_what_the_lines_are():
    mixed = survey(BOX, TRIANGLE, CORNERS)
    assert mixed.layout(None, 'segment') == YoloLayout('segment')
    assert mixed.layout(None, 'obb') == YoloLayout('obb')
    assert mixed.layout(None, 'detect') == YoloLayout('detect')
    assert survey(POSE2).layout(None, 'pose') == YoloLayout('pose', columns=11)
    assert survey(BOX).layout((17, 3), 'detect') == YoloLayout('detect')
    with pytest.raises(RefusedError, match='tracker id'):
        survey(f'{BOX} 7').layout(None, 'detect')


@given(st.text(alphabet='0123456789.-e \n\tnainf,', max_size=80), st.sampled_from([None, *TASKS]))
def test_any_text_is_explained_or_refused(text, task):
    try:
        found = survey(text).layout(None, task).task in TASKS
    except RefusedError as error:
        found = 'labels/a.txt:' in str(error)
    assert found
