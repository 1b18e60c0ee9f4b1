"""The format of a folder is found, told, and read as its own config reads it."""

import json
import shutil

import pytest
from format_cases import FOLDER, SIZES, boxes_of, draw, take

from samrs_mm.annotate.opened_dataset import open_dataset
from samrs_mm.config_files import load_config
from samrs_mm.core.errors import RefusedError
from samrs_mm.datasets.boxes.auto import TYPES
from samrs_mm.formats.boxes.found_format import AUTO, SOURCES
from samrs_mm.formats.coco import coco_head
from samrs_mm.registry import BOX_DATASETS

CONFIG = str(FOLDER.parents[2] / 'configs/annotate/coco_boxnet_hbox.py')
CASES = {
    'yolo': ('YOLOBoxDataset', 'images', '.png', 'labels/harbour one.txt'),
    'yolo-seg': ('YOLOBoxDataset', 'images', '.png', 'labels/harbour one.txt'),
    'voc': ('VOCBoxDataset', 'images', '.png', 'annotations/harbour one.xml'),
    'coco': ('COCOBoxDataset', 'images', '.png', 'annotations.json'),
    'labelme': ('LabelMeBoxDataset', '.', '.png', 'harbour one.json'),
    'x-anylabeling': ('LabelMeBoxDataset', '.', '.png', 'harbour one.json'),
    'cvat': ('CVATBoxDataset', 'images', '.jpg', 'train.xml'),
    'label-studio': ('LabelStudioBoxDataset', 'images', '.png', 'export.json'),
}


def build(root, **options):
    return BOX_DATASETS.build(dict(type='AutoBoxDataset', data_root=str(root), **options))


@pytest.mark.parametrize('name', CASES)
def test_what_is_found_is_told_and_read(tmp_path, name):
    kind, images, suffix, file = CASES[name]
    root = take(name, tmp_path / 'data', images, suffix)
    dataset = build(root)
    assert type(dataset).__name__ == kind
    assert dataset.label_notes[0].endswith(f', such as {file}): {kind}')
    assert dataset.label_notes[0].startswith('found ')
    own = BOX_DATASETS.build(dict(type=kind, data_root=str(root)))
    assert boxes_of(dataset) == boxes_of(own)
    assert dataset.classes == own.classes
    assert dataset.entry == dict(type=kind, classes=None)


def test_datasets_of_the_papers(dota_root, dior_root, fair1m_root, hrsc_root):
    for root, kind in (
        (dota_root, 'DOTABoxDataset'),
        (dior_root, 'DIORBoxDataset'),
        (fair1m_root, 'FAIR1MBoxDataset'),
        (hrsc_root, 'HRSC2016BoxDataset'),
    ):
        assert type(build(root)).__name__ == kind


def test_several_coco_files_are_parts(tmp_path):
    for part in ('train', 'valid'):
        text = (FOLDER / 'coco/annotations.json').read_text()
        for stem, size in SIZES.items():
            draw(tmp_path / f'{part}/{part} {stem}.png', size)
            text = text.replace(f'"{stem}.png"', f'"{part} {stem}.png"')
        (tmp_path / f'{part}/_annotations.coco.json').write_text(text)
    dataset = build(tmp_path)
    assert dataset.entry == dict(type='COCOPartsBoxDataset', classes=None)
    assert sorted({scene.split for scene in dataset.scenes}) == ['train', 'val']


def test_a_coco_file_under_another_name(tmp_path):
    root = take('coco', tmp_path / 'data', images='pictures')
    (root / 'annotations.json').rename(root / 'boxes.json')
    entry = build(root).entry
    assert entry == dict(
        type='COCOBoxDataset', classes=None, ann_file='boxes.json', images='pictures'
    )


def test_two_formats_are_refused_by_name_and_one_may_be_named(tmp_path):
    root = take('yolo', tmp_path / 'data')
    shutil.copytree(FOLDER / 'voc/annotations', root / 'annotations')
    said = (
        r'has labels of 2 formats: voc \(\.xml with <annotation>, such as annotations/harbour '
        r'one\.xml\) and yolo \(.*labels/harbour one\.txt\); say which to take: --from voc or '
        '--from yolo'
    )
    with pytest.raises(RefusedError, match=said):
        build(root)
    assert type(build(root, source='voc')).__name__ == 'VOCBoxDataset'
    assert build(root, source='yolo').classes == ('ship', 'harbour')


def test_nothing_found_lists_what_was_looked_for(tmp_path):
    draw(tmp_path / 'a.png', (8, 8))
    (tmp_path / 'notes.json').write_text('{"a": 1}')
    (tmp_path / 'a.txt').write_text('a picture of a harbour\n')
    with pytest.raises(RefusedError) as error:
        build(tmp_path)
    said = str(error.value)
    assert 'no labels found in its 3 files; looked for coco: ' in said
    assert all(f'{name}: ' in said for name in SOURCES if name != AUTO)


def test_names_of_formats():
    assert set(TYPES) == {*SOURCES} - {AUTO}
    assert all(BOX_DATASETS.get(kind) for kind in TYPES.values())
    with pytest.raises(RefusedError, match=r"dataset\.source='coc'; allowed: auto, coco"):
        build('.', source='coc')


def test_a_file_that_was_made_of_the_labels_is_passed_over(tmp_path):
    root = take('yolo', tmp_path / 'data')
    document = json.loads((FOLDER / 'coco/annotations.json').read_text())
    document |= coco_head('boxes of a folder')
    (root / 'annotations.json').write_text(json.dumps(document))
    assert type(build(root)).__name__ == 'YOLOBoxDataset'


def test_the_flag_goes_with_any_config_and_the_settings_name_the_class(tmp_path):
    root = take('yolo-seg', tmp_path / 'data')
    flags = {'data_root': str(root), 'out': str(tmp_path / 'out'), 'dataset.source': 'auto'}
    dataset, settings = open_dataset(load_config(CONFIG, {'dataset.task': 'segment'}, flags))
    assert settings == dict(type='YOLOBoxDataset', task='segment')
    assert dataset.classes == ('ship', 'harbour')
    config = load_config(CONFIG, None, flags)
    dataset, settings = open_dataset(config, dict(truth=True))
    assert settings == dict(type='YOLOBoxDataset')
    assert len(dataset.ground_truth_of(0)) == 2


@pytest.mark.parametrize('encoding', ['utf-8-sig', 'utf-16'])
def test_label_files_with_a_byte_order_mark_are_found(tmp_path, encoding):
    root = take('yolo', tmp_path / 'data')
    for path in (root / 'labels').iterdir():
        path.write_bytes(path.read_text().encode(encoding))
    assert type(build(root)).__name__ == 'YOLOBoxDataset'


def test_many_empty_label_files_hide_no_format(tmp_path):
    root = take('yolo', tmp_path / 'data')
    for number in range(30):
        draw(root / f'images/a{number:02}.png', (8, 8))
        (root / f'labels/a{number:02}.txt').write_text('\n' if number % 2 else '')
    assert build(root).label_notes[0].endswith('such as labels/harbour one.txt): YOLOBoxDataset')


def test_a_coco_file_without_its_images_is_said_to_be_one(tmp_path):
    root = take('coco', tmp_path / 'data')
    for path in (root / 'images').iterdir():
        path.rename(path.with_name(f'x {path.name}'))
    with pytest.raises(RefusedError, match=r'annotations\.json: none of its 2 images'):
        build(root)


def test_a_label_file_of_labelme_that_holds_its_picture_first(tmp_path):
    root = take('labelme', tmp_path / 'data', '.')
    for path in root.glob('*.json'):
        document = json.loads(path.read_text()) | dict(imageData='A' * 200_000)
        path.write_text(json.dumps(document, sort_keys=True))
    assert type(build(root)).__name__ == 'LabelMeBoxDataset'
