"""X-AnyLabeling's requests, as its own ``remote_server.py`` (4.2.1) makes them."""

import base64
import io

import numpy as np
import pytest
from PIL import Image
from reviewed import TOKEN, client_of
from sam_cases import scene

from samrs_mm.core import masks
from samrs_mm.review.server import xanylabeling
from samrs_mm.review.server.prompting import Prompter
from samrs_mm.review.server.xanylabeling import shapes_of

pytest.importorskip('starlette', reason='needs starlette, see requirements/tests.txt')
POINT = dict(type='point', data=[40, 52], label=1)


@pytest.fixture(scope='module')
def prompter():
    found = Prompter('boxnet', dict(threads=1, device='cpu'))
    found.load()
    return found


@pytest.fixture
def client(session, prompter):
    found = client_of(session, prompter=prompter)
    del found.headers['Authorization']
    found.headers['Token'] = TOKEN
    return found


@pytest.fixture(scope='module')
def pixels():
    return scene(96, 128)[0]


def uri(pixels, kind='png'):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return f'data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}'


def predict(client, image, *marks, **params):
    asked = dict(conf_threshold=0.0, iou_threshold=0.0, epsilon_factor=0.0)
    asked |= dict(marks=list(marks)) if marks else {}
    body = dict(model='boxnet', image=image, params=asked | params)
    return client.post('/v1/predict', json=body)


def filled(shapes, height=96, width=128):
    found = [masks.fill_polygon(np.array(s['points']), height, width) for s in shapes]
    return np.logical_or.reduce(found)


def test_the_models_are_the_segmentor_of_the_server(client):
    found = client.get('/v1/models').json()['data']
    assert list(found) == ['boxnet']
    assert found['boxnet']['display_name'] == 'samrs_mm: boxnet'
    names = [widget['name'] for widget in found['boxnet']['widgets']]
    assert {'button_add_point', 'button_remove_point', 'button_add_rect'} <= set(names)
    assert found['boxnet']['batch_processing_mode'] is None


def test_shapes_are_the_segmentors_mask(client, prompter, pixels):
    beside = dict(type='point', data=[5, 5], label=0)
    answer = predict(client, uri(pixels), POINT, beside).json()['data']
    picture = xanylabeling.SentPicture(pixels)
    expected = prompter.click('own', picture, [[40, 52, 1], [5, 5, 0]])
    assert {shape['label'] for shape in answer['shapes']} == {'AUTOLABEL_OBJECT'}
    assert {shape['shape_type'] for shape in answer['shapes']} == {'polygon'}
    assert answer['shapes'][0]['score'] == pytest.approx(expected.score)
    assert answer['replace'] is False
    np.testing.assert_array_equal(filled(answer['shapes']), expected.mask)


def test_rectangles_are_boxes_in_any_order_of_corners(client, prompter, pixels):
    rectangle = dict(type='rectangle', data=[70, 60, 30, 40], label=1)
    answer = predict(client, uri(pixels), rectangle).json()['data']
    picture = xanylabeling.SentPicture(pixels)
    expected = prompter.click('own', picture, [], [30, 40, 70, 60])
    np.testing.assert_array_equal(filled(answer['shapes']), expected.mask)
    two = [dict(rectangle, data=[30, 40, 40, 50]), dict(rectangle, data=[60, 45, 70, 60])]
    again = predict(client, uri(pixels), *two).json()['data']
    assert again == answer
    away = dict(type='rectangle', data=[0, 0, 10, 10], label=0)
    taken = predict(client, uri(pixels), rectangle, away).json()['data']
    point = predict(client, uri(pixels), rectangle, dict(type='point', data=[5, 5], label=0))
    assert taken == point.json()['data']


def test_without_marks_there_are_no_shapes(client, pixels):
    assert predict(client, uri(pixels)).json()['data']['shapes'] == []


def test_polygons_are_simplified_as_asked(client, pixels):
    exact = predict(client, uri(pixels), POINT).json()['data']['shapes']
    simple = predict(client, uri(pixels), POINT, epsilon_factor=0.01).json()['data']['shapes']
    assert 3 <= len(simple[0]['points']) < len(exact[0]['points'])
    shared = (filled(exact) & filled(simple)).sum() / (filled(exact) | filled(simple)).sum()
    assert shared > 0.8


def test_tiny_masks_stay_polygons():
    mask = np.zeros((20, 20), bool)
    mask[3, 4] = mask[10:12, 10:12] = True
    shapes = shapes_of(mask, None, 0.9)
    assert [len(shape['points']) > 2 for shape in shapes] == [True, True]
    assert shapes_of(np.zeros((4, 4), bool), None, 0) == []


def test_a_picture_is_decoded_and_encoded_once(client, pixels, monkeypatch):
    decoded = []
    true = xanylabeling._decoded
    monkeypatch.setattr(xanylabeling, '_decoded', lambda data: decoded.append(1) or true(data))
    for kind in ('png', 'png', 'bmp', 'png'):
        assert predict(client, uri(pixels, kind), POINT).status_code == 200
    assert len(decoded) == 2


@pytest.mark.parametrize(
    ('image', 'words'),
    [
        (None, 'image is None'), ('http://evil.example/a.png', 'expected data:image'),
        ('file:///etc/passwd', 'expected data:image'),
        ('data:image/png;base64,????', 'cannot read'),
        ('data:image/png;base64,' + base64.b64encode(b'no image').decode(), 'cannot read'),
        ('data:image/png;base64,', 'cannot read'), (7, 'image is 7'),
    ],
)  # fmt: skip
def test_pictures_that_are_none(client, image, words):
    answer = predict(client, image, POINT)
    assert answer.status_code == 400
    assert words in answer.json()['error']


def test_a_picture_cut_off_or_too_large_is_named(client, pixels, monkeypatch):
    cut = uri(pixels)[:-4000] + '===='[: len(uri(pixels)[:-4000]) % 4]
    assert predict(client, cut, POINT).status_code == 400
    monkeypatch.setattr(xanylabeling, 'MOST_PIXELS', 100)
    answer = predict(client, uri(pixels[::2]), POINT)
    assert 'image of 128 x 48 px; at most 100 pixels' in answer.json()['error']


@pytest.mark.parametrize(
    ('mark', 'words'),
    [
        ('here', 'expected a point or a rectangle'),
        (dict(type='auto_grid'), 'expected a point'),
        (dict(type='point', data=[1]), 'expected 2 numbers'),
        (dict(type='point', data=[1, '2']), 'expected 2 numbers'),
        (dict(type='rectangle', data=[1, 2]), 'expected 4 numbers'),
        (dict(type='point', data=[1, 2], label=2), 'label 0 or 1'),
        (dict(type='point', data=[500, 2], label=1), 'lies outside the 128 x 96 px image'),
        (dict(type='point', data=[5, 2], label=0), 'one on the object is needed'),
        (dict(type='rectangle', data=[5, 5, 5, 9], label=1), 'is empty'),
    ],
)
def test_marks_that_cannot_be(client, pixels, mark, words):
    answer = predict(client, uri(pixels), mark)
    assert answer.status_code == 400
    assert words in answer.json()['error']


@pytest.mark.parametrize(
    ('params', 'words'),
    [
        (dict(text_prompt='ship'), 'takes points and boxes, no text'),
        (dict(marks='all'), "marks is 'all'"), (dict(marks=[POINT] * 1001), 'at most 1000'),
        (dict(epsilon_factor='fine'), 'expected 0 to 1'), (dict(epsilon_factor=7), 'epsilon'),
    ],
)  # fmt: skip
def test_parameters_that_cannot_be(client, pixels, params, words):
    answer = predict(client, uri(pixels), POINT, **params)
    assert answer.status_code == 400
    assert words in answer.json()['error']


def test_other_models_and_requests_are_named(client, pixels):
    answer = client.post('/v1/predict', json=dict(model='yolo', image=uri(pixels), params={}))
    assert answer.json()['error'] == "model 'yolo': here is 'boxnet'"
    answer = client.post('/v1/predict', json=dict(model='boxnet', image=uri(pixels), params=[1]))
    assert 'params is [1]' in answer.json()['error']
    assert client.post('/v1/video/init', json={}).status_code == 404


def test_the_token_is_needed_here_too(client, session, prompter):
    other = client_of(session, prompter=prompter)
    other.headers['Authorization'] = ''
    for asked in (other.get('/v1/models'), other.post('/v1/predict', json={})):
        assert asked.status_code == 401
