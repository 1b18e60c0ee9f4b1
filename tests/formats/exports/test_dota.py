import json

import cv2
import numpy as np
import pytest
from export_cases import CLASSES, STEMS, kept, shapes, tool, write_folder

from samrs_mm.compat import mmrotate_boxes
from samrs_mm.core import masks
from samrs_mm.core.errors import RefusedError
from samrs_mm.datasets.boxes.dota import parse_dota
from samrs_mm.formats.exports.dota import DOTAExport, rotated_box

NAMES = tuple(name.replace(' ', '-') for name in CLASSES)


@pytest.fixture(scope='module')
def exported(tmp_path_factory):
    folder = write_folder(tmp_path_factory.mktemp('dota') / 'made')
    assert tool(folder.root, '--to', 'dota', '--out', folder.root.parent / 'dota') == 0
    return folder, folder.root.parent / 'dota'


@pytest.mark.parametrize('name', shapes())
def test_the_box_holds_the_mask_and_is_the_smallest(name):
    mask = shapes()[name]
    corners = rotated_box(masks.encode(mask)).astype(np.float64)
    rows, columns = np.nonzero(mask)
    pixels = np.concatenate(
        [np.stack([columns + dx, rows + dy], 1) for dx in (0, 1) for dy in (0, 1)]
    )
    for start, end in zip(corners, np.roll(corners, -1, 0), strict=True):
        along, away = end - start, pixels - start
        # clockwise on the screen: all pixels lie to the right of each side
        assert (along[0] * away[:, 1] - along[1] * away[:, 0]).min() > -1e-2
    rim = cv2.convexHull(pixels.astype(np.float32))[:, 0]
    best = min(_upright_area(rim, angle) for angle in np.linspace(0, np.pi / 2, 1801))
    assert cv2.contourArea(corners.astype(np.float32)) == pytest.approx(best, rel=1e-3)


def _upright_area(points: np.ndarray, angle: float) -> float:
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.ptp(points @ turn, axis=0).prod()


def test_an_upright_box_begins_top_left():
    box = rotated_box(masks.encode(shapes()['box']))
    assert box.tolist() == [[8, 5], [30, 5], [30, 15], [8, 15]]


def test_our_parser_reads_it_and_the_loss_is_counted(exported):
    folder, target = exported
    added = 0
    for stem in STEMS:
        file = f'labelTxt/{stem}.txt'
        labels = parse_dota((target / file).read_text(), file)
        assert not labels.problems
        boxes = kept(folder, stem)
        assert [label.category.replace('-', ' ') for label in labels.boxes] == [
            box.category for box in boxes
        ]
        for label, box in zip(labels.boxes, boxes, strict=True):
            added += cv2.contourArea(label.polygon.astype(np.float32)) - box.area
    part = json.loads((target / 'export.json').read_bytes())['subsets']['']
    assert part['lost']['masks'] == part['instances'] == 10
    assert part['lost']['added_pixels'] == pytest.approx(added, abs=8)


def test_mmrotate_reads_it(exported):
    try:
        mmrotate_boxes()
        from mmrotate.datasets import DOTADataset
    except ImportError as error:
        pytest.skip(str(error))
    folder, target = exported
    dataset = DOTADataset(
        data_root=str(target),
        ann_file='labelTxt/',
        data_prefix=dict(img_path='images/'),
        metainfo=dict(classes=NAMES),
        filter_cfg=None,
        pipeline=[],
        test_mode=True,
    )
    found = {info['img_id']: info['instances'] for info in map(dataset.get_data_info, range(3))}
    for stem in STEMS:
        boxes = kept(folder, stem)
        assert [instance['bbox_label'] for instance in found[stem]] == [box.label for box in boxes]
        for instance, box in zip(found[stem], boxes, strict=True):
            expected = rotated_box(box.segmentation).ravel()
            np.testing.assert_allclose(instance['bbox'], expected, atol=0.006)
            assert instance['ignore_flag'] == 0


def test_classes_that_would_have_one_name_are_refused(tmp_path, capsys):
    DOTAExport.check_classes(('oil tank', 'oil_tank'))
    with pytest.raises(RefusedError, match="'oil tank' and 'oil-tank' would both be called"):
        DOTAExport.check_classes(('oil tank', 'ship', 'oil-tank'))
    root = write_folder(tmp_path / 'made').root
    meta = json.loads((root / 'meta.json').read_text())
    meta['classes'][:2] = 'oil tank', 'oil-tank'
    (root / 'meta.json').write_text(json.dumps(meta))
    assert tool(root, '--to', 'dota', '--out', tmp_path / 'out') == 2
    assert 'DOTA has no blanks in names' in capsys.readouterr().err
    assert not list(tmp_path.glob('out*'))
