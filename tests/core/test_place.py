import numpy as np
import pytest
import rasterio
from map_cases import LONLAT, UTM, affine, write_scene
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.rpc import RPC
from rasterio.transform import Affine

from samrs_mm.core.errors import ImageReadError
from samrs_mm.core.place import place_of, reproject

CORNERS = np.array([(0, 0), (300, 0), (300, 200), (0, 200), (12.25, 199.5)])


@pytest.mark.parametrize(
    'transform',
    [affine(), affine(30), affine(scale=-0.5), affine() * Affine.shear(20, 5)],
    ids=['north up', 'turned', 'south up', 'sheared'],
)
def test_pixels_to_the_map_and_back(tmp_path, transform):
    place = place_of(write_scene(tmp_path / 'a.tif', transform))
    assert (place.width, place.height) == (300, 200)
    on_map = place.to_map(CORNERS)
    assert on_map == pytest.approx(np.array([transform * tuple(xy) for xy in CORNERS]))
    assert np.abs(place.to_pixels(on_map) - CORNERS).max() < 1e-6


def test_control_points(tmp_path):
    transform = affine(30)
    points = [
        GroundControlPoint(row, column, *(transform * (column, row)))
        for row in (0, 100, 200)
        for column in (0, 150, 300)
    ]
    path = write_scene(tmp_path / 'a.tif')
    with rasterio.open(tmp_path / 'g.tif', 'w', 'GTiff', width=300, height=200, count=1,
                       dtype='uint8', gcps=points, crs=UTM) as file:  # fmt: skip
        file.write(np.ones((1, 200, 300), np.uint8))
    place = place_of(tmp_path / 'g.tif')
    assert place.affine is None
    assert place.crs == CRS.from_string(UTM)
    assert place
    expected = np.array([transform * tuple(xy) for xy in CORNERS])
    assert np.abs(place.to_map(CORNERS) - expected).max() < 1e-3
    assert np.abs(place.to_pixels(expected) - CORNERS).max() < 1e-3
    assert place.profile['gcps']
    assert place_of(path).profile == dict(crs=CRS.from_string(UTM), transform=affine())


def test_what_is_not_on_the_map(tmp_path):
    assert not place_of(write_scene(tmp_path / 'a.tif', Affine.identity(), crs=None))
    (tmp_path / 'b.tif').write_bytes(b'II*\0 and no more')
    with pytest.raises(ImageReadError, match=r'b.tif: cannot read the image'):
        place_of(tmp_path / 'b.tif')


def test_the_model_of_a_camera_is_no_place_and_is_kept(tmp_path):
    rpcs = RPC(
        err_bias=0, err_rand=0, height_off=0, height_scale=1, lat_off=48, lat_scale=1,
        line_den_coeff=[1.0] + [0.0] * 19, line_num_coeff=[1.0] + [0.0] * 19, line_off=1,
        line_scale=1, long_off=11, long_scale=1, samp_den_coeff=[1.0] + [0.0] * 19,
        samp_num_coeff=[1.0] + [0.0] * 19, samp_off=1, samp_scale=1,
    )  # fmt: skip
    alone = place_of(write_scene(tmp_path / 'a.tif', Affine.identity(), crs=None, rpcs=rpcs))
    assert not alone
    assert alone.profile['rpcs'].lat_off == 48
    both = place_of(write_scene(tmp_path / 'b.tif', affine(), rpcs=rpcs))
    assert both
    assert both.profile.keys() == {'crs', 'transform', 'rpcs'}


def test_area_of_a_pixel(tmp_path):
    assert place_of(write_scene(tmp_path / 'a.tif', affine(30))).pixel_area == pytest.approx(0.25)
    degrees = Affine(1e-5, 0, 11, 0, -1e-5, 48)
    assert place_of(write_scene(tmp_path / 'b.tif', degrees, LONLAT)).pixel_area is None


def test_one_point_beyond_the_projection_spoils_no_other():
    utm, lonlat = CRS.from_string(UTM), CRS.from_string(LONLAT)
    points = np.array([(11.5, 48.1), (11.6, 95), (np.nan, 48), (11.6, 48.2), (11.7, 48.3)])
    found = reproject(points, lonlat, utm)
    assert np.isnan(found[[1, 2]]).all()
    back = reproject(found[[0, 3, 4]], utm, lonlat)
    assert np.abs(back - points[[0, 3, 4]]).max() < 1e-8


def by_krueger(lon, lat):
    """Return east and north in UTM 32 by Krüger's series: another way than PROJ's code."""
    flat, k0 = 1 / 298.257223563, 0.9996
    n = flat / (2 - flat)
    radius = 6378137 / (1 + n) * (1 + n**2 / 4 + n**4 / 64)
    terms = n / 2 - 2 * n**2 / 3 + 5 * n**3 / 16, 13 * n**2 / 48 - 3 * n**3 / 5, 61 * n**3 / 240
    lon, lat = np.radians(lon - 9), np.radians(lat)
    squeeze = 2 * np.sqrt(n) / (1 + n)
    t = np.sinh(np.arctanh(np.sin(lat)) - squeeze * np.arctanh(squeeze * np.sin(lat)))
    xi, eta = np.arctan2(t, np.cos(lon)), np.arctanh(np.sin(lon) / np.hypot(1, t))
    east, north = eta, xi
    for order, term in enumerate(terms, 1):
        east = east + term * np.cos(2 * order * xi) * np.sinh(2 * order * eta)
        north = north + term * np.sin(2 * order * xi) * np.cosh(2 * order * eta)
    return np.stack([500000 + k0 * radius * east, k0 * radius * north], 1)


def test_degrees_in_utm_are_those_of_the_formula():
    points = np.random.default_rng(0).uniform((6, 0), (12, 80), (200, 2))
    found = reproject(points, CRS.from_epsg(4326), CRS.from_epsg(32632))
    assert np.abs(found - by_krueger(*points.T)).max() < 1e-3
