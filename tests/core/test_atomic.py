import errno
import os
from pathlib import Path

import pytest

from samrs_mm.core.atomic import atomic_write, open_atomic, temporary, whole_lines


def full_disk(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_temporary_is_hidden_in_the_same_folder():
    assert temporary(Path('/a/b.png')) == Path('/a/.b.png.tmp')


def test_atomic_write_replaces_whole_files(tmp_path):
    path = tmp_path / 'a.json'
    atomic_write(path, b'old')
    atomic_write(path, b'new, and longer')
    assert path.read_bytes() == b'new, and longer'
    assert os.listdir(tmp_path) == ['a.json']


def test_left_over_temporary_files_are_overwritten(tmp_path):
    path = tmp_path / 'a.json'
    temporary(path).write_bytes(b'much longer than what is written now')
    atomic_write(path, b'new')
    assert path.read_bytes() == b'new'
    assert os.listdir(tmp_path) == ['a.json']


@pytest.mark.parametrize('call', ['fsync', 'replace'])
@pytest.mark.parametrize('before', [None, b'old'])
def test_a_full_disk_leaves_the_old_file_and_is_told_with_the_name(
    tmp_path, monkeypatch, call, before
):
    path = tmp_path / 'a.json'
    if before:
        path.write_bytes(before)
    monkeypatch.setattr(os, call, full_disk)
    with pytest.raises(OSError, match='No space left') as caught:
        atomic_write(path, b'new')
    assert caught.value.filename == str(path)
    assert os.listdir(tmp_path) == (['a.json'] if before else [])
    assert not before or path.read_bytes() == before


def test_a_block_that_fails_midway_leaves_the_old_file(tmp_path):
    path = tmp_path / 'a.json'
    path.write_bytes(b'old')

    def write_half():
        with open_atomic(path) as file:
            file.write(b'half')
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert path.read_bytes() == b'old'
    assert os.listdir(tmp_path) == ['a.json']


def test_data_are_on_disk_before_the_name_is(tmp_path, monkeypatch):
    calls = []
    for name in ('fsync', 'replace'):
        original = getattr(os, name)
        monkeypatch.setattr(
            os, name, lambda *a, name=name, original=original: (calls.append(name), original(*a))
        )
    atomic_write(tmp_path / 'a', b'x')
    assert calls == ['fsync', 'replace']


def test_a_folder_that_is_missing_is_named(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        atomic_write(tmp_path / 'no' / 'a', b'x')
    assert str(tmp_path / 'no') in caught.value.filename


def test_half_a_line_is_cut_off(tmp_path):
    path = tmp_path / 'log.csv'
    for text, expected in (('ä,1\nb,2\nc,', ['ä,1', 'b,2']), ('a\n', ['a']), ('', [])):
        path.write_text(text)
        with open(path, 'a+') as file:
            assert whole_lines(file) == expected
            file.write('d,4\n')
        assert path.read_text().split('\n') == [*expected, 'd,4', '']
