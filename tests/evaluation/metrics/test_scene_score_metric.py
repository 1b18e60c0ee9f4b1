import json
from itertools import product

import numpy as np
import pytest
import torch
from benchmark_folders import write_potsdam
from folders import load_tool
from PIL import Image
from sklearn import metrics as sk

from samrs_mm.core.errors import RefusedError
from samrs_mm.core.tiling import TileSpec, Window, tile_stem, windows
from samrs_mm.datasets.segmentation.potsdam import Potsdam5Dataset
from samrs_mm.evaluation.metrics import SceneScoreMetric, SegScoreMetric
from samrs_mm.evaluation.metrics import scene_score_metric as module
from samrs_mm.evaluation.metrics.scene_score_metric import own_part

META = dict(classes=('background', 'ship', 'plane', 'tank'))
SPEC = TileSpec(size=32, overlap=12)
# one with last windows shifted back, one of exactly a tile, one smaller than a tile
SIZES = dict(P1=(75, 90), P2=(32, 32), P3=(20, 50))


@pytest.fixture
def root(tmp_path):
    tile = dict(size=SPEC.size, overlap=SPEC.overlap, pad=[0, 0, 0])
    meta = dict(partial=False, settings=dict(tile=tile), scenes=SIZES)
    (tmp_path / 'tiles.json').write_text(json.dumps(meta))
    (tmp_path / 'images').mkdir()
    return tmp_path


def scene(name):
    """Return a scene's truth ``(H, W)``, with 255, and each of its tiles' prediction."""
    width, height = SIZES[name]
    rng = np.random.default_rng(len(name) + width)
    truth = rng.integers(0, 4, (height, width))
    truth[rng.random(truth.shape) < 0.2] = 255
    grid = windows(width, height, SPEC)
    return truth, {tile: rng.integers(0, 4, (SPEC.size, SPEC.size)) for tile in grid}


def samples(root, name, folder='images'):
    truth, predictions = scene(name)
    for tile, predicted in predictions.items():
        part = truth[tile.y : tile.y + tile.height, tile.x : tile.x + tile.width]
        beyond = [(0, side - have) for side, have in zip(predicted.shape, part.shape, strict=True)]
        label = np.pad(part, beyond, constant_values=255)
        yield dict(
            img_path=str(root / folder / f'{tile_stem(name, tile)}.png'),
            pred_sem_seg=dict(data=torch.from_numpy(predicted)[None]),
            gt_sem_seg=dict(data=torch.from_numpy(label)[None]),
        )


def assembled(name):
    """Return a scene's prediction: each pixel from the tile with the nearest centre, by a loop."""
    truth, predictions = scene(name)
    stitched = np.empty_like(truth)
    for y, x in product(*map(range, truth.shape)):
        held = [
            tile
            for tile in reversed(predictions)  # of two as near, the one on the right or below
            if 0 <= y - tile.y < tile.height and 0 <= x - tile.x < tile.width
        ]
        middles = [(tile.y + tile.height / 2, tile.x + tile.width / 2) for tile in held]
        distances = [(y + 0.5 - v) ** 2 + (x + 0.5 - u) ** 2 for v, u in middles]
        tile = held[int(np.argmin(distances))]
        stitched[y, x] = predictions[tile][y - tile.y, x - tile.x]
    return truth, stitched


def metric_of(tiles, **options):
    metric = SceneScoreMetric(**options)
    metric.dataset_meta = META
    metric.process(None, tiles)
    return metric


def test_scores_are_those_of_the_stitched_scenes(root):
    tiles = [sample for name in SIZES for sample in samples(root, name)]
    labels = [sample['gt_sem_seg']['data'].clone() for sample in tiles]
    scores = metric_of(tiles[::-1], classwise=('F1',)).evaluate(len(tiles))
    pairs = [assembled(name) for name in SIZES]
    truth, predicted = (
        np.concatenate([a.ravel() for a in part]) for part in zip(*pairs, strict=True)
    )
    truth, predicted = truth[truth != 255], predicted[truth != 255]
    f1 = 100 * sk.f1_score(truth, predicted, average=None)
    assert [scores[f'F1/{name}'] for name in META['classes']] == pytest.approx(f1, abs=1e-4)
    assert scores['OA'] == pytest.approx(100 * sk.accuracy_score(truth, predicted), abs=1e-4)
    iou = 100 * sk.jaccard_score(truth, predicted, average='macro')
    assert scores['mIoU'] == pytest.approx(iou, abs=1e-4)
    theirs = SegScoreMetric()
    theirs.dataset_meta = META
    theirs.process(None, tiles)
    assert theirs.evaluate(len(tiles))['OA'] != scores['OA'], 'the two differ on the test data'
    assert all(map(torch.equal, labels, (sample['gt_sem_seg']['data'] for sample in tiles)))


@pytest.mark.parametrize(('width', 'height'), [(6000, 6000), (4000, 900), (700, 500), (896, 1409)])
def test_every_pixel_belongs_to_one_tile(width, height):
    """The real sizes: Potsdam's tiles, and iSAID's scenes of any size."""
    for spec in (TileSpec(size=512, overlap=192), TileSpec(size=896, overlap=384)):
        grid = windows(width, height, spec)
        taken = np.zeros((height, width), np.uint8)
        for tile in grid:
            rows, columns = own_part((width, height), spec, tile)
            assert 0 <= rows.start < rows.stop <= spec.size
            assert 0 <= columns.start < columns.stop <= spec.size
            y, x = tile.y, tile.x
            taken[y + rows.start : y + rows.stop, x + columns.start : x + columns.stop] += 1
        assert (taken == 1).all()


def test_tiles_of_the_preparing_tool(tmp_path):
    """A model that is right everywhere: each labelled pixel of the scenes is a hit, once."""
    scenes = write_potsdam(tmp_path / 'raw', ['2_13', '2_14'], size=(1000, 700))
    tool = load_tool('dataset_converters/prepare_potsdam')
    flags = ['--out', str(tmp_path / 'out'), '--workers', '0', '--partial']
    assert tool.main([str(tmp_path / 'raw'), *flags]) == 0
    dataset = Potsdam5Dataset(str(tmp_path / 'out/test'))
    metric = SceneScoreMetric()
    metric.dataset_meta = dataset.metainfo
    for info in dataset:
        label = torch.from_numpy(np.array(Image.open(info['seg_map_path'])))[None]
        right = dict(data=label.clamp(max=4))
        sample = dict(img_path=info['img_path'], pred_sem_seg=right, gt_sem_seg=dict(data=label))
        metric.process(None, [sample])
    assert len(metric.results) == len(dataset) == 2 * 3 * 2
    counts = sum(confusion for _, confusion in metric.results)
    labels = np.concatenate([label.ravel() for _, label in scenes.values()])
    np.testing.assert_array_equal(counts, np.diag(np.bincount(labels, minlength=256)[:5]))


def test_a_tile_that_comes_twice_counts_once(root):
    tiles = list(samples(root, 'P1'))
    once = metric_of(tiles).evaluate(len(tiles))
    assert metric_of([*tiles, *tiles[:3]]).evaluate(len(tiles) + 3) == once


def test_missing_tiles_are_lines(root, monkeypatch):
    lines = []
    monkeypatch.setattr(module, 'print_log', lambda text, **_: lines.append(text))
    tiles = list(samples(root, 'P1'))
    metric_of(tiles).evaluate(len(tiles))
    assert not lines
    metric_of(tiles[2:]).evaluate(len(tiles) - 2)
    [line] = lines
    assert line.startswith(f'2 of the {len(tiles)} tiles of scene P1 were not scored')


def test_packed_tiles_lie_a_folder_deeper(root):
    plain, packed = (list(samples(root, 'P1', name)) for name in ('images', 'packed/tiles'))
    scores = [metric_of(tiles).evaluate(len(tiles)) for tiles in (plain, packed)]
    assert scores[0] == scores[1]


def test_maps_are_of_whole_tiles(root, tmp_path):
    tile = next(samples(root, 'P1'))
    metric_of([tile], output_dir=str(tmp_path / 'maps'))
    [path] = (tmp_path / 'maps').iterdir()
    np.testing.assert_array_equal(Image.open(path), tile['pred_sem_seg']['data'][0])
    metric = metric_of([tile], output_dir=str(tmp_path / 'only'), format_only=True)
    assert not metric.results
    assert [path.name for path in (tmp_path / 'only').iterdir()] == [path.name]


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('roof.png', "'roof' is not a tile name SCENE__SIZE__X___Y"),
        (f'{tile_stem("P9", Window(0, 0, 32, 32))}.png', "has no scene 'P9'"),
    ],
)
def test_other_images_are_refused(root, name, message):
    tile = next(samples(root, 'P1')) | dict(img_path=str(root / 'images' / name))
    with pytest.raises(RefusedError, match=message):
        metric_of([tile])


def test_tiles_of_elsewhere_are_refused(tmp_path):
    with pytest.raises(RefusedError, match=r'no tiles\.json in or above'):
        metric_of([next(samples(tmp_path, 'P1'))])
