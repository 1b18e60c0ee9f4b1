import pytest
from mmengine.evaluator import BaseMetric
from mmseg.registry import METRICS
from task_cases import CLASSES, task_batch

from samrs_mm.core import masks
from samrs_mm.core.errors import RefusedError
from samrs_mm.evaluation.metrics import DetectorMetric

COCO = dict(type='mmdet.CocoMetric', metric=['bbox', 'segm'])


@METRICS.register_module()
class Recorded(BaseMetric):
    """Keeps what it is given."""

    def process(self, data_batch, data_samples):
        self.results += data_samples

    def compute_metrics(self, results):
        return dict(images=len(results), classes=len(self.dataset_meta['classes']))


def sources():
    return dict(sources={
        source: dict(classes=[f'{source}{number}' for number in range(count)])
        for source, count in CLASSES.items()
    })  # fmt: skip


def metric(**changes):
    options = dict(detector='a_instance', source='a', task='instance', metric=COCO)
    made = DetectorMetric(**options | changes)
    made.dataset_meta = sources()
    return made


def predicted(sources_of, detector='a_instance'):
    """Return samples as dicts whose predictions are the truth."""
    import mmdet.evaluation  # noqa: F401

    _, samples = task_batch(sources_of, size=64)
    found = []
    for sample in samples:
        truth = sample.gt_instances
        data = dict(sample.to_dict(), source=sample.source)
        data['instances'] = [
            dict(bbox=box.tolist(), mask=masks.encode(mask > 0), bbox_label=int(label),
                 ignore_flag=0)
            for box, mask, label in zip(truth.bboxes, truth.masks.masks, truth.labels, strict=True)
        ]  # fmt: skip
        data[f'pred_{detector}'] = dict(
            bboxes=truth.bboxes, labels=truth.labels, scores=truth.labels * 0 + 0.9,
            masks=truth.masks.to_tensor(dtype=bool, device='cpu'),
        )  # fmt: skip
        found.append(data)
    return found


def test_the_truth_scores_one_by_its_source_alone():
    made = metric()
    for sample in predicted(['b', 'a', 'a', 'b']):
        made.process(None, [sample])
    scores = made.evaluate(4)
    assert scores['a_instance/bbox_mAP'] == 1.0
    assert scores['a_instance/segm_mAP'] == 1.0


def test_it_sees_its_source_and_its_classes_once_each():
    made = metric(metric=dict(type='Recorded'))
    made.process(None, predicted(['b', 'a', 'b', 'a', 'a']))
    assert made.evaluate(5) == {'a_instance/images': 3, 'a_instance/classes': CLASSES['a']}
    made.process(None, predicted(['a']))
    assert made.evaluate(1)['a_instance/images'] == 1, 'what was before is forgotten'


def test_oriented_boxes_are_the_truth_of_oriented_detectors():
    made = metric(detector='a_oriented', task='oriented', metric=dict(type='Recorded'))
    [sample] = predicted(['a'], 'a_oriented')
    made.process(None, [sample])
    [[seen]] = made.results
    assert seen['gt_instances']['bboxes'] is sample['gt_instances']['rboxes']
    assert sample['gt_instances']['bboxes'] is not sample['gt_instances']['rboxes']


def test_without_an_image_of_its_source_there_is_no_score():
    made = metric()
    made.process(None, predicted(['b']))
    assert made.evaluate(1) == {}


def test_refuses_what_is_not_there():
    made = metric(detector='x')
    with pytest.raises(RefusedError, match=r"detector='x'\): the model has no such detector"):
        made.process(None, predicted(['a']))
    made = metric(source='c')
    with pytest.raises(RefusedError, match=r"source='c'\): the dataset has a, b; name one"):
        made.process(None, predicted(['a']))
