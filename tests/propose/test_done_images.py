"""What a killed run has done stays, and no line is half written without a word."""

import contextlib
import os
import sys

import pytest

from samrs_mm.core import input_notes
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.images import file_sha256
from samrs_mm.core.input_notes import Inputs
from samrs_mm.propose import done_images
from samrs_mm.propose.done_images import DoneImages, remove_left

ABOUT = dict(width=3, height=2, notes=[], boxes=[])


@pytest.fixture
def image(tmp_path):
    path = tmp_path / 'a.png'
    path.write_bytes(b'pixels')
    return path


def test_a_line_that_does_not_fit_is_told(tmp_path, image):
    resource = pytest.importorskip('resource', reason='no limits of file sizes here')
    done, inputs = DoneImages(tmp_path / 'boxes.json', {}), Inputs('', [image])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (done.path.stat().st_size + 20, before[1]))
    try:
        with pytest.raises(OSError, match='File too large') as info:
            done.add(image, inputs, ABOUT)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert info.value.filename == str(done.path)
    done.close()
    again = DoneImages(tmp_path / 'boxes.json', {})
    assert again.of(image, inputs) is None
    again.add(image, inputs, ABOUT)
    again.close()
    assert DoneImages(tmp_path / 'boxes.json', {}).of(image, inputs) == ABOUT


def test_what_other_images_have_stays_where_all_fail(tmp_path, image):
    done = DoneImages(tmp_path / 'boxes.json', {})
    done.remove_empty()
    assert not done.path.exists()
    done = DoneImages(tmp_path / 'boxes.json', {})
    done.add(image, Inputs('', [image]), ABOUT)
    done.remove_empty()
    done.close()
    with contextlib.closing(DoneImages(tmp_path / 'boxes.json', {})) as done:
        done.remove_empty()
    assert DoneImages(tmp_path / 'boxes.json', {}).of(image, Inputs('', [image])) == ABOUT


@pytest.mark.parametrize('anew', [False, True])
def test_a_file_with_a_broken_line_is_refused_with_a_cure(tmp_path, anew):
    with contextlib.closing(DoneImages(tmp_path / 'boxes.json', {})) as done:
        path = done.path
    with open(path, 'ab') as file:
        file.write(b'{"path": \n')
    with pytest.raises(RefusedError, match='not a part of a boxes file; delete it'):
        DoneImages(tmp_path / 'boxes.json', {}, anew)
    path.unlink()
    DoneImages(tmp_path / 'boxes.json', {}, anew)


@pytest.mark.skipif(sys.platform == 'win32', reason='no locks there')
@pytest.mark.parametrize('anew', [False, True])
def test_two_runs_on_one_output_are_refused(tmp_path, image, anew):
    target = tmp_path / 'boxes.json'
    with contextlib.closing(DoneImages(target, {})) as first:
        first.add(image, Inputs('', [image]), ABOUT)
        before = first.path.read_bytes()
        with pytest.raises(RefusedError, match='another run is writing it; wait for its end'):
            DoneImages(target, dict(score=1), anew)
        assert first.path.read_bytes() == before
        DoneImages(tmp_path / 'other.json', {}).close()
        first.remove()
    with contextlib.closing(DoneImages(target, dict(score=1))) as second:
        assert second.of(image, Inputs('', [image])) is None


@pytest.mark.skipif(sys.platform == 'win32', reason='no locks there')
def test_a_file_that_is_deleted_before_it_is_held_is_begun_anew(tmp_path, monkeypatch):
    held, deleted = done_images.hold_file, []

    def late(file):
        if not deleted:
            deleted.append(file.name)
            os.unlink(file.name)
        return held(file)

    monkeypatch.setattr(done_images, 'hold_file', late)
    with contextlib.closing(DoneImages(tmp_path / 'boxes.json', {})) as done:
        assert deleted == [str(done.path)]
        assert done.path.read_bytes() == b'{"settings":{}}\n'


def test_an_image_that_is_done_is_not_read_again(tmp_path, image, monkeypatch):
    with contextlib.closing(DoneImages(tmp_path / 'boxes.json', {})) as done:
        done.add(image, Inputs('', [image]), ABOUT)
    wanted, inputs = file_sha256(image), Inputs('', [image])
    monkeypatch.setattr(input_notes, 'file_sha256', None)
    with contextlib.closing(DoneImages(tmp_path / 'boxes.json', {})) as done:
        assert done.of(image, inputs) == ABOUT
    assert inputs.sha256() == wanted


@pytest.mark.parametrize(('settings', 'stays'), [({}, False), (dict(score=1), True)])
def test_what_is_left_beside_a_whole_file_goes(tmp_path, image, settings, stays):
    target = tmp_path / 'boxes.json'
    remove_left(target, {})
    assert not list(tmp_path.glob('*.part'))
    with contextlib.closing(DoneImages(target, settings)) as done:
        done.add(image, Inputs('', [image]), ABOUT)
        before = done.path.read_bytes()
        if sys.platform != 'win32':
            remove_left(target, {})
            assert done.path.read_bytes() == before, 'a run is at work on it'
    remove_left(target, {})
    assert done.path.exists() == stays


def test_half_a_line_of_settings_is_begun_anew(tmp_path):
    (tmp_path / 'boxes.json.part').write_bytes(b'{"sett')
    with contextlib.closing(DoneImages(tmp_path / 'boxes.json', {})) as done:
        assert done.path.read_bytes() == b'{"settings":{}}\n'
