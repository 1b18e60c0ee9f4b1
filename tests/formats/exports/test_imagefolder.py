import json

import numpy as np
import pytest
from export_cases import CLASSES, STEMS, kept, tool, write_folder
from PIL import Image

from samrs_mm.formats.exports.imagefolder import ImageFolderExport


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    folder = write_folder(tmp_path_factory.mktemp('imagefolder') / 'made')
    (folder.root / 'train.txt').write_text(f'{STEMS[0]}\n{STEMS[2]}\n')
    (folder.root / 'val.txt').write_text(f'{STEMS[1]}\n')
    path = folder.path('instances', STEMS[0])
    record = json.loads(path.read_bytes())
    record['boxes'][0]['status'] = 'ignored'
    record['boxes'][1]['flags'] = dict(difficult=1)
    record['boxes'][2].update(status='corrected', score=None)
    record['boxes'][3].update(score=1)
    path.write_text(json.dumps(record))
    return folder


@pytest.fixture(scope='module')
def exported(made):
    target = made.root.parent / 'out'
    assert tool(made.root, '--to', 'imagefolder', '--out', target) == 0
    return target


def lines(folder):
    return [json.loads(line) for line in (folder / 'metadata.jsonl').read_text().splitlines()]


def test_each_part_is_a_folder_of_images_with_a_line_each(exported):
    for part, stems in (('train', [STEMS[0], STEMS[2]]), ('val', [STEMS[1]])):
        found = lines(exported / part)
        assert [line['stem'] for line in found] == stems
        named = [line[key] for line in found for key in ('file_name', 'semantic_file_name')]
        there = (exported / part).rglob('*.png')
        # the library takes a picture without a line amiss
        assert sorted(exported / part / name for name in named) == sorted(there)


def test_objects_are_those_of_the_records(made, exported):
    for line in lines(exported / 'train') + lines(exported / 'val'):
        objects = line['objects']
        assert len({len(values) for values in objects.values()}) == 1
        single = [k for k, crowd in enumerate(objects['iscrowd']) if not crowd]
        boxes = kept(made, line['stem'])
        for k, box in zip(single, boxes, strict=True):
            assert objects['segmentation'][k] == box.segmentation
            assert (objects['bbox'][k], objects['area'][k]) == (box.bbox, box.area)
            assert CLASSES[objects['categories'][k]] == objects['names'][k] == box.category
            score = -1 if box.score is None else box.score
            assert (objects['score'][k], objects['box_id'][k]) == (score, box.box_id)
    first = lines(exported / 'train')[0]['objects']
    assert first['iscrowd'][:2] == [1, 0]
    assert first['flags'][:3] == ['', 'difficult=1', '']


def test_label_maps_are_copied(made, exported):
    for line in lines(exported / 'train'):
        found = np.array(Image.open(exported / 'train' / line['semantic_file_name']))
        assert np.array_equal(found, np.array(Image.open(made.path('semantic', line['stem']))))
        assert found.shape == (line['height'], line['width'])


def test_all_is_train_where_there_are_no_parts(made, tmp_path):
    flags = '--to', 'imagefolder', '--out', tmp_path / 'out', '--split', 'none'
    assert tool(made.root, *flags) == 0
    assert [line['stem'] for line in lines(tmp_path / 'out/train')] == list(STEMS)
    assert not (tmp_path / 'out/metadata.jsonl').exists()


def test_numbers_have_one_type_in_every_line(exported):
    """The library takes types from the first lines, and a list of null has none."""
    scores = [score for line in lines(exported / 'train') for score in line['objects']['score']]
    assert {type(score) for score in scores} == {float}
    assert -1 in scores


def test_images_without_objects_come_last(made, tmp_path):
    (made.root / 'test.txt').write_text(f'{STEMS[2]}\n{STEMS[0]}\n{STEMS[1]}\n')
    flags = '--to', 'imagefolder', '--out', tmp_path / 'out', '--list', 'test.txt'
    assert tool(made.root, *flags) == 0
    assert [line['stem'] for line in lines(tmp_path / 'out/test')] == list(STEMS)


@pytest.mark.parametrize(
    ('name', 'stems', 'says'),
    [
        ('mine', STEMS[:1], "part 'mine': datasets knows the folders train, validation, test; "),
        ('trainval', STEMS[:1], "part 'trainval': datasets knows"),
        ('test-train', STEMS[:1], "part 'test-train': datasets knows"),
        ('test', STEMS[2:], "part 'test' has no mask: datasets then loads none of the parts"),
    ],
)
def test_parts_that_the_library_loses_are_refused(made, tmp_path, capsys, name, stems, says):
    (made.root / f'{name}.txt').write_text('\n'.join(stems))
    lists = '--list', 'train.txt', f'{name}.txt'
    assert tool(made.root, '--to', 'imagefolder', '--out', tmp_path / 'out', *lists) == 2
    assert says in capsys.readouterr().err
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize('name', ['train', 'train2017', 'val', 'valid', 'my_test', 'eval'])
def test_parts_that_the_library_knows(name):
    assert [*ImageFolderExport.arrange({name: []})] == [name]


@pytest.mark.parametrize('to', ['imagefolder', 'fiftyone'])
def test_the_images_are_wanted(made, tmp_path, capsys, to):
    flags = '--to', to, '--out', tmp_path / 'out', '--images', 'none'
    with pytest.raises(SystemExit) as caught:
        tool(made.root, *flags)
    assert caught.value.code == 2
    assert f'--images none: --to {to} needs the images' in capsys.readouterr().err
