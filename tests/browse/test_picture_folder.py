import numpy as np
import pytest

from samrs_mm.browse.picture_folder import INDEX, MARK, PictureFolder
from samrs_mm.core.errors import RefusedError

PICTURE = np.zeros((4, 4, 3), np.uint8)


def test_a_new_run_replaces_what_the_list_names(tmp_path):
    first = PictureFolder(tmp_path)
    first.clear()
    first.write('a', PICTURE, 'two boxes')
    first.write('b', PICTURE)
    assert (tmp_path / INDEX).read_text() == f'a.jpg\ttwo boxes\nb.jpg\n{MARK}\n'
    (tmp_path / 'mine.txt').touch()
    (tmp_path / 'b.jpg').unlink()
    PictureFolder(tmp_path).clear()
    assert [path.name for path in tmp_path.iterdir()] == ['mine.txt']


@pytest.mark.parametrize('text', [None, '', 'a.jpg\n', f'{MARK}\na.jpg\n'])
def test_folders_without_the_mark_are_left_alone(tmp_path, text):
    (tmp_path / 'a.jpg').touch()
    if text is not None:
        (tmp_path / INDEX).write_text(text)
    with pytest.raises(RefusedError, match=r'not of this tool, such as a\.jpg'):
        PictureFolder(tmp_path).clear()
    assert (tmp_path / 'a.jpg').exists()


def test_a_list_never_reaches_out_of_the_folder(tmp_path):
    (tmp_path / 'a.jpg').touch()
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out' / INDEX).write_text(f'../a.jpg\n{MARK}\n')
    PictureFolder(tmp_path / 'out').clear()
    assert (tmp_path / 'a.jpg').exists()
