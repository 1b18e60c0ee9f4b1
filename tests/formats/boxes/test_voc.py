import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samrs_mm.core.boxes import GUESSED
from samrs_mm.core.errors import LabelReadError
from samrs_mm.formats.boxes.voc import parse_voc

SIDES = '<xmin>3</xmin><ymin>4</ymin><xmax>20</xmax><ymax>30</ymax>'
CORNERS = (
    '<x_left_top>1</x_left_top><y_left_top>2</y_left_top>'
    '<x_right_top>9</x_right_top><y_right_top>3</y_right_top>'
    '<x_right_bottom>8</x_right_bottom><y_right_bottom>12</y_right_bottom>'
    '<x_left_bottom>0</x_left_bottom><y_left_bottom>11</y_left_bottom>'
)
POLYGON = [[1, 2], [9, 3], [8, 12], [0, 11]]


def parse(*objects):
    lines = [f'<object>{text}</object>' for text in objects]
    text = '\n'.join(['<annotation>', *lines, '</annotation>'])
    return parse_voc(text.encode(), 'Annotations/1.xml')


@pytest.mark.parametrize(
    ('name', 'head', 'encoding', 'told'),
    [
        ('Häuser', '', 'cp1252', True),
        ('海', '', 'gb2312', True),
        ('Häuser', '<?xml version="1.0" encoding="windows-1252"?>', 'cp1252', False),
        ('Häuser', '', 'utf-8', False),
        ('Häuser', '', 'utf-16', False),
        ('house', '<!-- für -->', 'cp1252', False),
    ],
)
def test_class_names_whose_encoding_is_guessed_are_told(name, head, encoding, told):
    text = f'{head}<annotation><object><name>{name}</name><bndbox>{SIDES}</bndbox></object>'
    labels = parse_voc(f'{text}</annotation>'.encode(encoding), '1.xml')
    assert len(labels.boxes) == 1
    assert labels.notes == [GUESSED] * told


@pytest.mark.parametrize('tag', ['bndbox', 'robndbox'])
def test_either_child_set_in_either_tag(tag):
    labels = parse(
        f'<name>Expressway-Service-area</name><{tag}>{SIDES}</{tag}>',
        f'<name>dam</name><{tag}>{CORNERS}</{tag}><angle>0</angle>',
    )
    horizontal, oriented = labels.boxes
    assert horizontal.box_id == 'Annotations/1.xml:2'
    assert horizontal.category == 'Expressway-Service-area'
    np.testing.assert_array_equal(horizontal.hbox, [3, 4, 20, 30])
    assert horizontal.polygon is None
    np.testing.assert_array_equal(oriented.polygon, POLYGON)
    assert oriented.hbox is None
    assert not labels.problems


@pytest.mark.parametrize(
    'boxes',
    [
        f'<bndbox>{SIDES}</bndbox><robndbox>{CORNERS}</robndbox>',
        f'<robndbox>{CORNERS}</robndbox><bndbox>{SIDES}</bndbox>',
        f'<robndbox>{CORNERS}{SIDES}</robndbox>',
    ],
)
def test_object_with_both_boxes_keeps_both(boxes):
    (box,) = parse(f'<name>ship</name>{boxes}').boxes
    np.testing.assert_array_equal(box.hbox, [3, 4, 20, 30])
    np.testing.assert_array_equal(box.polygon, POLYGON)


@pytest.mark.parametrize(
    ('angle', 'corners'),
    [
        (0, [[60, 45], [60, 55], [40, 55], [40, 45]]),
        (np.pi / 2, [[55, 60], [45, 60], [45, 40], [55, 40]]),
        (np.pi / 6, [[61.16, 50.67], [56.16, 59.33], [38.84, 49.33], [43.84, 40.67]]),
    ],
)
def test_rolabelimg_turns_clockwise(angle, corners):
    box = f'<cx>50</cx><cy>50</cy><w>20</w><h>10</h><angle>{angle}</angle>'
    (label,) = parse(f'<type>robndbox</type><name>ship</name><robndbox>{box}</robndbox>').boxes
    found, wanted = label.polygon.tolist(), np.array(corners).tolist()
    np.testing.assert_allclose(sorted(found), sorted(wanted), atol=0.01)
    assert label.hbox is None


def test_parts_are_no_boxes():
    part = f'<part><name>head</name><bndbox>{SIDES.replace("20", "9")}</bndbox></part>'
    (box,) = parse(f'<name>person</name>{part}<bndbox>{SIDES}</bndbox>').boxes
    assert (box.category, box.hbox[2]) == ('person', 20)


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        (f'<name>ship</name><bndbox>{SIDES}</bndbox><bndbox>{SIDES}</bndbox>', 'has 2 <bndbox>'),
        (
            '<name>ship</name><robndbox><cx>5</cx><cy>5</cy><w>2</w><h>1</h><angle>45</angle>'
            '</robndbox>',
            '<angle> is 45; it is in radians',
        ),
        (
            '<name>ship</name><robndbox><cx>5</cx><cy>5</cy><w>2</w></robndbox>',
            'lacks <h>, <angle>',
        ),
        (f'<bndbox>{SIDES}</bndbox>', 'no <name>'),
        (f'<name/><bndbox>{SIDES}</bndbox>', 'an empty <name>'),
        ('<name>ship</name>', 'no <bndbox> or <robndbox>'),
        ('<name>ship</name><bndbox/>', 'no <bndbox> or <robndbox>'),
        ('<name>ship</name><bndbox><xmin>3</xmin></bndbox>', 'lacks <ymin>, <xmax>, <ymax>'),
        (
            f'<name>ship</name><bndbox>{SIDES.replace("20", "2O")}</bndbox>',
            "<xmax> is '2O', not a number",
        ),
    ],
)
def test_bad_object_is_a_problem_and_the_rest_is_kept(text, message):
    labels = parse(text, f'<name>ship</name><bndbox>{SIDES}</bndbox>')
    assert [box.box_id for box in labels.boxes] == ['Annotations/1.xml:3']
    (problem,) = labels.problems
    assert problem.box_id == 'Annotations/1.xml:2'
    assert message in problem.message


def test_objects_on_one_line_get_distinct_ids():
    text = f'<object><name>ship</name><bndbox>{SIDES}</bndbox></object>'
    labels = parse_voc(f'<annotation>{text}{text}<object/></annotation>'.encode(), 'a.xml')
    assert [box.box_id for box in labels.boxes] == ['a.xml:1', 'a.xml:1.2']
    assert [problem.box_id for problem in labels.problems] == ['a.xml:1.3']


def test_no_objects():
    assert parse().boxes == []


def test_other_xml_is_refused():
    with pytest.raises(LabelReadError, match='root element'):
        parse_voc(b'<HRSC_Image/>', 'a.xml')


@given(st.lists(st.floats(width=64), min_size=4, max_size=4))
def test_any_float_survives(values):
    tags = ('xmin', 'ymin', 'xmax', 'ymax')
    sides = ''.join(f'<{t}>{v!r}</{t}>' for t, v in zip(tags, values, strict=True))
    (box,) = parse(f'<name>ship</name><bndbox>{sides}</bndbox>').boxes
    np.testing.assert_array_equal(np.sort(box.hbox), np.sort(values))


def test_difficult_truncated_and_occluded_are_kept_as_flags():
    marks = '<difficult>1</difficult><truncated> 1 </truncated><occluded>0</occluded>'
    odd = '<difficult/><truncated>Unspecified</truncated><pose>Left</pose>'
    flagged, plain = parse(
        *(f'<name>dam</name><bndbox>{SIDES}</bndbox>{each}' for each in (marks, odd))
    ).boxes
    assert (flagged.flags, flagged.notes) == (dict(difficult=1, truncated=1), ())
    assert plain.flags == {}
    assert plain.notes == ("<truncated> is 'Unspecified', no whole number: not kept",)


@pytest.mark.parametrize(
    ('text', 'size'),
    [
        ('<size><width>800</width><height>600</height><depth>3</depth></size>', (800, 600)),
        ('<size><width> 800.0 </width><height>600</height></size>', (800, 600)),
        ('<size><width>0</width><height>0</height></size>', None),
        ('<size><width>800</width></size>', None),
        ('<size><width>-8</width><height>nan</height></size>', None),
        ('<size><width>1e999</width><height>6</height></size>', None),
        ('<size/>', None),
        ('', None),
    ],
)
def test_the_size_that_labels_are_for(text, size):
    assert parse_voc(f'<annotation>{text}</annotation>'.encode(), 'a.xml').size == size


def test_corners_row_by_row_are_put_in_order():
    values = (1, 1, 9, 1, 1, 5, 9, 5)
    names = ('left_top', 'right_top', 'right_bottom', 'left_bottom')
    tags = [f'{axis}_{corner}' for corner in names for axis in 'xy']
    sides = ''.join(f'<{t}>{v}</{t}>' for t, v in zip(tags, values, strict=True))
    (box,) = parse(f'<name>ship</name><robndbox>{sides}</robndbox>').boxes
    np.testing.assert_array_equal(box.polygon, [(1, 1), (9, 1), (9, 5), (1, 5)])
    assert box.notes


def test_the_rotation_of_cvat_makes_an_oriented_box():
    turn = '<attribute><name>rotation</name><value>{}</value></attribute>'
    box = '<bndbox><xmin>10</xmin><ymin>20</ymin><xmax>50</xmax><ymax>30</ymax></bndbox>'
    more = f'<name>ship</name><occluded>1</occluded>{box}<attributes>{turn}</attributes>'
    labels = parse(more.format('90.0'), more.format('0.0'), more.format('left'))
    slanted, *upright = labels.boxes
    assert slanted.hbox is None
    bounds = [*slanted.polygon.min(axis=0), *slanted.polygon.max(axis=0)]
    np.testing.assert_allclose(bounds, [25, 5, 35, 45])
    assert 'turned by 90 degrees' in slanted.notes[0]
    assert slanted.flags == dict(occluded=1)
    for other in upright:
        np.testing.assert_array_equal(other.hbox, [10, 20, 50, 30])
        assert (other.polygon, other.notes) == (None, ())


def test_objects_that_stand_elsewhere_are_no_empty_file():
    text = '<annotation>\n<objects><object><name>A</name></object></objects></annotation>'
    with pytest.raises(LabelReadError, match=r'1\.xml:2: <object> is not in annotation/object'):
        parse_voc(text.encode(), '1.xml')
    assert not parse_voc(b'<annotation><objects/></annotation>', '1.xml').problems
