"""Finished images and their input: after any change the folder is that of a new run."""

import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import rasterio
from folders import load_tool, run_apart, tree, write_dota
from PIL import Image

from samrs_mm.core.input_notes import NAME
from samrs_mm.formats.annotated.folder import ANNOTATIONS, INDEX, LEDGER, MADE, META
from samrs_mm.formats.annotated.record import Record

CONFIG = 'configs/annotate/dota_grabcut_rbox.py'
TILED = ('tile.size=64', 'tile.overlap=16', 'tile.iof=0.5', 'tile.drop_empty=True')


@pytest.fixture
def data(tmp_path):
    return write_dota(tmp_path / 'data')


def arguments(data, out, *flags, options=()):
    argv = [CONFIG, '--data-root', str(data), '--out', str(out), '--workers', '0', *flags]
    return [*argv, '--cfg-options', 'model.type=BoxFillSegmentor', *options]


@pytest.fixture
def run(tmp_path, data, capsys):
    """Annotate by filled boxes; return exit code and what was printed."""
    main = load_tool('sam_annotate').main

    def annotate(*flags, out='out', options=()):
        code = main(arguments(data, tmp_path / out, *flags, options=options))
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    return annotate


def times(root):
    return {path: path.stat().st_mtime_ns for path in root.rglob('*.*') if path.name != NAME}


def label(data, number):
    return data / f'labelTxt/P{number:04}.txt'


def replace(data, number, by):
    shutil.copyfile(data / f'images/P{by:04}.png', data / f'images/P{number:04}.png')


def move(data):
    words = label(data, 1).read_text().split()
    label(data, 1).write_text(label(data, 1).read_text().replace(words[0], '30.5', 1))


def add(data):
    text = label(data, 1).read_text()
    label(data, 1).write_text(f'{text.rstrip()}\n10 10 40 10 40 40 10 40 ship 0\n')


def remove(data):
    label(data, 1).write_text(label(data, 1).read_text().rstrip().rpartition('\n')[0] + '\n')


def other_class(data):
    first, _, rest = label(data, 1).read_text().partition('\n')
    words = first.split()
    words[8] = {'plane': 'ship', 'ship': 'plane'}.get(words[8], 'plane')
    label(data, 1).write_text(' '.join(words) + '\n' + rest)


def rename(data):
    for path in (data / 'labelTxt').iterdir():
        path.write_text(path.read_text().replace('ship', 'boat'))


def header(data):
    label(data, 1).write_text('imagesource:GoogleEarth\n' + label(data, 1).read_text())


def difficult(data):
    label(data, 1).write_text(label(data, 1).read_text().replace(' 0\n', ' 1\n', 1))


def first_label(data):
    label(data, 4).write_text('10 10 40 10 40 40 10 40 ship 0\n')


CHANGES = {
    move: 'done anew: 1 image, boxes changed: P0001',
    add: 'done anew: 1 image, boxes changed: P0001',
    remove: 'done anew: 1 image, boxes changed: P0001',
    other_class: 'renamed: 1 image, names of boxes changed, masks stay: P0001',
    rename: 'renamed: ',
    header: 'renamed: 1 image, places in the file of boxes changed, masks stay: P0001',
    difficult: 'renamed: 1 image, flags of boxes changed, masks stay: P0001',
    first_label: 'done anew: 1 image, boxes changed: P0004',
    lambda data: replace(data, 1, 2): 'done anew: 1 image, the image was replaced: P0001',
}


@pytest.mark.parametrize('lost', [False, True])
@pytest.mark.parametrize('change', CHANGES)
def test_what_changed_is_done_anew_and_told(run, data, tmp_path, change, lost):
    label(data, 4).unlink()
    assert run()[0] == 0
    before = times(tmp_path / 'out')
    change(data)
    if lost:
        (tmp_path / 'out' / NAME).unlink()
    code, text = run()
    assert code == 0
    assert CHANGES[change] in text
    assert ('had no note of their input' in text) == lost
    assert run(out='new')[0] == 0
    assert tree(tmp_path / 'out') == tree(tmp_path / 'new')
    after = times(tmp_path / 'out')
    if change is not rename:
        named = CHANGES[change].rpartition(': ')[2]
        others = [path for path in before if path.stem.startswith('P') and path.stem != named]
        assert others
        assert all(after[path] == before[path] for path in others)
    assert 'anew:' not in (again := run()[1])
    assert 'renamed:' not in again
    assert run('--verify')[0] == 0


def closing_table(text):
    lines = text.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith('images '))
    return lines[start : next(i for i, line in enumerate(lines) if line.startswith('written '))]


def test_an_unchanged_second_run_writes_no_list(run, data, tmp_path, monkeypatch):
    table = closing_table(run()[1])
    before = times(tmp_path / 'out')
    with monkeypatch.context() as patch:
        patch.setattr('samrs_mm.annotate.finalise.Record', None)  # no record is opened
        code, text = run()
    assert (code, closing_table(text)) == (0, table)
    after = times(tmp_path / 'out')
    assert {path.name for path in after if after[path] != before[path]} == {META}
    run(out='new')
    assert tree(tmp_path / 'out') == tree(tmp_path / 'new')


def test_touched_files_are_not_done_again(run, data, tmp_path):
    assert run()[0] == 0
    before = times(tmp_path / 'out/instances') | times(tmp_path / 'out/semantic')
    for path in data.rglob('*.*'):
        os.utime(path, (1, 1))
    code, text = run()
    assert (code, 'anew:' in text) == (0, False)
    assert times(tmp_path / 'out/instances') | times(tmp_path / 'out/semantic') == before
    assert ':1000000000:' in (tmp_path / 'out' / NAME).read_text()


@pytest.mark.parametrize('change', [move, add, remove, rename, header, None])
def test_tiles_follow_their_scene(run, data, tmp_path, change):
    assert run(options=TILED)[0] == 0
    if change is None:  # a smaller image has fewer tiles
        path = data / 'images/P0001.png'
        Image.fromarray(np.asarray(Image.open(path))[:64, :64]).save(path)
    else:
        change(data)
    code, text = run(options=TILED)
    assert code == run(out='new', options=TILED)[0]
    assert tree(tmp_path / 'out') == tree(tmp_path / 'new')
    assert ('anew:' in text) or ('renamed:' in text)


def test_only_tiles_that_hold_a_changed_box_are_done_anew(run, data, tmp_path):
    options = TILED[:-1]
    assert run(options=options)[0] == 0
    before = times(tmp_path / 'out/instances')
    add(data)
    run(options=options)
    after = times(tmp_path / 'out/instances')
    changed = {path.stem for path in after if after[path] != before[path]}
    assert changed == {'P0001__64__0___0'}


def test_a_scene_that_can_no_longer_be_read_is_named_and_not_taken_for_done(run, data, tmp_path):
    assert run()[0] == 0
    (data / 'images/P0001.png').write_bytes(b'no image')
    code, text = run()
    assert code == 1
    assert 'its image or label file can no longer be read: P0001' in text
    assert not (tmp_path / 'out/semantic/P0001.png').exists()
    assert '4 done, 1 failed' in text


def test_images_that_are_gone_are_named_until_they_are_pruned(run, data, tmp_path):
    assert run()[0] == 0
    (data / 'images/P0001.png').unlink()
    label(data, 1).unlink()
    code, text = run()
    assert code == 1
    assert 'gone: 1 image' in text
    assert 'P0001' in text
    assert (tmp_path / 'out/instances/P0001.json').exists()
    code, text = run('--prune')
    assert code == 0
    run(out='new')
    assert tree(tmp_path / 'out') == tree(tmp_path / 'new')


def test_another_dataset_is_refused(run, data, tmp_path):
    assert run()[0] == 0
    for path in data.rglob('*.*'):
        path.rename(path.with_name(path.name.replace('P', 'Q')))
    code, text = run()
    assert code == 2
    assert 'holds 5 images, such as P0000, and none of them is in' in text


def test_looking_tells_and_changes_nothing(run, data, tmp_path):
    assert run()[0] == 0
    before = tree(tmp_path / 'out')
    add(data)
    code, text = run('--dry-run')
    assert code == 0
    assert '4 done before' in text
    assert 'to do anew: 1 image, boxes changed: P0001' in text
    code, text = run('--verify')
    assert code == 1
    assert 'outdated' in text
    assert tree(tmp_path / 'out') == before
    code, text = run('--finalise')
    assert code == 1
    assert 'outdated: 1 image, boxes changed: P0001' in text
    ledger = (tmp_path / 'out/ledger.csv').read_text()
    assert 'untiled' not in ledger
    assert ledger.count('pending') == 5
    assert run()[0] == 0
    assert 'pending' not in (tmp_path / 'out/ledger.csv').read_text()


def test_while_images_are_done_anew_the_folder_is_not_finished(run, data, tmp_path, monkeypatch):
    assert run()[0] == 0
    add(data)
    with monkeypatch.context() as patch:
        patch.setattr('samrs_mm.annotate.driver.Annotator.run', lambda self: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run()
    assert 'palette' not in (tmp_path / 'out/meta.json').read_text()
    assert not (tmp_path / 'out/instances/P0001.json').exists()
    assert run()[0] == 0
    run(out='new')
    assert tree(tmp_path / 'out') == tree(tmp_path / 'new')


def test_ended_at_any_file_of_the_set_a_second_run_is_repeated(run, data, tmp_path, monkeypatch):
    assert run()[0] == 0
    names = [META, INDEX, LEDGER, ANNOTATIONS, MADE, NAME, META]
    for last in range(1, len(names) + 1):
        add(data)
        written, replace_file = [], os.replace

        def ended(old, new, written=written, last=last, replace_file=replace_file):
            written += [Path(new).name] * (Path(new).parent == tmp_path / 'out')
            if len(written) == last:
                raise KeyboardInterrupt
            replace_file(old, new)

        with monkeypatch.context() as patch:
            patch.setattr(os, 'replace', ended)
            assert run()[0] == 1
        assert written == names[:last]
        assert run()[0] == 0
        assert run('--verify')[0] == 0
    run(out='new')
    assert tree(tmp_path / 'out') == tree(tmp_path / 'new')


def test_shards_do_their_own_changes(run, data, tmp_path):
    assert run()[0] == 0
    for number in range(3):
        replace(data, number, 3)
    rename(data)
    code, text = run('--shard', '0/2')
    assert code == 0
    assert 'other shards are still at work' in text
    assert run('--shard', '1/2')[0] == 0
    run(out='new')
    assert tree(tmp_path / 'out') == tree(tmp_path / 'new')


def test_what_is_made_of_the_folder_notices_too(run, data, tmp_path, capsys):
    out = tmp_path / 'out'
    assert run()[0] == 0
    replace(data, 1, 2)
    report = load_tool('analysis_tools/review_report').main
    assert report([str(out)]) == 1
    assert 'P0001.png: was replaced since it was annotated' in capsys.readouterr().err
    export = load_tool('dataset_converters/export_dataset').main
    argv = [str(out), '--to', 'coco', '--workers', '0', '--out', str(tmp_path / 'coco')]
    assert export(argv) == 1
    assert 'P0001.png: was replaced since it was annotated' in capsys.readouterr().err
    for path in (data / 'images/P0001.png', label(data, 1)):
        path.unlink()
    run()
    assert load_tool('analysis_tools/dataset_stats').main([str(out), '--workers', '0']) == 0
    numbers = capsys.readouterr().out
    run('--prune')
    assert load_tool('analysis_tools/dataset_stats').main([str(out), '--workers', '0']) == 0
    assert capsys.readouterr().out == numbers, 'an image that is gone was counted'


def killed_after_a_record(data, tmp_path):
    """Annotate in a process of its own that ends after the first record that it writes."""
    assert run_apart(arguments(data, tmp_path / 'out'), ('record',)) == -signal.SIGKILL


def test_a_record_that_a_kill_left_is_not_taken_for_one_of_the_image_before(run, data, tmp_path):
    run()
    path = data / 'images/P0001.png'
    whole, old, times = tree(tmp_path / 'out'), path.read_bytes(), path.stat()
    replace(data, 1, by=2)
    killed_after_a_record(data, tmp_path)
    path.write_bytes(old)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    run()
    assert tree(tmp_path / 'out') == whole


def test_classes_that_changed_and_changed_back_before_all_records_followed(run, data, tmp_path):
    run()
    whole, labels = tree(tmp_path / 'out'), data / 'labelTxt'
    shutil.copytree(labels, tmp_path / 'labels')
    rename(data)
    killed_after_a_record(data, tmp_path)
    shutil.rmtree(labels)
    shutil.copytree(tmp_path / 'labels', labels)
    assert run()[0] == 0
    assert tree(tmp_path / 'out') == whole


@pytest.mark.parametrize('left', ['semantic/P0001.png', 'instances/.P0001.json.tmp'])
def test_what_a_killed_call_left_of_a_gone_image_is_named_and_pruned(run, data, tmp_path, left):
    run()
    for path in data.glob('*/P0001.*'):
        path.unlink()
    (tmp_path / 'out' / left).touch()
    (tmp_path / 'out/instances/P0001.json').unlink()
    for _ in range(2):
        code, text = run()
        assert code == 1
        assert 'gone: 1 image ' in text
    assert run('--prune')[0] == 0
    assert run(out='new')[0] == 0
    assert tree(tmp_path / 'out') == tree(tmp_path / 'new')


def test_a_mask_that_comes_later_is_seen_by_the_segmentor(run, data, tmp_path):
    assert run()[0] == 0
    before = times(tmp_path / 'out/instances')
    (data / 'images/P0001.png.aux.xml').write_text(
        '<PAMDataset><PAMRasterBand band="1"><Metadata><MDI key="STATISTICS_MEAN">1</MDI>'
        '</Metadata></PAMRasterBand></PAMDataset>'
    )
    width, height = Image.open(data / 'images/P0002.png').size
    profile = dict(count=1, height=height, width=width, dtype='uint8')
    with rasterio.open(data / 'images/P0002.png.msk', 'w', 'GTiff', **profile) as file:
        file.update_tags(INTERNAL_MASK_FLAGS_1='2')
    code, printed = run()
    assert code == 0
    assert 'done anew: 1 image, a file beside the image (its mask, or .aux.xml) changed' in printed
    after = times(tmp_path / 'out/instances')
    assert [path.stem for path in after if after[path] != before[path]] == ['P0002']
    record = Record.load(tmp_path / 'out/instances/P0002.json')
    assert not any(box.status == 'kept' for box in record.boxes)
