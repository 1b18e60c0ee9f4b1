import json

import pytest

from samrs_mm.core.found_files import tell_untaken, walk_files
from samrs_mm.core.own_outputs import own_output, own_pictures


@pytest.mark.parametrize(
    ('name', 'data', 'what'),
    [
        ('meta.json', b'{"settings": {}, "signature": "", "more": 1}', 'an annotated folder'),
        ('meta.json', b'{"settings": {}}', None),
        ('meta.json', b'', None),
        ('meta.json', b'[]', None),
        ('meta.json', b'{', None),
        ('export.json', b'', 'an export'),
        ('statistics.json', b'{"table_2": []}', 'statistics'),
        ('index.txt', b'a.jpg\n# drawn by browse_dataset.py\n', 'pictures of browse_dataset.py'),
        ('index.txt', b'a.jpg\n', None),
    ],
)
def test_a_folder_is_ours_by_its_record(tmp_path, name, data, what):
    (tmp_path / name).write_bytes(data)
    assert own_output(tmp_path, {name}) == what


def test_only_what_lies_below_is_passed_over(tmp_path):
    for folder in tmp_path, tmp_path / 'out':
        folder.mkdir(exist_ok=True)
        (folder / 'meta.json').write_text(json.dumps(dict(settings={}, signature='')))
        (folder / 'semantic').mkdir()
        (folder / 'semantic/a.png').write_bytes(b'')
    found = {path.relative_to(tmp_path).as_posix() for path in walk_files(tmp_path)}
    assert found == {'meta.json', 'semantic/a.png'}
    assert own_pictures(tmp_path / 'semantic') == 'semantic of an annotated folder'
    assert own_pictures(tmp_path) is None
    (tmp_path / 'images').mkdir()
    assert own_pictures(tmp_path / 'images') is None


def test_pictures_that_are_not_read_are_told(tmp_path):
    assert tell_untaken(tmp_path) == ''
    (tmp_path / 'b.HEIC').write_bytes(b'')
    (tmp_path / 'a.png').write_bytes(b'')
    assert '1 picture is of a kind that is not read, such as b.HEIC' in tell_untaken(tmp_path)
