"""Folders and lists of images that are cut without labels."""

import pytest
from box_tile_cases import TILE, run
from PIL import Image

from samrs_mm.annotate.plan import Plan
from samrs_mm.core.errors import RefusedError
from samrs_mm.prepare.box_tiles import BoxTileCutter, ImageFolder


def test_a_folder_of_images(tmp_path):
    root = tmp_path / 'pictures'
    (root / 'inner').mkdir(parents=True)
    Image.new('L', (70, 50), 200).save(root / 'b.png')
    Image.new('RGB', (30, 30)).save(root / 'a.jpg')
    (root / 'notes.txt').write_bytes(b'')
    cutter = BoxTileCutter(Plan(ImageFolder(str(root)), TILE), tmp_path / 'out')
    results = run(cutter)
    assert [result.tiles for result in results] == [1, 2]
    left = sorted(path.name for path in (tmp_path / 'out').iterdir())
    assert left == ['images', 'inputs.tsv', 'tiles.json']
    names = sorted(path.name for path in (tmp_path / 'out/images').iterdir())
    assert names == ['a__60__0___0.png', 'b__60__0___0.png', 'b__60__10___0.png']


def test_folders_that_are_refused(tmp_path):
    with pytest.raises(RefusedError, match=r'none: no such folder, or no images in it \(\.png'):
        ImageFolder(str(tmp_path / 'none'))
    for name in ('a.png', 'a.jpg'):
        Image.new('L', (9, 9)).save(tmp_path / name)
    with pytest.raises(RefusedError, match=r"both be called 'a': a\.jpg and a\.png; rename one"):
        ImageFolder(str(tmp_path))


def test_only_listed_images(tmp_path):
    for name in ('a.png', 'b.png', 'b.jpg', 'c.jpg'):
        Image.new('L', (9, 9)).save(tmp_path / name)
    (tmp_path / 'train.txt').write_text('c\n a \n\nc\n')
    images = ImageFolder(str(tmp_path), tmp_path / 'train.txt')
    assert [str(scene.image) for scene in images.scenes] == ['a.png', 'c.jpg']


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (None, r'list .*train\.txt: No such file or directory'),
        (b'\n', r'0 of 0 names are no image in .*, it is empty; give names without suffix'),
        (b'a\nz\na.png', r"2 of 3 names are no image in .*, such as 'a\.png'; give names without"),
        (b'\xff\xff', r'train\.txt: not text in UTF-8'),
        (b'b', r"both be called 'b'"),
    ],
)
def test_lists_that_are_refused(tmp_path, content, message):
    for name in ('a.png', 'b.png', 'b.jpg'):
        Image.new('L', (9, 9)).save(tmp_path / name)
    if content is not None:
        (tmp_path / 'train.txt').write_bytes(content)
    with pytest.raises(RefusedError, match=message):
        ImageFolder(str(tmp_path), tmp_path / 'train.txt')


def test_label_maps_are_no_scenes(tmp_path):
    folder = tmp_path / 'semantic'
    folder.mkdir()
    (folder / 'a.png').write_bytes(b'')
    (tmp_path / 'meta.json').write_text('{"settings": {}, "signature": ""}')
    with pytest.raises(RefusedError, match='holds semantic of an annotated folder'):
        ImageFolder(str(folder))
