import os

import pytest

from samrs_mm.core.errors import RefusedError
from samrs_mm.core.found_files import (
    as_there,
    files_by_name,
    files_by_stem,
    first_copy,
    folded,
    paired,
    read_stems,
    refuse_incomplete,
    walk_files,
    walk_names,
)


@pytest.fixture
def folder(tmp_path):
    for name in ('b.PNG', 'a.png', 'a.jpg', 'notes.txt', '.c.png', 'deep/d.png', '.git/e.png'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def test_files_by_stem(folder):
    assert files_by_stem(folder, ('.png', '.jpg')) == {'a': ['a.jpg', 'a.png'], 'b': ['b.PNG']}
    assert files_by_stem(folder / 'none', ('.png',)) == {}


def test_folders_in_another_case(tmp_path):
    for name in ('Train/IMAGES', 'both/A', 'both/a'):
        (tmp_path / name).mkdir(parents=True)
    assert as_there(tmp_path, 'train/images') == 'Train/IMAGES'
    assert as_there(tmp_path, 'train/labels') == 'Train/labels'
    assert as_there(tmp_path, 'val/images') == 'val/images'
    assert as_there(tmp_path, 'both/a') == 'both/a'
    assert as_there(tmp_path / 'none', 'images') == 'images'
    (tmp_path / 'both/AA').mkdir()
    (tmp_path / 'both/aA').mkdir()
    with pytest.raises(RefusedError, match='AA and aA differ in case alone; which one is aa'):
        as_there(tmp_path, 'both/aa')


def test_a_list_has_one_name_a_line(tmp_path):
    (tmp_path / 'train.txt').write_text('city 1\n  b \n\ncity 1\r\n', encoding='utf-8')
    assert read_stems(tmp_path / 'train.txt', ['b', 'city 1', 'c'], 'image') == {'b', 'city 1'}


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (None, r'train.txt: No such file or directory$'),
        (b'\xff', 'train.txt: not text in UTF-8'),
        (b' \n', r'train.txt: 0 of 0 names are no image in x, it is empty; give'),
        (b'b\nz\na.png', r"train.txt: 2 of 3 names are no image in x, such as 'a.png'; give"),
    ],
)
def test_lists_that_are_refused(tmp_path, content, message):
    if content is not None:
        (tmp_path / 'train.txt').write_bytes(content)
    with pytest.raises(RefusedError, match=message):
        read_stems(tmp_path / 'train.txt', {'b': 1}, 'image in x')


def test_files_by_name_look_into_all_folders_but_hidden_ones(folder):
    found = files_by_name(folder)
    assert sorted(found) == ['a.jpg', 'a.png', 'b.PNG', 'd.png', 'notes.txt']
    assert found['d.png'] == [folder / 'deep/d.png']
    with pytest.raises(RefusedError, match=r'none: no such folder'):
        files_by_name(folder / 'none')


def test_first_copy(folder):
    os.link(folder / 'a.png', folder / 'deep/a.png')
    assert first_copy(files_by_name(folder)['a.png']) == folder / 'a.png'
    with pytest.raises(RefusedError, match=r'have one name but differ; keep only the right one'):
        first_copy([folder / 'a.png', folder / 'deep/d.png'])


def test_incomplete_downloads_are_refused():
    refuse_incomplete('data/x', [], 3, 'unpack it')
    with pytest.raises(RefusedError, match=r'data/x: 2 of 3 files are missing, such as b; unpack'):
        refuse_incomplete('data/x', ['b', 'a'], 3, 'unpack it')


def test_walks_into_links_but_not_back_up(tmp_path):
    for name in ('a/b/x.txt', 'a/.hidden/y.txt', 'a/.z.txt', 'c/__MACOSX/q.txt'):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / 'a/b/up').symlink_to('../../a')
    (tmp_path / 'c/there').symlink_to('../a/b')
    found = {path.relative_to(tmp_path).as_posix() for path in walk_files(tmp_path)}
    assert set(walk_names(tmp_path)) == found
    assert found == {'a/b/x.txt', 'c/there/x.txt'}


def test_names_that_windows_or_macos_take_for_one():
    composed, decomposed = 'K\u00f6ln.JPG', 'Ko\u0308ln.jpg'
    assert folded(composed) == folded(decomposed)
    assert folded('a b.png') != folded('ab.png')
    assert paired([decomposed, 'x'], ['Ko\u0308ln.JPG', 'K\u00f6ln.jpg', 'y']) == {
        decomposed: 'K\u00f6ln.jpg'
    }
    assert paired(['\u00e9', 'e\u0301'], ['e\u0301']) == {'e\u0301': 'e\u0301'}
