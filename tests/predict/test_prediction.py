import pytest

from samrs_mm.core.errors import RefusedError
from samrs_mm.predict.prediction import class_names, find_images, list_images, tell_left_out

SOURCES = dict(city=dict(classes=('roof', 'road')), coast=dict(classes=('sea', 'sand')))


@pytest.mark.parametrize(
    ('checkpoint', 'source', 'expected'),
    [
        (dict(meta=dict(dataset_meta=dict(classes=('a', 'b')))), None, ['a', 'b']),
        (dict(meta=dict(dataset_meta=dict(classes=('a', 'b'), sources=SOURCES))), 'coast',
         ['sea', 'sand']),
        (dict(meta=dict(classes=dict(city=['x', 'y']))), 'city', ['x', 'y']),
        (dict(meta=dict(classes=dict(city=['x', 'y', 'z']))), 'city', ['class 0', 'class 1']),
        (dict(meta=None), None, ['class 0', 'class 1']),
        (dict(state_dict={}), 'city', ['class 0', 'class 1']),
    ],
)  # fmt: skip
def test_classes_are_those_it_was_trained_on(checkpoint, source, expected):
    assert class_names(checkpoint, source, 2) == expected


def test_images_of_folders_and_files(tmp_path):
    for name in ('b.PNG', 'a.tif', '.c.png', 'd.txt', 'deeper/e.png', 'other/f.jpg'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b'')
    found = find_images([str(tmp_path), str(tmp_path / 'other/f.jpg')])
    assert list(found) == ['a', 'b', 'f']
    assert found['b'] == tmp_path / 'b.PNG'
    (tmp_path / 'other/a.png').write_bytes(b'')
    with pytest.raises(RefusedError, match=r'a\.tif and .*other/a\.png would be written to one'):
        find_images([str(tmp_path), str(tmp_path / 'other')])


def test_images_of_one_stem_and_those_given_twice(tmp_path, monkeypatch):
    for name in ('one/a.png', 'two/a.png', 'two/a.jpg'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b'')
    monkeypatch.chdir(tmp_path)
    found = list_images(['one', str(tmp_path / 'two'), './two/a.png', 'one/a.png'])
    assert [path.resolve().relative_to(tmp_path).as_posix() for path in found] == [
        'one/a.png', 'two/a.jpg', 'two/a.png',
    ]  # fmt: skip


def test_images_in_folders_inside_are_told(tmp_path):
    root = str(tmp_path)
    for name in ('a.png', 'in/b.JPG', 'in/c.png', 'in/d.txt', 'out/labels/e.png'):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b'')
    (tmp_path / 'out/predictions.json').write_text('{"settings": {}, "classes": []}')
    (line,) = tell_left_out([root])
    assert line.endswith(
        '2 images lie in folders inside of it, such as in/b.JPG; give these folders'
    )
    assert tell_left_out([root, f'{root}/in']) == tell_left_out([f'{root}/a.png']) == []
    (tmp_path / 'a.png').unlink()
    with pytest.raises(RefusedError, match=r'such as in/b\.JPG; give these folders'):
        list_images([root])


def test_label_maps_are_no_scenes(tmp_path):
    folder = tmp_path / 'labels'
    folder.mkdir()
    (folder / 'a.png').write_bytes(b'')
    assert list(find_images([str(folder)])) == ['a']
    (tmp_path / 'predictions.json').write_text('{"settings": {}, "classes": []}')
    with pytest.raises(RefusedError, match='holds labels of predictions'):
        find_images([str(folder)])
