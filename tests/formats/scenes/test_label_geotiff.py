import numpy as np
import pytest
import rasterio
from map_cases import UTM, affine
from rasterio.crs import CRS

from samrs_mm.core.errors import SamrsError
from samrs_mm.core.images import file_sha256
from samrs_mm.formats.scenes.label_geotiff import write_label_geotiff

PLACE = dict(crs=CRS.from_string(UTM), transform=affine(30))


def write(path, labels):
    height, width = labels.shape
    strips = (labels[top : top + 512] for top in range(0, height, 512))
    colours = [(255, 0, 0), (0, 0, 255)]
    write_label_geotiff(path, (width, height), strips, PLACE, ['ship', 'a field'], colours)


def test_what_is_in_the_file(tmp_path):
    labels = np.full((1300, 1100), 255, np.uint8)
    labels[100:700, 300:900], labels[800:, 5:9] = 0, 1
    write(tmp_path / 'a.tif', labels)
    with rasterio.open(tmp_path / 'a.tif') as file:
        assert np.array_equal(file.read(1), labels)
        assert (file.crs, file.transform, file.nodata) == (*PLACE.values(), 255)
        assert file.tags(ns='IMAGE_STRUCTURE')['LAYOUT'] == 'COG'
        assert file.colormap(1)[1] == (0, 0, 255, 255)
        assert file.colormap(1)[255][3] == 0
        assert {key: file.tags()[key] for key in ('CLASS_0', 'CLASS_1')} == {
            'CLASS_0': 'ship',
            'CLASS_1': 'a field',
        }
        assert file.overviews(1)
    with rasterio.open(tmp_path / 'a.tif', overview_level=0) as small:
        assert set(np.unique(small.read(1))) <= {0, 1, 255}
    write(tmp_path / 'b.tif', labels)
    assert file_sha256(tmp_path / 'a.tif') == file_sha256(tmp_path / 'b.tif')
    assert sorted(path.name for path in tmp_path.iterdir()) == ['a.tif', 'b.tif']


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(SamrsError, match=r'x/a.tif: could not be written'):
        write(tmp_path / 'x/a.tif', np.zeros((4, 5), np.uint8))
