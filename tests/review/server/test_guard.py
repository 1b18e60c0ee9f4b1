"""Only pages of this server, and programs that know its token, are answered."""

import pytest
from reviewed import PORT, TOKEN, client_of

from samrs_mm.review.server import guard

pytest.importorskip('starlette', reason='needs starlette, see requirements/tests.txt')
DATA = '/api/folder'


@pytest.fixture
def client(session):
    return client_of(session)


def test_with_the_token_it_answers_under_both_names(client):
    for name in ('127.0.0.1', 'localhost'):
        host = f'{name}:{PORT}'
        about = {'Host': host, 'Origin': f'http://{host}'}
        assert client.get(DATA, headers=about).status_code == 200


@pytest.mark.parametrize('path', [DATA, '/api/queue', '/api/piece?stem=P0000', '/api/nothing'])
@pytest.mark.parametrize('given', [{}, {'Authorization': 'Bearer another'}, {'Token': 'a tokem'}])
def test_without_the_token_it_does_not(session, path, given):
    client = client_of(session)
    del client.headers['Authorization']
    answer = client.get(path, headers=given)
    assert answer.status_code == 401
    assert answer.json() == dict(
        error='no token, or another: open the address that review.py printed'
    )


def test_nothing_is_decided_without_the_token(session):
    client = client_of(session, token='another')
    box = session.record('P0000').boxes[0]
    asked = dict(stem='P0000', box_id=box.box_id, action='reject', mask='')
    assert client.post('/api/decide', json=asked).status_code == 401
    assert not session.out.corrections('P0000').exists()


def test_the_page_itself_needs_no_token_and_holds_no_data(session):
    client = client_of(session, token='')
    answer = client.get('/')
    assert answer.status_code == 200
    assert 'P0000' not in answer.text
    assert TOKEN not in answer.text


@pytest.mark.parametrize(
    'host', ['evil.example:8321', '127.0.0.1:80', '127.0.0.1', 'localhost.evil.example:8321', '']
)
def test_names_that_others_gave_this_machine_are_refused(client, host):
    """A page of evil.example may have it resolve to 127.0.0.1."""
    for path in ('/', DATA):
        answer = client.get(path, headers={'Host': host})
        assert answer.status_code == 421
        assert host in answer.json()['error']


@pytest.mark.parametrize('origin', ['http://evil.example', 'null', 'http://127.0.0.1:80', ''])
def test_pages_of_other_origins_are_refused(client, origin):
    answer = client.get(DATA, headers={'Origin': origin})
    assert answer.status_code == 403
    assert 'only its own page may ask this' in answer.json()['error']


def test_no_answer_is_kept_framed_or_given_to_other_origins(client):
    for path in ('/', '/page/main.js', DATA, '/api/piece?stem=P0000'):
        headers = client.get(path).headers
        assert headers['cache-control'] == 'no-store'
        assert "default-src 'none'" in headers['content-security-policy']
        assert "frame-ancestors 'none'" in headers['content-security-policy']
        assert headers['x-content-type-options'] == 'nosniff'
        assert 'access-control-allow-origin' not in headers


def test_what_is_too_large_is_not_read(client, monkeypatch):
    monkeypatch.setattr(guard, 'MOST', 100)
    answer = client.post('/api/decide', content=b' ' * 101)
    assert (answer.status_code, 'at most 100 bytes' in answer.json()['error']) == (413, True)

    def pieces():  # without a length
        yield from [b' ' * 60] * 3

    answer = client.post('/api/decide', content=pieces())
    assert answer.status_code == 413
    assert client.post('/api/decide', content=b' ' * 99).status_code == 400


def test_a_length_that_is_none_is_refused(client):
    assert client.get(DATA, headers={'Content-Length': '-1'}).status_code == 413
