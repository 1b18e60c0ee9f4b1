"""Boxes on the map in, masks on the map out: the tool, and the files that GIS programs read."""

import csv
import json
import shutil
import signal

import numpy as np
import pytest
import rasterio
import shapely
from corrected import WHO, square
from folders import ROOT, run_apart, tree
from map_cases import LONLAT, UTM, affine, box, on_map, read_layer, write_layer, write_scene
from rasterio import features

from samrs_mm.formats.annotated.folder import AnnotatedFolder
from samrs_mm.formats.annotated.record import Record
from samrs_mm.formats.corrections.actions import Corrections, added

CONFIG = str(ROOT / 'configs/annotate/geo_grabcut_rbox.py')
FILL = (
    '--cfg-options', 'model.type=BoxFillSegmentor', 'tile.size=96', 'tile.overlap=32',
)  # fmt: skip
SIZE = (500, 300)
SHAPES = [
    box(10, 10, 260, 180), [(400, 50), (440, 70), (430, 90), (390, 70)], box(420, 60, 450, 75),
    box(480, 250, 520, 290), box(30, 30, 60, 50), box(270, 200, 330, 260), box(0, 60, 10, 70),
]  # fmt: skip
"""One larger than a tile, overlapping ones, one half outside, one that reaches into no data, and
one with no pixel of data."""
CLASSES = ['field', 'ship', 'ship', 'house', 'house', 'house', 'ship']
EMPTY = 40
"""Columns at the left without data."""


def write_data(root, turn=0, crs=LONLAT):
    root.mkdir(parents=True)
    write_scene(root / 'scene.tif', affine(turn), empty=EMPTY, size=SIZE)
    shapes = [on_map(shape, affine(turn), crs) for shape in SHAPES]
    far = on_map(box(9000, 9000, 9010, 9010), affine(turn), crs)
    owners = np.array([f'owner {number}' for number in range(9)], object)
    classes = [*CLASSES, 'ship', 'ship']
    write_layer(root / 'boxes.gpkg', [*shapes, far, None], classes, crs, owner=owners)
    return root


@pytest.fixture
def on_a_map(sam_annotate, tmp_path):
    """Run the tool: ``on_a_map('--verify', out='a')`` -> exit code."""

    def run(*flags, out='out', data=tmp_path / 'data', boxes='boxes.gpkg', options=()):
        common = '--data-root', data / 'scene.tif', '--boxes', data / boxes, '--out', tmp_path / out
        arguments = (*common, '--workers', 0, *flags, *FILL, *options)
        return sam_annotate.main([CONFIG, *map(str, arguments)])

    return run


def pixels_of(shapes, place, values=1, fill=0):
    found = np.full(SIZE[::-1], fill, np.uint8)
    for shape, value in zip(shapes, np.broadcast_to(values, len(shapes)), strict=True):
        features.rasterize([(shape, int(value))], out=found, transform=place)
    return found


@pytest.mark.parametrize('turn', [0, 30])
def test_masks_and_boxes_and_label_maps(on_a_map, tmp_path, capsys, turn):
    write_data(tmp_path / 'data', turn)
    assert on_a_map() == 1  # a feature has no geometry
    out = tmp_path / 'out'
    meta, shapes, columns = read_layer(out / 'masks.gpkg', 'masks')
    assert meta['crs'] == UTM
    assert columns['owner'].tolist() == [f'owner {number}' for number in range(6)]
    assert columns['category'].tolist() == columns['class'].tolist() == CLASSES[:6]
    assert shapely.is_valid(shapes).all()
    assert shapely.area(shapes) == pytest.approx(columns['pixels'] * 0.25, rel=1e-9)
    assert columns['area_m2'] == pytest.approx(columns['pixels'] * 0.25)
    assert not columns['cut'].any()

    place = affine(turn)
    with rasterio.open(out / 'labels/scene.tif') as file:
        labels = file.read(1)
        assert (file.crs, file.transform) == (rasterio.CRS.from_string(UTM), place)
    order = np.lexsort((np.arange(6), -columns['pixels']))
    classes = columns['category_id'][order] - 1
    assert np.array_equal(pixels_of(shapes[order], place, classes, 255), labels)
    assert (labels[:, :EMPTY] == 255).all()
    assert columns['visible'].sum() == (labels != 255).sum()
    slanted = pixels_of([shapely.Polygon([place * xy for xy in SHAPES[1]])], place)
    mask = pixels_of(shapes[1:2], place)
    assert (slanted & mask).sum() / (slanted | mask).sum() > 0.95

    _, geometries, columns = read_layer(out / 'masks.gpkg', 'boxes')
    assert columns['status'].tolist() == ['kept'] * 6 + ['outside'] * 2 + ['malformed']
    assert columns['reason'][7] == 'it lies in no scene'
    assert columns['owner'].tolist() == [f'owner {number}' for number in range(9)]
    assert geometries[8] is None
    _, _, columns = read_layer(out / 'masks.gpkg', 'layer_styles')
    legends = dict(zip(columns['f_table_name'], columns['styleQML'], strict=True))
    assert 'label="ship"' in legends['masks']
    assert 'label="outside"' in legends['boxes']
    with open(out / 'ledger.csv', newline='') as file:
        assert len(list(csv.DictReader(file))) == 9
    said = capsys.readouterr().out
    assert 'labels   1 of 9 features lies in no scene' in said
    assert 'on a map masks.gpkg, masks.qml, labels/scene.tif, ...' in said
    assert on_a_map('--verify') == 1
    assert ', 0 problems; 1 ledger row names what could not be read' in capsys.readouterr().out


def test_boxes_of_other_crs_give_the_same_bytes(on_a_map, tmp_path):
    trees = []
    for number, crs in enumerate((LONLAT, UTM, 'EPSG:3857')):
        data = (
            write_data(tmp_path / f'{number}/data', crs=crs)
            if number
            else write_data(tmp_path / 'data')
        )
        on_a_map(out=f'out{number}', data=data)
        found = tree(tmp_path / f'out{number}')
        _, shapes, _ = read_layer(tmp_path / f'out{number}/masks.gpkg', 'masks')
        trees.append(
            (found['labels/scene.tif'], found['ledger.csv'], shapely.to_wkt(shapes).tolist())
        )
    assert all(each == trees[0] for each in trees)


def test_shards_and_a_killed_run_give_the_same_bytes(on_a_map, tmp_path):
    write_data(tmp_path / 'data')
    on_a_map(out='whole')
    for shard, workers in (('1/2', 0), ('0/2', 1)):
        on_a_map('--shard', shard, '--workers', workers, out='shared')
    on_a_map('--limit', 2, out='again')
    on_a_map(out='again')
    first = tree(tmp_path / 'whole')
    assert tree(tmp_path / 'shared') == first
    assert tree(tmp_path / 'again') == first


def test_a_moved_box_and_a_restart(on_a_map, tmp_path, capsys):
    data = write_data(tmp_path / 'data')
    on_a_map()
    (data / 'boxes.gpkg').unlink()
    write_layer(data / 'boxes.gpkg', [on_map(box(410, 60, 440, 75))], ['ship'])
    assert on_a_map('--prune') == 0
    _, shapes, columns = read_layer(tmp_path / 'out/masks.gpkg', 'masks')
    assert len(shapes) == 1
    assert columns['pixels'][0] == 30 * 15
    moved = data / 'elsewhere'
    moved.mkdir()
    shutil.move(data / 'boxes.gpkg', moved / 'boxes.gpkg')
    assert on_a_map('--verify', boxes='elsewhere/boxes.gpkg') == 0
    (tmp_path / 'out/labels/scene.tif').write_bytes(b'')
    capsys.readouterr()
    assert on_a_map('--verify', boxes='elsewhere/boxes.gpkg') == 1
    assert 'labels/scene.tif: not what the records give' in capsys.readouterr().err
    assert on_a_map('--restart', boxes='elsewhere/boxes.gpkg') == 0
    assert on_a_map('--verify', boxes='elsewhere/boxes.gpkg') == 0


def test_boxes_in_no_scene_alone_are_no_failure(on_a_map, tmp_path, capsys):
    (tmp_path / 'data').mkdir()
    write_scene(tmp_path / 'data/scene.tif', size=SIZE)
    far, near = on_map(box(900, 900, 910, 910)), on_map(box(20, 20, 30, 40))
    write_layer(tmp_path / 'data/boxes.gpkg', [far, near], ['x', 'x'])
    assert on_a_map() == 0
    write_layer(tmp_path / 'data/far.gpkg', [far], ['x'])
    assert on_a_map(out='far', boxes='far.gpkg') == 0
    said = capsys.readouterr().out
    assert 'no box lies in 1 scene of 1, such as scene.tif' in said
    _, _, columns = read_layer(tmp_path / 'far/masks.gpkg', 'boxes')
    assert columns['status'].tolist() == ['outside']
    assert not list((tmp_path / 'far/labels').iterdir())


def test_boxes_far_from_all_scenes_are_counted(on_a_map, tmp_path, capsys):
    write_data(tmp_path / 'data')
    none = 'dataset.list_outside=0'
    assert on_a_map(options=(none,)) == 1  # one feature has no geometry
    out = capsys.readouterr().out
    assert '1 of 9 features lies in no scene, 1 of them far from all and only counted' in out
    assert '  elsewhere  1  (far from all scenes, not in the ledger)' in out
    counts = json.loads((tmp_path / 'out/meta.json').read_text())['counts']
    assert (counts['elsewhere'], counts['boxes']) == (1, 8)
    _, _, columns = read_layer(tmp_path / 'out/masks.gpkg', 'boxes')
    assert len(columns['status']) == 8
    on_a_map('--verify', options=(none,))
    assert 'verify: 5 images, 0 problems' in capsys.readouterr().out


def test_the_label_map_of_a_scene_without_boxes_goes(on_a_map, tmp_path):
    data = write_data(tmp_path / 'data')
    on_a_map()
    (data / 'boxes.gpkg').unlink()
    write_layer(data / 'boxes.gpkg', [on_map(box(9000, 9000, 9010, 9010))], ['ship'])
    assert on_a_map('--prune') == 0
    assert not list((tmp_path / 'out/labels').iterdir())
    meta, shapes, _ = read_layer(tmp_path / 'out/masks.gpkg', 'masks')
    assert (meta['crs'], len(shapes)) == (UTM, 0)


def test_what_qgis_leaves_beside_is_no_foreign_file(on_a_map, tmp_path, capsys):
    write_data(tmp_path / 'data')
    on_a_map()
    first = tree(tmp_path / 'out')
    beside = 'labels/scene.tif.aux.xml', 'masks.gpkg-wal', 'masks.gpkg-shm'
    for name in beside:
        (tmp_path / 'out' / name).write_bytes(b'')
    on_a_map('--verify')
    assert 'verify: 5 images, 0 problems' in capsys.readouterr().out
    on_a_map()
    assert tree(tmp_path / 'out') == first
    for name in beside:
        (tmp_path / 'out' / name).write_bytes(b'')
    assert on_a_map('--restart') == 1  # one feature has no geometry
    assert tree(tmp_path / 'out') == first


def test_an_object_that_was_added_has_no_columns_of_a_feature(on_a_map, tmp_path):
    data = write_data(tmp_path / 'data')
    shapes = [on_map(shape) for shape in SHAPES[:2]]
    numbers = dict(storeys=np.array([3, 4]), height=np.array([3.5, 4.5]))
    write_layer(data / 'two.gpkg', shapes, CLASSES[:2], **numbers)
    assert on_a_map(boxes='two.gpkg') == 0
    out = AnnotatedFolder(tmp_path / 'out')
    stem = next(path.stem for path in sorted((out.root / 'instances').iterdir()))
    image = Record.load(out.path('instances', stem)).image
    corrections = Corrections.of(stem, image)
    corrections.add(added('ship', square(image.height, image.width, x=60), **WHO))
    corrections.write(out.corrections(stem))
    assert on_a_map('--finalise', boxes='two.gpkg') == 0
    _, _, columns = read_layer(out.root / 'masks.gpkg', 'masks')
    assert columns['category'].tolist() == ['field', 'ship', 'ship']
    assert columns['class'].tolist() == ['field', 'ship', None]
    assert columns['storeys'][:2].tolist() == [3, 4]
    assert np.isnan([columns['storeys'][2], columns['height'][2]]).all()
    assert columns['box_id'][2].startswith('corrections/')
    assert on_a_map('--verify', boxes='two.gpkg') == 0


def test_overlapping_tiles_give_one_mask_a_box(on_a_map, tmp_path):
    write_data(tmp_path / 'data')
    on_a_map(options=('tile.once=False', 'tile.overlap=64'))
    _, _, columns = read_layer(tmp_path / 'out/masks.gpkg', 'masks')
    ids = columns['box_id'].tolist()
    assert len(ids) == len(set(ids))
    _, _, boxes = read_layer(tmp_path / 'out/masks.gpkg', 'boxes')
    assert boxes['status'][0] == 'untiled'


@pytest.mark.slow
@pytest.mark.parametrize('call', ['replace', 'fsync'])
def test_killed_again_and_again_it_ends_with_the_same_bytes(on_a_map, tmp_path, call):
    data = write_data(tmp_path / 'data')
    on_a_map(out='whole')
    argv = [CONFIG, '--data-root', str(data / 'scene.tif'), '--boxes', str(data / 'boxes.gpkg'),
            '--out', str(tmp_path / 'killed'), '--workers', '0', *FILL]  # fmt: skip
    deaths = 0
    for nth in range(1, 40, 2):
        code = run_apart(argv, ('kill', call, nth))
        if code != -signal.SIGKILL:
            break
        deaths += 1
    assert code == 1
    assert deaths > 3
    assert tree(tmp_path / 'killed') == tree(tmp_path / 'whole')
