import numpy as np
import pytest
import torch
from instance_folders import write_instances
from mmseg.registry import DATASETS

from samrs_mm.compat import mmrotate_boxes
from samrs_mm.core.errors import RefusedError
from samrs_mm.datasets.instances import annotated  # noqa: F401  (registers)
from samrs_mm.datasets.transforms.packing import META_KEYS, PackMultiTaskInputs

UPRIGHT = [
    dict(type='LoadWindow'),
    dict(type='mmdet.LoadAnnotations', with_bbox=True, with_mask=True),
]


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    import mmdet.datasets.transforms  # noqa: F401

    return write_instances(tmp_path_factory.mktemp('data') / 'masks')


def dataset(root, *steps, boxes='mask', **pack):
    pipeline = [*(steps or UPRIGHT), dict(type='PackMultiTaskInputs', **pack)]
    return DATASETS.build(dict(
        type='AnnotatedInstanceDataset', data_root=str(root), boxes=boxes, semantic=True,
        pipeline=pipeline,
    ))  # fmt: skip


def test_a_sample_has_its_label_map_and_objects(root):
    sample = dataset(root, tasks=['instance'])[0]
    assert sample['inputs'].shape == (3, 96, 128)
    packed = sample['data_samples']
    assert packed.gt_sem_seg.data.shape == (1, 96, 128)
    assert packed.gt_sem_seg.data.dtype == torch.int64
    objects = packed.gt_instances
    assert len(objects) == 3
    assert 'rboxes' not in objects
    for mask, box, label in zip(objects.masks.masks, objects.bboxes, objects.labels, strict=True):
        y, x = np.nonzero(mask)
        assert box.tolist() == [x.min(), y.min(), x.max() + 1, y.max() + 1]
        under = np.unique(packed.gt_sem_seg.data[0].numpy()[mask > 0])
        assert int(label) in under
    assert len(packed.ignored_instances) == 2, 'the crowd, and the box without mask'
    assert set(packed.metainfo) <= set(META_KEYS)
    assert packed.source == 'instances'


def test_boxes_are_those_of_the_masks_after_all_transforms(root):
    crop = dict(type='mmdet.RandomCrop', crop_size=(48, 48), allow_negative_crop=True)
    turn = dict(type='RandomRotate90', prob=1.0)
    found = 0
    data = dataset(root, *UPRIGHT, crop, turn, tasks=['instance'])
    for seed in range(12):
        packed = data[1, seed]['data_samples']
        assert packed.gt_sem_seg.data.shape[1:] == packed.img_shape
        for mask, box in zip(
            packed.gt_instances.masks.masks, packed.gt_instances.bboxes, strict=True
        ):
            y, x = np.nonzero(mask)
            assert box.tolist() == [x.min(), y.min(), x.max() + 1, y.max() + 1]
            assert min(box[2] - box[0], box[3] - box[1]) > 1
            found += 1
    assert found > 5


def test_instances_for_coco_have_the_boxes_of_the_masks(root):
    mmrotate_boxes()
    steps = [UPRIGHT[0], dict(UPRIGHT[1], box_type='qbox')]
    keys = (*META_KEYS, 'instances')
    packed = dataset(root, *steps, boxes='rbox', tasks=['instance'], meta_keys=keys)[0]
    packed = packed['data_samples']
    boxes = [one['bbox'] for one in packed.instances if not one['ignore_flag']]
    np.testing.assert_allclose(boxes, packed.gt_instances.bboxes.numpy())
    assert [len(one['bbox']) for one in packed.instances] == [4] * 5


def test_oriented_boxes_come_beside_upright_ones(root):
    boxes = mmrotate_boxes()
    steps = [UPRIGHT[0], dict(UPRIGHT[1], box_type='qbox')]
    objects = dataset(root, *steps, boxes='rbox')[0]['data_samples'].gt_instances
    assert isinstance(objects.rboxes, boxes.RotatedBoxes)
    upright = objects.rboxes.convert_to('hbox').tensor
    inside = objects.bboxes
    assert (upright[:, :2] <= inside[:, :2] + 2).all(), 'the ellipse is within its box'
    assert (upright[:, 2:] >= inside[:, 2:] - 2).all()


def test_upright_boxes_do_not_pass_for_oriented_ones(root):
    with pytest.raises(RefusedError, match=r"the boxes are upright; give the dataset boxes='rbox'"):
        dataset(root, tasks=['oriented'])[0]


def test_refuses_an_unknown_task():
    with pytest.raises(RefusedError, match=r"tasks=\['boxes'\]\): choose from instance, oriented"):
        PackMultiTaskInputs(['boxes'])
    assert repr(PackMultiTaskInputs(['instance'])).startswith("PackMultiTaskInputs(tasks=('inst")
