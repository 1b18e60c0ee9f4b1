"""Bad input gets one clear line, is named in the ledger or refused, and harms nothing else."""

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from folders import BOX_FILL, CONFIG, ROOT, run_apart, tree
from PIL import Image


@dataclass(frozen=True)
class Case:
    """One kind of bad input.

    Args:
        spoil: Damages the dataset folder.
        code: Exit code.
        says: Text of the line, on stderr or as the ledger's reason.
        status: Ledger status, or None where the run is refused.
        lost: Stems that have no label map afterwards.
        flags: Further flags.
    """

    spoil: Callable[[Path], object]
    code: int
    says: str
    status: str | None = None
    lost: tuple[str, ...] = ()
    flags: tuple[str, ...] = BOX_FILL


def write(name: str, text: str) -> Callable[[Path], object]:
    return lambda root: (root / name).write_text(text)


def truncate(name: str, size: int) -> Callable[[Path], object]:
    return lambda root: (root / name).write_bytes((root / name).read_bytes()[:size])


def label(*lines: str) -> Callable[[Path], object]:
    return write('labelTxt/P0001.txt', '\n'.join(lines) + '\n')


GOOD = '10 10 40 10 40 30 10 30 ship 0'
CASES = {
    'truncated image': Case(
        truncate('images/P0001.png', 900), 1, 'P0001.png: cannot read the image', 'failed',
        ('P0001',),
    ),
    'zero-byte image': Case(
        truncate('images/P0001.png', 0), 1, 'the image file is empty (0 bytes)', 'failed',
        ('P0001',),
    ),
    'not an image': Case(
        write('images/P0001.png', 'hello'), 1, 'cannot read the image', 'failed', ('P0001',)
    ),
    'virtual raster': Case(
        write('images/P0001.png', '<VRTDataset rasterXSize="9" rasterYSize="9"/>'), 1,
        "PNM; it begins with '<VRTDataset", 'failed', ('P0001',),
    ),
    'label without image': Case(
        write('labelTxt/Q1.txt', GOOD), 1, 'the label file has no image', 'no_image'
    ),
    'image without label': Case(
        lambda root: (root / 'labelTxt/P0001.txt').unlink(), 0, 'no label file', 'no_label'
    ),
    'empty label file': Case(label(), 0, '', 'kept'),
    'too few columns': Case(
        label(GOOD, '1 2 3 ship 0'), 1, "5 columns in '1 2 3 ship 0'", 'malformed'
    ),
    'not a number': Case(
        label(GOOD, '10 x 40 10 40 30 10 30 ship 0'), 1, "coordinate 'x' is not a number",
        'malformed',
    ),
    'NaN coordinate': Case(
        label(GOOD, 'nan 10 40 10 40 30 10 30 ship 0'), 0, 'NaN or infinite', 'degenerate'
    ),
    'zero-area box': Case(
        label(GOOD, '10 10 10 10 10 10 10 10 ship 0'), 0, 'thinner than 1 px', 'degenerate'
    ),
    'sliver askew': Case(
        label(GOOD, '10 10 40 40 40 40 10 10 ship 0'), 0, 'square pixels', 'degenerate'
    ),
    'another picture': Case(
        label(GOOD, '500 10 540 10 540 30 500 30 ship 0', '600 10 640 10 640 30 600 30 ship 0'), 1,
        '2 of 3 boxes lie outside the picture', 'misfit',
    ),
    'name of two words, and a number': Case(
        label(GOOD, '10 10 40 10 40 30 10 30 boeing 737'), 1, 'join the words of a category',
        'malformed',
    ),
    'commas for blanks': Case(
        label(GOOD, '10,10,40,10,40,30,10,30,ship,0'), 1, 'separated by blanks, not by commas',
        'malformed',
    ),
    'VOC labels for a DOTA config': Case(
        lambda root: (root / 'labelTxt').rename(root / 'Annotations')
        and (root / 'Annotations/P0001.txt').rename(root / 'Annotations/P0001.xml'), 2,
        'It looks like Pascal VOC',
    ),
    'unknown way to fit labels': Case(
        lambda root: None, 2, "label_fit.size='scale'; allowed: check, rescale, stretch, ignore",
        flags=(*BOX_FILL, 'label_fit.size=scale'),
    ),
    'outside box': Case(
        label(GOOD, '500 10 540 10 540 30 500 30 ship 0'), 0, 'lies outside the 128 x 96 px',
        'outside',
    ),
    'duplicate stems': Case(
        lambda root: shutil.copy(root / 'images/P0001.png', root / 'images/P0001.jpg'), 2,
        "two images would both be called 'P0001'",
    ),
    'unknown class': Case(
        label('10 10 40 10 40 30 10 30 shipp 0'), 2, "unknown class 'shipp'; nearest known: ship",
        flags=('--cfg-options', 'model.type=BoxFillSegmentor', 'dataset.classes=sota'),
    ),
    'class that may be two': Case(
        label('10 10 40 10 40 30 10 30 Ship 0'), 2, "class 'Ship' may be 'SHIP' and 'ship'",
        flags=(*BOX_FILL, 'dataset.classes=("SHIP","ship","plane","small-vehicle")'),
    ),
    'class listed twice': Case(
        lambda root: None, 2, "class 'ship' is there twice",
        flags=(*BOX_FILL, 'dataset.classes=("ship","plane","ship")'),
    ),
    'no images': Case(lambda root: shutil.rmtree(root / 'images'), 2, 'no images found'),
    'unknown prompt': Case(
        lambda root: None, 2, "unknown prompt 'hobx'", flags=(*BOX_FILL, '--prompt', 'hobx')
    ),
    'unknown config key': Case(
        lambda root: None, 2, "did you mean 'overlap_policy'", flags=('--cfg-options', 'overlap=1')
    ),
    'missing checkpoint': Case(
        lambda root: None, 2, 'sam_vit_b_01ec64.pth',
        flags=('--checkpoint', 'nowhere.pth', '--prompt', 'rhbox', '--cfg-options',
               'model.type=SAMSegmentor', 'model.arch=vit_b'),
    ),
}  # fmt: skip


def ledger(out: Path) -> list[dict]:
    with open(out / 'ledger.csv', newline='') as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize('name', CASES)
def test_bad_input(name, annotate, dota, tmp_path, capsys):
    case = CASES[name]
    case.spoil(dota)
    code = annotate(*case.flags)
    said = capsys.readouterr().err
    assert code == case.code, said
    assert 'Traceback' not in said
    out = tmp_path / 'out'
    if case.status is None:
        lines = [line for line in said.splitlines() if 'error' in line]
        assert len(lines) == 1
        assert case.says in lines[0]
        assert not out.exists()
        return
    rows = [row for row in ledger(out) if row['status'] == case.status]
    assert rows
    assert any(case.says in row['reason'] for row in rows)
    stems = {path.stem for path in (dota / 'images').iterdir()}
    assert {path.stem for path in (out / 'semantic').iterdir()} == stems - set(case.lost)
    assert annotate('--verify', *case.flags) == case.code


def test_a_mended_image_is_done_by_the_next_run(annotate, dota, tmp_path):
    assert annotate(*BOX_FILL, out='whole') == 0
    image = dota / 'images/P0001.png'
    good = image.read_bytes()
    image.write_bytes(good[:900])
    assert annotate(*BOX_FILL) == 1
    image.write_bytes(good)
    assert annotate(*BOX_FILL) == 0
    assert tree(tmp_path / 'out') == tree(tmp_path / 'whole')


def test_verify_says_sound_only_where_it_returns_0(annotate, dota, capsys):
    (dota / 'labelTxt/P0001.txt').write_text('10 10 40 10 40 30 10 thirty ship 0\n')
    assert annotate(*BOX_FILL) == 1
    capsys.readouterr()
    assert annotate(*BOX_FILL, '--verify') == 1
    said = capsys.readouterr().out
    assert ': sound' not in said
    assert 'verify: 5 images, 0 problems; 1 ledger row names what could not be read' in said


@pytest.mark.parametrize('damage', ['no error', 'half'])
def test_a_damaged_failure_record_is_named_with_its_cure(annotate, dota, tmp_path, capsys, damage):
    image = dota / 'images/P0001.png'
    image.write_bytes(image.read_bytes()[:900])
    assert annotate(*BOX_FILL) == 1
    path = tmp_path / 'out/failed/P0001.json'
    record = json.loads(path.read_text())
    del record['error']
    path.write_text(json.dumps(record) if damage == 'no error' else path.read_text()[:40])
    capsys.readouterr()
    assert annotate(*BOX_FILL, '--finalise') == 1
    said = capsys.readouterr().err
    (line,) = [line for line in said.splitlines() if str(path) in line]
    assert line.startswith(f'does not reconcile: {path}: ')
    assert line.endswith('; delete it and run again')
    assert {row['status'] for row in ledger(tmp_path / 'out')} == {'kept', 'pending'}


def test_out_is_not_writable(annotate, tmp_path, capsys):
    (tmp_path / 'file').write_text('')
    assert annotate(*BOX_FILL, out='file/out') == 2
    assert 'cannot write there' in capsys.readouterr().err


def test_changed_settings_are_refused(annotate, tmp_path, capsys):
    assert annotate(*BOX_FILL) == 0
    before = tree(tmp_path / 'out')
    assert annotate(*BOX_FILL, '--prompt', 'hbox') == 2
    assert 'prompt: "rbox" -> "hbox"' in capsys.readouterr().err
    assert tree(tmp_path / 'out') == before
    assert annotate(*BOX_FILL, '--prompt', 'hbox', '--restart') == 0


def test_restart_refuses_foreign_files(annotate, tmp_path, capsys):
    assert annotate(*BOX_FILL) == 0
    (tmp_path / 'out/semantic/thesis.png').write_text('mine')
    assert annotate(*BOX_FILL, '--restart') == 2
    assert 'semantic/thesis.png' in capsys.readouterr().err
    assert (tmp_path / 'out/semantic/thesis.png').exists()
    assert (tmp_path / 'out/meta.json').exists()


def test_disk_full_for_one_write(annotate, dota, tmp_path):
    assert annotate(*BOX_FILL, out='whole') == 0
    out = tmp_path / 'out'
    argv = [CONFIG, '--data-root', str(dota), '--out', str(out), '--workers', '0', *BOX_FILL]
    assert run_apart(argv, ('full', (4,))) == 1
    failed = [row for row in ledger(out) if row['status'] == 'failed']
    assert failed
    assert all('No space left on device' in row['reason'] for row in failed)
    assert len(list((out / 'instances').iterdir())) == 4
    assert run_apart(argv) == 0
    assert tree(out) == tree(tmp_path / 'whole')


def test_file_size_limit(annotate, dota, tmp_path):
    assert annotate(*BOX_FILL, out='whole') == 0
    sizes = {path.stem: path.stat().st_size for path in (tmp_path / 'whole/instances').iterdir()}
    limit = sorted(sizes.values())[-2]
    out = tmp_path / 'out'
    argv = [CONFIG, '--data-root', str(dota), '--out', str(out), '--workers', '0', *BOX_FILL]

    assert run_apart(argv, ('fsize', limit)) == 1
    assert {path.stem for path in (out / 'instances').iterdir()} < set(sizes)
    assert run_apart(argv) == 0
    assert tree(out) == tree(tmp_path / 'whole')


def test_entity_bomb(annotate, tmp_path):
    root = tmp_path / 'dior'
    folder = root / 'Annotations/Horizontal Bounding Boxes'
    folder.mkdir(parents=True)
    (root / 'JPEGImages-trainval').mkdir()
    Image.new('RGB', (64, 64)).save(root / 'JPEGImages-trainval/00001.jpg')
    bomb = '<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;&b;">]><annotation>&c;</annotation>'
    (folder / '00001.xml').write_text(bomb)
    config = tmp_path / 'dior.py'
    base = str(ROOT / 'configs/annotate/sior_sam-vit-h_hbox.py')
    model = "dict(_delete_=True, type='BoxFillSegmentor')"
    config.write_text(f'_base_ = [{base!r}]\nmodel = {model}\n')
    assert annotate(config=str(config), data=root) == 1
    rows = ledger(tmp_path / 'out')
    assert sorted(row['status'] for row in rows) == ['failed', 'unreadable']
    assert all('00001.xml:1: the XML declares an entity' in row['reason'] for row in rows)


def test_path_trick_in_a_file_name(annotate, tmp_path, capsys):
    root = tmp_path / 'coco'
    (root / 'images').mkdir(parents=True)
    Image.new('RGB', (64, 64)).save(root / 'images/a.png')
    (root / 'annotations.json').write_text(
        '{"images":[{"id":1,"file_name":"../../etc/passwd","width":64,"height":64}],'
        '"categories":[{"id":1,"name":"ship"}],"annotations":[]}'
    )
    config = str(ROOT / 'configs/annotate/coco_grabcut_hbox.py')
    assert annotate(config=config, data=root) == 2
    assert '../../etc/passwd' in capsys.readouterr().err
