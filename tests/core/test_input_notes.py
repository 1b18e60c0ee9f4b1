"""Notes of what finished work was made from: what counts as changed, and what a kill leaves."""

import os

import pytest

from samrs_mm.core.input_notes import (
    GONE,
    NAME,
    InputNotes,
    Inputs,
    MadeFiles,
    facts_of,
    some,
    stamp,
)


def noted(tmp_path, text='one'):
    (tmp_path / 'a.txt').write_text(text)
    notes = InputNotes(tmp_path)
    notes.add({'a': Inputs('f0', [tmp_path / 'a.txt']).note()})
    return InputNotes(tmp_path)


def look(notes, facts='f0'):
    return notes.look('a', Inputs(facts, [notes.path.parent / 'a.txt']))


def test_a_file_that_was_only_touched_is_the_same_and_gets_a_new_note(tmp_path):
    notes = noted(tmp_path)
    assert look(notes).same
    assert look(notes).note is None
    os.utime(tmp_path / 'a.txt', (1, 1))
    found = look(notes)
    assert found.same
    assert found.note is not None
    notes.add({'a': found.note})
    assert look(InputNotes(tmp_path)).note is None


def test_a_file_is_hashed_only_where_size_or_time_differ(tmp_path, monkeypatch):
    notes = noted(tmp_path)
    monkeypatch.setattr('samrs_mm.core.input_notes.file_sha256', lambda path: 1 / 0)
    assert look(notes).same


def test_other_content_other_facts_and_a_lost_file_are_changes(tmp_path):
    notes = noted(tmp_path)
    assert not look(notes, 'f1').same_facts
    (tmp_path / 'a.txt').write_text('two')
    os.utime(tmp_path / 'a.txt', (1, 1))
    assert look(notes).changed == (0,)
    (tmp_path / 'a.txt').unlink()
    assert stamp(tmp_path / 'a.txt') == GONE
    assert look(notes).changed == (0,)


def test_half_a_line_is_passed_over_and_never_joined_with_the_next(tmp_path):
    notes = noted(tmp_path)
    with open(tmp_path / NAME, 'ab') as file:
        file.write(b'b\tf0\t12:3')
    notes.add({'c': 'f2'})
    assert set(InputNotes(tmp_path).read()) == {'a', 'c'}


def test_kept_notes_are_sorted_and_the_last_of_a_key_counts(tmp_path):
    notes = InputNotes(tmp_path)
    for key, facts in (('b', '0'), ('a', '1'), ('b', '2'), ('old', '3')):
        notes.add({key: facts})
    assert notes.read()['b'] == '2'
    notes.keep({'a', 'b', 'never'})
    assert (tmp_path / NAME).read_bytes() == b'a\t1\nb\t2\n'
    notes.add({'c': '4'})  # of a file that was replaced in the meantime
    assert set(InputNotes(tmp_path).read()) == {'a', 'b', 'c'}


def test_a_name_that_no_line_can_hold_has_no_note(tmp_path):
    notes = InputNotes(tmp_path)
    notes.add({'a\tb': '0', 'a\nb': '1', '\udce4': '2'})
    assert notes.read() == {'\udce4': '2'}


def test_facts_keep_their_borders():
    assert facts_of('ab', 'c') != facts_of('a', 'bc')
    assert facts_of(b'ab', 'c') == facts_of(b'ab', 'c')
    assert some('dabc') == 'a, b, c, ...'


def test_a_file_moved_into_place_is_newer_whatever_its_time(tmp_path):
    made, image, older = (tmp_path / name for name in ('map.png', 'a.png', 'b.png'))
    for path in (image, older, made):
        path.write_bytes(path.name.encode())
    os.utime(older, (1, 1))
    os.utime(made, ns=(2**62, 2**62))
    assert not Inputs('', [image]).newer_than([made])
    os.utime(made, (2, 2))
    os.replace(older, image)
    assert image.stat().st_mtime == 1
    assert Inputs('', [image]).newer_than([made])


def made(tmp_path, facts='f0'):
    return MadeFiles(tmp_path / 'lists.json', facts, [tmp_path / 'a.txt', tmp_path / 'b.txt'])


def test_files_that_were_made_of_the_same_are_known(tmp_path):
    for name in ('a.txt', 'b.txt'):
        (tmp_path / name).write_text(name)
    assert made(tmp_path).about() is None
    made(tmp_path).write(dict(count=3))
    assert made(tmp_path).about() == dict(count=3)
    assert made(tmp_path, 'f1').about() is None
    (tmp_path / 'b.txt').write_text('other')
    assert made(tmp_path).about() is None


def test_of_what_is_not_known_no_file_is_known(tmp_path):
    made(tmp_path, '').write(dict(count=3))
    assert list(tmp_path.iterdir()) == []
    assert made(tmp_path, '').about() is None


@pytest.mark.parametrize('spoil', [
    lambda text: b'',
    lambda text: text[: len(text) // 2],
    lambda text: b'[]',
    lambda text: b'{}',
    lambda text: text.replace(b'"count":3', b'"count":4'),
    lambda text: b'[' * 100_000,
])  # fmt: skip
def test_a_damaged_note_is_none(tmp_path, spoil):
    made(tmp_path).write(dict(count=3))
    path = tmp_path / 'lists.json'
    path.write_bytes(spoil(path.read_bytes()))
    assert made(tmp_path).about() is None


@pytest.mark.parametrize('noted_before', [False, True])
def test_a_mask_beside_a_file_is_a_change_and_so_is_its_end(tmp_path, noted_before):
    mask = tmp_path / 'a.txt.msk'
    if noted_before:
        mask.write_text('mask')
    notes = noted(tmp_path)
    assert look(notes).same
    if noted_before:
        os.utime(mask, (1, 1))
        assert look(notes).same
        mask.unlink()
    else:
        mask.write_text('mask')
    assert look(notes).changed == (1,)


def test_statistics_beside_a_file_are_no_change(tmp_path):
    notes = noted(tmp_path)
    (tmp_path / 'a.txt.aux.xml').write_text('<P><MDI key="STATISTICS_MEAN">1</MDI></P>')
    assert look(notes).same
    os.utime(tmp_path / 'a.txt', (1, 1))
    made = tmp_path / 'made'
    made.write_text('')
    os.utime(tmp_path / 'a.txt.aux.xml')
    assert not Inputs('f0', [tmp_path / 'a.txt']).newer_than([made])


def test_a_file_that_changes_while_it_is_read_counts_as_changed(tmp_path):
    path = tmp_path / 'a.txt'
    path.write_text('one')
    inputs = Inputs('f0', [path])
    path.write_text('other')
    notes = InputNotes(tmp_path)
    notes.add({'a': inputs.note()})
    assert look(notes).changed == (0,)
