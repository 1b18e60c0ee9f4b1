"""The release has its defects; each is met here in files written for the purpose."""

import csv
import json
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from export_cases import SIZE, STEMS, kept, shapes, tool, write_folder
from folders import ROOT, load_tool, tree
from PIL import Image
from pycocotools.coco import COCO

from samrs_mm.annotate import importer
from samrs_mm.core import masks
from samrs_mm.core.classes import SIOR_CLASSES, SOTA_CLASSES
from samrs_mm.datasets.segmentation.samrs import SAMRSDataset, SIORDataset
from samrs_mm.formats.annotated.folder import AnnotatedFolder
from samrs_mm.formats.annotated.record import Record

TOOL = load_tool('dataset_converters/import_samrs')


def run(*argv: object) -> int:
    return TOOL.main([*map(str, argv), '--workers', '0'])


def instance(name: str, label: int, /, **changes) -> dict:
    """An instance as in SOTA and SIOR."""
    mask = shapes()[name] if name else np.zeros(SIZE, bool)
    entry = dict(
        mask=masks.encode(mask),
        bbox=np.array([-3.0, 4, 70, 20]),
        category=SOTA_CLASSES[label],
        size=np.int64(mask.sum()),
        label=label,
    )
    return {key: value for key, value in (entry | changes).items() if value is not None}


def write_release(root: Path, instances: dict[str, list[dict]], gray: bool = True) -> Path:
    """Write a subset as the authors' code does: later masks over earlier ones."""
    for name in ('images', 'hbox_segs_init/gray', 'hbox_segs_init/ins'):
        (root / name).mkdir(parents=True)
    for stem, entries in instances.items():
        Image.fromarray(np.zeros((*SIZE, 3), np.uint8)).save(root / 'images' / f'{stem}.png')
        (root / f'hbox_segs_init/ins/{stem}.pkl').write_bytes(pickle.dumps(entries))
        labels = np.full(SIZE, 255, np.uint8)
        for entry in entries:
            if 'label' in entry:
                labels[masks.decode(entry['mask'])] = entry['label']
        if gray:
            Image.fromarray(labels).save(root / f'hbox_segs_init/gray/{stem}.png')
    return root


def ledger(root: Path) -> list[dict]:
    with open(root / 'ledger.csv', newline='') as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize('policy', ['file_order', 'small_on_top'])
@pytest.mark.parametrize('prompt', ['hbox', 'rhbox'])
def test_export_import_export_is_exact(tmp_path, prompt, policy, capsys):
    made = write_folder(tmp_path / 'made', prompt, policy)
    assert tool(made.root, '--to', 'samrs', '--out', tmp_path / 'one') == 0
    assert run(tmp_path / 'one', '--out', tmp_path / 'back') == 0
    assert 'defect' not in capsys.readouterr().out
    assert tool(tmp_path / 'back', '--to', 'samrs', '--out', tmp_path / 'two') == 0
    one, two = tree(tmp_path / 'one'), tree(tmp_path / 'two')
    # its signature is that of other settings
    assert one.pop('export.json') != two.pop('export.json')
    assert one == two
    back = AnnotatedFolder(tmp_path / 'back')
    assert back.done() == set(STEMS)
    for stem in STEMS:
        before, after = kept(made, stem), kept(back, stem)
        keys = ['category_id', 'category', 'area', 'bbox', 'segmentation']
        # of boxes prompted upright the release has no slanted corners
        for key in [*keys, 'polygon'] if prompt == 'rhbox' else keys:
            assert [getattr(box, key) for box in before] == [getattr(box, key) for box in after]


def test_what_is_written(tmp_path, capsys):
    entries = {'P0001_0000': [instance('box', 9), instance('blob', 4)], 'P0001_0001': []}
    root = write_release(tmp_path / 'sota', entries)
    assert run(root, '--out', tmp_path / 'out') == 0
    out = AnnotatedFolder(tmp_path / 'out')
    record = Record.load(out.path('instances', 'P0001_0000'))
    assert record.image.path == 'images/P0001_0000.png'
    assert record.image.scene == 'P0001'
    assert record.image.offset is None
    assert record.image.notes == []
    first, second = record.boxes
    assert first.box_id == 'hbox_segs_init/ins/P0001_0000.pkl:0'
    assert first.category == 'small-vehicle'
    assert first.polygon == [[-3, 4], [70, 4], [70, 20], [-3, 20]]
    assert first.prompt_box == [-3, 4, 70, 20]
    assert first.scene_polygon is None
    assert 0 < first.visible_area <= first.area == shapes()['box'].sum()
    assert second.components == 1
    meta = json.loads(out.meta.read_bytes())
    assert meta['classes'] == list(SOTA_CLASSES)
    assert meta['partial'] is False
    coco = COCO(str(out.root / 'annotations.json'))
    assert len(coco.anns) == 2
    assert len(SAMRSDataset('x', str(out.root), pipeline=[])) == 1
    assert [row['status'] for row in ledger(out.root)] == ['kept', 'kept']
    before = tree(out.root)
    assert run(root, '--out', tmp_path / 'out') == 0
    assert tree(out.root) == before


def test_defects_of_the_release(tmp_path, capsys):
    entries = [
        instance('box', 0, category='A220'),  # SOTA-RBB: FAIR1M's names, SOTA's labels
        instance('', 5),  # an empty mask
        instance('blob', 4, category=4, label=None),  # an early release
        instance('ring', 7, size=3),
        instance('pixel', 2),
    ]
    root = write_release(tmp_path / 'x', {'P0001_0000': entries})
    gray = root / 'hbox_segs_init/gray/P0001_0000.png'
    labels = np.array(Image.open(gray))
    labels[masks.decode(entries[2]['mask'])] = 4
    labels[masks.decode(entries[3]['mask'])] = 7
    labels[47, 63], labels[0, 0], labels[0, 5] = 2, 17, 3
    Image.fromarray(labels).save(gray)
    mask = entries[4]['mask']
    entries[4]['mask'] = mask | {'counts': mask['counts'].encode()}
    pickled = root / 'hbox_segs_init/ins/P0001_0000.pkl'
    pickled.write_bytes(pickle.dumps(entries))
    assert run(root, '--out', tmp_path / 'out', '--subset', 'sota') == 0
    told = capsys.readouterr().out
    assert told.startswith('classes  the 18 of sota\n')
    assert f'defect   1 {importer.CATEGORY}' in told
    assert f'defect   1 {importer.OTHER.format("fast")}' in told
    assert f'defect   1 {importer.SIZE}' in told
    assert f'defect   2 {importer.GRAY}' in told
    out = AnnotatedFolder(tmp_path / 'out')
    assert out.path('semantic', 'P0001_0000').read_bytes() == gray.read_bytes()
    boxes = Record.load(out.path('instances', 'P0001_0000')).boxes
    assert [box.status for box in boxes] == ['kept', 'empty', 'kept', 'kept', 'kept']
    assert [box.label for box in boxes] == [0, 5, 4, 7, 2]
    assert boxes[0].category == 'large-vehicle'
    assert boxes[3].area == shapes()['ring'].sum()
    assert boxes[1].reason == 'the released mask is empty'
    # a second run takes the counts from the records
    assert run(root, '--out', tmp_path / 'out', '--subset', 'sota') == 0
    assert f'defect   2 {importer.GRAY}' in capsys.readouterr().out


def test_without_label_maps_they_are_made(tmp_path, capsys):
    entries = {'00001': [instance('box', 3), instance('blob', 4)], '11726': []}
    root = write_release(tmp_path / 'SIOR', entries, gray=False)
    (root / 'hbox_segs_init/gray').rmdir()
    assert run(root, '--out', tmp_path / 'out') == 0
    told = capsys.readouterr().out
    assert told.startswith('classes  the 20 of sior (so the name of its folder; --subset says it)')
    assert f'defect   2 {importer.NO_GRAY}' in told
    assert f'defect   2 {importer.OTHER.format("sota")}' in told
    labels = np.array(Image.open(tmp_path / 'out/semantic/00001.png'))
    expected = np.where(shapes()['blob'], 4, np.where(shapes()['box'], 3, 255))
    np.testing.assert_array_equal(labels, expected)
    record = Record.load(AnnotatedFolder(tmp_path / 'out').path('instances', '00001'))
    assert record.image.split == 'trainval'
    assert record.boxes[0].scene_polygon == record.boxes[0].polygon
    assert len(SIORDataset(str(tmp_path / 'out'), pipeline=[])) == 1
    assert json.loads((tmp_path / 'out/meta.json').read_bytes())['classes'] == list(SIOR_CLASSES)


def test_label_maps_without_an_image_are_named(tmp_path, capsys):
    root = write_release(tmp_path / 'sota', {'P0001_0000': [instance('box', 0)]})
    gray = root / 'hbox_segs_init/gray'
    (gray / 'P0002_0000.png').write_bytes((gray / 'P0001_0000.png').read_bytes())
    assert run(root, '--out', tmp_path / 'out') == 1
    name = 'hbox_segs_init/gray/P0002_0000.png'
    assert f'failed: {name}: there is no image of this label map' in capsys.readouterr().err


class Evil:
    def __reduce__(self):
        return print, ('executed',)


def test_what_cannot_be_read_is_named_and_the_rest_is_done(tmp_path, capsys):
    entries = {
        f'P{number}_0000': [instance('box', 0)] for number in ('0001', '0002', '0003', '0004')
    }
    entries['P0003_0000'] = [instance('box', 0), instance('box', 0, label=18)]
    root = write_release(tmp_path / 'sota', entries)
    (root / 'hbox_segs_init/ins/P0001_0000.pkl').write_bytes(pickle.dumps([Evil()]))
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(root / 'images/P0002_0000.png')
    (root / 'images/P0004_0000.png').unlink()
    gray = root / 'hbox_segs_init/gray/P0003_0000.png'
    labels = np.array(Image.open(gray))
    labels[labels == 18] = 255
    Image.fromarray(labels).save(gray)
    assert run(root, '--out', tmp_path / 'out') == 1
    said = capsys.readouterr()
    assert 'executed' not in said.out
    assert 'asks for builtins.print' in said.err
    assert 'a mask of 64 x 48 px; images/P0002_0000.png has 9 x 9 px' in said.err
    rows = {(row['scene'], row['status']): row['reason'] for row in ledger(tmp_path / 'out')}
    assert rows['P0003_0000', 'malformed'] == 'label 18; allowed are 0..17'
    assert ('P0001_0000', 'unreadable') in rows
    assert ('P0002_0000', 'failed') in rows
    assert ('P0004_0000', 'no_image') in rows
    assert ('P0003_0000', 'kept') in rows
    assert AnnotatedFolder(tmp_path / 'out').done() == {'P0003_0000'}


@pytest.mark.parametrize(
    ('spoil', 'says'),
    [
        (lambda labels: np.where(labels == 0, 40, labels), 'value 40 at x=8, y=5'),
        (lambda labels: labels[:-1], '64 x 47 px, the image has 64 x 48 px'),
        (lambda labels: np.stack([labels] * 3, -1), 'a label is one band'),
    ],
)
def test_bad_label_maps(tmp_path, capsys, spoil, says):
    root = write_release(tmp_path / 'sota', {'P0001_0000': [instance('box', 0)]})
    path = root / 'hbox_segs_init/gray/P0001_0000.png'
    Image.fromarray(spoil(np.array(Image.open(path)))).save(path)
    assert run(root, '--out', tmp_path / 'out') == 1
    assert says in capsys.readouterr().err


def test_goes_on_where_it_was_killed(tmp_path, monkeypatch, capsys):
    entries = {f'P000{number}_0000': [instance('box', number)] for number in range(4)}
    root = write_release(tmp_path / 'sota', entries)
    assert run(root, '--out', tmp_path / 'whole') == 0
    size, calls = importer.image_size, []

    def killed(path):
        calls.append(path)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return size(path)

    monkeypatch.setattr(importer, 'image_size', killed)
    assert run(root, '--out', tmp_path / 'out') == 1
    monkeypatch.undo()
    assert AnnotatedFolder(tmp_path / 'out').done() == {'P0000_0000', 'P0001_0000'}
    assert run(root, '--out', tmp_path / 'out') == 0
    assert tree(tmp_path / 'out') == tree(tmp_path / 'whole')


def test_workers_do_not_change_a_byte(tmp_path):
    entries = {f'P000{number}_0000': [instance('box', number)] for number in range(4)}
    root = write_release(tmp_path / 'sota', entries)
    assert run(root, '--out', tmp_path / 'a') == 0
    command = [sys.executable, 'tools/dataset_converters/import_samrs.py', str(root)]
    flags = ['--out', str(tmp_path / 'b'), '--workers', '2']
    done = subprocess.run([*command, *flags], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert tree(tmp_path / 'a') == tree(tmp_path / 'b')


def test_refusals(tmp_path, capsys):
    root = write_release(tmp_path / 'download', {'P0001_0000': [instance('box', 0)]})
    assert run(root, '--out', tmp_path / 'out') == 2
    assert 'does not say the subset; give --subset sota, sior, fast' in capsys.readouterr().err
    assert run(root, '--out', tmp_path / 'out', '--subset', 'sota', '--instances', 'x') == 2
    assert 'no folder of instance files (x)' in capsys.readouterr().err
    assert run(root, '--out', root, '--subset', 'sota') == 2
    assert 'holds files that are not of this tool' in capsys.readouterr().err
    assert run(root, '--out', tmp_path / 'out', '--subset', 'sota') == 0
    assert run(root, '--out', tmp_path / 'out', '--subset', 'fast') == 2
    assert 'was started with other settings' in capsys.readouterr().err


def released(tmp_path):
    return write_release(
        tmp_path / 'sota', {f'P000{n}_0000': [instance('box', 9)] for n in range(4)}
    )


def change_instances(root):
    (root / 'hbox_segs_init/ins/P0001_0000.pkl').write_bytes(
        pickle.dumps([instance('blob', 4), instance('box', 9)])
    )


def change_label_map(root):
    labels = Image.new('L', SIZE[::-1], 3)
    labels.save(root / 'hbox_segs_init/gray/P0001_0000.png')


def lose_label_map(root):
    (root / 'hbox_segs_init/gray/P0001_0000.png').unlink()


def change_image(root):
    Image.new('RGB', SIZE[::-1], 'red').save(root / 'images/P0001_0000.png')


@pytest.mark.parametrize(
    ('change', 'noted'),
    [
        (change_instances, True),
        (change_instances, False),
        (change_label_map, True),
        (change_image, True),
        (lose_label_map, True),
    ],
)
def test_what_changed_in_the_release_is_imported_anew(tmp_path, capsys, change, noted):
    root, out = released(tmp_path), tmp_path / 'out'
    assert run(root, '--out', out) == 0
    before = {path: path.stat().st_mtime_ns for path in out.glob('instances/*')}
    if noted:
        os.utime(root / 'images/P0002_0000.png', (1, 1))
    else:
        (out / 'inputs.tsv').unlink()
    change(root)
    capsys.readouterr()
    assert run(root, '--out', out) == 0
    assert re.search(
        r'^done anew: 1 image, .*(changed|replaced): P0001_0000$', capsys.readouterr().out, re.M
    )
    after = {path: path.stat().st_mtime_ns for path in out.glob('instances/*')}
    assert [path.stem for path in before if before[path] != after[path]] == ['P0001_0000']
    assert run(root, '--out', tmp_path / 'new') == 0
    assert tree(out) == tree(tmp_path / 'new')


def test_images_gone_from_the_release_are_named_until_they_are_pruned(tmp_path, capsys):
    root, out = released(tmp_path), tmp_path / 'out'
    assert run(root, '--out', out) == 0
    for path in [*root.rglob('P0001_0000.*')]:
        path.unlink()
    capsys.readouterr()
    assert run(root, '--out', out) == 1
    told = capsys.readouterr().err
    assert f'gone: 1 image of {out} is not in {root} any more: P0001_0000' in told
    assert run(root, '--out', out, '--prune') == 0
    assert run(root, '--out', tmp_path / 'new') == 0
    assert tree(out) == tree(tmp_path / 'new')
