import numpy as np
import pytest
from PIL import Image

from samrs_mm.core.errors import RefusedError
from samrs_mm.datasets.boxes.image_folder import ImageFolderDataset
from samrs_mm.registry import BOX_DATASETS


def write(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((4, 6, 3), np.uint8)).save(path)


def test_all_images_of_a_folder_and_those_in_it(tmp_path):
    for name in ('b.png', 'a.JPG', 'north/a.tif', 'north/deep/a.png'):
        write(tmp_path / name)
    (tmp_path / 'notes.txt').write_text('x')
    dataset = BOX_DATASETS.build(dict(type='ImageFolderDataset', data_root=str(tmp_path)))
    assert [(scene.stem, scene.image) for scene in dataset.scenes] == [
        ('a', 'a.JPG'), ('b', 'b.png'), ('north-a', 'north/a.tif'),
        ('north-deep-a', 'north/deep/a.png'),
    ]  # fmt: skip
    counts = dataset.collect_classes()
    assert dataset.classes == ('object',)
    assert (counts.boxes, counts.problems, counts.label_notes) == (0, 0, [])
    assert ImageFolderDataset(str(tmp_path), ['thing']).classes == ('thing',)


def test_our_own_outputs_are_passed_over(tmp_path):
    write(tmp_path / 'a.png')
    write(tmp_path / 'out/semantic/a.png')
    (tmp_path / 'out/meta.json').write_text('{"settings": {}, "signature": ""}')
    assert [scene.stem for scene in ImageFolderDataset(str(tmp_path)).scenes] == ['a']


def test_what_can_not_be_is_refused(tmp_path):
    with pytest.raises(RefusedError, match='no images found; expected a folder of images'):
        ImageFolderDataset(str(tmp_path))
    (tmp_path / 'a.avif').write_bytes(b'')
    with pytest.raises(RefusedError, match=r'of a kind that is not read, such as a\.avif'):
        ImageFolderDataset(str(tmp_path))
    write(tmp_path / 'a.png')
    with pytest.raises(RefusedError, match='are of one class'):
        ImageFolderDataset(str(tmp_path), ['a', 'b'])
    write(tmp_path / 'a.tif')
    with pytest.raises(RefusedError, match='two images would both be called'):
        ImageFolderDataset(str(tmp_path))
