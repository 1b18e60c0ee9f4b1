import json
import re

import pytest
from PIL import Image

from samrs_mm.core.errors import RefusedError
from samrs_mm.datasets.boxes.coco import COCOBoxDataset
from samrs_mm.datasets.boxes.layouts import layout_hint


def coco_file(path, *file_names):
    images = [
        dict(id=number, file_name=name, width=8, height=8)
        for number, name in enumerate(file_names, 1)
    ]
    box = dict(id=1, image_id=1, category_id=1, bbox=[1, 1, 5, 5])
    path.parent.mkdir(parents=True, exist_ok=True)
    content = dict(images=images, annotations=[box], categories=[dict(id=1, name='ship')])
    path.write_text(json.dumps(content))


def image(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new('RGB', (8, 8)).save(path)


def refusal(root, **options):
    with pytest.raises(RefusedError) as error:
        COCOBoxDataset(str(root), **options)
    return str(error.value)


@pytest.mark.parametrize(
    ('ann_file', 'folder', 'name'),
    [
        ('annotations/instances_train2017.json', 'train2017', 'a.png'),
        ('train/_annotations.coco.json', 'train', 'a.png'),
        ('result.json', '.', 'images/a.png'),
        ('Labels.JSON', 'photos', 'north/a.png'),
        ('annotations.json', 'photos', 'a.png'),
    ],
)
def test_the_options_that_are_told_work(tmp_path, ann_file, folder, name):
    coco_file(tmp_path / ann_file, name)
    image(tmp_path / folder / name)
    said = refusal(tmp_path)
    options = f'dataset.ann_file={ann_file} dataset.images={folder}'
    assert options in said
    dataset = COCOBoxDataset(str(tmp_path), ann_file=ann_file, images=folder)
    (scene,) = [scene for scene in dataset.scenes if scene.image]
    assert (tmp_path / scene.image).is_file()
    assert len(dataset.labels(dataset.scenes.index(scene)).boxes) == 1


def test_splits_go_into_folders_of_their_own(tmp_path):
    for split in 'train', 'valid':
        coco_file(tmp_path / split / '_annotations.coco.json', f'{split}.png')
        image(tmp_path / split / f'{split}.png')
    said = refusal(tmp_path)
    assert re.search('dataset.images=train or .*dataset.images=valid, each into an --out', said)


def test_a_folder_of_labelme_files(tmp_path):
    image(tmp_path / 'a.png')
    (tmp_path / 'a.json').write_text('{"version": "5", "shapes": [], "imagePath": "a.png"}')
    assert 'a.json: it is of LabelMe' in refusal(tmp_path)


def test_cvat_and_nothing(tmp_path):
    assert layout_hint(tmp_path) == ''
    (tmp_path / 'annotations.xml').write_text('<annotations><meta></meta></annotations>')
    assert "it is CVAT's XML" in layout_hint(tmp_path)
