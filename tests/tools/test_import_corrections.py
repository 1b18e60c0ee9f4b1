"""Out to LabelMe and back: the untouched stays, edits become actions, the rest is named."""

import json
import shutil

import cv2
import numpy as np
import pytest
from corrected import correct_some
from folders import CONFIG, load_tool, tree, write_dota

from samrs_mm.core import masks
from samrs_mm.formats.annotated.folder import AnnotatedFolder
from samrs_mm.formats.annotated.record import Record
from samrs_mm.formats.corrections.actions import Corrections


@pytest.fixture(scope='module')
def tools():
    names = 'sam_annotate', 'dataset_converters/export_dataset', 'import_corrections'
    return [load_tool(name).main for name in names]


@pytest.fixture(scope='module')
def made(tools, tmp_path_factory):
    """A data root, a folder with ragged masks, one of them with holes, and its LabelMe files."""
    root = tmp_path_factory.mktemp('made')
    data = write_dota(root / 'dota', scenes=3)
    assert tools[0]([CONFIG, '--data-root', str(data), '--out', str(root / 'out')]) == 0
    return root


@pytest.fixture
def place(made, tools, tmp_path):
    """A copy of all, in which a mask has holes; exported."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    out = AnnotatedFolder(tmp_path / 'out')
    path = out.path('instances', 'P0000')
    record = Record.load(path)
    record.boxes[0].enter_mask(masks.Mask(ring()), '')
    record.paint('small_on_top')
    record.write(path)
    shutil.rmtree(tmp_path / 'out/semantic')
    (tmp_path / 'out/semantic').mkdir()
    for stem in sorted(out.done()):
        from samrs_mm.core.images import write_png

        write_png(out.path('semantic', stem), Record.load(out.path('instances', stem)).paint(
            'small_on_top'))  # fmt: skip
    command = [CONFIG, '--data-root', str(tmp_path / 'dota'), '--out', str(tmp_path / 'out')]
    assert tools[0]([*command, '--finalise', '--workers', '0']) == 0
    assert export(tools, tmp_path) == 0
    return tmp_path


def ring():
    mask = np.zeros((96, 128), bool)
    mask[4:30, 6:40] = True
    mask[10:20, 12:30] = mask[25, 35] = False
    return masks.encode(mask)


def export(tools, place, *flags, out='lm'):
    common = [str(place / 'out'), '--to', 'labelme', '--out', str(place / out), '--workers', '0']
    return tools[1]([*common, *flags])


def take(tools, place, *flags, edited='lm'):
    return tools[2]([str(place / 'out'), str(place / edited), '--by', 'bob', *flags])


def edit(place, change, stem='P0000', edited='lm'):
    path = place / edited / f'images/{stem}.json'
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data, indent=2))


def record_of(place, stem='P0000'):
    return Record.load(place / f'out/instances/{stem}.json')


def actions_of(place, stem='P0000'):
    return [
        each.action for each in Corrections.load(place / f'out/corrections/{stem}.json').actions
    ]


def test_untouched_it_leaves_every_byte(tools, place, capsys):
    before = tree(place / 'out')
    edit(place, lambda data: None)
    assert take(tools, place) == 0
    assert tree(place / 'out') == before
    assert 'same      7' in capsys.readouterr().out


def test_exactly_the_edits_become_actions(tools, place, capsys):
    before = record_of(place)

    def change(data):
        first, second, _ = data['shapes']
        first['label'] = 'plane' if first['label'] != 'plane' else 'ship'
        second['points'] = [[x + 2, y + 1] for x, y in second['points']]
        data['shapes'] = [first, second]
        new = dict(label='ship', points=[[100, 60], [120, 60], [120, 80]], shape_type='polygon')
        data['shapes'] += [new, dict(new, points=[[1, 70], [9, 90]], shape_type='rectangle')]

    edit(place, change)
    assert take(tools, place, '--dry-run') == 0
    assert not (place / 'out/corrections').exists()
    assert take(tools, place) == 0
    assert actions_of(place) == ['class', 'mask', 'reject', 'add', 'add']
    boxes = record_of(place).boxes
    assert [box.status for box in boxes] == ['corrected', 'corrected', 'rejected', 'added', 'added']
    assert boxes[0].segmentation == before.boxes[0].segmentation
    x, y, width, height = before.boxes[1].bbox
    assert boxes[1].bbox == [x + 2, y + 1, width, height]
    assert boxes[1].machine['segmentation'] == before.boxes[1].segmentation
    assert masks.area(boxes[4].segmentation) == 8 * 20
    after = tree(place / 'out')
    assert take(tools, place) == 0
    assert tree(place / 'out') == after
    command = [CONFIG, '--data-root', str(place / 'dota'), '--out', str(place / 'out')]
    capsys.readouterr()
    assert tools[0]([*command, '--finalise', '--workers', '0']) == 0
    assert tree(place / 'out') == after


def test_holes_stay_in_a_mask_that_was_changed_or_moved(tools, place):
    old = masks.decode(ring())

    def widen(data):
        data['shapes'][0]['points'] = [
            [x + 5 if x > 39 else x, y] for x, y in data['shapes'][0]['points']
        ]

    edit(place, widen)
    assert take(tools, place) == 0
    wider = old.copy()
    wider[4:30, 40:45] = True
    np.testing.assert_array_equal(masks.decode(record_of(place).boxes[0].mask), wider)
    after = tree(place / 'out')
    assert take(tools, place) == 0
    assert tree(place / 'out') == after
    assert export(tools, place, out='again') == 0

    def move(data):
        data['shapes'][0]['points'] = [[x + 30, y + 7] for x, y in data['shapes'][0]['points']]

    edit(place, move, edited='again')
    assert take(tools, place, edited='again') == 0
    expected = np.zeros_like(wider)
    expected[7:, 30:] = wider[:-7, :-30]
    np.testing.assert_array_equal(masks.decode(record_of(place).boxes[0].mask), expected)


def test_checked_becomes_accept(tools, place):
    edit(place, lambda data: data.update(checked=True))
    assert take(tools, place) == 0
    assert actions_of(place) == ['accept'] * 3
    assert {box.status for box in record_of(place).boxes} == {'kept'}
    assert export(tools, place, '--worst', '3', out='worst') == 0
    shown = [path.stem for path in (place / 'worst/images').glob('*.json')]
    assert shown == ['P0001']


def test_a_copy_of_a_shape_is_a_new_object_and_a_part_more_is_not(tools, place):
    def change(data):
        first, second, _ = data['shapes']
        copy = dict(second, points=[[x, y + 8] for x, y in second['points']])
        more = dict(
            label=first['label'], shape_type='polygon', group_id=first['group_id'],
            points=[[50, 80], [60, 80], [60, 90], [50, 90]],
        )  # fmt: skip
        data['shapes'] += [copy, more]

    before = record_of(place)
    edit(place, change)
    assert take(tools, place) == 0
    assert actions_of(place) == ['mask', 'add']
    boxes = record_of(place).boxes
    assert boxes[0].area == before.boxes[0].area + 100
    assert boxes[1].segmentation == before.boxes[1].segmentation


@pytest.mark.parametrize(
    ('change', 'says'),
    [
        (lambda d: d.update(imageWidth=100), 'is of 100 x 96 px, P0000 has 128 x 96 px; is it of'),
        (lambda d: d['samrs_mm'].update(stem='P7'), "no image 'P7' in"),
        (
            lambda d: d['shapes'][1].update(box_id='x.txt:1'),
            "shapes[1].box_id is 'x.txt:1'; no box",
        ),
        (lambda d: d['shapes'][1].update(label='tank'), "shapes[1]: unknown class 'tank'"),
        (lambda d: d['shapes'][1].update(shape_type='line'), "shapes[1].shape_type is 'line'"),
        (lambda d: d['shapes'][1].update(points='x'), "shapes[1].points is 'x'; expected [[x, y]"),
        (
            lambda d: d['shapes'][1].update(points=[[0, 0], [9, 9], [9, 0], [0, 9]]),
            'shapes[1] crosses itself',
        ),
        (
            lambda d: d['shapes'].append(dict(d['shapes'][1])),
            'two edits of labelTxt/P0000.txt:2: shapes[1] and shapes[3] are the same part',
        ),
        (lambda d: d['samrs_mm']['shown'].update(b=dict()), 'samrs_mm is not what export_dataset'),
        (lambda d: d.update(shapes=3), 'shapes is 3; expected a list'),
    ],
)
def test_what_cannot_be_taken_is_one_line_and_the_rest_is(tools, place, capsys, change, says):
    edit(place, change)
    edit(place, lambda data: data['shapes'].pop(), 'P0001')
    capsys.readouterr()
    assert take(tools, place) == 1
    (line,) = [each for each in capsys.readouterr().err.splitlines() if each.startswith('failed')]
    assert line.startswith(f'failed: {place}/lm/images/P0000.json: ')
    assert says in line
    assert not (place / 'out/corrections/P0000.json').exists()
    assert actions_of(place, 'P0001') == ['reject']


def test_two_edits_of_one_mask_are_refused_by_name(tools, place, capsys):
    shutil.copytree(place / 'lm', place / 'lm2')
    edit(place, lambda data: data['shapes'][0].update(label='plane'))
    edit(place, lambda data: data['shapes'][1].update(label='small-vehicle'))
    edit(place, lambda data: data['shapes'].pop(1), edited='lm2')
    assert take(tools, place) == 0
    capsys.readouterr()
    assert take(tools, place, edited='lm2') == 1
    assert 'two edits of labelTxt/P0000.txt:2: it was changed here, and' in capsys.readouterr().err
    shutil.copyfile(place / 'lm/images/P0001.json', place / 'lm2/images/other.json')
    (place / 'lm2/images/P0000.json').unlink()
    assert take(tools, place, edited='lm2') == 1
    assert 'two files for P0001, the other is' in capsys.readouterr().err


def test_what_another_person_corrected_in_a_copy_is_merged(tools, place, capsys):
    shutil.copytree(place / 'out', place / 'copy')
    correct_some(AnnotatedFolder(place / 'copy'))
    assert tools[2]([str(place / 'out'), str(place / 'copy/corrections')]) == 0
    assert actions_of(place) == ['mask', 'class', 'reject', 'add']
    assert (place / 'out/corrections/P0000.json').read_bytes() == (
        place / 'copy/corrections/P0000.json'
    ).read_bytes()


def test_stale_corrections_are_taken_back_on_demand(tools, place, capsys):
    out = AnnotatedFolder(place / 'out')
    correct_some(out)
    command = [CONFIG, '--data-root', str(place / 'dota'), '--out', str(out.root), '--workers', '0']
    labels = place / 'dota/labelTxt/P0000.txt'
    labels.write_text(''.join(labels.read_text().splitlines(keepends=True)[1:]))
    assert tools[0](command) == 1
    assert tools[2]([str(out.root), '--undo-stale']) == 0
    assert actions_of(place) == ['mask', 'class', 'reject', 'add', 'undo']
    assert tools[0]([*command, '--verify']) == 0


@pytest.mark.parametrize(
    ('argv', 'says'),
    [
        (['out'], 'give DIR, what people corrected, or --undo or --undo-stale'),
        (['out', 'nix'], 'nix: no such file or folder'),
        (['out', 'dota'], 'no file of LabelMe, X-AnyLabeling, CVAT, COCO, the report or corr'),
        (['dota', 'lm'], 'meta.json: no annotated folder there'),
    ],
)
def test_refused_before_work(tools, place, capsys, monkeypatch, argv, says):
    monkeypatch.chdir(place)
    capsys.readouterr()
    try:
        code = tools[2](argv)
    except SystemExit as error:
        code = error.code
    assert code == 2
    assert says in capsys.readouterr().err


def test_what_is_exported_can_be_chosen(tools, place, capsys):
    assert export(tools, place, '--class', 'plane', '--images', 'none', out='planes') == 0
    data = json.loads((place / 'planes/P0000.json').read_text())
    assert {shape['label'] for shape in data['shapes']} == {'plane'}
    assert (place / 'planes' / data['imagePath']).resolve() == place / 'dota/images/P0000.png'
    capsys.readouterr()
    assert export(tools, place, '--status', 'added', out='added') == 0
    said = capsys.readouterr().out
    assert 'kept: masks that --status leaves out' in said
    assert 'without a mask' not in said
    assert export(tools, place, '--class', 'tank', out='x') == 2
    assert "--class 'tank': classes are plane, ship, small-vehicle" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        tools[1]([str(place / 'out'), '--to', 'coco', '--out', str(place / 'y'), '--worst', '1'])


def traced(rle):
    """Trace a mask as FiftyOne's export does: through the middle of pixels, thinned to 2 px."""
    pixels = masks.decode(rle).astype(np.uint8)
    rings, _ = cv2.findContours(pixels, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    thin = [cv2.approxPolyDP(ring, 2, closed=True)[:, 0].ravel().tolist() for ring in rings]
    return [[float(value) for value in ring] for ring in thin if len(ring) >= 6]


def export_coco(tools, place):
    common = [str(place / 'out'), '--to', 'coco', '--out', str(place / 'coco'), '--workers', '0']
    assert tools[1](common) == 0
    path = place / 'coco/annotations.json'
    return path, json.loads(path.read_text())


@pytest.mark.parametrize('ids', [True, False], ids=['box_id', 'by place'])
@pytest.mark.parametrize('trace', [True, False], ids=['traced anew', 'masks'])
def test_coco_comes_back_and_only_edits_count(tools, place, capsys, ids, trace):
    before = tree(place / 'out')
    path, data = export_coco(tools, place)
    del data['images'][2]
    for each in data['annotations']:
        if trace:
            each['segmentation'] = traced(each['segmentation'])
        if not ids:
            del each['box_id']
    data['annotations'] = [each for each in data['annotations'] if each['image_id'] != 3]
    path.write_text(json.dumps(data))
    assert take(tools, place, edited='coco') == 0
    assert tree(place / 'out') == before
    first = [each for each in data['annotations'] if each['image_id'] == 1]
    wide = np.zeros((96, 128), bool)
    wide[60:90, 90:120] = True
    data['annotations'].remove(first[2])
    first[1]['category_id'] = 1 + first[1]['category_id'] % 3
    new = dict(first[0], id=99, segmentation=traced(masks.encode(wide)))
    new.pop('box_id', None)
    boxed = dict(new, id=100, bbox=[100, 2, 20, 9], segmentation=[])
    data['annotations'] += [new, boxed]
    path.write_text(json.dumps(data))
    assert take(tools, place, '--from', 'fiftyone', edited='coco') == 0
    assert actions_of(place) == ['class', 'reject', 'add', 'add']
    *_, drawn, box = record_of(place).boxes
    np.testing.assert_array_equal(masks.decode(drawn.mask), wide)
    assert (box.bbox, box.area) == ([100, 2, 20, 9], 180)
    after = tree(place / 'out')
    known = first[1].pop('segmentation')
    path.write_text(json.dumps(data))
    capsys.readouterr()
    assert take(tools, place, edited='coco') == 1
    says = 'is a box without a mask, where labelTxt/P0000.txt:2 has one, which would be lost'
    assert says in capsys.readouterr().err
    first[1]['segmentation'] = known
    path.write_text(json.dumps(data))
    assert take(tools, place, edited='coco') == 0
    assert tree(place / 'out') == after


def cvat_mask(rle, label):
    x, y, pixels = masks.crop(rle)
    flat = np.concatenate([[False], pixels.ravel()])
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    runs = np.diff(np.concatenate([[0], edges, [pixels.size]]))
    place = f'left="{x}" top="{y}" width="{pixels.shape[1]}" height="{pixels.shape[0]}"'
    return f'<mask label="{label}" rle="{", ".join(map(str, runs))}" {place} z_order="0"></mask>'


def test_cvat_comes_back_and_only_edits_count(tools, place, capsys):
    before, record = tree(place / 'out'), record_of(place)
    shapes = [cvat_mask(box.segmentation, box.category) for box in record.boxes]

    def write(*inside):
        image = f'<image id="0" name="images/P0000.png" width="128" height="96">{"".join(inside)}'
        text = f'<annotations><version>1.1</version>{image}</image></annotations>'
        (place / 'cvat').mkdir(exist_ok=True)
        (place / 'cvat/annotations.xml').write_text(text)

    write(*shapes)
    assert take(tools, place, edited='cvat') == 0
    assert tree(place / 'out') == before
    turned = '<box label="ship" xtl="80" ytl="60" xbr="100" ybr="70" rotation="90.00"></box>'
    polygon = '<polygon label="ship" points="2,60;12,60;12,80;2,80"></polygon>'
    write(*shapes[1:], turned, polygon)
    assert take(tools, place, edited='cvat') == 0
    assert actions_of(place) == ['reject', 'add', 'add']
    assert record_of(place).boxes[-2].bbox == [85, 55, 10, 20]
    for bad, says in (
        (
            '<mask label="ship" rle="3" left="0" top="0" width="2" height="2"/>',
            'do not fill its 2 x',
        ),
        (
            '<mask label="ship" rle="4" left="127" top="0" width="2" height="2"/>',
            'beyond the image',
        ),
        ('<points label="ship" points="1,1"/>', 'is a <points>; allowed: <mask>, <polygon>, <box>'),
        ('<polygon label="tank" points="2,60;12,60;12,80"/>', "unknown class 'tank'"),
        ('<polygon label="ship" points="2,60;12,80;12,60;2,80"/>', 'crosses itself'),
    ):
        write(*shapes, bad)
        capsys.readouterr()
        assert take(tools, place, edited='cvat') == 1
        assert says in capsys.readouterr().err
