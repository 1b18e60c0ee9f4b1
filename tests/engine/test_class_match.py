import pytest

from samrs_mm.core.errors import RefusedError
from samrs_mm.engine.class_match import check_classes, miscounts, trained_classes

TRAINED = {None: ('ground', 'roof', 'road')}


@pytest.mark.parametrize(('checkpoint', 'classes'), [
    (dict(meta=dict(dataset_meta=dict(classes=['ground', 'roof', 'road']))), TRAINED),
    (dict(meta=dict(dataset_meta=dict(classes=('a',), sources=dict(x=dict(classes=('a',)))))),
     dict(x=('a',))),
    (dict(meta=dict(classes=dict(x=['a', 'b']))), dict(x=('a', 'b'))),
    (dict(meta=dict(CLASSES=['ground', 'roof', 'road'])), TRAINED),  # mmsegmentation 0.x
    (dict(meta=dict(iter=3)), {}), (dict(state_dict={}), {}), (None, {}), (dict(meta=None), {}),
])  # fmt: skip
def test_what_a_checkpoint_says(checkpoint, classes):
    assert trained_classes(checkpoint) == classes


@pytest.mark.parametrize('data', [
    TRAINED, {}, dict(x=('a', 'b')),
])  # fmt: skip
def test_same_or_unknown_classes(data):
    check_classes(TRAINED, data, 'a.pth', 'test_dataloader')
    check_classes({}, data, 'a.pth', 'test_dataloader')


@pytest.mark.parametrize(('names', 'message'), [
    (('ground', 'road', 'roof'), "class 1 is 'roof', in test_dataloader it is 'road' (trained on"),
    (('ground', 'roof'), "class 2 is 'road', in test_dataloader it is None"),
    (('ground', 'roof', 'road', 'car'), "class 3 is None, in test_dataloader it is 'car'"),
])  # fmt: skip
def test_other_classes_are_refused(names, message):
    with pytest.raises(RefusedError) as caught:
        check_classes(TRAINED, {None: names}, 'a.pth', 'test_dataloader')
    assert f'checkpoint a.pth: {message}' in str(caught.value)
    with pytest.raises(RefusedError, match="class 0 of source x is 'b', in"):
        check_classes(dict(x=('b', 'a')), dict(x=('a', 'b')), 'a.pth', 'test_dataloader')


@pytest.mark.parametrize(('model', 'data', 'messages'), [
    (dict(decode_head=dict(num_classes=3)), TRAINED, []),
    (dict(decode_head=dict(type='X')), TRAINED, []),
    (dict(backbone=dict()), TRAINED, []),
    (dict(decode_head=dict(num_classes=6)), TRAINED,
     ['model.decode_head.num_classes=6, but a has 3 classes (ground, roof, road); make them eq']),
    (dict(decode_head=[dict(num_classes=3), dict(num_classes=2)]), TRAINED,
     ['model.decode_head.1.num_classes=2, but a has 3 classes']),
    (dict(decode_head=dict(num_classes=3), auxiliary_head=dict(num_classes=150)), TRAINED, []),
    (dict(decode_head=dict(num_classes=3), auxiliary_head=[dict(num_classes=2)]), TRAINED,
     ['model.auxiliary_head.0.num_classes=2']),
    (dict(heads=dict(x=dict(num_classes=2))), dict(x=('a', 'b')), []),
    (dict(heads=dict(x=dict(num_classes=3))), dict(x=('a', 'b'), y=('c',)),
     ['model.heads.x.num_classes=3, but a has 2 classes of x', "a: source 'y' has no head"]),
    (dict(heads=dict(x=dict(num_classes=2)),
          detectors=dict(x_i=dict(source='x', detector=dict(bbox_head=dict(num_classes=3))))),
     dict(x=('a', 'b')),
     ['model.detectors.x_i.detector.bbox_head.num_classes=3, but a has 2 classes of x']),
    (dict(heads=dict(x=dict(num_classes=2)),
          detectors=dict(x_i=dict(source='x', detector=dict(bbox_head=dict(num_classes=2))),
                         y_i=dict(source='y', detector=dict(bbox_head=dict(num_classes=9))))),
     dict(x=('a', 'b')), []),
])  # fmt: skip
def test_heads_of_another_number_of_classes(model, data, messages):
    told = [*miscounts(model, data, 'a')]
    assert len(told) == len(messages)
    for line, message in zip(told, messages, strict=True):
        assert line.startswith(message)
