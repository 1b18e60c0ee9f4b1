import pytest

from samrs_mm.core.errors import RefusedError
from samrs_mm.predict.folder import META, PredictedFolder, inputs_of

SETTINGS, CLASSES = dict(window=[64, 64]), ('roof', 'road')


def put(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b'')


def names(root):
    return {path.relative_to(root).as_posix() for path in root.rglob('*') if path.is_file()}


def test_an_image_is_done_when_all_kinds_are_there(tmp_path):
    out = PredictedFolder(tmp_path, ['labels', 'overlays'], ['a'])
    out.open(SETTINGS, CLASSES)
    assert names(tmp_path) == {META, 'overlays/legend.png'}
    put(tmp_path, 'labels/a.tif')
    assert not out.is_done('a')
    put(tmp_path, 'overlays/a.jpg')
    assert out.is_done('a')
    assert not PredictedFolder(tmp_path, ['probabilities'], ['a']).is_done('a')


def test_targets(tmp_path):
    out = PredictedFolder(tmp_path, ['labels', 'probabilities'], ['a'])
    assert out.targets('a', on_map=False) == dict(
        labels=tmp_path / 'labels/a.png', probabilities=tmp_path / 'probabilities/a.tif'
    )
    assert out.targets('a', on_map=True)['labels'] == tmp_path / 'labels/a.tif'


def test_only_what_would_be_overwritten_is_foreign(tmp_path):
    put(tmp_path, 'notes.txt', 'labels/b.png')
    PredictedFolder(tmp_path, ['labels'], ['a']).open(SETTINGS, CLASSES)
    (tmp_path / META).unlink()
    with pytest.raises(RefusedError, match=r'not of this tool, such as labels/b.png; choose anoth'):
        PredictedFolder(tmp_path, ['labels'], ['a', 'b']).open(SETTINGS, CLASSES)


def test_restart_deletes_the_images_predictions_alone(tmp_path):
    out = PredictedFolder(tmp_path, ['labels'], ['a', 'b'])
    out.open(SETTINGS, CLASSES)
    put(tmp_path, 'labels/a.png', 'overlays/a.jpg', 'overlays/c.jpg', 'notes.txt')
    assert out.restart(SETTINGS) == 2
    assert names(tmp_path) == {META, 'overlays/c.jpg', 'notes.txt'}


def test_restart_with_other_settings_leaves_none_of_the_old(tmp_path, monkeypatch):
    out = PredictedFolder(tmp_path, ['labels', 'overlays'], ['a', 'b'])
    out.open(SETTINGS, CLASSES)
    put(tmp_path, 'labels/a.png', 'labels/c.png', 'labels/.c.png.tmp', 'notes.txt')
    with pytest.raises(RefusedError, match=r'holds 1 file of other images, such as labels/c.png'):
        out.restart(dict(window=[32, 32]))
    (tmp_path / 'labels/c.png').unlink()
    assert out.restart(dict(window=[32, 32])) == 1
    out.open(dict(window=[32, 32]), CLASSES)
    assert out.read()['settings'] == dict(window=[32, 32])


def test_predictions_of_images_that_a_folder_has_no_longer(tmp_path):
    pictures, others = tmp_path / 'pictures', tmp_path / 'others'
    put(tmp_path, 'pictures/a.png', 'pictures/b.png', 'others/c.png')
    out = PredictedFolder(tmp_path / 'out', ['labels'], ['a', 'b', 'c'])
    out.open(SETTINGS, CLASSES)
    for path in (pictures / 'a.png', pictures / 'b.png', others / 'c.png'):
        out.notes.add({path.stem: inputs_of(path).note()})
        put(out.root, f'labels/{path.stem}.png', f'overlays/{path.stem}.jpg')
    left = PredictedFolder(out.root, ['labels'], ['a'])
    assert left.gone([pictures]) == ['b'], 'c lies in another folder'
    assert left.gone([]) == []
    assert left.prune(['b']) == 2
    assert left.gone([pictures, others]) == ['c']
    assert 'labels/b.png' not in names(out.root)


def test_predictions_of_a_moved_folder_stand(tmp_path):
    put(tmp_path, 'here/a.png', 'labels/a.png')
    out = PredictedFolder(tmp_path, ['labels'], ['a'])
    out.notes.add({'a': inputs_of(tmp_path / 'here/a.png').note()})
    (tmp_path / 'here').rename(tmp_path / 'there')
    assert out.remove_outdated({'a': tmp_path / 'there/a.png'}) == ([], 0)
    assert out.gone([tmp_path / 'there']) == []
    assert PredictedFolder(tmp_path, ['labels'], ['b']).gone([tmp_path / 'there']) == ['a']
