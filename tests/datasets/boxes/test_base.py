from pathlib import PureWindowsPath

import pytest

from samrs_mm.core.classes import SOTA_CLASSES
from samrs_mm.core.errors import LabelReadError, RefusedError
from samrs_mm.core.found_files import files_by_stem
from samrs_mm.datasets.boxes.base import Scene, pair_scenes
from samrs_mm.datasets.boxes.dota import DOTABoxDataset
from samrs_mm.datasets.boxes.label_files import check_path, read_bytes, read_names, read_text
from samrs_mm.registry import BOX_DATASETS


def test_folder_must_be_there_and_hold_images_and_labels(tmp_path, make_image):
    with pytest.raises(RefusedError, match='no such folder; expected images'):
        DOTABoxDataset(tmp_path / 'nowhere')
    with pytest.raises(RefusedError, match='no images found; expected images'):
        DOTABoxDataset(tmp_path)
    make_image(tmp_path / 'images/a.png')
    (tmp_path / 'labelTxt').mkdir()
    with pytest.raises(RefusedError, match='no labels found; expected images'):
        DOTABoxDataset(tmp_path)


def test_duplicate_stems_are_refused(dota_root, make_image):
    make_image(dota_root / 'images/P1.jpg')
    with pytest.raises(RefusedError, match=r"both be called 'P1': .*P1.jpg and .*P1.png"):
        DOTABoxDataset(dota_root)


def test_stems_that_differ_in_case_only_are_refused(dota_root, make_image):
    make_image(dota_root / 'images/p1.png')
    with pytest.raises(RefusedError, match="both be called 'p1'"):
        DOTABoxDataset(dota_root)


def test_an_image_and_its_labels_that_differ_in_case_only(dota_root):
    (dota_root / 'labelTxt/P1.txt').rename(dota_root / 'labelTxt/p1.txt')
    with pytest.raises(RefusedError, match=r'P1\.png and labelTxt/p1\.txt differ in case; rename'):
        DOTABoxDataset(dota_root)


@pytest.mark.parametrize('change', [str.upper, str.lower])
@pytest.mark.parametrize('kind', ['DOTA', 'DIOR', 'FAIR1M', 'HRSC2016', 'COCO'])
def test_folders_may_be_written_in_another_case(request, kind, change):
    root = request.getfixturevalue(f'{kind.removesuffix("2016").lower()}_root')

    def seen():
        data = BOX_DATASETS.build(dict(type=f'{kind}BoxDataset', data_root=str(root)))
        states = [
            (scene.stem, scene.split, scene.label is None, len(data.labels(row).boxes))
            for row, scene in enumerate(data.scenes)
            if not (scene.label or '').endswith('bad.xml')
        ]
        there = [scene.image and (root / scene.image).is_file() for scene in data.scenes]
        return states, there, data.collect_classes()

    before = seen()
    folders = sorted((path for path in root.rglob('*') if path.is_dir()), reverse=True)
    for path in folders if kind != 'COCO' else [root / 'images']:
        path.rename(path.with_name(f'{path.name}_')).rename(path.with_name(change(path.name)))
    assert seen() == before


def test_classes_by_name_as_a_tuple_or_from_the_labels(dota_root):
    assert DOTABoxDataset(dota_root, classes='sota').classes == SOTA_CLASSES
    assert DOTABoxDataset(dota_root, classes=['ship', 'Plane']).classes == ('ship', 'Plane')
    assert DOTABoxDataset(dota_root).classes == ('plane', 'ship', 'small-vehicle')


@pytest.mark.parametrize(
    ('classes', 'message'),
    [
        ('ship', "classes='ship'; allowed: 'sota', 'sior', 'fast', a list"),
        (('ship', 'ship'), "class 'ship' is there twice"),
        ([f'c{i}' for i in range(300)], '300 classes'),
    ],
)
def test_impossible_classes_are_refused(dota_root, classes, message):
    with pytest.raises(RefusedError, match=message):
        DOTABoxDataset(dota_root, classes=classes)


def test_too_many_names_in_the_labels_are_refused(dota_root, make_text):
    lines = [f'1 2 9 2 9 12 1 12 kind{i} 0' for i in range(256)]
    make_text(dota_root / 'labelTxt/P3.txt', '\n'.join(lines))
    with pytest.raises(RefusedError, match='an 8-bit label holds at most 255'):
        DOTABoxDataset(dota_root).collect_classes()


def test_a_slip_of_the_pen_in_the_labels_is_told(dota_root, make_text):
    box = '1 2 9 2 9 12 1 12 {} 0\n'
    make_text(dota_root / 'labelTxt/P1.txt', box.format('harbor') * 9 + box.format('harbour'))
    notes = DOTABoxDataset(dota_root).collect_classes().notes
    assert "'harbour' (1 box) looks like 'harbor' (9 boxes); if it is, mend the labels" in notes
    fixed = ('harbor', 'harbour', 'ship', 'large-vehicle', 'plane')
    assert not any(
        'looks like' in note for note in DOTABoxDataset(dota_root, fixed).collect_classes().notes
    )


def test_survey_counts_and_checks(dota_root):
    label_counts = DOTABoxDataset(dota_root, classes='sota').collect_classes()
    assert (label_counts.scenes, label_counts.boxes, label_counts.problems) == (4, 5, 1)
    message = r"labelTxt/P1.txt:3: unknown class 'ship'.*\(3 boxes\).*classes=None"
    with pytest.raises(RefusedError, match=message):
        DOTABoxDataset(dota_root, classes=('plane', 'small-vehicle')).collect_classes()


def test_labels_without_any_box_are_told(dota_root, make_text):
    for path in sorted((dota_root / 'labelTxt').iterdir()):
        make_text(path, '')
    assert DOTABoxDataset(dota_root).collect_classes().label_notes == [
        'no label holds a box: is the dataset whole?'
    ]


def test_pairing(dota_root, make_text):
    make_text(dota_root / 'labelTxt/Q9.txt', '')
    (dota_root / 'images/.hidden.png').touch()
    (dota_root / 'images/notes.md').touch()
    scenes = pair_scenes(dota_root, 'images', 'labelTxt', '.txt', 'x_', 'train')
    assert [scene.stem for scene in scenes] == ['x_P1', 'x_P2', 'x_P3', 'x_P4', 'x_Q9']
    assert scenes[-1] == Scene('x_Q9', None, 'labelTxt/Q9.txt', 'train')
    assert files_by_stem(dota_root / 'no', ('.png',)) == {}
    make_text(dota_root / 'labelTxt/K\u00f6ln.txt', '')
    (dota_root / 'images/Ko\u0308ln.png').touch()
    found = [s for s in pair_scenes(dota_root, 'images', 'labelTxt', '.txt') if 'ln' in s.stem]
    paths = 'images/Ko\u0308ln.png', 'labelTxt/K\u00f6ln.txt'
    assert found == [Scene('Ko\u0308ln', *paths)], 'macOS writes an umlaut as two letters'


@pytest.mark.parametrize('path', ['../a', 'a/../b', '/a', 'a\\b', 'a\tb', '', '.'])
def test_path_tricks(path):
    with pytest.raises(RefusedError):
        check_path(path)


@pytest.mark.parametrize('path', ['C:/a.png', 'c:a.png'])
def test_drives_are_a_trick_where_there_are_drives(path, monkeypatch):
    check_path(path)
    monkeypatch.setattr('samrs_mm.datasets.boxes.label_files.Path', PureWindowsPath)
    with pytest.raises(RefusedError, match='leads out of the data root'):
        check_path(path)


@pytest.mark.parametrize('path', ['a.png', 'a b/ü 船.png', 'a..b/c...png'])
def test_plain_paths(path):
    check_path(path)


def test_reading_texts(tmp_path, make_text):
    make_text(tmp_path / 'a.txt', '海\n', 'gb2312')
    assert read_text(tmp_path / 'a.txt') == '海\n'
    make_text(tmp_path / 'b.txt', '\ufeff1\r\n\r\n 2 \n')
    assert read_names(tmp_path / 'b.txt') == ['1', '2']
    assert read_names(tmp_path / 'c.txt') == []
    with pytest.raises(LabelReadError, match='cannot read the label file: No such file'):
        read_bytes(tmp_path / 'c.txt')
