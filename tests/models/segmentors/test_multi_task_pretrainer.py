"""MultiTaskPretrainer: losses, gradients and predictions of one process."""

import copy

import pytest
import torch
from mmengine.config import ConfigDict
from mmseg.registry import MODELS
from segmentor_cases import AUXILIARY
from task_cases import (
    ALL,
    CLASSES,
    INSTANCES,
    NORM,
    detectors_of,
    instance_detector,
    task_batch,
    task_config,
    task_model,
)

from samrs_mm.compat import is_onedl
from samrs_mm.core.errors import RefusedError
from samrs_mm.engine.checkpoint_match import check_match, read_checkpoint
from samrs_mm.engine.initial_weights import check_initial_weights
from samrs_mm.models.segmentors import MultiHeadEncoderDecoder

no_mmrotate = pytest.mark.skipif(not is_onedl(), reason="OpenMMLab's mmrotate can't be imported")
TASKS = [
    pytest.param(INSTANCES, id='instances'),
    pytest.param(ALL, id='oriented', marks=[pytest.mark.ops, no_mmrotate]),
]


def gradients(model, losses):
    model.zero_grad()
    model.parse_losses(losses)[0].backward()
    return {name: weight.grad.clone() for name, weight in model.named_parameters()
            if weight.grad is not None}  # fmt: skip


def part_alone(model, name, images, samples):
    """Return the losses of one detector, or with None of the label maps, on a batch."""
    maps, size = model.extract_feat(images), tuple(images.shape[-2:])
    if name is None:
        return model._joint_loss(maps, samples)
    [task] = [task for task in model.tasks if task.name == name]
    return task.losses(model.detectors[name], maps, samples, size)


@pytest.mark.parametrize('tasks', TASKS)
def test_the_joint_batch_is_the_sum_of_its_parts(tasks):
    """Each detector alone on the rows of its source, and the label maps as SEP learns them."""
    model = task_model(tasks)
    images, samples = task_batch(['a', 'b', 'a', 'b'])
    joint = model.loss(images, copy.deepcopy(samples))
    whole = gradients(model, joint)
    assert whole.keys() == dict(model.named_parameters()).keys(), 'no parameter is unused'
    parts, added = {}, {}
    for task in [None, *model.tasks]:
        rows = [0, 1, 2, 3] if task is None else task.rows(samples)
        alone = part_alone(
            model, task and task.name, images[rows], copy.deepcopy([samples[row] for row in rows])
        )
        parts |= alone
        for name, value in gradients(model, alone).items():
            added[name] = added.get(name, 0) + value
    assert parts.keys() == joint.keys()
    for name, value in joint.items():
        torch.testing.assert_close(value, parts[name], rtol=1e-5, atol=1e-6, msg=name)
    for name, value in whole.items():
        scale = value.abs().max().clamp(min=1e-3)
        assert ((value - added[name]).abs().max() / scale) < 1e-3, name


@pytest.mark.parametrize('auxiliary_head', [None, [dict(AUXILIARY, norm_cfg=NORM)]])
def test_without_its_detectors_it_is_the_parent(auxiliary_head):
    model = task_model(auxiliary_head=auxiliary_head)
    images, samples = task_batch(['a', 'b', 'b'])
    config = {
        key: value for key, value in task_config().items() if key not in ('type', 'detectors')
    }
    parent = MultiHeadEncoderDecoder(**config, auxiliary_head=auxiliary_head)
    told = parent.load_state_dict(model.state_dict(), strict=False)
    assert not told.missing_keys
    assert all(key.startswith('detectors.') for key in told.unexpected_keys)
    wanted = parent.train().loss(images, samples)
    found = model.loss(images, samples)
    assert ('a.aux_0.loss_ce' in wanted) == bool(auxiliary_head)
    assert {name: value.item() for name, value in wanted.items()} == {
        name: found[name].item() for name in wanted
    }


@pytest.mark.parametrize('tasks', TASKS)
def test_losses_of_a_fixed_batch_fall(tasks):
    model = task_model(tasks)
    images, samples = task_batch(['a', 'b', 'a', 'b'])
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3)
    logged = []
    for _ in range(24):
        optimizer.zero_grad()
        loss, values = model.parse_losses(model.loss(images, samples))
        loss.backward()
        optimizer.step()
        logged.append({name: value.item() for name, value in values.items() if 'loss' in name})
    early = {name: sum(line[name] for line in logged[:3]) / 3 for name in logged[0]}
    late = {name: sum(line[name] for line in logged[-3:]) / 3 for name in logged[0]}
    assert late['loss'] < 0.7 * early['loss']
    # what classes are to reach is the overlap of the boxes, which grows
    rising = [name for name in early if late[name] >= early[name] and not name.endswith('_cls')]
    assert not rising, (early, late)


@pytest.mark.parametrize('tasks', TASKS)
def test_an_absent_source_gives_zeros_that_touch_its_parameters(tasks):
    model = task_model(tasks)
    losses = model.loss(*task_batch(['a', 'a']))
    absent = {name: value.item() for name, value in losses.items() if name.startswith('loss_b')}
    assert len(absent) >= 3
    assert not any(absent.values())
    found = gradients(model, losses)
    assert found.keys() == dict(model.named_parameters()).keys()
    assert not any(value.any() for name, value in found.items()
                   if name.startswith(('detectors.b_', 'heads.b')))  # fmt: skip


def test_images_without_objects_teach_that_there_are_none():
    model = task_model()
    losses = model.loss(*task_batch(['a', 'b'], count=0))
    assert losses['loss_a_instance_cls'] > 0
    assert losses['loss_a_instance_mask'] == 0
    gradients(model, losses)


def test_weights_multiply_losses():
    tasks = detectors_of(INSTANCES)
    batch = task_batch(['a', 'b'])
    plain = task_model().loss(batch[0], copy.deepcopy(batch[1]))
    tasks['b_instance']['weight'] = 0.25
    weighted = task_model(detectors=tasks).loss(*batch)
    for term in ('cls', 'bbox', 'mask'):
        for name, factor in (('a_instance', 1.0), ('b_instance', 0.25)):
            key = f'loss_{name}_{term}'
            torch.testing.assert_close(weighted[key], factor * plain[key])


@pytest.mark.ops
@pytest.mark.parametrize('tasks', TASKS)
def test_predicts_what_a_source_learnt(tasks):
    model = task_model(tasks).eval()
    for head in model.detectors.values():  # as nothing is learnt, whatever it finds
        head.bbox_head.test_cfg.score_thr = 0.0
    images, samples = task_batch(['a', 'b', 'a'])
    with torch.no_grad():
        found = model.predict(images, samples)
    for sample in found:
        assert sample.pred_sem_seg.data.shape == (1, 64, 64)
        assert int(sample.pred_sem_seg.data.max()) < CLASSES[sample.source]
        wanted = {f'pred_{sample.source}_{task}' for task in tasks[sample.source]}
        assert {key for key in sample.keys() if key.startswith('pred_')} == {
            'pred_sem_seg', *wanted
        }  # fmt: skip
        for key in wanted:
            objects = sample.get(key)
            assert len(objects) == 20
            assert len(objects.bboxes[0]) == (5 if key.endswith('oriented') else 4)
            if key.endswith('instance'):
                assert objects.masks.shape == (20, 64, 64)


@pytest.fixture
def exported(tmp_path):
    """A model, and the file of its weights."""
    model = task_model()
    path = tmp_path / 'tasks.pth'
    torch.save(dict(state_dict=model.state_dict()), path)
    return model, str(path)


def test_a_detector_begins_with_all_of_its_weights(exported):
    model, path = exported
    backbone, file = task_config()['backbone'], dict(type='Pretrained', checkpoint=path)
    detector = MODELS.build(dict(
        instance_detector(CLASSES['a']), init_cfg=dict(file, prefix='detectors.a_instance.'),
        backbone=dict(backbone, _scope_='mmseg', out_indices=(1, 2, 3),
                      init_cfg=dict(file, prefix='backbone.')),
    ))  # fmt: skip
    check_initial_weights(detector)
    detector.init_weights()
    state = model.state_dict()
    for name, value in detector.state_dict().items():
        there = name if name.startswith('backbone.') else f'detectors.a_instance.{name}'
        assert torch.equal(value, state[there]), name


def test_a_segmentor_takes_over_backbone_and_trunk(exported):
    _, path = exported
    config = {
        key: value for key, value in task_config().items() if key not in ('heads', 'detectors')
    }
    config['decode_head'] = dict(config['decode_head'], num_classes=7)
    segmentor = MODELS.build(ConfigDict(config | dict(type='EncoderDecoder')))
    said = check_match(segmentor, read_checkpoint(path).shapes, path, whole=False)
    assert 'new: decode_head.conv_seg' in said
    assert 'detectors.a_instance.bbox_head' in said


@pytest.mark.parametrize(
    ('changes', 'says'),
    [
        (dict(forward_mode='sequential'), r"model.forward_mode='sequential': one forward"),
        (dict(test_cfg=dict(mode='slide')), r"model.test_cfg=.*'slide'.*give mode='whole'"),
        (dict(test_cfg=dict(mode='whole', input_size=(9, 9))), r'no input_size'),
    ],
)
def test_refuses_options_that_detectors_cannot_follow(changes, says):
    with pytest.raises(RefusedError, match=says):
        task_model(**changes)


@pytest.mark.parametrize(
    ('name', 'change', 'says'),
    [
        ('x.y', {}, r"'x.y' cannot name a detector"),
        ('my_loss', {}, r"'my_loss' cannot name a detector"),
        ('a', {}, r'model.detectors.a has the name of a source'),
        ('x', dict(source='c'), r"model.detectors.x.source='c': choose from a, b"),
        (
            'x',
            dict(task='boxes'),
            r"model.detectors.x.task='boxes': choose from instance, oriented",
        ),
        ('x', dict(wait=1), r'model.detectors.x: needed are detector, source, task'),
        ('x', dict(detector=dict(type='RTMDet')), r"needed is the config of .* _scope_='mmdet'"),
    ],
)
def test_refuses_detectors_that_cannot_be(name, change, says):
    about = dict(detectors_of(dict(a=['instance']))['a_instance'], **change)
    with pytest.raises(RefusedError, match=says):
        task_model(detectors={name: about})


def test_refuses_samples_without_what_is_to_be_learnt():
    model = task_model()
    images, samples = task_batch(['a', 'b'])
    del samples[1].gt_instances
    with pytest.raises(RefusedError, match=r"detectors.b_instance: samples of source 'b' have no"):
        model.loss(images, samples)
