import hashlib
import os
from pathlib import Path

import pytest
from folders import is_free
from hypothesis import given, settings
from hypothesis import strategies as st

from samrs_mm.core import system
from samrs_mm.core.atomic import dump
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.resumable import ResumableFolder, differences, signature_of

RECORD = dict(partial=True, settings=dict(size=64, pad=[0, 0, 0]))
values = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
settings_dicts = st.recursive(
    values, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner)
)


def folder(root) -> ResumableFolder:
    return ResumableFolder(root, 'tiles.json')


def files(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob('*') if path.is_file()}


def test_start_makes_the_folder_and_states_the_settings(tmp_path):
    out = folder(tmp_path / 'a/b')
    assert out.read() is None
    out.start(RECORD, ['images', 'labels'])
    assert out.record.read_bytes() == dump(RECORD)
    assert out.read() == RECORD
    assert sorted(os.listdir(out.root)) == ['images', 'labels', 'tiles.json']


def test_start_takes_up_what_the_same_settings_started(tmp_path):
    folder(tmp_path).start(RECORD)
    (tmp_path / 'half.png').write_bytes(b'')
    before = (tmp_path / 'tiles.json').stat().st_mtime_ns
    folder(tmp_path).start(RECORD | dict(partial=False), ['images'])
    assert (tmp_path / 'tiles.json').stat().st_mtime_ns == before
    assert (tmp_path / 'images').is_dir()


def test_other_settings_are_listed_and_refused(tmp_path):
    folder(tmp_path).start(RECORD)
    other = dict(partial=True, settings=dict(size=32, pad=[0, 0, 0], iof=0.5))
    with pytest.raises(RefusedError) as caught:
        folder(tmp_path).start(other, ['images'])
    assert str(caught.value) == (
        f'out {tmp_path} was started with other settings (iof: null -> 0.5; size: 64 -> 32); use '
        'the same, or another folder'
    )
    assert files(tmp_path) == {'tiles.json'}
    assert not (tmp_path / 'images').exists()


def test_files_of_someone_else_are_refused(tmp_path):
    (tmp_path / 'deep/er').mkdir(parents=True)
    (tmp_path / 'deep/er/thesis.tex').write_bytes(b'')
    with pytest.raises(RefusedError, match=r'not of this tool, such as deep/er/thesis.tex; choo'):
        folder(tmp_path).start(RECORD, ['images'])
    assert files(tmp_path) == {'deep/er/thesis.tex'}


def test_what_a_kill_at_the_start_leaves_is_taken_up(tmp_path):
    (tmp_path / '.tiles.json.tmp').write_bytes(b'{"par')
    (tmp_path / 'images').mkdir()
    folder(tmp_path).start(RECORD, ['images'])
    assert files(tmp_path) == {'tiles.json'}


@pytest.mark.parametrize('data', [b'', b'[]', b'{}', b'{"settings', b'\xff'])
def test_a_record_of_something_else_is_refused(tmp_path, data):
    (tmp_path / 'tiles.json').write_bytes(data)
    with pytest.raises(RefusedError, match=r'tiles.json: not a tiles.json of this tool$'):
        folder(tmp_path).start(RECORD)
    assert (tmp_path / 'tiles.json').read_bytes() == data


def test_a_place_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / 'file').write_bytes(b'')
    with pytest.raises(RefusedError, match=r'file/out: cannot write there: Not a directory; choo'):
        folder(tmp_path / 'file/out').start(RECORD)


def test_delete_keeps_the_record_to_the_last(tmp_path, monkeypatch):
    out = folder(tmp_path)
    out.start(RECORD)
    for name in ('a.png', 'z.png'):
        (tmp_path / name).write_bytes(b'')
    deleted, original = [], Path.unlink
    monkeypatch.setattr(Path, 'unlink', lambda path: (deleted.append(path.name), original(path)))
    assert out.delete(['tiles.json', 'z.png', 'a.png', 'a.png']) == 3
    assert deleted == ['a.png', 'z.png', 'tiles.json']


def test_the_lock_is_held_inside_only(tmp_path):
    with folder(tmp_path).lock():
        assert not is_free(tmp_path)
    assert is_free(tmp_path)


def test_a_folder_is_started_and_taken_up_without_locks(tmp_path, monkeypatch):
    monkeypatch.setattr(system, 'fcntl', None)
    for _ in range(2):
        folder(tmp_path).start(RECORD, ['images'])
    assert files(tmp_path) == {'tiles.json'}


def test_dump_is_compact_readable_and_has_no_nan():
    assert dump(dict(name='飞机', n=1.5)) == '{"name":"飞机","n":1.5}\n'.encode()
    with pytest.raises(ValueError, match='JSON compliant'):
        dump(dict(n=float('nan')))


@settings(max_examples=40)
@given(st.dictionaries(st.text(max_size=3), settings_dicts, min_size=1, max_size=4))
def test_order_of_keys_does_not_change_the_signature(old):
    turned = dict(reversed(old.items()))
    assert signature_of(turned) == signature_of(old)
    assert differences(old, turned) == []
    changed = old | {next(iter(old)): ['another']}
    assert signature_of(changed) != signature_of(old)
    assert differences(old, changed)


def test_signature_is_the_hash_of_sorted_compact_json():
    expected = hashlib.sha256(b'{"a":null,"b":1}').hexdigest()
    assert signature_of(dict(b=1, a=None)) == expected


def test_differences_name_the_key():
    old = dict(tile=dict(size=1024, iof=0.7), prompt='hbox', same=[1])
    new = dict(tile=dict(size=600, iof=0.7), same=[1], chunk=64)
    assert differences(old, new) == [
        'chunk: null -> 64',
        'prompt: "hbox" -> null',
        'tile.size: 1024 -> 600',
    ]
    assert differences(dict(tile=None), dict(tile={'size': 1})) == ['tile: null -> {"size": 1}']
    (line,) = differences(dict(a='x' * 100), dict(a='y'))
    assert len(line) < 80
