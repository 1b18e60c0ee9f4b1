"""Labels for a picture of another size or turn, through the tools that read boxes."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from folders import BOX_FILL, load_tool
from PIL import Image

ANNOTATE, TILES = load_tool('sam_annotate'), load_tool('dataset_converters/prepare_tiles')
BROWSE = load_tool('analysis_tools/browse_dataset')
CONFIG = 'configs/annotate/coco_grabcut_hbox.py'


@pytest.fixture
def root(tmp_path):
    """Three pictures: one that fits, one that was shrunk by half, one that EXIF turns."""
    exif = Image.Exif()
    exif[274] = 6
    (tmp_path / 'data/images').mkdir(parents=True)
    for name, size in (('fits', (80, 60)), ('shrunk', (40, 30)), ('turned', (80, 60))):
        pixels = np.full((*size[::-1], 3), 60, np.uint8)
        more = dict(exif=exif) if name == 'turned' else {}
        Image.fromarray(pixels).save(tmp_path / f'data/images/{name}.jpg', **more)
    sizes = {'fits': (80, 60), 'shrunk': (80, 60), 'turned': (60, 80)}
    document = dict(
        images=[
            dict(id=i, file_name=f'{name}.jpg', width=width, height=height)
            for i, (name, (width, height)) in enumerate(sizes.items())
        ],
        annotations=[
            dict(id=i, image_id=i, category_id=1, bbox=[20, 40, 20, 10]) for i in range(3)
        ],
        categories=[dict(id=1, name='ship'), dict(id=2, name='plane')],
    )
    (tmp_path / 'data/annotations.json').write_text(json.dumps(document))
    return tmp_path / 'data'


def annotate(root: Path, *words: str) -> int:
    out = str(root.parent / 'out')
    argv = [CONFIG, '--data-root', str(root), '--out', out, '--workers', '0', *words, *BOX_FILL]
    return ANNOTATE.main(argv)


def ledger(root: Path) -> dict[str, dict]:
    with open(root.parent / 'out/ledger.csv', newline='') as file:
        return {row['scene']: row for row in csv.DictReader(file)}


def prompt_box(root: Path, stem: str) -> list:
    record = json.loads((root.parent / f'out/instances/{stem}.json').read_text())
    return record['boxes'][0]['prompt_box']


def test_they_are_named_and_the_others_unharmed(root, capsys):
    assert annotate(root) == 1
    rows = ledger(root)
    assert {stem: row['status'] for stem, row in rows.items()} == dict(
        fits='kept', shrunk='misfit', turned='misfit'
    )
    assert 'for 80 x 60 px, the picture has 40 x 30 px' in rows['shrunk']['reason']
    assert 'fit only turned' in rows['turned']['reason']
    said = capsys.readouterr().out
    assert 'misfit     2  <- see ledger.csv' in said
    assert ': ship 3' in said
    assert annotate(root, '--verify') == 1
    assert 'wrong' not in capsys.readouterr().err


def test_they_are_scaled_and_turned_when_asked(root, capsys):
    assert annotate(root, '--label-size', 'rescale', '--exif', 'turned') == 0
    assert prompt_box(root, 'fits') == [20, 40, 40, 50]
    assert prompt_box(root, 'shrunk') == [10, 20, 20, 25]
    assert prompt_box(root, 'turned') == [40, 20, 50, 40]
    said = capsys.readouterr().out
    assert 'is not applied' not in said
    assert 'note     1 image: boxes scaled from 80 x 60 px, which the labels state' in said
    assert 'note     1 image: boxes turned into stored pixels (EXIF orientation 6)' in said
    assert annotate(root, '--verify', '--label-size', 'rescale', '--exif', 'turned') == 0


def test_only_what_did_not_fit_is_done_again_once_it_may_be_scaled(root, tmp_path):
    assert annotate(root) == 1
    record = tmp_path / 'out/instances/fits.json'
    before = record.stat().st_mtime_ns
    assert annotate(root, '--label-size', 'rescale', '--exif', 'turned') == 0
    assert prompt_box(root, 'shrunk') == [10, 20, 20, 25]
    assert record.stat().st_mtime_ns == before


ASKED = ('--label-size', 'rescale', '--exif', 'turned')


@pytest.mark.parametrize(
    ('flags', 'missing'),
    [
        ((), '--label-size rescale --exif turned'),
        (ASKED[:2], '--exif turned'),
        (('--exif', 'turned', '--label-size', 'ignore'), '--label-size rescale'),
    ],
)
@pytest.mark.parametrize('way', [(), ('--dry-run',), ('--verify',), ('--finalise',)])
def test_masks_that_were_asked_for_are_not_thrown_away_without(root, capsys, flags, missing, way):
    assert annotate(root, *ASKED) == 0
    capsys.readouterr()
    assert annotate(root, *flags, *way) == 2
    assert f'was made with {missing}; give it again, or --restart' in capsys.readouterr().err
    assert prompt_box(root, 'shrunk') == [10, 20, 20, 25]
    assert annotate(root, *ASKED) == 0
    assert annotate(root, *ASKED, '--verify') == 0


def test_restart_changes_what_is_asked_of_labels_that_do_not_fit(root):
    assert annotate(root, *ASKED) == 0
    assert annotate(root, '--restart') == 1
    assert ledger(root)['shrunk']['status'] == 'misfit'
    assert annotate(root, '--verify') == 1


def test_a_folder_of_before_the_rule_was_noted_goes_on(root, tmp_path):
    assert annotate(root, *ASKED) == 0
    path = tmp_path / 'out/meta.json'
    meta = json.loads(path.read_text())
    assert meta.pop('label_fit') == {'--label-size': 'rescale', '--exif': 'turned'}
    path.write_text(json.dumps(meta))
    record = tmp_path / 'out/instances/shrunk.json'
    before = record.stat().st_mtime_ns
    assert annotate(root, *ASKED, '--verify') == 0
    assert annotate(root, *ASKED) == 0
    assert record.stat().st_mtime_ns == before
    assert 'label_fit' in json.loads(path.read_text())


def test_corners_put_in_order_are_told(root, capsys):
    document = json.loads((root / 'annotations.json').read_text())
    document['annotations'] = [
        dict(id=1, image_id=0, category_id=1, rbox=[20, 10, 60, 10, 20, 50, 60, 50])
    ]
    (root / 'annotations.json').write_text(json.dumps(document))
    assert annotate(root, '--prompt', 'rbox') == 0
    row = ledger(root)['fits']
    assert (row['area'], row['coverage'], row['leakage']) == ('1600', '1.0', '0.0')
    assert row['notes'] == 'the edges crossed; the corners were put in order'
    assert 'note     1 box: the edges crossed' in capsys.readouterr().out


def test_a_listed_image_that_is_missing_is_told_also_without_boxes(root):
    document = json.loads((root / 'annotations.json').read_text())
    document['images'].append(dict(id=9, file_name='gone.jpg', width=80, height=60))
    (root / 'annotations.json').write_text(json.dumps(document))
    assert annotate(root) == 1
    assert ledger(root)['gone']['status'] == 'no_image'


def test_a_listed_image_that_is_missing_is_named_on_the_screen(root, capsys):
    document = json.loads((root / 'annotations.json').read_text())
    document['images'].append(dict(id=9, file_name='gone.jpg', width=80, height=60))
    document['annotations'].append(dict(id=9, image_id=9, category_id=1, bbox=[1, 1, 9, 9]))
    (root / 'annotations.json').write_text(json.dumps(document))
    assert annotate(root) == 1
    assert ledger(root)['gone']['reason'] == 'images/gone.jpg is not there'
    said = capsys.readouterr().out
    assert 'no_image   1  <- see ledger.csv, such as annotations.json:' in said
    assert ': images/gone.jpg is not there' in said


def test_rows_that_are_of_no_box_are_told(root, capsys):
    (root / 'images/fits.jpg').write_bytes(b'no picture')
    assert annotate(root) == 1
    assert 'boxes    3 in the labels, 4 ledger rows (1 of an image or' in capsys.readouterr().out


def test_the_dry_run_refuses_a_folder_of_other_data(root, tmp_path, capsys):
    assert annotate(root) == 1
    other = tmp_path / 'other/data'
    shutil.copytree(root, other)
    Image.new('RGB', (80, 60), 'red').save(other / 'images/fits.jpg', quality=100)
    argv = [CONFIG, '--data-root', str(other), '--out', str(tmp_path / 'out')]
    capsys.readouterr()
    assert ANNOTATE.main([*argv, '--dry-run', *BOX_FILL]) == 2
    said = capsys.readouterr()
    assert f'holds the masks of {root}, which is not {other}' in said.err
    assert 'done before' not in said.out


def test_the_dry_run_counts_them(root, capsys):
    assert annotate(root, '--dry-run') == 0
    assert 'misfit     2 would be skipped' in capsys.readouterr().out


def test_tiles_of_them_are_not_cut(root, tmp_path, capsys):
    argv = [CONFIG, '--data-root', str(root), '--out', str(tmp_path / 'tiles'), '--size', '64',
            '--overlap', '0', '--workers', '0']  # fmt: skip
    assert TILES.main(argv) == 1
    said = capsys.readouterr().err
    assert 'failed: images/shrunk.jpg: the labels are for 80 x 60 px' in said
    assert not list((tmp_path / 'tiles/images').glob('shrunk*'))
    assert TILES.main([*argv, '--label-size', 'rescale', '--exif', 'turned']) == 0
    (line,) = (tmp_path / 'tiles/labelTxt/shrunk__64__0___0.txt').read_text().splitlines()
    assert line == '10.0 20.0 20.0 20.0 20.0 25.0 10.0 25.0 ship 0'
    assert 'note: images/turned.jpg: boxes turned into stored pixels' in capsys.readouterr().err


def test_pictures_of_them_are_not_drawn(root, tmp_path, capsys):
    argv = [CONFIG, '--data-root', str(root), '--out', str(tmp_path / 'look')]
    assert BROWSE.main(argv) == 1
    assert 'failed: shrunk: the labels are for 80 x 60 px' in capsys.readouterr().err
    assert [p.stem for p in (tmp_path / 'look').glob('[fst]*.*')] == ['fits']
