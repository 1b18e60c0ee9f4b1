import json
from pathlib import Path

import numpy as np
import pytest
from folders import ROOT, load_tool
from PIL import Image
from pycocotools.coco import COCO

from samrs_mm.datasets.boxes.coco import COCOBoxDataset
from samrs_mm.formats.annotated.folder import AnnotatedFolder

TOOL = load_tool('dataset_converters/boxes_to_coco')
VOC = """<annotation><filename>x.jpg</filename><size><width>64</width><height>48</height></size>
{}</annotation>"""
OBJECT = """<object><name>{}</name><difficult>0</difficult><bndbox><xmin>{}</xmin><ymin>{}</ymin>
<xmax>{}</xmax><ymax>{}</ymax></bndbox></object>"""


def image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 60, (48, 64, 3), np.uint8)
    pixels[10:30, 20:40] = 220
    Image.fromarray(pixels).save(path)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def yolo(tmp_path):
    root = tmp_path / 'yolo'
    for name in ('images/train/a', 'images/train/b', 'images/val/a'):
        image(root / f'{name}.png')
    write(root / 'labels/train/a.txt', '1 0.3 0.2 0.6 0.2 0.6 0.6 0.3 0.6\n')
    write(root / 'labels/val/a.txt', '0 0.3 0.2 0.6 0.2 0.6 0.6 0.3 0.6\n')
    write(root / 'data.yaml', 'names:\n  0: ship\n  1: large vehicle\n')
    return root


@pytest.fixture
def voc(tmp_path):
    root = tmp_path / 'voc'
    for name in ('one', 'two'):
        image(root / 'JPEGImages' / f'{name}.jpg')
    boxes = OBJECT.format('ship', 21, 11, 40, 30) + OBJECT.format('boat', 1, 1, 10, 9)
    write(root / 'Annotations/one.xml', VOC.format(boxes))
    return root


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


def write_voc(root, size, *boxes, name='a.jpg', picture=(64, 48), orientation=1):
    exif = Image.Exif()
    exif[274] = orientation
    root.mkdir(parents=True, exist_ok=True)
    Image.new('RGB', picture).save(root / name, exif=exif)
    objects = ''.join(
        f'<object><name>ship</name><bndbox><xmin>{x0}</xmin><ymin>{y0}</ymin><xmax>{x1}</xmax>'
        f'<ymax>{y1}</ymax></bndbox></object>'
        for x0, y0, x1, y1 in boxes
    )
    width, height = size
    text = f'<size><width>{width}</width><height>{height}</height></size>'
    write(root / f'{Path(name).stem}.xml', f'<annotation>{text}{objects}</annotation>')


def bboxes(root):
    entries = json.loads((root / 'annotations.json').read_text())['annotations']
    return [entry['bbox'] for entry in entries]


def test_labels_of_another_size_or_turn(tmp_path, capsys):
    root = tmp_path / 'voc'
    write_voc(root, (128, 96), (20, 20, 40, 40))
    write_voc(root, (48, 64), (4, 50, 10, 60), name='t.jpg', orientation=6)
    write_voc(root, (0, 0), (1, 2, 5, 6), name='unstated.jpg')
    call = TOOL.main
    assert call([str(root), '--from', 'voc']) == 1
    said = capsys.readouterr().err
    assert 'failed: a.xml: the labels are for 128 x 96 px, the picture has 64 x 48 px' in said
    assert 'failed: t.xml: the labels are for 48 x 64 px, the picture has 64 x 48 px as' in said
    assert bboxes(root) == [[1, 2, 4, 4]]
    flags = ['--overwrite', '--label-size', 'rescale', '--exif', 'turned']
    assert call([str(root), '--from', 'voc', *flags]) == 0
    assert bboxes(root) == [[10, 10, 10, 10], [50, 38, 10, 6], [1, 2, 4, 4]]
    assert 'note: 1, such as t.jpg: boxes turned into stored pixels' in capsys.readouterr().err


def test_exchanged_corners_are_put_in_order_and_noted(tmp_path, capsys):
    root = tmp_path / 'voc'
    write_voc(root, (64, 48), (40, 30, 20, 10))
    assert TOOL.main([str(root), '--from', 'voc']) == 0
    assert bboxes(root) == [[20, 10, 20, 20]]
    assert 'the corners were exchanged' in capsys.readouterr().err


def test_corners_row_by_row_of_yolo_are_put_in_order(yolo, capsys):
    write(yolo / 'labels/train/a.txt', '1 0.1 0.1 0.5 0.1 0.1 0.5 0.5 0.5\n')
    (yolo / 'labels/train/b.txt').unlink(missing_ok=True)
    main = TOOL.main
    assert main([str(yolo), '--from', 'yolo', '--task', 'obb']) == 0, capsys.readouterr().err
    entries = json.loads((yolo / 'annotations.json').read_text())['annotations']
    (rbox,) = [e['rbox'] for e in entries if e['box_id'].startswith('labels/train/a.txt')]
    x, y = rbox[::2], rbox[1::2]
    assert (x[0], y[1], x[3]) == (x[3], y[0], x[0])
    assert 'the edges crossed' in capsys.readouterr().err


def test_yolo_labels_made_on_the_turned_picture(tmp_path, capsys):
    exif = Image.Exif()
    exif[274] = 6
    (tmp_path / 'images').mkdir()
    Image.new('RGB', (64, 48)).save(tmp_path / 'images/a.jpg', exif=exif)
    write(tmp_path / 'labels/a.txt', '0 0.5 0.75 0.25 0.25\n')  # of 48 x 64 px
    write(tmp_path / 'classes.txt', 'ship\n')
    main = TOOL.main
    assert main([str(tmp_path), '--from', 'yolo']) == 0
    assert 'EXIF orientation 6 is not applied' in capsys.readouterr().err
    assert bboxes(tmp_path) == [[24, 30, 16, 12]]
    assert main([str(tmp_path), '--from', 'yolo', '--overwrite', '--exif', 'turned']) == 0
    assert bboxes(tmp_path) == [[40, 18, 16, 12]]


def test_a_folder_that_cannot_be_written_to(yolo, monkeypatch, capsys):
    def refuse(path, data):
        raise PermissionError(13, 'Permission denied', str(path))

    monkeypatch.setattr(TOOL, 'atomic_write', refuse)
    assert TOOL.main([str(yolo), '--from', 'yolo']) == 2
    assert 'Permission denied; --out FILE writes it elsewhere' in capsys.readouterr().err


def test_labels_without_any_box_are_told(yolo, capsys):
    for path in sorted((yolo / 'labels').rglob('*.txt')):
        write(path, '')
    assert TOOL.main([str(yolo), '--from', 'yolo']) == 0
    assert 'no label file holds a box' in capsys.readouterr().err


def test_a_file_of_others_is_not_replaced(yolo, capsys):
    mine = yolo / 'annotations.json'
    write(mine, '{"images": [], "annotations": [], "categories": []}')
    for more in [], ['--overwrite']:
        assert TOOL.main([str(yolo), '--from', 'yolo', *more]) == 2
        assert 'is not of this tool; annotate it as it is: python' in capsys.readouterr().err
    assert mine.read_text().startswith('{"images": []')


def run_annotate(root, out, *more):
    config = str(ROOT / 'configs/annotate/coco_grabcut_hbox.py')
    options = ['--cfg-options', 'model.type=BoxFillSegmentor']
    flags = ['--data-root', str(root), '--out', str(out), '--workers', '0', *more, *options]
    return load_tool('sam_annotate').main([config, *flags])


def test_what_is_left_out_is_known_to_the_next_tool(tmp_path, capsys):
    root, out = tmp_path / 'voc', tmp_path / 'out'
    write_voc(root, (128, 96), (20, 20, 40, 40), name='p1.jpg')
    write_voc(root, (64, 48), (20, 20, 40, 40), name='p2.jpg')
    assert TOOL.main([str(root), '--from', 'voc']) == 1
    said = capsys.readouterr().out
    assert 'boxes    1\nleft out 1 label file (named above)' in said
    assert 'Next: mend what is named above, then' in said
    command = said.splitlines()[-1]
    assert command.endswith(f'{root} --from voc --label-size rescale --overwrite')
    assert 'sam_annotate' not in said
    assert run_annotate(root, out) == 1
    ledger = (out / 'ledger.csv').read_text()
    assert 'p1.xml:1' in ledger
    assert 'misfit' in ledger
    assert 'left out when annotations.json was made: the labels are for 128 x 96 px' in ledger
    assert TOOL.main(command.split()[2:]) == 0
    assert run_annotate(root, out) == 0
    assert 'misfit' not in (out / 'ledger.csv').read_text()


def test_a_label_file_that_cannot_be_read_is_known_to_the_next_tool(yolo, tmp_path):
    write(yolo / 'labels/train/b.txt', '1 0.3 0.2 0.6 0.2 0.6 0.6 0.3 0.6\n7 0 0 1 0 1 1 0 1\n')
    (yolo / 'labels/val/a.txt').write_bytes(b'\0\0')
    assert TOOL.main([str(yolo), '--from', 'yolo']) == 1
    assert run_annotate(yolo, tmp_path / 'out') == 1
    ledger = (tmp_path / 'out/ledger.csv').read_text()
    start = 'malformed,left out when annotations.json was made: '
    assert f"labels/train/b.txt:2,{start}class '7'" in ledger
    assert f'labels/val/a.txt,{start}not a text file' in ledger


def test_nothing_is_written_where_no_box_can_be_taken(tmp_path, capsys):
    root = tmp_path / 'pixels'
    for number in range(9):
        image(root / f'{number}.png')
        write(root / f'{number}.txt', '0 30 20 10 10\n' * 3)
    write(root / 'classes.txt', 'ship\n')
    assert TOOL.main([str(root), '--from', 'yolo']) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert 'no box of its 9 label files can be taken, such as 0.txt:1: coordinate 30 is not' in line
    assert not (root / 'annotations.json').exists()
    write(root / '3.txt', '5 0.5 0.5 0.1 0.1\n')
    assert TOOL.main([str(root), '--from', 'yolo']) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 5 + 1 + 1 + 1
    assert "failed: 3.txt:1: class '5'" in '\n'.join(said)
    assert said[-2] == 'failed: ... and 19 more such lines as that of 0.txt:1'


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
