"""What the page asks, and what it is answered."""

import io

import numpy as np
import pytest
from PIL import Image
from reviewed import client_of

from samrs_mm.core import masks
from samrs_mm.core.atomic import atomic_write
from samrs_mm.core.errors import RefusedError
from samrs_mm.formats.corrections.actions import Corrections
from samrs_mm.review.server import app as app_module
from samrs_mm.review.server.prompting import Prompter

pytest.importorskip('starlette', reason='needs starlette, see requirements/tests.txt')


@pytest.fixture
def client(session):
    return client_of(session)


def image_of(client, stem='P0000'):
    return client.get('/api/image', params=dict(stem=stem)).json()


def ask(client, what, box, stem='P0000', **more):
    asked = dict(stem=stem, box_id=box['box_id'], mask=box['mask'], seconds=1.5)
    return client.post(f'/api/{what}', json=asked | more)


def test_the_folder(client):
    found = client.get('/api/folder').json()
    assert [each['name'] for each in found['classes']] == ['plane', 'ship', 'small-vehicle']
    assert found['classes'][0]['colour'].startswith('#')
    assert found['progress'] == dict(total=7, decided=0, seconds_per_mask=None)
    assert (found['name'], found['by'], found['statuses']) == ('out', 'ann', ['kept'])


def test_the_queue_in_pages(client, session):
    first = client.get('/api/queue', params=dict(limit=3)).json()
    rest = client.get('/api/queue', params=dict(start=first['next'])).json()
    ids = [item['box_id'] for item in first['items'] + rest['items']]
    assert ids == [item.box_id for item in session.queue.items]
    assert rest['next'] is None
    ships = client.get('/api/queue', params=dict(choice='all', category='ship')).json()['items']
    assert {item['category'] for item in ships} == {'ship'}


def test_an_image_with_its_masks(client, session):
    found, record = image_of(client), session.record('P0000')
    assert (found['width'], found['height'], found['path']) == (128, 96, 'images/P0000.png')
    assert [box['counts'] for box in found['boxes']] == [
        box.segmentation['counts'] for box in record.boxes
    ]
    assert found['boxes'][0]['polygon'] == record.boxes[0].polygon


def test_a_picture_in_pieces(client, place):
    answer = client.get('/api/piece', params=dict(stem='P0000'))
    assert answer.headers['content-type'] == 'image/jpeg'
    pixels = np.asarray(Image.open(io.BytesIO(answer.content))).astype(int)
    true = np.asarray(Image.open(place / 'dota/images/P0000.png'))
    assert np.abs(pixels - true).mean() < 4
    beyond = client.get('/api/piece', params=dict(stem='P0000', column=1))
    assert (beyond.status_code, 'beyond the picture' in beyond.json()['error']) == (400, True)


def test_decisions_and_their_undoing(client, session):
    first, second, third = image_of(client)['boxes']
    found = ask(client, 'decide', first, action='accept').json()
    assert found['boxes'][0]['edited'] == ['accept']
    assert found['progress'] == dict(total=7, decided=1, seconds_per_mask=1.5)
    assert ask(client, 'decide', second, action='reject').json()['boxes'][1]['status'] == 'rejected'
    found = ask(client, 'decide', third, action='class', value='ship').json()
    assert found['boxes'][2]['category'] == 'ship'
    found = ask(client, 'undo', second).json()
    assert (found['boxes'][1]['status'], found['progress']['decided']) == ('kept', 2)
    actions = Corrections.load(session.out.corrections('P0000')).actions
    assert [each.action for each in actions] == ['accept', 'reject', 'class', 'undo']
    decided = client.get('/api/queue', params=dict(choice='decided')).json()['items']
    assert {item['box_id'] for item in decided} == {first['box_id'], third['box_id']}


@pytest.mark.parametrize('value', [1, 'ship', ['ship'], {'a': 1}])
def test_a_value_with_what_takes_none_is_said_in_a_line(client, session, value):
    answer = ask(client, 'decide', image_of(client)['boxes'][0], action='accept', value=value)
    assert answer.status_code == 409
    assert "; not a value of 'accept'" in answer.json()['error']
    assert not session.out.corrections('P0000').exists()


def runs_of(mask):
    """Run lengths column by column, as the page sends them."""
    flat = mask.ravel(order='F').astype(int)
    edges = np.flatnonzero(np.diff(flat, prepend=0))
    return np.diff([0, *edges, flat.size]).tolist()


@pytest.fixture(scope='module')
def prompter():
    found = Prompter('boxnet', dict(threads=1, device='cpu'))
    found.load()
    return found


def test_a_mask_is_made_by_clicks_and_then_saved(session, prompter):
    client = client_of(session, prompter=prompter)
    assert client.get('/api/folder').json()['segmentor'] == 'boxnet'
    box = image_of(client)['boxes'][0]
    x, y, width, height = box['bbox']
    clicks = [[x + width / 2, y + height / 2, 1]]
    asked = dict(stem='P0000', clicks=clicks, runs=runs_of(mask_in(box)))
    first = client.post('/api/prompt', json=asked).json()
    assert first['seconds'] > 0
    second = dict(stem='P0000', clicks=[*clicks, [1, 1, 0]], answer=first['answer'])
    found = client.post('/api/prompt', json=second).json()
    assert found['answer'] != first['answer']
    assert not session.out.corrections('P0000').exists()  # nothing is saved by clicks
    mask = masks.decode(dict(size=[96, 128], counts=found['counts']))
    assert masks.bbox(dict(size=[96, 128], counts=found['counts'])) == found['bbox']
    answer = ask(client, 'mask', box, runs=runs_of(mask)).json()
    assert answer['boxes'][0]['counts'] == found['counts']
    assert answer['boxes'][0]['edited'] == ['mask']


def mask_in(box):
    return masks.decode(dict(size=[96, 128], counts=box['counts']))


def test_an_object_more_by_a_box(session, prompter):
    client = client_of(session, prompter=prompter)
    found = client.post('/api/prompt', json=dict(stem='P0001', box=[20, 20, 60, 60])).json()
    mask = masks.decode(dict(size=[96, 128], counts=found['counts']))
    asked = dict(stem='P0001', category='ship', runs=runs_of(mask), seconds=2)
    answer = client.post('/api/add', json=asked).json()
    assert answer['boxes'][-1]['box_id'] == answer['added']
    assert answer['boxes'][-1]['status'] == 'added'
    undone = client.post('/api/undo', json=dict(stem='P0001', box_id=answer['added'])).json()
    assert answer['added'] not in [box['box_id'] for box in undone['boxes']]


@pytest.mark.parametrize(
    ('asked', 'status', 'words'),
    [
        (dict(clicks=[[5, 5, 0]]), 400, 'one on the object is needed'),
        (dict(clicks=[[500, 5, 1]]), 400, 'lies outside the 128 x 96 px image'),
        (dict(clicks=[[1, 2]]), 400, 'rows of x, y and 1 or 0'),
        (dict(clicks='all'), 400, "clicks is 'all'"), (dict(clicks={'a': 1}), 400, 'clicks is'),
        (dict(clicks=[[1, 1, 1]] * 1001), 400, '1000 at most'),
        (dict(clicks=[['a', None, 1]]), 400, 'rows of x, y'),
        (dict(box=[5, 5, 5, 9]), 400, 'is empty'), (dict(box='here'), 400, 'or four corners'),
        (dict(clicks=[[5, 5, 1]], answer=7), 400, 'answer is 7'),
        (dict(clicks=[[5, 5, 1]], runs=[3, 4]), 400, '7 pixels; the image has 128 x 96'),
        (dict(clicks=[[5, 5, 1]], runs=[-1, 12289]), 400, 'expected a list of run lengths'),
        (dict(clicks=[[5, 5, 1]], runs=[True, 12287]), 400, 'expected a list of run lengths'),
        (dict(stem='P0009', clicks=[[5, 5, 1]]), 404, 'no image'),
    ],
)  # fmt: skip
def test_clicks_that_cannot_be(session, prompter, asked, status, words):
    client = client_of(session, prompter=prompter)
    answer = client.post('/api/prompt', json=dict(stem='P0000') | asked)
    assert answer.status_code == status, answer.text
    assert words in answer.json()['error']


def test_runs_of_length_none_are_taken(session):
    client = client_of(session)
    box = image_of(client)['boxes'][0]
    runs = [0, 0, 5, 4, 0, 3, 96 * 128 - 12]
    answer = ask(client, 'mask', box, runs=runs).json()
    mask = mask_in(answer['boxes'][0])
    expected = np.zeros(96 * 128, bool)
    expected[5:12] = True
    np.testing.assert_array_equal(mask.ravel(order='F'), expected)


def test_a_segmentor_that_is_not_loaded_yet(session):
    client = client_of(session, prompter=Prompter('boxnet'))
    answer = client.post('/api/prompt', json=dict(stem='P0000', clicks=[[5, 5, 1]]))
    assert answer.status_code == 503
    assert answer.json()['error'] == 'boxnet is still being loaded; click again in a moment'


def test_two_pages_on_one_mask(client, session):
    """The second one is told, whatever the first one did."""
    first = image_of(client)['boxes'][0]
    assert ask(client, 'decide', first, action='accept').status_code == 200
    answer = ask(client, 'decide', first | dict(mask='0' * 16), action='reject')
    assert answer.status_code == 409
    assert answer.json()['error'].startswith('two edits of labelTxt/P0000.txt:1')
    assert ask(client, 'undo', first).status_code == 200
    answer = ask(client, 'undo', first)
    assert (answer.status_code, 'nothing to take back' in answer.json()['error']) == (409, True)


@pytest.mark.parametrize(
    ('path', 'status', 'words'),
    [
        ('/api/image?stem=../../etc/passwd', 404, "no image '../../etc/passwd'"),
        ('/api/image?stem=P0000/../P0000', 404, 'no image'),
        ('/api/image?stem=/etc/passwd', 404, 'no image'),
        ('/api/piece?stem=..%2Fdota', 404, 'no image'),
        ('/api/image', 400, 'stem is None; expected text'),
        ('/api/piece?stem=P0000&level=-1', 400, "level is '-1'; expected 0 to 12"),
        ('/api/piece?stem=P0000&column=1e9', 400, "column is '1e9'"),
        (f'/api/piece?stem=P0000&row={"9" * 5000}', 400, 'row is'),
        ('/api/queue?start=x', 400, "start is 'x'"),
        ('/api/queue?choice=some', 400, "choice is 'some'; allowed: open, decided, all"),
        ('/api/queue?limit=1000000', 400, 'expected 1 to 1000'),
        ('/page/../session.py', 404, 'no such thing'),
        ('/page/%2e%2e/session.py', 404, 'no such thing'),
        ('/page//etc/passwd', 404, 'no such thing'),
        ('/api/decide', 405, 'GET /api/decide'),
        ('/nothing', 404, 'no such thing'),
    ],
)
def test_what_cannot_be_answered_is_said_in_a_line(client, path, status, words):
    answer = client.get(path)
    assert answer.status_code == status, answer.text
    assert words in answer.json()['error']
    assert '\n' not in answer.json()['error']


@pytest.mark.parametrize(
    ('body', 'words'),
    [
        (b'', 'not JSON'), (b'{', 'not JSON'), (b'[' * 100_000, 'not JSON'),
        (b'[1]', 'expected a JSON object'), (b'{}', 'stem is None'),
        (b'{"stem": 1}', 'stem is 1; expected text'),
        (b'{"stem": "P0000", "box_id": "a", "action": "accept", "mask": "m", "seconds": NaN}',
         'seconds is nan'),
        (b'{"stem": "P0000", "box_id": "a", "action": "accept", "mask": "m", "seconds": -1}',
         'seconds is -1'),
        (b'{"stem": "P0000", "box_id": "a", "action": "accept", "mask": "m", "seconds": true}',
         'seconds is True'),
    ],
)  # fmt: skip
def test_requests_that_are_none(client, session, body, words):
    answer = client.post('/api/decide', content=body)
    assert answer.status_code == 400
    assert words in answer.json()['error']
    assert not session.out.corrections('P0000').exists()


def test_a_full_disk_is_said_and_nothing_is_half_written(client, session, monkeypatch):
    first, second, _ = image_of(client)['boxes']
    ask(client, 'decide', first, action='accept')
    before = session.out.corrections('P0000').read_bytes()

    def full(path, data):
        raise OSError(28, 'No space left on device', str(path))

    monkeypatch.setattr('samrs_mm.formats.corrections.actions.atomic_write', full)
    answer = ask(client, 'decide', second, action='reject')
    assert answer.status_code == 507
    assert answer.json()['error'].endswith('P0000.json: No space left on device')
    assert session.out.corrections('P0000').read_bytes() == before
    monkeypatch.setattr('samrs_mm.formats.corrections.actions.atomic_write', atomic_write)
    assert image_of(client)['boxes'][1]['edited'] == []
    assert ask(client, 'decide', second, action='reject').status_code == 200


def test_all_parts_of_the_page_are_there(client):
    page = client.get('/').text
    for name in app_module._parts():
        answer = client.get(f'/page/{name}')
        assert answer.status_code == 200
        assert answer.headers['content-type'].startswith('text/')
    for name in ('review.css', 'main.js'):
        assert f'/page/{name}' in page


def test_without_starlette_one_line_says_how_to_get_it(session, monkeypatch):
    monkeypatch.setitem(__import__('sys').modules, 'starlette.applications', None)
    with pytest.raises(RefusedError, match='pip install starlette uvicorn'):
        app_module.make_app(session, 'token', 1)
