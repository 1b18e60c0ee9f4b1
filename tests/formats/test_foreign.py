import json

import pytest

from samrs_mm.formats.foreign import foreign_file, foreign_format

COCO = dict(images=[dict(id=1, file_name='a.png')], annotations=[], categories=[])


@pytest.mark.parametrize(
    ('content', 'tool'),
    [
        (dict(version='5.4', flags={}, shapes=[], imagePath='a.png'), 'LabelMe or X-AnyLabeling'),
        ([dict(id=1, data=dict(image='a.png'), annotations=[dict(result=[])])], 'Label Studio'),
        ([dict(image='a.png', id=1, label=[dict(x=1, rectanglelabels=['a'])])], 'Label Studio'),
        (dict(info={}, categories=dict(label={}), items=[dict(id='a', annotations=[])]), 'CVAT'),
        (dict(_via_settings={}, _via_img_metadata={}), 'VGG Image Annotator'),
        ({'a.png1': dict(filename='a.png', size=1, regions=[])}, 'VGG Image Annotator'),
        ([dict(image_id=1, category_id=1, bbox=[0, 0, 1, 1], score=0.5)], 'list of COCO results'),
        ([dict(image='a.png', annotations=[])], 'CreateML'),
        (dict(type='FeatureCollection', features=[]), 'GeoJSON'),
    ],
)
def test_formats_are_known_by_their_keys(content, tool, tmp_path):
    path = tmp_path / 'labels.json'
    path.write_text('\ufeff' + json.dumps(content), encoding='utf-8')
    assert tool in foreign_file(path)


def test_xml_is_told_apart():
    assert "CVAT's XML" in foreign_format('<?xml version="1.0"?>\n<annotations><meta><task>')
    assert '--from voc' in foreign_format('<annotation><folder>x</folder>')


@pytest.mark.parametrize('text', ['', '{', '[]', 'ship', json.dumps(COCO), '{"images": [{"id": 1'])
def test_coco_and_what_is_unknown_say_nothing(text):
    assert foreign_format(text) == ''


def test_a_file_that_is_not_there(tmp_path):
    assert foreign_file(tmp_path / 'no.json') == ''
