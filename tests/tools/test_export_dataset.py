import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from export_cases import STEMS, tool, write_folder
from folders import ROOT, load_tool, tree
from PIL import Image

from samrs_mm.formats.exports.coco import COCOExport

FORMATS = 'coco', 'yolo-seg', 'dota', 'samrs'
ALL_FORMATS = *FORMATS, 'refsegrs', 'fiftyone', 'imagefolder'


@pytest.fixture
def made(tmp_path):
    return write_folder(tmp_path / 'made')


@pytest.mark.parametrize('name', ALL_FORMATS)
def test_workers_do_not_change_a_byte(made, tmp_path, name):
    assert tool(made.root, '--to', name, '--out', tmp_path / 'a') == 0
    command = [sys.executable, str(ROOT / 'tools/dataset_converters/export_dataset.py')]
    flags = [str(made.root), '--to', name, '--out', str(tmp_path / 'b'), '--workers', '2']
    done = subprocess.run([*command, *flags], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert tree(tmp_path / 'a') == tree(tmp_path / 'b')
    assert sorted(path.name for path in tmp_path.iterdir()) == ['a', 'b', 'made']


@pytest.mark.parametrize(('images', 'name'), [('copy', False), ('link', True), ('none', None)])
def test_images(made, tmp_path, images, name):
    assert tool(made.root, '--to', 'dota', '--out', tmp_path / 'a', '--images', images) == 0
    if images == 'none':
        assert not (tmp_path / 'a' / 'images').exists()
        return
    for stem in STEMS:
        path = tmp_path / 'a' / 'images' / f'{stem}.png'
        assert path.is_symlink() == name
        assert path.read_bytes() == made.path('images', stem).read_bytes()


def test_links_are_relative_so_both_folders_can_move_together(made, tmp_path):
    place = tmp_path / 'deep' / 'er'
    assert tool(made.root, '--to', 'coco', '--out', place / 'a') == 0
    target = os.readlink(place / 'a' / 'images' / f'{STEMS[0]}.png')
    assert target == f'../../../../made/images/{STEMS[0]}.png'


def untile(made, tmp_path, **meta):
    """Turn the folder into one without tiles, whose images lie in the data root ``raw``."""
    whole = json.loads(made.meta.read_bytes()) | meta
    whole['settings']['tile'] = None
    made.meta.write_text(json.dumps(whole))
    (tmp_path / 'raw').symlink_to(made.root)
    for stem in STEMS:
        path = made.path('instances', stem)
        record = json.loads(path.read_bytes())
        record['image']['path'] = f'images/{stem}.png'
        path.write_text(json.dumps(record))


def test_images_that_stay_keep_their_names(made, tmp_path):
    """Images of a folder without tiles lie in the data root."""
    untile(made, tmp_path)
    assert tool(made.root, '--to', 'coco', '--out', tmp_path / 'a', '--images', 'none') == 0
    coco = json.loads((tmp_path / 'a' / 'annotations.json').read_bytes())
    assert coco['images'][0]['file_name'] == f'images/{STEMS[0]}.png'


@pytest.mark.parametrize('name', FORMATS)
def test_images_that_exif_turns_are_named(made, tmp_path, capsys, name):
    assert tool(made.root, '--to', name, '--out', tmp_path / 'a') == 0
    assert 'EXIF' not in capsys.readouterr().out
    path, exif = made.path('images', STEMS[1]), Image.Exif()
    exif[274] = 6
    Image.open(path).save(path, exif=exif)
    assert tool(made.root, '--to', name, '--out', tmp_path / 'b', '--images', 'copy') == 0
    said = capsys.readouterr().out
    assert 'EXIF     1 image is turned by EXIF; labels are in stored pixels' in said
    assert f'take the tag out of the images: {STEMS[1]}' in said


@pytest.mark.parametrize('name', ALL_FORMATS)
def test_only_what_is_lost_is_told(made, tmp_path, capsys, name):
    assert tool(made.root, '--to', name, '--out', tmp_path / 'a') == 0
    assert 'lost     0' not in capsys.readouterr().out


def test_a_killed_export_leaves_no_folder_and_the_next_run_starts_over(
    made, tmp_path, monkeypatch, capsys
):
    link, calls = Path.symlink_to, []

    def killed(*args):
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt
        link(*args)

    monkeypatch.setattr(Path, 'symlink_to', killed)
    assert tool(made.root, '--to', 'samrs', '--out', tmp_path / 'a') == 1
    assert 'interrupted; the same command starts over' in capsys.readouterr().err
    assert not (tmp_path / 'a').exists()
    assert (tmp_path / 'a.part' / 'gray').exists()
    monkeypatch.undo()
    for name in ('a', 'b'):
        assert tool(made.root, '--to', 'samrs', '--out', tmp_path / name) == 0
    assert tree(tmp_path / 'a') == tree(tmp_path / 'b')
    assert not (tmp_path / 'a.part').exists()


def test_a_place_without_links_is_refused_before_work_begins(made, tmp_path, monkeypatch, capsys):
    def refuse(*_, **__):
        raise OSError(errno.EPERM, 'A required privilege is not held by the client')

    monkeypatch.setattr(os, 'symlink', refuse)
    monkeypatch.setattr(Path, 'symlink_to', refuse)
    flags = '--to', 'coco', '--out', tmp_path / 'a'
    assert tool(made.root, *flags) == 2
    assert capsys.readouterr().err == (
        f'error: --images link: no symbolic link can be made in {tmp_path}: A required privilege '
        'is not held by the client; give --images copy\n'
    )
    assert os.listdir(tmp_path) == ['made']
    for images in ('copy', 'none'):
        assert tool(made.root, *flags[:2], '--out', tmp_path / images, '--images', images) == 0


def test_an_empty_folder_is_filled_where_nothing_is_renamed_over(made, tmp_path, monkeypatch):
    rename = os.rename

    def windows_rename(source, target):
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, 'Cannot create a file', str(target))
        rename(source, target)

    monkeypatch.setattr(os, 'rename', windows_rename)
    (tmp_path / 'empty').mkdir()
    assert tool(made.root, '--to', 'yolo-seg', '--out', tmp_path / 'empty') == 0
    assert (tmp_path / 'empty/export.json').exists()


def test_a_folder_without_tiles_is_exported_through_a_link_to_it(made, tmp_path):
    untile(made, tmp_path, data_root='../raw')
    (tmp_path / 'home').mkdir()
    (tmp_path / 'home/link').symlink_to(made.root)
    assert tool(tmp_path / 'home/link', '--to', 'coco', '--out', tmp_path / 'a') == 0
    for stem in STEMS:
        path = tmp_path / 'a/images' / f'{stem}.png'
        assert path.read_bytes() == made.path('images', stem).read_bytes()


def test_one_bad_image_does_not_stop_it(made, tmp_path, capsys):
    made.path('images', STEMS[0]).unlink()
    made.path('instances', STEMS[1]).write_text('{')
    assert tool(made.root, '--to', 'coco', '--out', tmp_path / 'a') == 1
    said = capsys.readouterr()
    assert f'failed: {made.path("images", STEMS[0])}: No such file or directory' in said.err
    assert f'failed: {made.path("instances", STEMS[1])}: not a JSON record' in said.err
    assert 'images   1 image, 0 instances; 2 images failed' in said.out
    coco = json.loads((tmp_path / 'a' / 'annotations.json').read_bytes())
    assert [image['file_name'] for image in coco['images']] == [f'images/{STEMS[2]}.png']
    about = json.loads((tmp_path / 'a' / 'export.json').read_bytes())
    assert len(about['subsets']['']['failed']) == 2


@pytest.mark.parametrize('name', ['coco', 'dota', 'samrs'])
def test_a_mask_whose_runs_do_not_fill_its_image_is_not_passed_on(made, tmp_path, capsys, name):
    path = made.path('instances', STEMS[0])
    record = json.loads(path.read_bytes())
    box = next(box for box in record['boxes'] if box['status'] == 'kept')
    box['segmentation']['counts'] = '0'
    path.write_text(json.dumps(record))
    assert tool(made.root, '--to', name, '--out', tmp_path / 'a') == 1
    said = capsys.readouterr()
    assert (
        f'failed: {path}: damaged record: boxes[0].segmentation: a mask whose runs do not add up'
        in said.err
    )
    assert 'images   2 images' in said.out


@pytest.mark.parametrize('where', ['convert', 'collect', 'finish'])
def test_a_full_disk_is_reported(made, tmp_path, monkeypatch, capsys, where):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # as write() does: no file name

    monkeypatch.setattr(COCOExport, where, full)
    assert tool(made.root, '--to', 'coco', '--out', tmp_path / 'a') == 1
    assert 'No space left on device; free some space' in capsys.readouterr().err
    assert not (tmp_path / 'a').exists()


def test_a_partial_folder_is_reported(made, tmp_path, capsys):
    made.meta.write_text(made.meta.read_text().replace('"partial": false', '"partial": true'))
    assert tool(made.root, '--to', 'dota', '--out', tmp_path / 'a') == 0
    assert 'partial  the folder is' in capsys.readouterr().out
    assert json.loads((tmp_path / 'a' / 'export.json').read_bytes())['partial'] is True


@pytest.mark.parametrize(
    ('text', 'says'),
    [
        ('nobody', "'nobody' is not in images.csv"),
        ('', 'lists nothing'),
        (f'{STEMS[0]}\n{STEMS[0]}', 'names an image twice'),
        (None, 'No such file or directory; make_splits.py writes lists'),
    ],
)
def test_refuses_lists(made, tmp_path, capsys, text, says):
    if text is not None:
        (made.root / 'train.txt').write_text(text)
    flags = '--out', tmp_path / 'a', '--list', 'train.txt'
    assert tool(made.root, '--to', 'coco', *flags) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / 'a').exists()


def test_refuses_places(made, tmp_path, capsys):
    (tmp_path / 'link').symlink_to('nowhere')
    assert tool(made.root, '--to', 'coco', '--out', tmp_path / 'link') == 2
    assert 'is a link; name the folder itself' in capsys.readouterr().err
    assert tool(tmp_path, '--to', 'coco', '--out', tmp_path / 'a') == 2
    assert 'no annotated folder (no meta.json)' in capsys.readouterr().err
    assert tool(made.root, '--to', 'coco', '--out', made.root) == 2
    assert 'exists and is not an empty folder' in capsys.readouterr().err
    assert tool(made.root, '--to', 'coco', '--out', made.root / 'coco') == 2
    assert 'lies in the annotated folder itself' in capsys.readouterr().err
    (tmp_path / 'a.part').mkdir()
    assert tool(made.root, '--to', 'coco', '--out', tmp_path / 'a') == 2
    assert 'not left by an earlier export' in capsys.readouterr().err
    (tmp_path / 'empty').mkdir()
    assert tool(made.root, '--to', 'coco', '--out', tmp_path / 'empty') == 0


def test_refuses_flags():
    main = load_tool('dataset_converters/export_dataset').main
    for flags in (
        ['--to', 'dota', '--polygons'],
        ['--to', 'coco', '--list', 'a/train.txt', 'b/train.txt'],
        ['--to', 'coco', '--workers', '-1'],
    ):
        with pytest.raises(SystemExit):
            main(['folder', '--out', 'x', *flags])
