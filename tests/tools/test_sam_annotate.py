"""The tool as it is used: its files, its flags, its exit codes."""

import csv
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from folders import BOX_FILL, CONFIG, ROOT, tree
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

TILED = (*BOX_FILL, 'tile.size=64', 'tile.overlap=16', 'tile.iof=0.5')
BOX_KEYS = {
    'id', 'box_id', 'category_id', 'category', 'polygon', 'scene_polygon', 'prompt', 'prompt_box',
    'status', 'reason', 'score', 'stability', 'bbox', 'area', 'visible_area', 'segmentation',
    'fill', 'coverage', 'leakage', 'components', 'at_border',
}  # fmt: skip
IMAGE_KEYS = {'path', 'scene', 'split', 'offset', 'width', 'height', 'sha256', 'notes'}


def read(path):
    return json.loads(path.read_bytes())


def test_an_annotated_folder(annotate, dota, tmp_path):
    assert annotate(*BOX_FILL) == 0
    out = tmp_path / 'out'
    meta = read(out / 'meta.json')
    assert meta['classes'] == ['plane', 'ship', 'small-vehicle']
    assert meta['data_root'] == '../dota'
    assert not meta['partial']
    kept = 0
    for path in (out / 'instances').iterdir():
        record = read(path)
        assert record['image'].keys() == IMAGE_KEYS
        assert record['signature'] == meta['signature']
        semantic = Image.open(out / 'semantic' / f'{path.stem}.png')
        assert semantic.mode == 'L'
        pixels = np.asarray(semantic)
        assert pixels.shape == (96, 128)
        covered = np.zeros(pixels.shape, bool)
        visible = 0
        for box in record['boxes']:
            assert box.keys() == BOX_KEYS
            assert box['category_id'] == meta['classes'].index(box['category']) + 1
            mask = coco_mask.decode(box['segmentation']).astype(bool)
            assert mask.sum() == box['area']
            covered |= mask
            visible += box['visible_area']
            kept += 1
        assert visible == covered.sum()
        assert ((pixels == 255) == ~covered).all()
    with open(out / 'images.csv', newline='') as file:
        rows = list(csv.DictReader(file))
    assert [int(row['kept']) for row in rows] == [3, 4, 5, 6, 0]
    assert rows[1]['file'] == 'images/P0001.png'
    assert rows[4]['labelled'] == '0'
    coco = COCO(str(out / 'annotations.json'))
    assert len(coco.anns) == kept == 18
    assert {image['file_name'] for image in coco.imgs.values()} == {
        f'images/P{i:04}.png' for i in range(5)
    }


def test_no_path_time_or_host_in_the_files(annotate, dota, tmp_path):
    (dota / 'images/P0001.png').write_text('hello')
    (dota / 'labelTxt/P0002.txt').unlink()
    (dota / 'labelTxt/P0002.txt').mkdir()
    assert annotate(*BOX_FILL) == 1
    for path in (tmp_path / 'out').rglob('*.*'):
        data = path.read_bytes()
        for secret in (str(tmp_path), os.uname().nodename):
            assert secret.encode() not in data


def test_tiles(annotate, dota, tmp_path):
    assert annotate(*TILED) == 0
    out = tmp_path / 'out'
    names = {path.stem for path in (out / 'images').iterdir()}
    assert {path.stem for path in (out / 'semantic').iterdir()} == names
    assert 'P0000__64__64___32' in names
    record = read(out / 'instances/P0000__64__64___32.json')
    assert record['image']['offset'] == [64, 32]
    scene = np.asarray(Image.open(dota / 'images/P0000.png'))
    tile = np.asarray(Image.open(out / 'images/P0000__64__64___32.png'))
    np.testing.assert_array_equal(tile, scene[32:96, 64:128])
    for box in record['boxes']:
        moved = np.array(box['polygon']) + record['image']['offset']
        np.testing.assert_allclose(moved, box['scene_polygon'], atol=1e-3)
    with open(out / 'ledger.csv', newline='') as file:
        rows = list(csv.DictReader(file))
    assert len({row['box_id'] for row in rows}) == 18
    assert annotate('--verify', *TILED) == 0


def test_every_box_of_a_scene_is_in_the_ledger_even_if_no_tile_takes_it(annotate, dota, tmp_path):
    line = '0 0 120 0 120 90 0 90 ship 0\n'
    (dota / 'labelTxt/P0002.txt').write_text(line)
    assert annotate(*TILED) == 0
    with open(tmp_path / 'out/ledger.csv', newline='') as file:
        rows = [row for row in csv.DictReader(file) if row['status'] == 'untiled']
    assert [row['box_id'] for row in rows] == ['labelTxt/P0002.txt:1']
    assert rows[0]['tile'] == ''


@pytest.mark.parametrize(
    ('name', 'spoil', 'says'),
    [
        ('semantic/P0001.png', 'png', 'the label map is not what the masks'),
        ('instances/P0001.json', 'area', 'area'),
        ('instances/P0001.json', 'polygon', 'polygon'),
        ('ledger.csv', 'append', 'not what labels and records give'),
        ('annotations.json', 'append', 'not what labels and records give'),
        ('semantic/other.png', 'new', 'not a file of this dataset'),
        ('../dota/images/P0001.png', 'png', 'sha256'),
        ('../dota/labelTxt/P0001.txt', 'append', 'the labels give'),
    ],
)
def test_verify_finds_tampering(annotate, tmp_path, capsys, name, spoil, says):
    assert annotate(*BOX_FILL) == 0
    path = tmp_path / 'out' / name
    if spoil == 'png':
        Image.fromarray(255 - np.asarray(Image.open(path))).save(path)
    elif spoil == 'append':
        path.write_text(path.read_text() + '10 10 40 10 40 30 10 30 ship 0\n')
    elif spoil == 'new':
        path.write_text('')
    else:
        record = read(path)
        record['boxes'][0][spoil] = 3 if spoil == 'area' else [[0, 0]] * 4
        path.write_text(json.dumps(record))
    capsys.readouterr()
    assert annotate('--verify', *BOX_FILL) == 1
    assert says in capsys.readouterr().err


def test_finalise_writes_the_same_again(annotate, tmp_path):
    assert annotate(*BOX_FILL) == 0
    whole = tree(tmp_path / 'out')
    for name in ('ledger.csv', 'annotations.json'):
        (tmp_path / 'out' / name).unlink()
    assert annotate('--finalise', *BOX_FILL) == 0
    assert tree(tmp_path / 'out') == whole


def test_dry_run_writes_nothing(annotate, tmp_path, capsys):
    assert annotate('--dry-run', *TILED) == 0
    said = capsys.readouterr().out
    assert not (tmp_path / 'out').exists()
    for word in ('images   30 from 5 scenes', 'boxes    18 in the labels', 'time', 'disk'):
        assert word in said


def test_show(annotate, tmp_path):
    assert annotate('--show', 2, *BOX_FILL) == 0
    names = sorted(path.name for path in (tmp_path / 'out/show').iterdir())
    assert names == ['P0000.jpg', 'P0001.jpg']
    assert annotate('--verify', *BOX_FILL) == 0


@pytest.mark.parametrize('policy', ['file_order', 'score'])
def test_overlap_policy_by_option(annotate, tmp_path, policy):
    assert annotate(*BOX_FILL, f'overlap_policy={policy}') == 0
    assert read(tmp_path / 'out/meta.json')['settings']['overlap_policy'] == policy


@pytest.mark.parametrize(
    ('environment', 'shard'),
    [
        ({'RANK': '1', 'WORLD_SIZE': '2'}, {'P0001', 'P0003'}),
        ({'SLURM_PROCID': '0', 'SLURM_NTASKS': '3'}, {'P0000', 'P0003'}),
    ],
)
def test_launchers_set_the_shard(annotate, tmp_path, monkeypatch, environment, shard):
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    assert annotate(*BOX_FILL) == 0
    assert {path.stem for path in (tmp_path / 'out/instances').iterdir()} == shard
    assert not (tmp_path / 'out/ledger.csv').exists()


def test_the_last_shard_of_a_limited_run_writes_the_set_level_files(annotate, tmp_path):
    assert annotate('--shard', '1/2', '--limit', 3, *BOX_FILL) == 0
    assert not (tmp_path / 'out/ledger.csv').exists()
    assert annotate('--shard', '0/2', '--limit', 3, *BOX_FILL) == 0
    assert read(tmp_path / 'out/meta.json')['counts']['images'] == dict(total=5, done=3, pending=2)


@pytest.mark.parametrize('flag', ['2/2', 'x', '-1/2'])
def test_impossible_shard(annotate, capsys, flag):
    assert annotate(f'--shard={flag}') == 2
    assert 'is not I/N' in capsys.readouterr().err


def test_help_teaches():
    tool = str(ROOT / 'tools/sam_annotate.py')
    said = subprocess.run([sys.executable, tool, '--help'], capture_output=True, text=True).stdout
    for flag in ('--data-root', '--out', '--checkpoint', '--prompt', '--limit', '--workers',
                 '--shard', '--dry-run', '--verify', '--finalise', '--restart', '--show',
                 '--cfg-options', 'exit codes', 'examples'):  # fmt: skip
        assert flag in said


def test_a_small_sam_end_to_end(annotate, tmp_path):
    config = tmp_path / 'small_sam.py'
    arch = dict(embed_dim=24, depth=2, num_heads=3, global_attn_indexes=[1], img_size=256, seed=0)
    model = dict(type='SAMSegmentor', arch=arch, chunk=3, threads=1, _delete_=True)
    config.write_text(f'_base_ = [{CONFIG!r}]\nmodel = {model}\n')
    for out, flags in (('a', ()), ('b', ('--limit', '2')), ('b', ())):
        assert annotate('--prompt', 'rhbox', *flags, config=str(config), out=out) == 0
    assert tree(tmp_path / 'a') == tree(tmp_path / 'b')
    assert annotate('--prompt', 'rhbox', '--verify', config=str(config), out='a') == 0
    boxes = read(tmp_path / 'a/instances/P0003.json')['boxes']
    assert all(isinstance(box['score'], float) for box in boxes)
    assert annotate('--prompt', 'rbox', config=str(config), out='c') == 2


@pytest.mark.parametrize(
    'flags', [('--dry-run', '--refilter'), ('--verify', '--finalise'), ('--refilter', '--restart')]
)
def test_ways_that_exclude_each_other(annotate, tmp_path, capsys, flags):
    with pytest.raises(SystemExit):
        annotate(*flags)
    assert 'exclude each other; run one after the other' in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


def test_two_datasets_never_go_into_one_folder(annotate, dota, tmp_path, capsys):
    other = tmp_path / 'other'
    shutil.copytree(dota, other)
    for path in (other / 'images').iterdir():
        Image.open(path).crop((0, 0, 90, 90)).save(path)
    assert annotate('--limit', '1') == 0
    before = tree(tmp_path / 'out')
    for flags in (), ('--restart',):
        assert annotate(*flags, data=other) == 2
        assert f'out {tmp_path / "out"} holds the masks of {dota}' in capsys.readouterr().err
        assert tree(tmp_path / 'out') == before
    assert annotate('--limit', '1', out='second', data=other) == 0


def test_moved_and_copied_data_are_the_same_data(annotate, dota, tmp_path):
    assert annotate('--limit', '1') == 0
    shutil.copytree(dota, tmp_path / 'copy')
    assert annotate('--limit', '2', data=tmp_path / 'copy') == 0
    assert json.loads((tmp_path / 'out/meta.json').read_bytes())['data_root'] == '../copy'
    (tmp_path / 'copy').rename(tmp_path / 'moved')
    assert annotate(data=tmp_path / 'moved') == 0


def test_the_data_are_noted_before_the_first_image_is_done(annotate, dota, tmp_path):
    for path in (dota / 'images').iterdir():
        path.write_bytes(path.read_bytes()[:900])
    assert annotate('--limit', '1') == 1
    meta = json.loads((tmp_path / 'out/meta.json').read_bytes())
    assert meta['data_root'] == '../dota'
