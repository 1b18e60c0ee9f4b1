"""Labels that do not fit their picture: put in order, or left out and told to the next tool."""

import json
from pathlib import Path

from converting import TOOL, image, write
from folders import ROOT, load_tool
from PIL import Image


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


def test_labels_without_any_box_are_told(yolo, capsys):
    for path in sorted((yolo / 'labels').rglob('*.txt')):
        write(path, '')
    assert TOOL.main([str(yolo), '--from', 'yolo']) == 0
    assert 'no label file holds a box' in capsys.readouterr().err


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
