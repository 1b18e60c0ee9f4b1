"""The numbers of an audit, against what known masks say; what is drawn, and what is refused."""

import json
import shutil

import numpy as np
import pytest
from corrected import WHO
from folders import BOX_FILL, CONFIG, load_tool, tree
from pycocotools import mask as coco_mask

from samrs_mm.drawn.dataset import write_demo_dataset
from samrs_mm.formats.annotated.folder import AnnotatedFolder
from samrs_mm.formats.annotated.record import Record
from samrs_mm.formats.corrections.actions import Corrections, action_of, added


@pytest.fixture(scope='module')
def tools():
    names = 'analysis_tools/audit', 'sam_annotate', 'dataset_converters/export_dataset'
    return [load_tool(name).main for name in names]


@pytest.fixture(scope='module')
def drawn(tools, tmp_path_factory):
    """Drawn scenes with known masks, annotated; the masks there by name of the box."""
    root = tmp_path_factory.mktemp('audit')
    dict(write_demo_dataset(root / 'scenes', scenes=3, size=256))
    assert tools[1](command(root)) == 0
    coco = json.loads((root / 'scenes/annotations.json').read_bytes())
    truth = {each['box_id']: each['segmentation'] for each in coco['annotations']}
    made = {
        (stem, box.box_id): box
        for stem in AnnotatedFolder(root / 'out').done()
        for box in Record.load(root / f'out/instances/{stem}.json').kept
    }
    return root, truth, made


def command(root, *flags):
    common = '--data-root', str(root / 'scenes'), '--out', str(root / 'out'), '--workers', '0'
    return [CONFIG, *common, *flags, *BOX_FILL]


@pytest.fixture
def place(drawn, tmp_path):
    """A copy of it."""
    return shutil.copytree(drawn[0], tmp_path, dirs_exist_ok=True)


def iou(first, second):
    """The IoU of two masks, pixel by pixel."""
    one, other = (coco_mask.decode(each).astype(bool) for each in (first, second))
    return np.count_nonzero(one & other) / np.count_nonzero(one | other)


def correct(root, sample, truth, accept_above=1.1):
    """Correct what was drawn as a person who knows the true masks; one that likes most accepts."""
    out = AnnotatedFolder(root / 'out')
    for stem in {box['stem'] for box in sample['boxes']}:
        record = Record.load(out.path('instances', stem))
        wanted = {box['box_id'] for box in sample['boxes'] if box['stem'] == stem}
        found = Corrections.of(stem, record.image)
        for box in record.boxes:
            if box.box_id not in wanted:
                continue
            if iou(box.mask, truth[box.box_id]) > accept_above:
                found.add(action_of(box, 'accept', seconds=1, **WHO))
            else:
                found.add(action_of(box, 'mask', truth[box.box_id], seconds=5, **WHO))
        found.write(out.corrections(stem))


@pytest.mark.parametrize('accept_above', [1.1, 0.9], ids=['all are redrawn', 'good ones accepted'])
def test_the_shares_are_those_of_the_known_masks(place, drawn, tools, capsys, accept_above):
    root, (_, truth, made) = place, drawn
    audit, annotate, _ = tools
    count = len(made) // 2
    name, told = str(root / f'{accept_above}.json'), str(root / 'numbers.json')
    assert audit([str(root / 'out'), name, '--draw', str(count)]) == 0
    with open(name) as file:
        sample = json.load(file)
    correct(root, sample, truth, accept_above)
    assert annotate(command(root, '--finalise')) == 0
    assert audit([str(root / 'out'), name, '--json', told]) == 0
    with open(told) as file:
        found = json.load(file)

    places = [(box['stem'], box['box_id']) for box in sample['boxes']]
    assert len(set(places)) == count
    ious = np.array([iou(made[each].segmentation, truth[each[1]]) for each in places])
    classes = np.array([made[each].category for each in places])
    sizes = {name: sum(box.category == name for box in made.values()) for name in set(classes)}
    for at in (0.9, 0.75):
        by_class = {name: (ious[classes == name] > at).mean() for name in sizes}
        for name, share in by_class.items():
            assert found['by_class'][name][f'above_{at}']['share'] == pytest.approx(share)
        expected = sum(sizes[n] * by_class[n] for n in sizes) / sum(sizes.values())
        assert found['all'][f'above_{at}']['share'] == pytest.approx(expected)
        assert 0 < expected < 1, 'the scenes hold masks on both sides'
    if accept_above > 1:
        by_class = {name: ious[classes == name].mean() for name in sizes}
        expected = sum(sizes[n] * by_class[n] for n in sizes) / sum(sizes.values())
        assert found['all']['mean_iou'] == pytest.approx(expected)
        assert found['all']['seconds'] == 5
    else:
        accepted = (ious > 0.9).sum()
        assert found['all']['seconds'] == pytest.approx((accepted + 5 * (count - accepted)) / count)
    said = capsys.readouterr().out
    assert f'{count} masks judged\n' in said
    assert f'{100 * found["all"]["above_0.9"]["share"]:.1f} (' in said


def test_a_sample_is_of_its_seed_and_grows(drawn, place, tools, capsys):
    root, made = place, drawn[2]
    files = []
    for number, flags in enumerate(([], [], ['--seed', '1'], ['--class', 'ship'])):
        files.append(root / f'draw{number}.json')
        assert tools[0]([str(root / 'out'), str(files[-1]), '--draw', '12', *flags]) == 0
    first, same, other, ships = (path.read_bytes() for path in files)
    assert first == same != other
    assert {box['category'] for box in json.loads(ships)['boxes']} == {'ship'}
    data = json.loads(first)
    drawn_of = {name: 0 for name in data['population']}
    for box in data['boxes']:
        drawn_of[box['category']] += 1
        assert box['segmentation'] == made[box['stem'], box['box_id']].segmentation
    assert len(data['boxes']) == 12
    assert max(drawn_of.values()) - min(
        share for name, share in drawn_of.items() if share < data['population'][name]
    ) <= 1  # fmt: skip
    assert tools[0]([str(root / 'out'), str(files[0]), '--draw', '20', '--overwrite']) == 0
    larger = {(box['stem'], box['box_id']) for box in json.loads(files[0].read_bytes())['boxes']}
    assert {(box['stem'], box['box_id']) for box in data['boxes']} <= larger


def test_what_people_did_before_the_draw_counts(drawn, place, tools, capsys):
    """A sample is of the masks as the machine made them, also of those corrected or rejected."""
    root, (_, truth, made) = place, drawn
    out = AnnotatedFolder(root / 'out')
    assert tools[0]([str(root / 'out'), str(root / 'all.json'), '--draw', '9999']) == 0
    before = (root / 'all.json').read_bytes()
    stem = sorted(out.done())[0]
    record = Record.load(out.path('instances', stem))
    first, second, third, *_ = record.kept
    found = Corrections.of(stem, record.image)
    found.add(action_of(first, 'mask', truth[first.box_id], **WHO))
    found.add(action_of(second, 'reject', **WHO))
    found.add(action_of(third, 'class', 'harbor', **WHO))
    found.add(added('harbor', truth[first.box_id], **WHO))
    found.write(out.corrections(stem))
    arguments = [str(root / 'out'), str(root / 'all.json')]
    capsys.readouterr()
    assert tools[0](arguments) == 2
    assert f'{out.corrections(stem)}: not entered yet; sam_annotate.py --finalise' in (
        capsys.readouterr().err
    )
    assert tools[1](command(root, '--finalise')) == 0
    assert tools[0]([*arguments, '--draw', '9999', '--overwrite']) == 0
    again = json.loads((root / 'all.json').read_bytes())
    assert again == json.loads(before)
    capsys.readouterr()
    assert tools[0]([*arguments, '--json', str(root / 'numbers.json')]) == 0
    said = capsys.readouterr().out
    assert (
        f'{len(made)} of {len(made)} drawn (seed 0), 3 masks judged, {len(made) - 3} open' in said
    )
    told = json.loads((root / 'numbers.json').read_bytes())
    assert (told['all']['masks'], told['all']['rejected'], told['all']['reclassed']) == (3, 1, 1)
    assert tools[0]([*arguments, '--untouched', 'right']) == 0
    assert f'{len(made)} masks judged' in capsys.readouterr().out


def test_labelme_and_the_report_show_the_sample_alone(place, tools, capsys):
    assert tools[0]([str(place / 'out'), str(place / 'few.json'), '--draw', '5']) == 0
    boxes = json.loads((place / 'few.json').read_bytes())['boxes']
    export = [str(place / 'out'), '--to', 'labelme', '--out', str(place / 'fix'), '--workers', '0']
    assert tools[2]([*export, '--boxes', str(place / 'few.json')]) == 0
    files = list((place / 'fix').rglob('*.json'))
    shown = {
        (path.stem, shape['box_id'])
        for path in files
        if path.name != 'export.json'
        for shape in json.loads(path.read_bytes())['shapes']
    }
    assert shown == {(box['stem'], box['box_id']) for box in boxes}
    report = load_tool('analysis_tools/review_report').main
    assert report([str(place / 'out'), '--boxes', str(place / 'few.json'), '--pictures', '2']) == 0
    assert '(5 pictures, 5 rows, ' in capsys.readouterr().out


def test_nothing_in_the_folder_changes(place, tools):
    before = tree(place / 'out')
    assert tools[0]([str(place / 'out'), str(place / 'u.json'), '--draw', '5', '--overwrite']) == 0
    assert tools[0]([str(place / 'out'), str(place / 'u.json'), '--untouched', 'right']) == 0
    assert tree(place / 'out') == before


def test_a_box_that_is_gone_is_named(place, tools, capsys):
    path = place / 'gone.json'
    assert tools[0]([str(place / 'out'), str(path), '--draw', '5', '--overwrite']) == 0
    sample = json.loads(path.read_bytes())
    sample['boxes'][0] |= dict(box_id='elsewhere')
    sample['boxes'][1] |= dict(stem='nowhere')
    path.write_text(json.dumps(sample))
    assert tools[0]([str(place / 'out'), str(path), '--untouched', 'right']) == 1
    said = capsys.readouterr()
    assert 'no box elsewhere any more' in said.err
    assert 'nowhere: no box' in said.err
    assert '3 masks judged, 2 gone' in said.out


@pytest.mark.parametrize(
    ('flags', 'says'),
    [
        (['there.json', '--draw', '5'], 'there.json: is there already; another name, or --over'),
        (['n.json', '--draw', '5', '--class', 'yacht'], "--class 'yacht': classes are "),
        (['n.json', '--draw', '5', '--status', 'filtered'], 'no mask there is filtered'),
        (['n.json', '--seed', '3'], '--seed, --class, --status and --overwrite go with --draw N'),
        (['n.json', '--draw', '3', '--json', 'x'], '--json and --untouched go without --draw'),
        (['there.json'], 'there.json: not a list of boxes'),
        (['judged.json'], 'nobody has decided on any of its 3 masks'),
    ],
)
def test_refusals(place, tools, capsys, monkeypatch, flags, says):
    monkeypatch.chdir(place)
    (place / 'there.json').write_text('{}')
    assert tools[0](['out', 'judged.json', '--draw', '3', '--overwrite']) == 0
    capsys.readouterr()
    try:
        code = tools[0](['out', *flags])
    except SystemExit as error:
        code = error.code
    (line,) = capsys.readouterr().err.splitlines()
    assert code == 2
    assert says in line
