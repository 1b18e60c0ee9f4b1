"""What has no data is no pixel: not prompted, not in masks, 255 in label maps."""

import csv
import json
import re

import numpy as np
import pytest
import rasterio
from folders import ROOT, load_tool
from PIL import Image

import samrs_mm

CONFIG = str(ROOT / 'configs/annotate/dota_grabcut_rbox.py')
BOX_FILL = 'model.type=BoxFillSegmentor'
SIDE = 120
BOXES = [
    '10 20 70 20 70 80 10 80 half 0',
    '2 2 20 2 20 15 2 15 none 0',
    '80 80 99 80 99 99 80 99 whole 0',
]
EMPTY = np.s_[:, :40]


def nodata(path, pixels):
    pixels[EMPTY] = 0
    save(path.with_suffix('.tif'), pixels, nodata=0)


def alpha(path, pixels):
    shown = np.full((SIDE, SIDE, 1), 255, np.uint8)
    shown[EMPTY] = 0
    Image.fromarray(np.concatenate([pixels, shown], axis=2)).save(path)


def palette(path, pixels):
    picture = Image.fromarray(pixels).quantize(17)
    indices = np.array(picture)
    indices[EMPTY] = 17
    hidden = Image.fromarray(indices, 'P')
    hidden.putpalette([*picture.getpalette()[:51], 9, 9, 9])
    hidden.save(path, transparency=17)


def nan(path, pixels):
    values = pixels.astype(np.float32) / 255
    values[EMPTY] = np.nan
    save(path.with_suffix('.tif'), values)


def internal_mask(path, pixels):
    valid = np.full((SIDE, SIDE), 255, np.uint8)
    valid[EMPTY] = 0
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        save(path.with_suffix('.tif'), pixels, mask=valid)


def save(path, pixels, mask=None, **options):
    bands = np.moveaxis(pixels, -1, 0)
    with rasterio.open(
        path, 'w', 'GTiff', count=3, height=SIDE, width=SIDE, dtype=bands.dtype, **options
    ) as file:
        file.write(bands)
        if mask is not None:
            file.write_mask(mask)


KINDS = dict(nodata=nodata, alpha=alpha, palette=palette, nan=nan, internal_mask=internal_mask)


@pytest.fixture(params=KINDS)
def data(request, tmp_path):
    root = tmp_path / 'data'
    for name in ('images', 'labelTxt'):
        (root / name).mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(1, 250, (SIDE, SIDE, 3), dtype=np.uint8)
    KINDS[request.param](root / 'images/a.png', pixels)
    (root / 'labelTxt/a.txt').write_text('\n'.join(BOXES) + '\n')
    return root


@pytest.mark.parametrize('tile', [('tile=None',), ('tile.size=64', 'tile.overlap=16')])
def test_annotation(data, tmp_path, tile, capsys):
    out = tmp_path / 'out'
    argv = [CONFIG, '--data-root', str(data), '--out', str(out), '--workers', '0']
    argv += ['--prompt', 'hbox', '--cfg-options', BOX_FILL, *tile]
    main = load_tool('sam_annotate').main
    assert main(argv) == 0
    rows = list(csv.DictReader((out / 'ledger.csv').open()))
    lost = {row['category']: row['reason'] for row in rows if row['status'] == 'outside'}
    assert lost == dict(none='no data there')
    said = capsys.readouterr().out
    assert re.search(r'^  outside +(\d+)  \(\1 where there is no data\)$', said, re.MULTILINE)
    assert all(row['status'] in ('kept', 'outside', 'untiled') for row in rows)
    for path in (out / 'instances').iterdir():
        record = json.loads(path.read_text())
        x, _ = record['image']['offset']
        labels = np.array(Image.open(out / f'semantic/{path.stem}.png'))
        assert (labels[:, : max(40 - x, 0)] == 255).all()
        for box in record['boxes']:
            if box['status'] == 'kept' and box['category'] == 'half':
                assert box['bbox'][0] + x >= 40
                assert box['coverage'] < 1 or x >= 40
        if len(tile) > 1:
            image = np.array(Image.open(out / f'images/{path.stem}.png'))
            assert not image[:, : max(40 - x, 0)].any()
    assert main([*argv, '--verify']) == 0
    before = {path.name: path.read_bytes() for path in (out / 'instances').iterdir()}
    assert main(argv) == 0
    assert before == {path.name: path.read_bytes() for path in (out / 'instances').iterdir()}


def test_the_api_cuts_masks_too(data):
    segmentor = samrs_mm.load_segmentor('box-fill')
    (path,) = (data / 'images').iterdir()
    done = segmentor.segment(path, [[10, 20, 70, 80], [2, 2, 20, 15]])
    assert not done.masks[0][EMPTY].any()
    assert done.masks[0][:, 40:].any()
    assert (done.label_map[EMPTY] == 255).all()
    assert done.statuses == ('kept', 'outside')
