import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image

from samrs_mm.core.errors import ImageReadError
from samrs_mm.core.images import SceneImage, image_size
from samrs_mm.core.raster_file import driver_of, gdal, open_raster
from samrs_mm.datasets.transforms.pixels import open_image, read_label

RGB = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
VRT = """<VRTDataset rasterXSize="64" rasterYSize="48">
{mask}<VRTRasterBand dataType="Byte" band="1"><SimpleSource>
<SourceFilename relativeToVRT="1">secret.tif</SourceFilename><SourceBand>1</SourceBand>
</SimpleSource></VRTRasterBand></VRTDataset>"""
AS_MASK = '<Metadata><MDI key="INTERNAL_MASK_FLAGS_1">2</MDI></Metadata>'
READERS = {
    'SceneImage': SceneImage, 'streamed': lambda path: SceneImage(path, stream=True).read(),
    'image_size': image_size, 'training': open_image, 'label': read_label,
}  # fmt: skip


@pytest.fixture
def secret(tmp_path):
    """A raster that no other file may show; all its pixels are 77."""
    with rasterio.open(
        tmp_path / 'secret.tif', 'w', 'GTiff', count=1, height=48, width=64, dtype='uint8'
    ) as file:
        file.write(np.full((1, 48, 64), 77, np.uint8))
    return tmp_path


@pytest.mark.parametrize('read', READERS.values(), ids=READERS)
@pytest.mark.parametrize('suffix', ['tif', 'tiff', 'png', 'jpg', 'bmp'])
def test_a_virtual_raster_under_any_name_reads_no_other_file(secret, suffix, read):
    path = secret / f'a.{suffix}'
    path.write_text(VRT.format(mask=''))
    with rasterio.open(path) as file:
        assert file.read().max() == 77, 'GDAL itself follows it'
    with pytest.raises(
        Exception, match=r"a\.\w+: cannot read .*begins with '<VRTDataset"
    ) as caught:
        read(path)
    assert '\n' not in str(caught.value)


OTHERS = {
    'text of a driver': b'GTIFF_DIR:1:/etc/hostname',
    'address': b'/vsicurl/http://127.0.0.1:9/a.tif',
    'WMS': b'<GDAL_WMS><Service name="TMS"><ServerUrl>http://127.0.0.1:9/</ServerUrl></Service></GDAL_WMS>',
    'ASCII grid': b'ncols 2\nnrows 2\nxllcorner 0\nyllcorner 0\ncellsize 1\n1 2\n3 4\n',
    'ENVI header': b'ENVI\nsamples = 2\nlines = 2\n',
    'PDF': b'%PDF-1.4\n%',
    'FITS': b'SIMPLE  =                    T',
    'PSD': b'8BPS\0\1' + bytes(20),
    'netCDF': b'CDF\1' + bytes(28),
}


@pytest.mark.parametrize('content', OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize('suffix', ['tif', 'png'])
def test_other_formats_of_gdal_and_pillow_are_not_opened(tmp_path, content, suffix):
    path = tmp_path / f'a.{suffix}'
    path.write_bytes(content)
    for read in (SceneImage, image_size, open_image):
        with pytest.raises(ImageReadError, match='it is no TIFF, PNG, JPEG'):
            read(path)


def test_a_name_is_never_an_address_or_a_driver(secret, monkeypatch):
    monkeypatch.chdir(secret)
    for name in ('/vsicurl/http://127.0.0.1:9/a.tif', '/vsizip/a.zip/a.tif', '/vsimem/a.tif'):
        with pytest.raises(ImageReadError, match='no such image'):
            SceneImage(name)
        with gdal(), pytest.raises(ValueError, match="one of GDAL's virtual file systems"):
            open_raster(name)
    for name in ('GTIFF_DIR:1:secret.tif', 'GTIFF_RAW:secret.tif', 'zip:a.zip!secret.tif'):
        with pytest.raises(ImageReadError, match='no such image'):
            SceneImage(name)
        Image.fromarray(RGB).save(secret / 'own.tif')
        shutil.move(secret / 'own.tif', secret / name)
        np.testing.assert_array_equal(SceneImage(name).read(), RGB)


@pytest.mark.parametrize('kind', ['tif', 'png', 'jpg'])
def test_a_mask_beside_an_image_has_to_be_a_tiff(secret, kind):
    path = secret / f'a.{kind}'
    Image.fromarray(RGB).save(path)
    Path(f'{path}.msk').write_text(VRT.format(mask=AS_MASK))
    with pytest.raises(ImageReadError, match=rf'a\.{kind}\.msk, is no TIFF; remove it'):
        SceneImage(path)
    with rasterio.open(
        f'{path}.msk', 'w', 'GTiff', count=1, height=48, width=64, dtype='uint8'
    ) as file:
        file.update_tags(INTERNAL_MASK_FLAGS_1='2')
        file.write(np.repeat([[0], [255]], 24, axis=0)[None].repeat(64, 2).astype(np.uint8))
    for stream in (False, True):
        valid = SceneImage(path, stream).valid(0, 0, 64, 48)
        assert not valid[:24].any()
        assert valid[24:].all()


TRACE = """
import sys
from samrs_mm.core.images import SceneImage
from samrs_mm.core.place import place_of
opened = []
sys.addaudithook(lambda event, args: opened.append(args) if event == 'open' else None)
for stream in (False, True):
    image = SceneImage(sys.argv[1], stream)
    print(image.read().mean(), image.valid(0, 0, 9, 9), place_of(sys.argv[1]).profile or None)
"""


@pytest.mark.skipif(not shutil.which('strace'), reason='needs strace')
@pytest.mark.parametrize('side', ['ovr', 'aux.xml'])
def test_overviews_beside_an_image_are_not_followed(secret, side):
    Image.fromarray(RGB).save(secret / 'a.tif')
    overviews = (
        '<PAMDataset><Metadata domain="OVERVIEWS"><MDI key="OVERVIEW_FILE">secret.tif</MDI>'
        '</Metadata></PAMDataset>'
    )
    (secret / f'a.tif.{side}').write_text(VRT.format(mask='') if side == 'ovr' else overviews)
    trace = secret / 'trace.txt'
    command = ['strace', '-f', '-e', 'trace=open,openat', '-o', str(trace)]
    done = subprocess.run(
        [*command, sys.executable, '-c', TRACE, str(secret / 'a.tif')], capture_output=True
    )
    assert done.returncode == 0, done.stderr
    opened = trace.read_text()
    assert str(secret / 'a.tif') in opened
    assert 'secret.tif' not in opened


def test_kinds_go_by_content(tmp_path):
    kinds = {}
    for kind in ('png', 'jpeg', 'tiff', 'bmp', 'gif', 'webp', 'ppm', 'jpeg2000'):
        Image.fromarray(RGB).save(tmp_path / kind, format=kind)
        kinds[kind] = driver_of(tmp_path / kind)
        path = tmp_path / 'a.png'
        shutil.copy(tmp_path / kind, path)
        assert image_size(path) == (64, 48)
        assert np.abs(SceneImage(path).read().astype(int) - RGB).mean() < 90
    assert kinds == dict(
        png='PNG', jpeg='JPEG', tiff='GTiff', bmp='BMP', gif='GIF', webp='WEBP', ppm='PNM',
        jpeg2000='JP2OpenJPEG',
    )  # fmt: skip
