import numpy as np
import pytest

from samrs_mm.core.errors import LabelReadError
from samrs_mm.formats.boxes.hrsc import parse_hrsc

H_BOX = '<box_xmin>4</box_xmin><box_ymin>6</box_ymin><box_xmax>40</box_xmax><box_ymax>50</box_ymax>'
R_BOX = (
    '<mbox_cx>22.5</mbox_cx><mbox_cy>28</mbox_cy><mbox_w>50.25</mbox_w><mbox_h>12</mbox_h>'
    '<mbox_ang>{}</mbox_ang>'
)


def parse(*objects, encoding='utf-8', head=''):
    lines = [f'<HRSC_Object>{text}</HRSC_Object>' for text in objects]
    body = '\n'.join(['<HRSC_Image><HRSC_Objects>', *lines, '</HRSC_Objects></HRSC_Image>'])
    return parse_hrsc((head + body).encode(encoding), 'FullDataSet/Annotations/1.xml')


@pytest.mark.parametrize('angle', [-1.25, 1.5, 0.0])
def test_both_boxes_are_kept_and_the_angle_is_taken_as_it_stands(angle):
    (box,) = parse(f'<Class_ID>100000013</Class_ID>{H_BOX}{R_BOX.format(angle)}').boxes
    assert box.category == 'ship'
    assert box.box_id == 'FullDataSet/Annotations/1.xml:2'
    np.testing.assert_array_equal(box.hbox, [4, 6, 40, 50])
    np.testing.assert_array_equal(box.rotated, [22.5, 28, 50.25, 12, angle])
    assert box.polygon is None


@pytest.mark.parametrize(
    'colour', ['', '<seg_color>\n</seg_color>', '<seg_color/>', '<seg_color>9,8,7</seg_color>']
)
def test_seg_color_never_matters(colour):
    labels = parse(f'{H_BOX}{R_BOX.format(0.5)}{colour}')
    assert len(labels.boxes) == 1
    assert not labels.problems


def test_object_with_one_of_the_boxes():
    empty = '<mbox_cx/><mbox_cy/><mbox_w/><mbox_h/><mbox_ang/>'
    h_only, r_only, h_only_too = parse(H_BOX, R_BOX.format(1), H_BOX + empty).boxes
    assert h_only.rotated is None
    assert r_only.hbox is None
    assert h_only_too.rotated is None


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('<Class_ID>100000001</Class_ID>', 'neither'),
        (H_BOX + '<mbox_cx>3</mbox_cx>', 'lacks <mbox_cy>'),
        (H_BOX + R_BOX.format('up'), "<mbox_ang> is 'up', not a number"),
    ],
)
def test_bad_object_is_a_problem_and_the_rest_is_kept(text, message):
    labels = parse(text, H_BOX)
    assert len(labels.boxes) == 1
    assert message in labels.problems[0].message


@pytest.mark.parametrize('head', ['', '<?xml version="1.0" encoding="gb2312"?>\n'])
def test_gb2312(head):
    labels = parse(f'<Img_Location>舟山港</Img_Location>{H_BOX}', encoding='gb2312', head=head)
    assert len(labels.boxes) == 1


@pytest.mark.parametrize('objects', ['<HRSC_Objects/>', ''])
def test_no_objects(objects):
    labels = parse_hrsc(f'<HRSC_Image>{objects}</HRSC_Image>'.encode(), '1.xml')
    assert labels.boxes == []
    assert labels.problems == []


def test_other_xml_is_refused():
    with pytest.raises(LabelReadError, match='expected <HRSC_Image>'):
        parse_hrsc(b'<annotation/>', '1.xml')
