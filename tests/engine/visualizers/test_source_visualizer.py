import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope
from mmengine.structures import PixelData
from mmseg.registry import VISUALIZERS
from mmseg.structures import SegDataSample
from mmseg.visualization import SegLocalVisualizer

from samrs_mm.engine.visualizers import SourceVisualizer

META = dict(
    classes=('a',),
    palette=[[10, 20, 30]],
    sources=dict(
        one=dict(classes=('a',), palette=[[10, 20, 30]]),
        two=dict(classes=('b', 'c'), palette=[[90, 80, 70], [200, 100, 0]]),
    ),
)


@pytest.mark.parametrize(
    ('source', 'label', 'colour'), [('two', 1, [200, 100, 0]), (None, 0, [10, 20, 30])]
)
def test_a_sample_is_drawn_in_the_colours_of_its_source(source, label, colour):
    visualizer = SourceVisualizer(alpha=1.0)
    visualizer.dataset_meta = META
    sample = SegDataSample(gt_sem_seg=PixelData(data=torch.full((1, 8, 9), label)))
    if source:
        sample.set_metainfo(dict(source=source))
    image = np.zeros((3, 8, 9), np.uint8).transpose(1, 2, 0)  # as browse_dataset.py passes it
    visualizer.add_datasample('x', image, sample, draw_pred=False, with_labels=False)
    assert (visualizer.get_image() == colour).all()
    visualizer.add_datasample('x', image, sample, draw_pred=False)
    assert visualizer.dataset_meta is META


def test_it_needs_no_name_and_is_found_as_mmsegs_own():
    with DefaultScope.overwrite_default_scope('mmseg'):  # other tests leave theirs
        nameless = VISUALIZERS.build(dict(type='SourceVisualizer'))
        made = VISUALIZERS.build(dict(type='SourceVisualizer', name='the newest'))
    assert nameless.instance_name == 'visualizer'
    assert made is SegLocalVisualizer.get_current_instance()
