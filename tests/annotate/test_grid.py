"""Masks without boxes: images in, an annotated folder out."""

import csv
import json
import os

import cv2
import numpy as np
import pytest
from folders import ROOT, load_tool, tree
from grid_cases import OBJECTS, SIZE, bright_scene
from PIL import Image
from pycocotools.coco import COCO
from sam_cases import SMALL

from samrs_mm.formats.annotated.record import Record

CONFIG = str(ROOT / 'configs/annotate/images_sam-vit-h_grid.py')
GRID = ('tile.size=64', 'tile.overlap=16', 'grid.side=4,2', 'grid.scale=1,2')


def write_images(root, scenes=2):
    (root / 'north').mkdir(parents=True)
    for number in range(scenes):
        Image.fromarray(bright_scene(number)).save(
            root / ('north' if number else '') / f's{number}.png'
        )
    return root


@pytest.fixture
def data(tmp_path):
    return write_images(tmp_path / 'data')


@pytest.fixture
def annotate(tmp_path, data):
    """Run the tool; ``model`` None takes the bright segmentor."""

    def run(*flags, out='out', options=GRID, model=('model.type=BrightSegmentor', 'model.chunk=1')):
        argv = [CONFIG, '--data-root', str(data), '--out', str(tmp_path / out), '--workers', '0']
        argv += [*flags, *(['--cfg-options', *options] if options else [])]
        config = tmp_path / 'bright.py'
        config.write_text(
            f'_base_ = [{CONFIG!r}]\nmodel = dict(_delete_=True, type="BrightSegmentor")\n'
        )
        if model is not None:
            argv[0] = str(config)
        return load_tool('sam_annotate').main(argv)

    return run


def rows_of(out):
    with open(out / 'ledger.csv', newline='') as file:
        return list(csv.DictReader(file))


def test_a_folder_of_images(annotate, tmp_path, capsys):
    assert annotate() == 0
    out = tmp_path / 'out'
    meta = json.loads((out / 'meta.json').read_bytes())
    assert meta['classes'] == ['object']
    assert meta['settings']['prompt'] == 'grid'
    assert meta['settings']['grid']['side'] == [4, 2]
    assert not meta['partial']
    stems = {path.stem for path in (out / 'instances').iterdir()}
    assert len(stems) == 2 * (3 * 2 + 2)
    assert stems >= {'s0__64__0___0', 'north-s1__64__96___36', 'north-s1__128__32___0'}
    record = Record.load_checked(out / 'instances/s0__64__0___0.json', 1)
    assert record.image.path == 's0.png'
    assert record.image.notes == ['looked for bright things']
    box = record.boxes[0]
    assert (box.box_id, box.category, box.prompt, box.prompt_box) == (
        'grid:0:0:1', 'object', 'grid', None,
    )  # fmt: skip
    assert box.bbox == [5, 5, 30, 20]
    assert box.polygon == [[5, 5], [35, 5], [35, 25], [5, 25]]
    assert (box.score, box.stability, box.fill) == (0.9, 0.99, 1)
    assert box.coverage is None
    assert box.leakage is None
    labels = np.asarray(Image.open(out / 'semantic/s0__64__0___0.png'))
    assert set(np.unique(labels)) == {0, 255}
    said = capsys.readouterr().out
    assert 'is the dataset whole' not in said
    assert 'merged' in said


def test_one_object_over_seams_is_kept_once(annotate, tmp_path):
    assert annotate() == 0
    rows = rows_of(tmp_path / 'out')
    assert {row['status'] for row in rows} == {'kept', 'merged'}
    for scene in ('s0', 'north-s1'):
        own = [row for row in rows if row['scene'] == scene]
        kept = [row['box_id'] for row in own if row['status'] == 'kept']
        assert len(kept) == len(set(kept)) == len(OBJECTS)
        merged = [row for row in own if row['status'] == 'merged']
        assert merged
        assert len({row['box_id'] for row in own}) == len(own)
        for row in merged:
            start, name = row['reason'].rsplit(' ', 1)
            assert start == 'same object as'
            assert name in kept
    meta = json.loads((tmp_path / 'out/meta.json').read_bytes())
    assert meta['counts']['kept'] == {'object': 2 * len(OBJECTS)}
    assert meta['counts']['ledger'].keys() == {'kept', 'merged'}
    coco = COCO(str(tmp_path / 'out/annotations.json'))
    assert len(coco.anns) == len(rows)
    scenes = COCO(str(tmp_path / 'out/objects.json'))
    assert [image['file_name'] for image in scenes.dataset['images']] == ['north/s1.png', 's0.png']
    for image in scenes.dataset['images']:
        assert (image['height'], image['width']) == SIZE
        found = scenes.loadAnns(scenes.getAnnIds(image['id']))
        boxes = sorted(map(tuple, (each['bbox'] for each in found)))
        assert boxes == sorted(OBJECTS)
        kept = {r['box_id'] for r in rows if r['scene'] == image['scene'] and r['status'] == 'kept'}
        assert {each['box_id'] for each in found} == kept
        pieces = [name for each in found for name in each['pieces']]
        assert len(set(pieces)) == len(pieces)


@pytest.mark.parametrize(
    ('filters', 'left'),
    [
        ('filters.max_area=2000', [0, 1, 3, 4]), ('filters.min_area=1000', [2]),
        ('filters.min_area=560', [0, 1, 2]), ('filters.drop_at_border=True', [0, 1, 2, 3, 4]),
    ],
)  # fmt: skip
def test_filters_judge_whole_objects(annotate, tmp_path, filters, left):
    assert annotate() == 0
    options = (*GRID, filters)
    for out in ('out', 'fresh'):  # filtered later, and at once
        assert annotate(*['--refilter'] * (out == 'out'), out=out, options=options) == 0
        scenes = COCO(str(tmp_path / out / 'objects.json'))
        rows = rows_of(tmp_path / out)
        for image in scenes.dataset['images']:
            found = scenes.loadAnns(scenes.getAnnIds(image['id']))
            boxes = sorted(tuple(each['bbox']) for each in found)
            assert boxes == sorted(OBJECTS[k] for k in left)
            own = [row for row in rows if row['scene'] == image['scene']]
            kept = {row['box_id'] for row in own if row['status'] == 'kept'}
            assert kept == {each['box_id'] for each in found}
            for row in own:
                if row['status'] == 'merged':
                    assert row['reason'].removeprefix('same object as ') in kept
        dropped = [row['reason'] for row in rows if row['status'] == 'filtered']
        assert all(filters.partition('=')[0].partition('.')[2] in reason for reason in dropped)
        assert bool(dropped) == (len(left) < len(OBJECTS))
        assert annotate('--verify', out=out, options=options) == 0
    assert tree(tmp_path / 'fresh') == tree(tmp_path / 'out')


def test_shards_resume_and_workers_give_the_same_bytes(annotate, tmp_path, data):
    assert annotate() == 0
    wanted = tree(tmp_path / 'out')
    for shard in ('0/2', '1/2'):
        assert annotate('--shard', shard, out='shards') == 0
    assert tree(tmp_path / 'shards') == wanted
    assert annotate('--limit', '5', out='resumed') == 0
    assert annotate(out='resumed') == 0
    assert tree(tmp_path / 'resumed') == wanted
    assert annotate('--workers', '2', out='workers') == 0
    assert tree(tmp_path / 'workers') == wanted
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / 'out/instances').iterdir()}
    os.utime(data / 's0.png', ns=(1, 1))  # touched, not changed
    assert annotate() == 0
    assert {
        path: path.stat().st_mtime_ns for path in (tmp_path / 'out/instances').iterdir()
    } == before


def test_a_changed_image_is_done_anew(annotate, tmp_path, data):
    assert annotate() == 0
    image = np.asarray(Image.open(data / 's0.png')).copy()
    image[40:50, 5:20] = 222
    Image.fromarray(image).save(data / 's0.png')
    assert annotate() == 0
    kept = [r for r in rows_of(tmp_path / 'out') if r['status'] == 'kept' and r['scene'] == 's0']
    assert len(kept) == len(OBJECTS) + 1


def test_verify_refilter_and_report(annotate, tmp_path, capsys):
    assert annotate('--report', '--show', '1') == 0
    assert (tmp_path / 'out/report/index.html').is_file()
    assert annotate('--verify') == 0
    assert annotate('--dry-run') == 0
    said = capsys.readouterr().out
    assert 'verify: 16 images, 0 problems: sound' in said
    options = (*GRID, 'filters.min_area=100')
    assert annotate('--refilter', options=options) == 0
    assert annotate('--verify', options=options) == 0
    small = [row for row in rows_of(tmp_path / 'out') if row['status'] == 'filtered']
    assert small
    assert all(int(row['area']) < 100 for row in small)
    path = next((tmp_path / 'out/instances').iterdir())
    record = json.loads(path.read_bytes())
    record['boxes'][0]['coverage'] = 0.5
    path.write_text(json.dumps(record))
    assert annotate('--verify', options=options) == 1
    assert 'coverage' in capsys.readouterr().err


def test_whole_images_and_blank_ones(annotate, tmp_path, data):
    blank = np.zeros((*SIZE, 4), np.uint8)
    Image.fromarray(blank).save(data / 'nothing.png')
    Image.fromarray(blank[..., :3]).save(data / 'black.png')
    assert annotate(options=('tile=None',)) == 0
    out = tmp_path / 'out'
    for stem in ('nothing', 'black'):
        assert Record.load(out / f'instances/{stem}.json').boxes == []
    assert len(Record.load(out / 'instances/s0.json').boxes) == len(OBJECTS)
    assert not Record.load(out / 'instances/nothing.json').image.notes[-1:] == [
        'looked for bright things'
    ]
    assert {row['status'] for row in rows_of(out)} == {'kept'}
    assert annotate('--verify', options=('tile=None',)) == 0


def test_a_small_sam(annotate, tmp_path):
    sam = tmp_path / 'sam.py'
    sam.write_text(
        f'_base_ = [{CONFIG!r}]\n'
        f'model = dict(_delete_=True, type="SAMSegmentor", arch={SMALL!r}, threads=1, chunk=5)\n'
        'grid = dict(side=(3,), scale=(1,), min_score=0, min_stability=0, nms=0.9)\n'
        'tile = None\n'
    )
    argv = [str(sam), '--data-root', str(tmp_path / 'data'), '--out', str(tmp_path / 'sam')]
    assert load_tool('sam_annotate').main([*argv, '--workers', '0']) == 0
    assert load_tool('sam_annotate').main([*argv, '--verify']) == 0
    record = Record.load_checked(tmp_path / 'sam/instances/s0.json', 1)
    assert record.boxes
    scores = [box.score for box in record.boxes]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize(
    ('options', 'flags', 'line'),
    [
        (('model.type=GrabCutSegmentor',), (), "prompt 'grid': GrabCutSegmentor makes one mask of"),
        (('model.type=BoxFillSegmentor',), (), "prompt 'grid': BoxFillSegmentor makes one mask of"),
        (('model.type=BoxNetSegmentor',), (), "prompt 'grid': BoxNetSegmentor makes one mask of"),
        ((), ('--prompt', 'hbox'), 'it takes no boxes'),
        (('model.type=BoxFillSegmentor',), ('--prompt', 'hbox'), 'ImageFolderDataset has no boxes'),
        (('tile.once=True',), (), "prompt 'grid': tile.once is about boxes"),
        (('filters.min_coverage=0.5',), (), "prompt 'grid': filters are by coverage"),
        (('grid.side=5',), (), 'differ in length'),
        (('dataset.classes=a,b',), (), 'masks without boxes are of one class'),
    ],
)
def test_what_can_not_be_is_refused_in_a_line(annotate, capsys, options, flags, line):
    assert annotate(*flags, options=options) == 2
    said = capsys.readouterr().err.strip()
    assert line in said
    assert len(said.splitlines()) == 1


def test_boxes_are_not_taken_for_a_folder_of_images(tmp_path, data, capsys):
    flags = ['--data-root', str(data), '--out', str(tmp_path / 'o'), '--prompt', 'grid']
    config = str(ROOT / 'configs/annotate/coco_sam-vit-h_hbox.py')
    image = dict(id=1, file_name='s0.png', width=SIZE[1], height=SIZE[0])
    box = dict(id=1, image_id=1, category_id=1, bbox=[5, 5, 30, 20], iscrowd=0, area=600)
    coco = dict(images=[image], annotations=[box], categories=[dict(id=1, name='a')])
    (data / 'annotations.json').write_text(json.dumps(coco))
    assert load_tool('sam_annotate').main([config, *flags]) == 2
    assert 'COCOBoxDataset is for boxes' in capsys.readouterr().err


def test_a_folder_without_images_is_refused(tmp_path, annotate, data, capsys):
    for path in data.rglob('*.png'):
        path.unlink()
    assert annotate() == 2
    assert 'no images found; expected a folder of images' in capsys.readouterr().err
    assert cv2.imwrite(str(data / 'a.png'), np.zeros((4, 4), np.uint8))
    assert annotate(options=('tile=None',)) == 0
