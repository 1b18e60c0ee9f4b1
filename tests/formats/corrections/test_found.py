"""Files with corrections are found by what is in them, and what is passed over is known."""

import json

import pytest

from samrs_mm.core.errors import RefusedError
from samrs_mm.formats.corrections.found import found_files, kind_of, other_files
from samrs_mm.formats.corrections.labelme import read_labelme
from samrs_mm.formats.corrections.shapes import EditError


def write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    return path


LABELME = dict(shapes=[], imagePath='a.png')


def test_of_an_annotated_folder_only_its_corrections_are_taken(tmp_path):
    copy = tmp_path / 'copy'
    write(copy / 'meta.json', {})
    write(copy / 'instances/a.json', {})
    write(copy / 'annotations.json', dict(images=[], annotations=[], categories=[]))
    with pytest.raises(RefusedError, match='an annotated folder, but nobody has corrected it'):
        found_files(copy)
    path = write(copy / 'corrections/a.json', dict(image={}, actions=[]))
    assert found_files(copy) == found_files(copy, 'own') == {path: 'own'}
    assert other_files(copy, [path]) == []
    cut = write(copy / 'corrections/b.json', '{"image": {')
    assert found_files(copy) == {path: 'own', cut: 'own'}


def test_what_is_not_there_is_named_with_a_cure_that_fits(tmp_path):
    with pytest.raises(RefusedError, match='no such file or folder; the name of a dataset of Fift'):
        found_files(tmp_path / 'none')
    with pytest.raises(RefusedError, match=r'none\.json: no such file or folder$'):
        found_files(tmp_path / 'none.json', 'decisions')


def test_files_of_no_format_are_passed_over_and_known(tmp_path):
    path = write(tmp_path / 'images/a.json', LABELME)
    other = write(tmp_path / 'images/b.json', dict(label='ship', points=[[1, 2]]))
    write(tmp_path / 'export.json', {})
    write(tmp_path / 'images/.c.json', {})
    found = found_files(tmp_path)
    assert found == {path: 'labelme'}
    assert other_files(tmp_path, found) == [other]
    assert other_files(path, found_files(path)) == []


@pytest.mark.parametrize('text', ['', '{"shapes": [', '\x00'])
def test_a_file_that_was_cut_is_named(tmp_path, text):
    path = write(tmp_path / 'a.json', text)
    assert kind_of(path) == 'labelme'
    with pytest.raises(EditError, match=r'a\.json: not JSON \(.*\); is the file whole'):
        read_labelme(path)
