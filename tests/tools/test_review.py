"""The review as a program: started, asked, killed, started again, ended."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys

import pytest
from folders import ROOT, load_tool
from map_cases import affine, box, on_map, write_layer, write_scene
from reviewed import annotated

from samrs_mm.formats.annotated.folder import AnnotatedFolder
from samrs_mm.formats.annotated.record import Record
from samrs_mm.formats.corrections.actions import Corrections
from samrs_mm.formats.corrections.shapes import mask_digest

pytest.importorskip('uvicorn', reason='needs uvicorn, see requirements/tests.txt')
TOOL = ROOT / 'tools/review.py'


class Program:
    """A review that runs, and a client of it."""

    def __init__(self, *argv):
        env = os.environ | dict(PYTHONPATH=os.pathsep.join(sys.path), OMP_NUM_THREADS='1')
        self.process = subprocess.Popen(
            [sys.executable, str(TOOL), *map(str, argv), '--port', '0'],
            env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self.lines = []
        while not self.lines or not self.lines[-1].startswith('page'):
            line = self.process.stdout.readline()
            assert line, self.process.communicate()
            self.lines.append(line)
        address, _, self.token = self.lines[-1].split()[1].partition('#')
        self.port = int(address.rstrip('/').rpartition(':')[2])

    def ask(self, method, path, **asked):
        connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=30)
        about = {'Authorization': f'Bearer {self.token}'}
        connection.request(method, path, json.dumps(asked) if asked else None, about)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())

    def decide(self, box, action):
        asked = dict(box_id=box['box_id'], mask=box['mask'], action=action, seconds=2)
        return self.ask('POST', '/api/decide', stem='P0000', **asked)[0]

    def end(self, number=signal.SIGINT):
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err


@pytest.fixture
def start(tmp_path):
    """Start a review; those that still run are ended."""
    annotated(tmp_path)
    started = []

    def run():
        started.append(Program(tmp_path / 'out', '--by', 'ann'))
        return started[-1]

    yield run
    for each in started:
        with contextlib.suppress(ProcessLookupError):
            each.process.kill()
        each.process.communicate()


def test_a_killed_review_goes_on_and_its_end_writes_the_lists(start, tmp_path):
    out, first = AnnotatedFolder(tmp_path / 'out'), start()
    assert 'review   7 masks of 3 images, 0 decided' in first.lines[0]
    boxes = first.ask('GET', '/api/image?stem=P0000')[1]['boxes']
    assert first.decide(boxes[0], 'reject') == 200
    assert first.end(signal.SIGKILL)[0] == -signal.SIGKILL
    assert [a.action for a in Corrections.load(out.corrections('P0000')).actions] == ['reject']
    second = start()
    assert 'review   7 masks of 3 images, 1 decided' in second.lines[0]
    assert second.decide(boxes[1], 'accept') == 200
    code, told, err = second.end(signal.SIGTERM)
    assert (code, err) == (0, '')
    assert f'written  {out.root} (1 image with corrections)' in told
    record = Record.load(out.path('instances', 'P0000'))
    assert [box.status for box in record.boxes] == ['rejected', 'kept', 'kept']
    assert [box.edited for box in record.boxes] == [['reject'], ['accept'], []]
    assert b'reject' in (out.root / 'ledger.csv').read_bytes()


def test_what_keeps_it_from_starting_is_said_in_a_line(start, tmp_path, capsys):
    main, out = load_tool('review').main, str(tmp_path / 'out')
    start()
    assert main([out, '--port', '0']) == 2
    assert 'error: ' in (said := capsys.readouterr().err)
    assert 'another review.py is at work in this folder' in said
    with socket.create_server(('127.0.0.1', 0)) as taken:
        other = tmp_path / 'other'
        other.mkdir()
        again = str(annotated(other))
        assert main([again, '--port', str(taken.getsockname()[1])]) == 2
        assert 'Address already in use; choose another' in capsys.readouterr().err
    assert main([str(tmp_path / 'none')]) == 2
    assert 'none: no such folder' in capsys.readouterr().err
    assert main([str(tmp_path / 'dota')]) == 2
    assert 'no annotated folder there' in capsys.readouterr().err


def test_boxes_on_the_map_that_were_moved_are_given(tmp_path, capsys):
    data, out = tmp_path / 'data', tmp_path / 'out'
    data.mkdir()
    write_scene(data / 'scene.tif', affine(0), size=(200, 150))
    write_layer(data / 'boxes.gpkg', [on_map(box(20, 20, 50, 60))], ['ship'])
    config = ROOT / 'configs/annotate/geo_grabcut_rbox.py'
    argv = config, '--data-root', data, '--boxes', data / 'boxes.gpkg', '--out', out
    fill = '--workers', 0, '--cfg-options', 'model.type=BoxFillSegmentor'
    assert load_tool('sam_annotate').main([*map(str, (*argv, *fill))]) == 0
    (tmp_path / 'away').mkdir()
    moved = (data / 'boxes.gpkg').rename(tmp_path / 'away/boxes.gpkg')
    tool = load_tool('review')
    session = tool.Session(out, None, 'ann')
    (item,) = session.queue.items
    shown = session.record(item.stem).boxes[0]
    session.decide(item.stem, item.box_id, 'reject', mask_digest(shown))
    assert tool.close(session) == 1
    assert 'say where with --boxes FILE[:LAYER]' in capsys.readouterr().err
    args = tool.parse_args([str(out), '--boxes', str(moved)])
    again = tool.Session(out, None, 'ann', args.boxes)
    assert tool.close(again) == 0
    assert Record.load(out / f'instances/{item.stem}.json').boxes[0].status == 'rejected'


def test_lists_that_cannot_be_written_are_said(tmp_path, capsys):
    tool = load_tool('review')
    session = tool.Session(annotated(tmp_path), None, 'ann')
    box = session.record('P0000').boxes[0]
    session.decide('P0000', box.box_id, 'reject', mask_digest(box))
    (tmp_path / 'dota/labelTxt').rename(tmp_path / 'moved')
    assert tool.close(session) == 1
    assert 'error: the corrections are saved, but: ' in capsys.readouterr().err
    assert session.out.corrections('P0000').exists()
    (tmp_path / 'moved').rename(tmp_path / 'dota/labelTxt')
    assert tool.close(session) == 0
