"""One server a folder, one a port, and many requests at once."""

import http.client
import json
import logging
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from samrs_mm.core.errors import RefusedError
from samrs_mm.review.server import serving

uvicorn = pytest.importorskip('uvicorn', reason='needs uvicorn, see requirements/tests.txt')


def test_two_servers_on_one_folder_are_refused(place):
    with serving.reviewed_alone(place / 'out'):
        with (
            pytest.raises(RefusedError, match=r'another review\.py is at work in this folder'),
            serving.reviewed_alone(place / 'out'),
        ):
            pass
    with serving.reviewed_alone(place / 'out'):
        pass


def test_a_folder_that_cannot_be_written_to_is_refused(place, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, 'Permission denied')

    monkeypatch.setattr(serving.Path, 'mkdir', refuse)
    with (
        pytest.raises(RefusedError, match='corrections: cannot write there: Permission denied'),
        serving.reviewed_alone(place / 'out'),
    ):
        pass


def test_a_port_in_use_is_said():
    with serving.listen(0) as first:
        port = first.getsockname()[1]
        with pytest.raises(RefusedError, match=f'--port {port}: Address already in use; choose'):
            serving.listen(port)
    serving.listen(port).close()


@pytest.mark.parametrize('port', [-1, 70000])
def test_a_port_that_is_none_is_said(port):
    with pytest.raises(RefusedError, match=f'--port {port}: '):
        serving.listen(port)


def test_a_token_from_a_file_is_the_same_at_every_start(tmp_path):
    path = tmp_path / 'token'
    first = serving.token_of(path)
    assert (len(first) > 20, path.stat().st_mode & 0o777) == (True, 0o600)
    assert serving.token_of(path) == first
    path.write_text('short')
    with pytest.raises(RefusedError, match='token: not a token of 16 or more letters'):
        serving.token_of(path)
    with pytest.raises(RefusedError, match='No such file or directory'):
        serving.token_of(tmp_path / 'none/token')


def test_nobody_else_on_the_network_can_ask():
    with serving.listen(0) as found:
        assert found.getsockname()[0] == '127.0.0.1'


@pytest.fixture
def running(session, monkeypatch):
    """A server in a thread; yields its port and its token."""
    stopped = []

    class Server(uvicorn.Server):
        def install_signal_handlers(self):
            """A thread has none."""

        def run(self, sockets=None):
            stopped.append(self)
            super().run(sockets)

    monkeypatch.setattr(uvicorn, 'Server', Server)
    listening, told = serving.listen(0), []
    thread = threading.Thread(target=serving.serve, args=(session, listening, told.append))
    thread.start()
    while not told or not stopped or not stopped[0].started:
        assert thread.is_alive()
        time.sleep(0.01)
    address, _, token = told[0].partition('#')
    yield int(address.rstrip('/').rpartition(':')[2]), token
    stopped[0].should_exit = True
    thread.join(10)
    assert not thread.is_alive()
    listening.close()


def asked(port, token, times=1):
    """Ask so many times on one connection; return the statuses."""
    connection, found = http.client.HTTPConnection('127.0.0.1', port, timeout=30), []
    for _ in range(times):
        connection.request('GET', '/api/queue?limit=1', headers={'Token': token})
        answer = connection.getresponse()
        body = answer.read()
        found.append(answer.status)
        assert answer.status != 200 or len(json.loads(body)['items']) == 1
    connection.close()
    return found


def test_thousands_of_requests_are_answered(running):
    with ThreadPoolExecutor(32) as pool:
        found = list(pool.map(lambda _: asked(*running, 60), range(32)))
    assert found == [[200] * 60] * 32


def test_more_at_once_than_it_takes_are_told_to_come_again(running):
    port, token = running
    crowd = [socket.create_connection(('127.0.0.1', port)) for _ in range(serving._AT_ONCE)]
    for each in crowd:
        each.sendall(b'GET /api/folder HTTP/1.1\r\n')  # and no more
    deadline = time.monotonic() + 20
    while asked(port, token) != [503]:
        assert time.monotonic() < deadline
    for each in crowd:
        each.close()
    while asked(port, token) != [200]:
        assert time.monotonic() < deadline


def test_the_token_is_another_at_every_start(running, session):
    _, token = running
    assert len(token) > 20


def test_log_files_of_the_process_stay_open(session, monkeypatch, tmp_path):
    monkeypatch.setattr(uvicorn.Server, 'run', lambda *_, **__: None)
    handler = logging.FileHandler(tmp_path / 'run.log')
    with serving.listen(0) as listening:
        serving.serve(session, listening, str)
    assert handler.stream is not None
    handler.close()
