import pytest
from folders import ROOT
from mmengine.config import Config

from samrs_mm.core.errors import RefusedError
from samrs_mm.engine import detector_check
from samrs_mm.engine.class_match import is_detector, miscounts
from samrs_mm.engine.detector_check import check_ops, check_pipelines
from samrs_mm.registry import register_all

CONFIGS = ROOT / 'configs/instance'
LOAD = dict(type='mmdet.LoadAnnotations', with_bbox=True, with_mask=True)


@pytest.fixture(autouse=True)
def without_ops(monkeypatch):
    monkeypatch.setattr(detector_check, 'has_compiled_ops', lambda: False)


def load(name, folder='instance'):
    path = ROOT / f'configs/{folder}/{name}.py'
    return Config.fromfile(path, import_custom_modules=False)


@pytest.mark.parametrize(
    ('name', 'key'),
    [
        ('mask-rcnn_vitae_imp_sota', "roi_layer.type='RoIAlign'"),
    ],
)
def test_what_calls_compiled_ops_is_refused_where_there_are_none(name, key, monkeypatch):
    with pytest.raises(RefusedError, match=r'calls a compiled op.*`make env OPS=1`') as error:
        check_ops(load(name), f'{name}.py')
    assert key in str(error.value)
    assert '\n' not in str(error.value)
    monkeypatch.setattr(detector_check, 'has_compiled_ops', lambda: True)
    check_ops(load(name), 'x.py')


def test_what_calls_none_is_not():
    check_ops(load('mask2former_vit-rvsa_mae_sota'), 'x.py')
    check_ops(load('rtmdet-ins_resnet50_imp_sota'), 'x.py')
    check_ops(Config(dict(model=dict(type='EncoderDecoder'))), 'x.py')


def of(*pipeline, **dataset):
    loader = dict(dataset=dict(dict(pipeline=[*pipeline]), **dataset))
    return Config(dict(default_scope='mmseg', train_dataloader=loader))


@pytest.mark.parametrize(
    ('step', 'says'),
    [
        (
            dict(type='RandomCrop', crop_size=64),
            r"1.type='RandomCrop' is mmseg's.*mmdet.Rand",
        ),
        (dict(type='RandomFlip', prob=0.5), r"1.type='RandomFlip' is mm(cv|seg)'s.*mmdet.Rand"),
        (dict(type='RandomRotate', prob=1, degree=9), r"is mmseg's.*mmdet or mmrotate"),
        (dict(type='RandomResize', scale=(9, 9), resize_type='Resize'), r"1.resize_type='Resize'"),
    ],
)
def test_transforms_that_leave_objects_behind_are_refused(step, says):
    import mmdet.datasets.transforms  # noqa: F401

    register_all()
    with pytest.raises(RefusedError, match=says):
        check_pipelines(of(LOAD, step), 'x.py')
    wrapped = Config(dict(train_dataloader=dict(
        dataset=dict(type='MultiSourceDataset', datasets=[dict(pipeline=[LOAD, step])])
    ), default_scope='mmseg'))  # fmt: skip
    with pytest.raises(RefusedError, match=r'train_dataloader.dataset.datasets.0.pipeline.1'):
        check_pipelines(wrapped, 'x.py')
    with pytest.raises(RefusedError, match=says):  # which loads boxes unless it is told otherwise
        check_pipelines(of(dict(type='mmdet.LoadAnnotations'), step), 'x.py')
    check_pipelines(of(dict(type='LoadAnnotations'), step), 'x.py')
    maps = dict(type='mmdet.LoadAnnotations', with_bbox=False, with_seg=True)
    check_pipelines(of(maps, step), 'x.py')
    check_pipelines(of(step, LOAD), 'x.py')


def test_shipped_pipelines_are_not_refused():
    import mmdet.datasets.transforms  # noqa: F401

    register_all()
    paths = sorted(CONFIGS.glob('*resnet50_imp_sota.py'))
    assert len(paths) == 3
    for path in paths:
        check_pipelines(load(path.stem), path.name)


def test_heads_of_another_number_of_classes_are_named():
    for name, keys in (
        ('rtmdet-ins', ['bbox_head.num_classes']),
        ('mask-rcnn', ['roi_head.bbox_head.num_classes', 'roi_head.mask_head.num_classes']),
        ('mask2former', ['panoptic_head.num_things_classes',
                         'panoptic_fusion_head.num_things_classes']),
    ):  # fmt: skip
        model = load(f'{name}_resnet50_imp_sota').model
        assert is_detector(model)
        assert [*miscounts(model, {None: ('a',) * 18}, 'val')] == []
        found = [
            line
            for line in miscounts(model, {None: ('a', 'b')}, 'val_dataloader')
            if 'class_weight' not in line
        ]
        wanted = [f'model.{key}=18, but val_dataloader has 2 classes (a, b); make' for key in keys]
        assert [line[: len(start)] for line, start in zip(found, wanted, strict=True)] == wanted


def test_class_weights_of_another_number_of_classes_are_named():
    model = load('mask2former_resnet50_imp_sota').model
    model.panoptic_head.num_things_classes = model.panoptic_fusion_head.num_things_classes = 2
    said = (
        'model{}.panoptic_head.loss_cls.class_weight has 19 values, but train_dataloader has 2 '
        'classes; give 3: one a class, and one for queries without an object'
    )
    assert [*miscounts(model, {None: ('a', 'b')}, 'train_dataloader')] == [said.format('')]
    of_several = dict(detectors=dict(x_instance=dict(source='x', detector=model)))
    [line] = miscounts(of_several, dict(x=('a', 'b')), 'train_dataloader')
    assert line == said.format('.detectors.x_instance.detector')
    model.panoptic_head.loss_cls.class_weight = [1.0, 1.0, 0.1]
    assert not [*miscounts(model, {None: ('a', 'b')}, 'train_dataloader')]


def test_sources_of_a_detector_have_one_list_of_classes():
    model = load('rtmdet-ins_resnet50_imp_sota').model
    [line] = miscounts(model, dict(x=('a', 'b'), y=('b', 'a')), 'train_dataloader')
    assert line.startswith('train_dataloader: sources x and y have other classes (a, b; b, a); a ')
    assert [*miscounts(model, dict(x=('a',) * 18, y=('a',) * 18), 'train_dataloader')] == []
