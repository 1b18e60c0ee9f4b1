import json
import os
import signal
import time

import numpy as np
import pytest
from folders import load_tool
from mmengine.registry import init_default_scope
from PIL import Image
from samrs_folders import STEMS, pixels, write_annotated, write_released

from samrs_mm.core.errors import RefusedError
from samrs_mm.datasets.segmentation import store
from samrs_mm.datasets.segmentation.samrs import SAMRSDataset, SOTADataset

TOOL = load_tool('dataset_converters/pack_dataset')


@pytest.fixture(autouse=True)
def mmseg_scope():
    init_default_scope('mmseg')


@pytest.fixture
def folder(tmp_path):
    return write_annotated(tmp_path / 'out', empty=STEMS[3:])


def pack(root, *flags):
    return TOOL.main([str(root), str(root / 'packed'), '--workers', '2', *flags])


def test_packs_losslessly_and_the_dataset_reads_it(folder):
    assert pack(folder) == 0
    assert pack(folder, '--verify') == 0
    common = dict(source='x', data_root=str(folder), pipeline=[dict(type='LoadWindow')])
    plain, packed = SAMRSDataset(**common), SAMRSDataset(**common, packed='packed')
    assert len(plain) == len(packed) == 3
    for one, other in zip(plain, packed, strict=True):
        np.testing.assert_array_equal(one['img'], other['img'])
        np.testing.assert_array_equal(one['gt_seg_map'], other['gt_seg_map'])
        assert other['pack_path'].endswith('.tif')


def test_the_store_needs_the_plain_files_no_more(folder):
    assert pack(folder) == 0
    for name in ('images', 'semantic'):
        (folder / name).rename(folder.parent / name)
    for name in ('meta.json', 'images.csv'):
        (folder / name).unlink()
    dataset = SAMRSDataset('x', str(folder), packed='packed', pipeline=[dict(type='LoadWindow')])
    assert dataset.metainfo['classes'] == ('plane', 'ship', 'tank')
    np.testing.assert_array_equal(dataset[0]['gt_seg_map'], pixels(0)[1])


def test_a_released_subset_needs_no_scan(tmp_path, monkeypatch):
    root = write_released(tmp_path / 'x', ['P0001_0000', 'P0001_0001'], empty=['P0001_0000'])
    assert pack(root) == 0
    monkeypatch.setattr('samrs_mm.datasets.segmentation.tile_folder.find_labelled', None)
    assert len(SOTADataset(str(root), packed='packed')) == 1


def test_goes_on_where_it_was_killed(folder, monkeypatch, capsys):
    packed, encode = [], store.encode

    def killed(bands):
        if len(packed) == 2:
            raise KeyboardInterrupt
        packed.append(1)
        return encode(bands)

    monkeypatch.setattr(store, 'encode', killed)
    argv = [str(folder), str(folder / 'packed'), '--workers', '1']
    assert TOOL.main(argv) == 1
    assert 'the same command goes on' in capsys.readouterr().err
    with open(folder / 'packed' / 'pack.csv', 'a') as file:
        file.write('P0001__64')  # half a line
    monkeypatch.setattr(store, 'encode', encode)
    assert TOOL.main(argv) == 0
    assert 'packed   2 of 4 images, 2 were there before' in capsys.readouterr().out
    assert pack(folder, '--verify') == 0


def test_a_store_is_up_to_date_only_when_all_is_packed(folder, monkeypatch):
    options = dict(source='x', data_root=str(folder), packed='packed')
    assert pack(folder) == 0
    before = (folder / 'packed/pack.json').read_bytes()
    Image.fromarray(pixels(9)[1]).save(folder / 'semantic' / f'{STEMS[0]}.png')
    index = folder / 'images.csv'
    index.write_text(index.read_text().replace(',3,', ',2,', 1))

    def interrupted(bands):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.5)  # the main thread meets it while it waits for this one
        return b''

    with monkeypatch.context() as patch:
        patch.setattr(store, 'encode', interrupted)
        assert pack(folder) == 1
    with pytest.raises(RefusedError, match=r'packing was interrupted; run pack_dataset.py again'):
        SAMRSDataset(**options)
    assert pack(folder, '--verify') == 2
    assert pack(folder) == 0
    after = (folder / 'packed/pack.json').read_bytes()
    assert len(SAMRSDataset(**options)) == 3
    assert before != after
    (folder / 'packed/.pack.json.tmp').write_bytes(b'{')
    (folder / 'packed/pack.json').unlink()
    for path in (folder / 'packed').rglob('*.*'):
        path.unlink()
    assert pack(folder) == 0, 'killed before it had a record'
    assert (folder / 'packed/pack.json').read_bytes() == after


def test_no_old_tile_stands_for_a_file_that_became_bad(folder):
    assert pack(folder) == 0
    (folder / 'semantic' / f'{STEMS[0]}.png').write_bytes(b'')
    assert pack(folder) == 1
    with pytest.raises(RefusedError, match=r'tif: no such file .*pack_dataset.py again'):
        SAMRSDataset('x', str(folder), packed='packed')


def test_packs_again_what_changed(folder, capsys):
    assert pack(folder) == 0
    _, label = pixels(9)
    Image.fromarray(label).save(folder / 'semantic' / f'{STEMS[1]}.png')
    assert pack(folder, '--verify') == 1
    assert f'{STEMS[1]}.tif: not the pixels of' in capsys.readouterr().err
    assert pack(folder) == 0
    assert 'packed   1 of 4 images' in capsys.readouterr().out
    assert pack(folder, '--verify') == 0


def test_one_bad_image_does_not_stop_it(folder, capsys):
    path = folder / 'semantic' / f'{STEMS[0]}.png'
    _, label = pixels(0)
    label[1, 2] = 7
    Image.fromarray(label).save(path)
    assert pack(folder) == 1
    captured = capsys.readouterr()
    assert f'failed: {path}: value 7 at x=2, y=1' in captured.err
    assert 'packed   3 of 4 images' in captured.out
    (folder / 'all.txt').write_text('\n'.join(STEMS))
    with pytest.raises(RefusedError, match=r'not packed; run pack_dataset.py again'):
        SAMRSDataset('x', str(folder), packed='packed', ann_file='all.txt')


def test_a_full_disk_is_told(folder, monkeypatch, capsys):
    def full(path, data):
        raise OSError(28, os.strerror(28), str(path))

    monkeypatch.setattr(store, 'atomic_write', full)
    assert pack(folder) == 1
    assert 'No space left' in capsys.readouterr().err


def test_refuses_stale_missing_and_foreign_stores(folder, tmp_path, capsys):
    with pytest.raises(RefusedError, match='not a packed store'):
        SAMRSDataset('x', str(folder), packed='packed')
    assert pack(folder) == 0
    text = (folder / 'images.csv').read_text()
    (folder / 'images.csv').write_text(text.replace(',3,', ',2,', 1))
    with pytest.raises(RefusedError, match=r'images.csv changed since this was packed'):
        SAMRSDataset('x', str(folder), packed='packed')
    other = write_annotated(tmp_path / 'other', classes=('a', 'b', 'c', 'd'))
    assert TOOL.main([str(other), str(folder / 'packed')]) == 2
    assert 'was started with other settings (classes: ["plane", "' in capsys.readouterr().err
    assert TOOL.main([str(other), str(folder)]) == 2
    assert 'not of this tool, such as images.csv; choose another folder' in capsys.readouterr().err
    (folder / 'packed' / 'tiles' / f'{STEMS[0]}.tif').unlink()
    (folder / 'images.csv').write_text(text)
    with pytest.raises(RefusedError, match=r'tif: no such file .*pack_dataset.py again'):
        SAMRSDataset('x', str(folder), packed='packed')


def test_only_touched_files_are_not_packed_again(folder, capsys):
    assert pack(folder) == 0
    before = {path: path.stat().st_mtime_ns for path in (folder / 'packed/tiles').iterdir()}
    for path in [*(folder / 'images').iterdir(), *(folder / 'semantic').iterdir()]:
        os.utime(path, (1, 1))
    capsys.readouterr()
    assert pack(folder) == 0
    text = capsys.readouterr().out
    assert 'packed   0 of 4 images' in text
    assert 'anew' not in text.replace(str(folder), '')
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_changed_label_is_packed_anew_told_and_until_then_not_trained_on(folder, capsys):
    meta = json.loads((folder / 'meta.json').read_bytes())
    (folder / 'meta.json').write_text(json.dumps(meta | dict(records_sha256='a')))
    assert pack(folder) == 0
    path = folder / f'semantic/{STEMS[0]}.png'
    Image.fromarray(np.asarray(Image.open(path))[::-1]).save(path)  # images.csv stays as it is
    (folder / 'meta.json').write_text(json.dumps(meta | dict(records_sha256='b')))
    with pytest.raises(RefusedError, match='instances changed since this was packed'):
        SAMRSDataset('x', str(folder), packed='packed', pipeline=[])
    capsys.readouterr()
    assert pack(folder) == 0
    assert f'1 image whose files changed: {STEMS[0]}' in capsys.readouterr().out
    assert pack(folder, '--verify') == 0
    SAMRSDataset('x', str(folder), packed='packed', pipeline=[])


def test_a_tile_that_a_killed_call_left_is_not_taken_for_one_of_the_files_before(
    folder, monkeypatch
):
    path = folder / f'semantic/{STEMS[0]}.png'
    assert pack(folder) == 0
    before, write = path.read_bytes(), store._Flushed.writerows
    Image.fromarray(np.asarray(Image.open(path))[::-1]).save(path)

    def killed(self, rows):
        if any(row[4] for row in rows):
            raise KeyboardInterrupt
        write(self, rows)

    with monkeypatch.context() as patch:
        patch.setattr(store._Flushed, 'writerows', killed)
        assert pack(folder) == 1
    path.write_bytes(before)
    assert pack(folder) == 0
    assert pack(folder, '--verify') == 0


def test_an_image_that_is_gone_is_packed_no_longer_and_told(folder, capsys):
    assert pack(folder) == 0
    lines = (folder / 'images.csv').read_text().splitlines(keepends=True)
    (folder / 'images.csv').write_text(''.join(lines[:1] + lines[2:]))
    assert pack(folder) == 0
    told = capsys.readouterr().out
    assert f'removed  1 images that {folder} has no longer: {STEMS[0]}\n' in told
    assert STEMS[0] not in (folder / 'packed/pack.csv').read_text()
    assert not (folder / f'packed/tiles/{STEMS[0]}.tif').exists()
    assert len(store.Store(folder / 'packed').entries()) == 3


def test_a_list_that_changed_while_packing_is_not_taken_for_packed(folder, monkeypatch):
    real = store.Packer.pack

    def slow(self, *args):
        (folder / 'images.csv').write_text((folder / 'images.csv').read_text() + '\n')
        return real(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(store.Packer, 'pack', slow)
        assert pack(folder) == 0
    with pytest.raises(RefusedError, match='changed since this was packed'):
        SAMRSDataset('x', str(folder), packed='packed', pipeline=[])


def test_a_store_of_an_older_version_is_taken_up(folder, capsys):
    assert pack(folder) == 0
    path = folder / 'packed/pack.csv'
    rows = [line.split(',') for line in path.read_text().splitlines()]
    for row in rows:
        files = [folder / f'images/{row[0]}.png', folder / f'semantic/{row[0]}.png']
        files = [file if file.exists() else file.with_suffix('.jpg') for file in files]
        row[4] = '/'.join(f'{f.stat().st_size}:{f.stat().st_mtime_ns}' for f in files)
    path.write_text('\n'.join(map(','.join, rows)) + '\n')
    capsys.readouterr()
    assert pack(folder) == 0
    assert 'packed   0 of 4 images' in capsys.readouterr().out
