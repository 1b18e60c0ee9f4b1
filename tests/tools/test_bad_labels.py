"""Labels that a tool refuses, or of which it names in one line what it can't take."""

import json
from dataclasses import dataclass

import pytest
from folders import BOX_FILL, ROOT, load_tool
from PIL import Image


@dataclass(frozen=True)
class Refused:
    """A folder that a tool refuses, or of which it names what it can't take.

    Args:
        files: Texts by name; pictures are made of names that end in ``.png``.
        says: Text of the one line.
        code: Exit code.
        source: The format given to ``boxes_to_coco.py``; empty for the COCO config of annotation.
        given: The folder that is given, below the dataset's.
    """

    files: dict[str, str]
    says: str
    code: int = 2
    source: str = 'yolo'
    given: str = '.'


def yolo(labels: str, names: str = 'ship\nplane\n', **more: str) -> dict[str, str]:
    return {'images/a.png': '', 'labels/a.txt': labels, 'classes.txt': names} | more


def voc(size: tuple[int, int], *objects: str) -> dict[str, str]:
    width, height = size
    text = f'<size><width>{width}</width><height>{height}</height></size>{"".join(objects)}'
    return {'a.png': '', 'a.xml': f'<annotation>{text}</annotation>'}


def coco(*boxes: list, name: str = 'a.png', **more: object) -> dict[str, str]:
    content = dict(
        images=[dict(id=1, file_name=name, width=64, height=48)],
        annotations=[
            dict(id=i, image_id=1, category_id=1, bbox=box) for i, box in enumerate(boxes, 1)
        ],
        categories=[dict(id=1, name='ship')],
    )
    return {'images/a.png': '', 'annotations.json': json.dumps(content | more)}


BOX = '0 0.5 0.5 0.2 0.2\n'
SHIP = '<object><name>ship</name><bndbox><xmin>{}</xmin><ymin>2</ymin><xmax>30</xmax><ymax>20</ymax></bndbox></object>'  # noqa: E501
REFUSED = {
    'YOLO in pixels': Refused(yolo('0 30 20 10 10\n'), 'no box of its 1 label file can be taken'),
    'class beyond the names': Refused(yolo(f'{BOX}7 0.5 0.5 0.2 0.2\n'), "class '7'; allowed", 1),
    'a name twice': Refused(yolo(BOX, 'ship\nship\n'), 'ship'),
    'nc of other names': Refused(
        {'images/a.png': '', 'labels/a.txt': BOX, 'data.yaml': 'nc: 3\nnames: [ship]'},
        'nc is 3, but there is 1 name',
    ),
    'no names': Refused({'images/a.png': '', 'labels/a.txt': BOX}, 'no class names there'),
    'a tracker id at the end': Refused(yolo('0 0.5 0.5 0.2 0.2 17\n'), 'is no confidence'),
    'decimal commas': Refused(yolo('0 0,5 0,5 0,2 0,2\n'), 'commas; a YOLO line has blanks'),
    'boxes and polygons': Refused(
        yolo(f'{BOX}0 0.1 0.1 0.5 0.1 0.5 0.5\n'), 'lines of several kinds'
    ),
    'not a text': Refused(yolo('0\0'), 'not a text file of UTF-8'),
    'two pictures of a label file': Refused(
        yolo(BOX) | {'images/a.tif.png': '', 'JPEGImages/a.png': ''}, 'have one label file'
    ),
    'a label file without a picture': Refused(
        yolo(BOX) | {'labels/b.txt': BOX}, 'labels/b.txt: there is no image of this', 1
    ),
    'a picture of a kind that is not read': Refused(
        yolo(BOX) | {'images/b.heic': ''}, 'images/b.heic: a picture of a kind that is not', 1
    ),
    'another part': Refused(
        {'images/train/a.png': '', 'labels/val/a.txt': BOX}, '1 .txt file, such as labels/val/a.txt'
    ),
    'a stem in another case': Refused(
        {'images/A.png': '', 'labels/a.txt': BOX}, 'labels/a.txt, which differs in case'
    ),
    'a folder of labels by another name': Refused(
        {'images/a.png': '', 'boxes/a.txt': BOX}, 'rename the folder boxes to labels'
    ),
    'the folder of images': Refused(yolo(BOX), 'give the folder above', given='images'),
    'VOC for YOLO': Refused(voc((64, 48), SHIP.format(4)), 'is it --from voc?'),
    'COCO for VOC': Refused(
        {'a.png': '', 'x.json': coco([1, 1, 9, 9])['annotations.json']},
        'x.json is a COCO file', source='voc',
    ),
    'LabelMe': Refused(
        {'a.png': '', 'a.json': '{"shapes": [], "imagePath": "a.png"}'}, 'it is of LabelMe'
    ),
    'VOC of a larger picture': Refused(
        voc((128, 96), SHIP.format(4)), '--label-size rescale scales them', source='voc'
    ),
    'VOC of another shape': Refused(
        voc((100, 100), SHIP.format(4)), 'stretch if the picture was squashed', source='voc'
    ),
    'VOC side that is no number': Refused(
        voc((64, 48), SHIP.format(4), SHIP.format('left')), "<xmin> is 'left', not a number", 1,
        'voc',
    ),
    'JSON cut off': Refused(
        {'images/a.png': '', 'annotations.json': '{"images": ['}, 'malformed JSON', source=''
    ),
    'a list of results': Refused(
        {'images/a.png': '', 'annotations.json': '[{"image_id": 1, "category_id": 1, "score": 1}]'},
        'it is a list of COCO results', source='',
    ),
    'fractions in bbox': Refused(
        coco([0.1, 0.1, 0.5, 0.5], [0.2, 0.2, 0.3, 0.3]), 'all bbox are within 0..1', source=''
    ),
    'corners in bbox': Refused(
        coco([40, 30, 60, 45], [30, 20, 62, 46]), 'dataset.bbox=xyxy if they are', source=''
    ),
    'images of another folder': Refused(
        coco([1, 1, 9, 9], name='x/b.png'), 'none of its 1 image', source=''
    ),
    'an image twice': Refused(
        coco([1, 1, 9, 9], images=[dict(id=1, file_name='a.png')] * 2), 'is there twice', source=''
    ),
    'a category without a name': Refused(
        coco([1, 1, 9, 9], categories=[dict(id=1)]), 'an object with id and name', source=''
    ),
}  # fmt: skip


@pytest.mark.parametrize('name', REFUSED)
def test_what_is_refused_or_named_in_one_line(name, annotate, tmp_path, capsys):
    case, root = REFUSED[name], tmp_path / 'data'
    for file, text in case.files.items():
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        if file.endswith('.png'):
            Image.new('RGB', (64, 48)).save(path)
    if case.source:
        argv = [str(root / case.given), '--from', case.source]
        code = load_tool('dataset_converters/boxes_to_coco').main(argv)
    else:
        config = str(ROOT / 'configs/annotate/coco_grabcut_hbox.py')
        code = annotate(*BOX_FILL, config=config, data=root)
    said = capsys.readouterr().err
    assert code == case.code, said
    start = 'error: ' if code == 2 else 'failed: '
    (line,) = [line for line in said.splitlines() if line.startswith(start)]
    assert case.says in line
    if code == 2:
        assert not (tmp_path / 'out').exists()
        assert (root / 'annotations.json').exists() == (not case.source)
