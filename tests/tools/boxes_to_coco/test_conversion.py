"""YOLO and VOC as one COCO file: layouts, names, refusals, and what annotation makes of it."""

import json

import numpy as np
import pytest
from converting import OBJECT, TOOL, VOC, image, write
from folders import ROOT, load_tool
from pycocotools.coco import COCO

from samrs_mm.datasets.boxes.coco import COCOBoxDataset
from samrs_mm.formats.annotated.folder import AnnotatedFolder


def test_yolo(yolo, capsys):
    assert TOOL.main([str(yolo), '--from', 'yolo']) == 0
    said = capsys.readouterr().out
    assert 'images   3, 1 without a label file, such as images/train/b.png' in said
    assert 'read as  obb: class x1 y1 ... x4 y4 (9 columns)' in said
    assert f'names    {yolo / "data.yaml"}: 2' in said
    coco = COCO(str(yolo / 'annotations.json'))
    names = [coco.imgs[number]['file_name'] for number in sorted(coco.imgs)]
    assert names == ['images/train/a.png', 'images/train/b.png', 'images/val/a.png']
    first, second = coco.dataset['annotations']
    assert coco.cats[first['category_id']]['name'] == 'large vehicle'
    assert (first['image_id'], second['image_id']) == (1, 3)
    np.testing.assert_allclose(second['rbox'], [19.2, 9.6, 38.4, 9.6, 38.4, 28.8, 19.2, 28.8])
    np.testing.assert_allclose(second['bbox'], [19.2, 9.6, 19.2, 19.2])
    dataset = COCOBoxDataset(str(yolo))
    found = {scene.stem: dataset.labels(i).boxes for i, scene in enumerate(dataset.scenes)}
    assert {stem: len(boxes) for stem, boxes in found.items()} == dict(
        train__a=1, train__b=0, val__a=1
    )
    assert found['val__a'][0].polygon is not None


@pytest.mark.parametrize(('flags', 'start'), [([], [21, 11]), (['--one-based'], [20, 10])])
def test_voc(voc, flags, start, capsys):
    assert TOOL.main([str(voc), '--from', 'voc', *flags]) == 0
    coco = COCO(str(voc / 'annotations.json'))
    assert [category['name'] for category in coco.dataset['categories']] == ['boat', 'ship']
    ship, boat = coco.dataset['annotations']
    assert ship['bbox'] == [*start, 40 - start[0], 30 - start[1]]
    assert coco.cats[boat['category_id']]['name'] == 'boat'
    assert ship['box_id'] == 'Annotations/one.xml:2'
    dataset = COCOBoxDataset(str(voc))
    assert sorted(len(dataset.labels(i).boxes) for i in range(len(dataset))) == [0, 2]


def test_the_result_can_be_annotated(yolo, tmp_path):
    assert TOOL.main([str(yolo), '--from', 'yolo']) == 0
    annotate = load_tool('sam_annotate').main
    config = str(ROOT / 'configs/annotate/coco_grabcut_hbox.py')
    flags = ['--data-root', str(yolo), '--out', str(tmp_path / 'out'), '--workers', '0']
    assert annotate([config, *flags]) == 0
    out = AnnotatedFolder(tmp_path / 'out')
    assert out.done() == {'train__a', 'train__b', 'val__a'}
    counts = json.loads(out.meta.read_bytes())['counts']
    assert counts['kept'] == {'large vehicle': 1, 'ship': 1}


def test_other_layouts(tmp_path):
    for name, label in (('side/a.png', 'side/a.txt'), ('train/images/a.png', 'train/labels/a.txt')):
        root = tmp_path / name.replace('/', '_')
        image(root / name)
        write(root / label, '0 0.5 0.5 0.5 0.5\n')
        write(root / 'classes.txt', 'ship\n')
        assert TOOL.main([str(root), '--from', 'yolo']) == 0
        coco = json.loads((root / 'annotations.json').read_bytes())
        assert len(coco['annotations']) == 1
        (scene,) = COCOBoxDataset(str(root)).scenes
        assert (root / scene.image).exists()


def test_links_are_followed_but_not_in_circles(yolo, tmp_path):
    (yolo / 'images/train').rename(tmp_path / 'elsewhere')
    (yolo / 'images/train').symlink_to(tmp_path / 'elsewhere')
    for name in ('a', 'b'):
        (yolo / 'images/val' / name).symlink_to(yolo)  # walked, these are 2 ** 40 folders
    assert TOOL.main([str(yolo), '--from', 'yolo']) == 0
    coco = json.loads((yolo / 'annotations.json').read_bytes())
    names = [entry['file_name'] for entry in coco['images']]
    assert names == ['images/train/a.png', 'images/train/b.png', 'images/val/a.png']
    assert len(coco['annotations']) == 2


def test_bad_files_are_named_and_the_rest_is_written(yolo, voc, capsys):
    corners = '0.3 0.2 0.6 0.2 0.6 0.6 0.3 0.6'
    write(yolo / 'labels/train/b.txt', f'7 {corners}\n0 {corners} 3\n0 {corners}\n0 {corners}\n')
    (yolo / 'images/val/a.png').write_bytes(b'no image')
    write(yolo / 'labels/val/gone.txt', f'0 {corners}')
    assert TOOL.main([str(yolo), '--from', 'yolo']) == 1
    said = capsys.readouterr()
    assert "failed: labels/train/b.txt:1: class '7'; allowed are 0..1" in said.err
    assert 'failed: labels/val/gone.txt: there is no image of this label file' in said.err
    assert 'failed: labels/train/b.txt:2: 10 columns; the lines of this dataset' in said.err
    assert 'images/val/a.png: cannot read the image' in said.err
    assert 'left out 2 boxes, 1 image, 1 label file (named above)' in said.out
    assert 'repeated 1 box is there twice, such as labels/train/b.txt:4; all are kept' in said.out
    write(voc / 'Annotations/two.xml', '<!DOCTYPE x [<!ENTITY a "b">]><annotation>&a;</annotation>')
    assert TOOL.main([str(voc), '--from', 'voc']) == 1
    assert 'declares an entity' in capsys.readouterr().err


def test_refusals(yolo, voc, tmp_path, capsys):
    cases = [
        ([yolo / 'none', '--from', 'yolo'], 'no such folder'),
        ([yolo / 'labels', '--from', 'yolo'], 'no images'),
        ([voc, '--from', 'yolo'], 'no image has a label; for JPEGImages/one.jpg looked for '
         'labels/one.txt or JPEGImages/one.txt'),
        ([yolo, '--from', 'yolo', '--names', yolo / 'no.txt'], 'no class names there'),
        ([yolo, '--from', 'yolo', '--names', yolo / 'bad.yaml'], 'malformed YAML'),
        ([yolo, '--from', 'yolo', '--out', yolo], 'is a folder; name the file'),
    ]  # fmt: skip
    (yolo / 'bad.yaml').write_text('names: {1: ship\n')
    for argv, says in cases:
        assert TOOL.main([str(value) for value in argv]) == 2
        assert says in capsys.readouterr().err
    assert TOOL.main([str(yolo), '--from', 'yolo']) == 0
    assert TOOL.main([str(yolo), '--from', 'yolo']) == 2
    assert 'is there already; use --overwrite' in capsys.readouterr().err
    assert TOOL.main([str(yolo), '--from', 'yolo', '--overwrite']) == 0
    for flags in (
        ['--from', 'voc', '--names', 'x'],
        ['--from', 'voc', '--task', 'obb'],
        ['--from', 'yolo', '--one-based'],
    ):
        with pytest.raises(SystemExit):
            TOOL.main([str(yolo), *flags])


def test_rolabelimg_and_exchanged_names(voc, capsys):
    rotated = (
        '<object><type>robndbox</type><name>ship</name><robndbox><cx>32</cx><cy>24</cy><w>20</w>'
        '<h>10</h><angle>1.5707963</angle></robndbox></object>'
    )
    write(
        voc / 'Annotations/two.xml', f'<annotation><filename>y.jpg</filename>{rotated}</annotation>'
    )
    assert TOOL.main([str(voc), '--from', 'voc']) == 0
    said = capsys.readouterr().out
    assert 'renamed  2 label files have a <filename> that is no image of the dataset' in said
    assert 'configs/annotate/coco_boxnet_rbox.py --data-root' in said
    entry = json.loads((voc / 'annotations.json').read_bytes())['annotations'][-1]
    np.testing.assert_allclose(entry['bbox'], [27, 14, 10, 20], atol=1e-3)
    write(voc / 'Annotations/one.xml', '<annotation><filename>two.jpg</filename></annotation>')
    assert TOOL.main([str(voc), '--from', 'voc', '--overwrite']) == 1
    assert 'Annotations/one.xml: its <filename> names the image two' in capsys.readouterr().err


def test_nothing_is_written_into_read_only_data(yolo, tmp_path, capsys):
    before = sorted(path for path in yolo.rglob('*'))
    target = tmp_path / 'elsewhere/boxes.json'
    assert TOOL.main([str(yolo), '--from', 'yolo', '--out', str(target)]) == 0
    assert sorted(path for path in yolo.rglob('*')) == before
    option = f'dataset.ann_file={target}'
    assert option in capsys.readouterr().out
    flags = ['--data-root', str(yolo), '--out', str(tmp_path / 'out'), '--workers', '0']
    config = str(ROOT / 'configs/annotate/coco_grabcut_hbox.py')
    assert load_tool('sam_annotate').main([config, *flags, '--cfg-options', option]) == 0
    ledger = (tmp_path / 'out/ledger.csv').read_text()
    assert 'labels/train/a.txt:1' in ledger
    assert 'labels/val/a.txt:1' in ledger


def test_masks_made_of_it_are_no_images_of_it(yolo, tmp_path, capsys):
    assert TOOL.main([str(yolo), '--from', 'yolo']) == 0
    first = (yolo / 'annotations.json').read_bytes()
    flags = [
        '--data-root',
        str(yolo),
        '--out',
        str(yolo / 'masks'),
        '--workers',
        '0',
        '--show',
        '1',
    ]
    config = str(ROOT / 'configs/annotate/coco_grabcut_hbox.py')
    assert load_tool('sam_annotate').main([config, *flags]) == 0
    capsys.readouterr()
    assert TOOL.main([str(yolo), '--from', 'yolo', '--overwrite']) == 0
    assert (yolo / 'annotations.json').read_bytes() == first
    assert f'passed over: {yolo / "masks"}, which is an annotated folder' in capsys.readouterr().out


def test_a_folder_that_cannot_be_written_to(yolo, monkeypatch, capsys):
    def refuse(path, data):
        raise PermissionError(13, 'Permission denied', str(path))

    monkeypatch.setattr(TOOL, 'atomic_write', refuse)
    assert TOOL.main([str(yolo), '--from', 'yolo']) == 2
    assert 'Permission denied; --out FILE writes it elsewhere' in capsys.readouterr().err


def test_a_file_of_others_is_not_replaced(yolo, capsys):
    mine = yolo / 'annotations.json'
    write(mine, '{"images": [], "annotations": [], "categories": []}')
    for more in [], ['--overwrite']:
        assert TOOL.main([str(yolo), '--from', 'yolo', *more]) == 2
        assert 'is not of this tool; annotate it as it is: python' in capsys.readouterr().err
    assert mine.read_text().startswith('{"images": []')


def test_classes_are_counted_and_slips_of_the_pen_told(voc, capsys):
    boxes = OBJECT.format('shipp', 1, 1, 9, 9) + OBJECT.format('ship', 5, 5, 20, 20)
    write(voc / 'Annotations/two.xml', VOC.format(boxes).replace('x.jpg', 'two.jpg'))
    assert TOOL.main([str(voc), '--from', 'voc']) == 0
    said = capsys.readouterr().out
    assert 'classes  3: boat 1, ship 2, shipp 1\n' in said
    assert "'shipp' (1 box) looks like 'ship' (2 boxes); if it is, mend the labels" in said


def test_the_next_command_keeps_the_names(yolo, tmp_path, capsys):
    write(yolo / 'labels/train/b.txt', '7 0 0 1 0 1 1 0 1\n')
    write(tmp_path / 'my.names', 'a\nb\n')
    assert TOOL.main([str(yolo), '--from', 'yolo', '--names', str(tmp_path / 'my.names')]) == 1
    assert f'--names {tmp_path / "my.names"} --overwrite' in capsys.readouterr().out


def test_the_format_is_found_and_told(yolo, voc, capsys):
    for root, found in ((yolo, 'yolo'), (voc, 'voc')):
        assert TOOL.main([str(root), '--from', found]) == 0
        named = (root / 'annotations.json').read_bytes()
        capsys.readouterr()
        assert TOOL.main([str(root), '--from', 'auto', '--overwrite']) == 0
        assert capsys.readouterr().out.startswith(f'found    {found} (')
        assert (root / 'annotations.json').read_bytes() == named


def test_a_format_that_needs_no_conversion_is_told(tmp_path, capsys):
    image(tmp_path / 'a.png')
    write(tmp_path / 'a.json', '{"shapes": [], "imagePath": "a.png"}')
    assert TOOL.main([str(tmp_path), '--from', 'auto']) == 2
    said = capsys.readouterr().err
    assert 'found labelme (.json with shapes, such as a.json), which is annotated as it is' in said
    assert 'any_boxnet_hbox' in said
