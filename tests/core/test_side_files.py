"""Files beside a picture: which belong to it, and what in them counts."""

import pytest

from samrs_mm.core.side_files import NOTHING, side_files, side_sha256

STATISTICS = (
    b'<PAMDataset>\n  <PAMRasterBand band="1">\n    <Histograms><HistItem><HistMin>0</HistMin>'
    b'</HistItem></Histograms>\n    <Metadata>\n      <MDI key="STATISTICS_MEAN">9</MDI>\n'
    b'    </Metadata>\n  </PAMRasterBand>\n</PAMDataset>\n'
)
NODATA = STATISTICS.replace(b'<Histograms>', b'<NoDataValue>0</NoDataValue><Histograms>')
PLACED = STATISTICS.replace(b'<PAMDataset>', b'<PAMDataset><GeoTransform>0, 1, 0</GeoTransform>')


@pytest.fixture
def about(tmp_path):
    def write(data):
        path = tmp_path / 'a.png.aux.xml'
        path.write_bytes(data)
        return path

    return write


def test_statistics_of_a_viewer_decide_nothing(about):
    assert side_sha256(about(STATISTICS), place=True) == NOTHING
    assert side_sha256(about(NODATA)) != NOTHING


def test_a_place_decides_only_what_has_one(about):
    assert side_sha256(about(PLACED)) == NOTHING
    assert side_sha256(about(PLACED), place=True) != NOTHING


@pytest.mark.parametrize(
    ('picture', 'world'),
    [('a.png', 'a.pgw'), ('a.tif', 'a.tfw'), ('a.jpg', 'a.jpgw'), ('a.tif', 'a.TFW'),
     ('a.jp2', 'a.wld')],
)  # fmt: skip
def test_world_files_belong_to_a_picture_with_a_place(tmp_path, picture, world):
    for name in (world, f'{picture}.msk', 'b.tfw'):
        (tmp_path / name).write_text('1')
    assert [path.name for path in side_files(tmp_path / picture)] == [f'{picture}.msk']
    found = side_files(tmp_path / picture, place=True)
    assert [path.name for path in found] == [f'{picture}.msk', world]
