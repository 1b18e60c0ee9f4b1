import multiprocessing
import os
import sys

import pytest
from folders import is_free

from samrs_mm.core import system
from samrs_mm.core.system import follow, most_processes, relative_path, start_method


@pytest.mark.parametrize(
    ('platform', 'told', 'found'),
    [('linux', None, 'fork'), ('linux', 'spawn', 'spawn'), ('darwin', None, None),
     ('darwin', 'fork', 'fork'), ('win32', None, None)],
)  # fmt: skip
def test_processes_are_forked_on_linux_unless_told(monkeypatch, platform, told, found):
    monkeypatch.setattr(sys, 'platform', platform)
    monkeypatch.setattr(multiprocessing, 'get_start_method', lambda allow_none: told)
    assert start_method() == found


def test_windows_waits_for_61_processes(monkeypatch):
    assert most_processes(64) == 64
    monkeypatch.setattr(sys, 'platform', 'win32')
    assert (most_processes(64), most_processes(2)) == (61, 2)


def test_a_folder_is_held_inside_the_block_only(tmp_path):
    with system.locked_folder(tmp_path):
        assert not is_free(tmp_path)
    assert is_free(tmp_path)


def test_a_folder_is_held_alone_by_the_first_who_asks(tmp_path):
    with system.held_alone(tmp_path) as first:
        with system.held_alone(tmp_path) as second:
            pass
        assert (first, second) == (True, False)
        assert not is_free(tmp_path)
    with system.held_alone(tmp_path) as third:
        assert third


def test_where_there_are_no_locks_a_folder_is_held_by_all(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(38, 'Function not implemented')

    monkeypatch.setattr(system.fcntl, 'flock', refuse)
    with system.held_alone(tmp_path) as first:
        assert first
    monkeypatch.setattr(system, 'fcntl', None)
    with system.held_alone(tmp_path) as second:
        assert second


def test_a_file_is_held_until_it_is_closed(tmp_path):
    with open(tmp_path / 'a', 'wb') as file:
        system.lock_file(file)
        assert not is_free(tmp_path / 'a')
    assert is_free(tmp_path / 'a')


def test_a_file_system_without_locks_is_no_failure(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(38, 'Function not implemented')

    monkeypatch.setattr(system.fcntl, 'flock', refuse)
    entered = []
    with system.locked_folder(tmp_path):
        entered.append(True)
    assert entered == [True]


def test_a_system_without_locks_opens_no_folder(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, 'Permission denied')  # what Windows says of a folder

    monkeypatch.setattr(system, 'fcntl', None)
    monkeypatch.setattr(os, 'open', refuse)
    entered = []
    with system.locked_folder(tmp_path):
        entered.append(True)
    system.lock_file(0)
    assert entered == [True]


@pytest.fixture
def folders(tmp_path):
    """``work/out`` beside ``work/scenes``; ``link`` leads to ``work/out`` from elsewhere."""
    for name in ('work/out', 'work/scenes', 'home/me'):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / 'home/me/link').symlink_to(tmp_path / 'work/out')
    return tmp_path


def test_the_way_is_written_with_forward_slashes(folders):
    assert relative_path(folders / 'work/scenes', folders / 'work/out') == '../scenes'
    assert follow('../scenes', folders / 'work/out') == folders / 'work/scenes'


def test_relative_roots_stay_relative(folders, monkeypatch):
    monkeypatch.chdir(folders)
    assert relative_path('work/scenes', 'work/out') == '../scenes'
    assert str(follow('../scenes', 'work/out')) == os.path.join('work', 'scenes')


def test_a_folder_reached_by_a_link_leads_to_the_same_data(folders):
    assert relative_path(folders / 'work/scenes', folders / 'home/me/link') == '../scenes'
    assert follow('../scenes', folders / 'home/me/link') == folders / 'work/scenes'


def test_links_to_the_data_are_kept(folders):
    (folders / 'work/raw').symlink_to(folders / 'work/scenes')
    assert relative_path(folders / 'work/raw', folders / 'work/out') == '../raw'
    assert follow('../raw', folders / 'work/out') == folders / 'work/raw'


def test_both_are_reached_by_a_link_to_what_holds_them(folders):
    (folders / 'top').symlink_to(folders / 'work')
    assert relative_path(folders / 'top/scenes', folders / 'top/out') == '../scenes'


def test_a_way_that_was_written_by_name_alone_is_followed_so(folders):
    (folders / 'home/me/own').mkdir()
    assert follow('../own', folders / 'home/me/link') == folders / 'home/me/own'


def test_data_that_are_gone_are_named(folders):
    assert follow('../gone', folders / 'work/out') == folders / 'work/gone'


def test_another_drive_has_no_way_to_it(folders, monkeypatch):
    def refuse(*_):
        raise ValueError("path is on mount 'D:', start on mount 'C:'")

    monkeypatch.setattr(os.path, 'relpath', refuse)
    assert relative_path(folders / 'work/scenes', 'out') == (folders / 'work/scenes').as_posix()
    assert follow((folders / 'work/scenes').as_posix(), 'out') == folders / 'work/scenes'
