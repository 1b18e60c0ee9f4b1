"""What a killed run has done stays, and no line is half written without a word."""

import pytest

from samrs_mm.core.errors import RefusedError
from samrs_mm.core.input_notes import Inputs
from samrs_mm.propose.done_images import DoneImages

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
    again = DoneImages(tmp_path / 'boxes.json', {})
    assert again.of(image, inputs) is None
    again.add(image, inputs, ABOUT)
    assert DoneImages(tmp_path / 'boxes.json', {}).of(image, inputs) == ABOUT


def test_what_other_images_have_stays_where_all_fail(tmp_path, image):
    done = DoneImages(tmp_path / 'boxes.json', {})
    done.remove_empty()
    assert not done.path.exists()
    done = DoneImages(tmp_path / 'boxes.json', {})
    done.add(image, Inputs('', [image]), ABOUT)
    done.remove_empty()
    DoneImages(tmp_path / 'boxes.json', {}).remove_empty()
    assert DoneImages(tmp_path / 'boxes.json', {}).of(image, Inputs('', [image])) == ABOUT


@pytest.mark.parametrize('anew', [False, True])
def test_a_file_with_a_broken_line_is_refused_with_a_cure(tmp_path, anew):
    path = DoneImages(tmp_path / 'boxes.json', {}).path
    with open(path, 'ab') as file:
        file.write(b'{"path": \n')
    with pytest.raises(RefusedError, match='not a part of a boxes file; delete it'):
        DoneImages(tmp_path / 'boxes.json', {}, anew)
    path.unlink()
    DoneImages(tmp_path / 'boxes.json', {}, anew)
