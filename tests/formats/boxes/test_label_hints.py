import json

import pytest
from PIL import Image

from samrs_mm.core.errors import RefusedError
from samrs_mm.formats.boxes.label_pairs import find_pairs


def make(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix in ('.png', '.JPG'):
            Image.new('RGB', (8, 8)).save(path, 'PNG')
        else:
            path.write_text('0 0.5 0.5 0.2 0.2\n')
    return root


def refusal(root, source='yolo'):
    with pytest.raises(RefusedError) as error:
        find_pairs(root, source)
    return str(error.value)


@pytest.mark.parametrize(
    ('names', 'source', 'says'),
    [
        (['a.png', 'a.xml'], 'yolo', 'is it --from voc'),
        (['a.png', 'a.txt'], 'voc', 'is it --from yolo'),
        (['a.png', 'a.json'], 'voc', 'export COCO, YOLO or VOC from the tool that wrote them'),
        (['JPEGImages/a.png', 'Annotations/Oriented Bounding Boxes/a.xml'], 'voc', 'like DIOR'),
        (['images/train/a.png', 'labels/val/a.txt', 'labels/val/b.txt'], 'yolo',
         'there are 2 .txt files, such as labels/val/a.txt'),
        (['images/train/a.png', 'labels/train/x.txt'], 'yolo',
         'there is 1 .txt file, such as labels/train/x.txt'),
        (['images/train/a.png', 'annotations/train/a.txt'], 'yolo',
         'there is annotations/train/a.txt: rename the folder annotations to labels'),
        (['JPEGImages/a.png', 'xml/a.xml'], 'voc', 'rename the folder xml to Annotations'),
        (['images/P1.JPG', 'labels/p1.txt'], 'yolo',
         'there is labels/p1.txt, which differs in case: rename it or its image'),
    ],
)  # fmt: skip
def test_where_labels_are_is_told(tmp_path, names, source, says):
    assert says in refusal(make(tmp_path, *names), source)


def test_texts_about_a_dataset_are_no_labels(tmp_path):
    make(tmp_path, 'images/a.png', 'README.roboflow.txt')
    assert refusal(tmp_path, 'voc').endswith('or Annotations/a.xml')
    assert refusal(tmp_path, 'yolo').endswith('or labels/a.txt')


@pytest.mark.parametrize('labels', ['labels', 'Labels'])
def test_the_folder_of_images_is_given_instead_of_the_one_above(tmp_path, labels):
    make(tmp_path, 'd/images/train/a.png', f'd/{labels}/train/a.txt')
    for given in 'd/images', 'd/images/train':
        assert f'give the folder above, {tmp_path / "d"}' in refusal(tmp_path / given)


def test_a_folder_of_coco_is_told_as_such(tmp_path):
    make(tmp_path, 'train/a.png', 'README.dataset.txt')
    coco = dict(images=[dict(id=1, file_name='a.png')], annotations=[], categories=[])
    (tmp_path / 'train/_annotations.coco.json').write_text(json.dumps(coco))
    for source in 'yolo', 'voc':
        said = refusal(tmp_path, source)
        assert 'train/_annotations.coco.json is a COCO file, which is annotated as it is' in said
        assert 'dataset.ann_file=train/_annotations.coco.json' in said


def test_files_of_other_tools_are_told_as_such(tmp_path):
    make(tmp_path / 'cvat', 'a.png')
    (tmp_path / 'cvat/annotations.xml').write_text('<annotations><meta></meta></annotations>')
    for source in 'yolo', 'voc':
        assert "there is annotations.xml: it is CVAT's XML" in refusal(tmp_path / 'cvat', source)
    make(tmp_path / 'labelme', 'a.png')
    (tmp_path / 'labelme/a.json').write_text('{"shapes": [], "imagePath": "a.png"}')
    assert 'there is a.json: it is of LabelMe' in refusal(tmp_path / 'labelme', 'voc')
