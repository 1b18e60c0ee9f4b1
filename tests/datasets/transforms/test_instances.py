import numpy as np
import pytest
import torch
from instance_folders import write_instances
from mmseg.registry import TRANSFORMS

from samrs_mm.compat import mmrotate_boxes
from samrs_mm.core import masks
from samrs_mm.core.errors import RefusedError
from samrs_mm.datasets.instances.annotated import AnnotatedInstanceDataset

LOAD = dict(type='LoadWindow')


@pytest.fixture(autouse=True)
def box_types():
    """Register mmdet's transforms and the box types of mmrotate."""
    import mmdet.datasets.transforms  # noqa: F401

    mmrotate_boxes()


@pytest.fixture
def root(tmp_path):
    return write_instances(tmp_path / 'masks')


def load(root, number, boxes, *steps, with_mask=True, box_type='hbox'):
    """Return an image with its objects, after the transforms given."""
    dataset = AnnotatedInstanceDataset(str(root), boxes=boxes, semantic=True, ignore=())
    annotations = dict(type='mmdet.LoadAnnotations', with_mask=with_mask, box_type=box_type)
    results = dataset.get_data_info(number)
    for step in (LOAD, annotations, *steps):
        results = (TRANSFORMS.build(step) if isinstance(step, dict) else step)(results)
    return results


@pytest.fixture(params=range(4))
def turns(request, monkeypatch):
    """Have ``RandomRotate90`` turn by this many right angles."""
    monkeypatch.setattr(np.random, 'randint', lambda *_: request.param)
    return request.param


@pytest.mark.parametrize('number', [2, 3], ids=['even', 'wide'])
def test_turning_takes_masks_and_their_boxes_along(root, number, turns):
    turned = load(root, number, 'mask', dict(type='RandomRotate90', prob=1.0))
    before = load(root, number, 'mask')
    np.testing.assert_array_equal(
        turned['gt_masks'].masks, np.rot90(before['gt_masks'].masks, turns, (1, 2))
    )
    assert turned['gt_masks'].masks.shape[1:] == turned['img'].shape[:2] == turned['img_shape']
    assert (turned['gt_masks'].height, turned['gt_masks'].width) == turned['img_shape']
    around = turned['gt_masks'].get_bboxes('hbox').tensor
    torch.testing.assert_close(turned['gt_bboxes'].tensor, around, atol=1e-3, rtol=0)
    # the label map shows the same
    union = turned['gt_masks'].masks.any(0)
    np.testing.assert_array_equal(turned['gt_seg_map'] != 255, union)


@pytest.mark.parametrize('kind', ['qbox', 'rbox'])
def test_turning_takes_oriented_boxes_along(root, kind, turns):
    steps = [dict(type='RandomRotate90', prob=1.0)]
    if kind == 'rbox':
        steps.insert(0, lambda r: r | dict(gt_bboxes=r['gt_bboxes'].convert_to('rbox')))
    turned = load(root, 3, 'rbox', *steps, box_type='qbox')
    for mask, quad in zip(
        turned['gt_masks'].masks, turned['gt_bboxes'].convert_to('qbox').tensor, strict=True
    ):
        # the ellipse that fills it
        inside = masks.fill_polygon(quad.reshape(4, 2).numpy(), *mask.shape)
        assert (mask.astype(bool) & inside).sum() > 0.97 * mask.sum()
        assert mask.sum() > 0.6 * inside.sum()


def test_turning_takes_an_image_without_objects(root, turns):
    turned = load(root, 3, 'mask', without_objects, dict(type='RandomRotate90', prob=1.0))
    assert turned['gt_masks'].masks.shape == (0, *turned['img'].shape[:2])


def without_objects(results):
    return results | {key: results[key][[]] for key in ('gt_masks', 'gt_bboxes')}


def test_turning_refuses_objects_that_it_cannot_turn(root):
    turn = TRANSFORMS.build(dict(type='RandomRotate90', prob=1.0))
    with pytest.raises(RefusedError, match=r'turns boxes with a box_type and masks of pixels'):
        load(root, 3, 'mask', turn, box_type=None)
    with pytest.raises(RefusedError, match=r'poly2mask=True'):
        load(root, 3, 'mask', with_polygons, turn)
    info = AnnotatedInstanceDataset(str(root)).get_data_info(0)
    with pytest.raises(RefusedError, match=r'before the instances are loaded: put it behind'):
        turn(TRANSFORMS.build(LOAD)(info))


def with_polygons(results):
    from mmdet.structures.mask import PolygonMasks

    return results | dict(gt_masks=PolygonMasks([[np.zeros(6)]], *results['img'].shape[:2]))


CROPS = [
    dict(type='RandomScaleCrop', crop_size=32),
    dict(type='CenterCropPad', crop_size=32),
]


@pytest.mark.parametrize('crop', CROPS, ids=lambda crop: crop['type'])
def test_our_crops_refuse_to_leave_objects_behind(root, crop):
    for with_mask in (True, False):
        with pytest.raises(RefusedError, match=rf'{crop["type"]} moves pixels and would leave'):
            load(root, 0, 'mask', crop, with_mask=with_mask)
    dataset = AnnotatedInstanceDataset(str(root), pipeline=[dict(LOAD, crop=crop)])
    with pytest.raises(RefusedError, match=r"'instances' where they were: load the whole image"):
        dataset[0]


def test_hides_what_is_to_be_ignored_and_no_object(root):
    dataset = AnnotatedInstanceDataset(str(root), pipeline=[LOAD, dict(type='HideIgnored')])
    info, hidden = dataset.get_data_info(0), dataset[0]['img']
    plain = TRANSFORMS.build(LOAD)(dict(info))['img']
    masked = np.zeros(plain.shape[:2], bool)
    for each in info['instances']:
        if not each['ignore_flag']:
            masked |= masks.decode(each['mask'])
    wanted = np.zeros_like(masked)
    wanted[:20, :20] = wanted[70:90, 100:120] = True
    wanted &= ~masked
    assert wanted.sum() > 400
    assert (hidden[wanted] == (104, 116, 124)).all()
    np.testing.assert_array_equal(hidden[~wanted], plain[~wanted])


def test_hides_nothing_where_all_is_known(root):
    dataset = AnnotatedInstanceDataset(str(root), pipeline=[LOAD, dict(type='HideIgnored')])
    info = dataset.get_data_info(1)
    np.testing.assert_array_equal(dataset[1]['img'], TRANSFORMS.build(LOAD)(dict(info))['img'])
