"""Labels with few true masks, with bad ones, or with none."""

import json
import shutil

import numpy as np
import pytest
from ablation_cases import FILLED, rows_of, table_of
from folders import BOX_FILL, ROOT
from PIL import Image


def test_labels_without_masks_are_named(ablate, data, tmp_path, capsys):
    root = tmp_path / 'data'
    shutil.copytree(data, root)
    labels = json.loads((root / 'annotations.json').read_text())
    for entry in labels['annotations']:
        entry.pop('segmentation', None)
    (root / 'annotations.json').write_text(json.dumps(labels))
    code, out = ablate('maskless', *BOX_FILL, root=root)
    assert code == 1
    assert 'none of the images that are done has a true mask' in capsys.readouterr().err
    assert table_of(out)['segmentors'][0]['encodes'] == 0


@pytest.mark.parametrize(
    ('segmentation', 'message'),
    [
        (dict(size=None, counts=[0]), None),
        (dict(size=[9, 9], counts=[40, 41]), 'a mask of [9, 9] in an image of [128, '),
        (dict(size=None), 'counts are None'),
        ('masks/1.png', 'neither a list of polygons nor run lengths'),
    ],
)
def test_a_true_mask_that_is_none(ablate, data, tmp_path, capsys, segmentation, message):
    root = tmp_path / 'data'
    shutil.copytree(data, root)
    labels = json.loads((root / 'annotations.json').read_text())
    entry = labels['annotations'][5]
    image = next(image for image in labels['images'] if image['id'] == entry['image_id'])
    if isinstance(segmentation, dict) and segmentation['size'] is None:
        size = [image['height'], image['width']]
        segmentation = dict(segmentation, size=size)
        if 'counts' in segmentation:
            segmentation['counts'] = [size[0] * size[1]]
    entry['segmentation'] = segmentation
    (root / 'annotations.json').write_text(json.dumps(labels))
    code, out = ablate(tmp_path.name, *BOX_FILL, '--limit', 1, root=root)
    if message is None:  # a mask without a pixel is as good as none
        assert code == 0
        assert table_of(out)['ground_truth']['boxes_without_mask'] == 1
        assert table_of(out)['ground_truth']['masks_without_pixel'] == 0
        return
    assert code == 1
    assert message in capsys.readouterr().err


def write_hrsc(root):
    """Two test images of two ships each; only the first ship of the first has a colour."""
    for number in (1, 2):
        for folder in ('AllImages', 'Annotations', 'LandMask'):
            (root / 'FullDataSet' / folder).mkdir(parents=True, exist_ok=True)
        Image.new('RGB', (80, 60)).save(root / f'FullDataSet/AllImages/{number}.bmp')
        ships = ''.join(
            f'<HRSC_Object><box_xmin>10</box_xmin><box_ymin>{y}</box_ymin><box_xmax>50</box_xmax>'
            f'<box_ymax>{y + 10}</box_ymax><mbox_cx>30</mbox_cx><mbox_cy>{y + 5}</mbox_cy>'
            f'<mbox_w>40</mbox_w><mbox_h>10</mbox_h><mbox_ang>0</mbox_ang>{colour}</HRSC_Object>\n'
            for y, colour in (
                (5, '<seg_color>0,128,0</seg_color>' if number == 1 else '<seg_color/>'),
                (40, '<seg_color>\n</seg_color>'),
            )
        )
        text = f'<HRSC_Image><HRSC_Objects>{ships}</HRSC_Objects></HRSC_Image>'
        (root / f'FullDataSet/Annotations/{number}.xml').write_text(text)
    picture = np.zeros((60, 80, 3), np.uint8)
    picture[5:15, 10:40] = 0, 128, 0
    Image.fromarray(picture).save(root / 'FullDataSet/LandMask/1.png')
    (root / 'ImageSets').mkdir()
    (root / 'ImageSets/test.txt').write_text('1\n2\n')


def test_hrsc_images_without_masks_are_not_even_encoded(ablate, tmp_path):
    write_hrsc(tmp_path / 'hrsc')
    config = tmp_path / 'hrsc_fill.py'
    base = ROOT / 'configs/annotate/hrsc2016_sam-vit-h_hbox.py'
    model = dict(type='BoxFillSegmentor', _delete_=True)
    config.write_text(f"_base_ = ['{base}']\nmodel = {model}\n")
    code, out = ablate('hrsc', config=str(config), root=tmp_path / 'hrsc')
    assert code == 0
    table, rows = table_of(out), rows_of(out)
    assert (table['ground_truth']['images'], table['images']) == (2, 1)
    assert (table['instances'], table['ground_truth']['boxes_without_mask']) == (1, 3)
    assert (table['segmentors'][0]['done'], table['segmentors'][0]['encodes']) == (2, 1)
    for name in FILLED:
        assert rows[name]['mIOU_I'] == rows[name]['mIOU_P'] == 0.75  # 30 of the box's 40 columns
        assert rows[name]['AP50'] == 1


def test_ships_whose_colour_is_nowhere(ablate, tmp_path, capsys):
    """As in the authors' script: IoU 0, and what was segmented of them is part of the union."""
    root = tmp_path / 'hrsc'
    write_hrsc(root)
    label = root / 'FullDataSet/Annotations/1.xml'
    label.write_text(label.read_text().replace('<seg_color>\n<', '<seg_color>9,9,9<'))
    config = tmp_path / 'hrsc_fill.py'
    base = ROOT / 'configs/annotate/hrsc2016_sam-vit-h_hbox.py'
    model = dict(type='BoxFillSegmentor', _delete_=True)
    config.write_text(f"_base_ = ['{base}']\nmodel = {model}\n")
    for number, flags in enumerate([(), ('--empty-truth', 'skip')]):
        code, out = ablate(f'nowhere{number}', *flags, config=str(config), root=root)
        assert code == 0
        table, rows = table_of(out), rows_of(out)
        lost = table['ground_truth']['masks_without_pixel']
        assert (table['instances'], lost) == ((2, 1), (1, 0))[number]
        said = '1 true mask without a pixel: IoU 0' in capsys.readouterr().out
        assert said == (number == 0)
        for name in FILLED:
            # ship 1: 300 of 400 px; ship 2: none of 400
            assert rows[name]['mIOU_I'] == (0.75, 0.375)[number == 0]
            assert rows[name]['mIOU_P'] == (0.75, 0.375)[number == 0]
            assert rows[name]['n'] == (1, 2)[number == 0]
    code, _ = ablate('nowhere0', '--empty-truth', 'skip', config=str(config), root=root)
    assert code == 2
    assert 'empty_truth: "zero" -> "skip"' in capsys.readouterr().err
