import numpy as np
import pytest
from PIL import Image
from referring_cases import CARS, mask, picture, write_refsegrs

from samrs_mm.core.errors import ImageReadError, LabelReadError
from samrs_mm.datasets.transforms.referring import LoadReferring
from samrs_mm.formats.referring.reading import read_triplets


def load(root, number):
    """Return what the transform makes of triplet ``number``."""
    triplet = read_triplets(root).triplets[number]
    given = dict(img_path=str(root / triplet.image), triplet=triplet, data_root=str(root))
    return LoadReferring()(given)


def test_image_and_map(tmp_path):
    results = load(write_refsegrs(tmp_path / 'a'), 0)
    assert np.array_equal(results['img'][..., ::-1], picture(1))
    assert np.array_equal(results['gt_seg_map'], mask(*CARS).astype(np.uint8))
    assert results['gt_seg_map'].dtype == np.uint8
    assert results['seg_fields'] == ['gt_seg_map']
    assert results['img_shape'] == results['ori_shape'] == (64, 64)


def test_a_mask_of_another_size_is_named(tmp_path):
    root = write_refsegrs(tmp_path / 'a')
    Image.new('L', (10, 20), 1).save(root / 'masks/7.tif')
    with pytest.raises(LabelReadError, match=r'train.txt:2: a mask of 10 x 20 px, but .* 64 x 64'):
        load(root, 1)


def test_an_image_that_is_none_is_named(tmp_path):
    root = write_refsegrs(tmp_path / 'a')
    (root / 'images/7.tif').write_bytes(b'')
    with pytest.raises(ImageReadError, match=r'7\.tif'):
        load(root, 1)
