import logging
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from samrs_mm.drawing.overlays import beside
from samrs_mm.engine.hooks import PredictionPictureHook


def sample(name: str, source: str, labelled: bool = True) -> SegDataSample:
    result = SegDataSample(metainfo=dict(img_path=f'images/{name}.png', source=source))
    result.pred_sem_seg = PixelData(data=torch.tensor([[[0, 1], [1, 1]]]))
    if labelled:
        result.gt_sem_seg = PixelData(data=torch.tensor([[[0, 255], [1, 0]]]))
    return result


def test_the_first_samples_of_each_source_are_drawn(tmp_path):
    runner = SimpleNamespace(work_dir=str(tmp_path))
    bgr = torch.arange(12, dtype=torch.uint8).reshape(3, 2, 2)
    samples = [sample('a', 'sota'), sample('b', 'sota'), sample('c', 'fast', labelled=False)]
    hook = PredictionPictureHook(per_source=1)
    for _ in range(2):
        hook.before_val_epoch(runner)
        hook.after_val_iter(runner, 0, dict(inputs=[bgr] * 3), samples)
    drawn = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob('*.png')}
    assert drawn == {'pictures/sota/a.png', 'pictures/fast/c.png'}
    picture = cv2.imread(str(tmp_path / 'pictures/sota/a.png'))[..., ::-1]
    rgb = np.ascontiguousarray(bgr.numpy()[::-1].transpose(1, 2, 0))
    labels, prediction = np.array([[0, 255], [1, 0]]), np.array([[0, 1], [1, 1]])
    np.testing.assert_array_equal(picture, beside(rgb, labels, prediction))
    assert cv2.imread(str(tmp_path / 'pictures/fast/c.png')).shape == (2, 4, 3)


def test_the_first_view_is_drawn_under_test_time_augmentation(tmp_path):
    views = [[torch.full((3, 2, 2), value, dtype=torch.uint8)] * 2 for value in (10, 200)]
    hook = PredictionPictureHook(per_source=2)
    samples = [sample('a', 'sota', labelled=False), sample('b', 'sota', labelled=False)]
    hook.after_test_iter(SimpleNamespace(work_dir=str(tmp_path)), 0, dict(inputs=views), samples)
    for name in 'ab':
        assert (cv2.imread(str(tmp_path / f'pictures/sota/{name}.png'))[:, :2] == 10).all()


@pytest.mark.parametrize('bands', [1, 2, 3, 4, 13])
@pytest.mark.parametrize('dtype', [torch.uint8, torch.float32, torch.int16])
def test_images_of_any_bands_and_type_are_drawn(tmp_path, bands, dtype):
    inputs = torch.arange(bands * 4).reshape(bands, 2, 2).to(dtype)
    if dtype is torch.float32:
        inputs[0, 0, 0] = float('nan')
    runner = SimpleNamespace(work_dir=str(tmp_path))
    PredictionPictureHook().after_val_iter(runner, 0, dict(inputs=[inputs]), [sample('a', 's')])
    picture = cv2.imread(str(tmp_path / 'pictures/s/a.png'))[..., ::-1]
    assert picture.shape == (2, 6, 3)
    if dtype is torch.uint8 and bands > 3:
        np.testing.assert_array_equal(picture[:, :2], inputs[:3].numpy().transpose(1, 2, 0))


def test_a_picture_never_ends_a_run(tmp_path, caplog):
    (tmp_path / 'pictures').write_text('no folder')
    runner = SimpleNamespace(work_dir=str(tmp_path), logger=logging.getLogger('run'))
    hook, bgr = PredictionPictureHook(), torch.zeros((3, 2, 2), dtype=torch.uint8)
    for _ in range(2):
        hook.after_val_iter(runner, 0, dict(inputs=[bgr]), [sample('a', 's')])
    assert [record.levelname for record in caplog.records] == ['WARNING']
    assert 'no picture of a prediction: ' in caplog.text
    assert str(tmp_path / 'pictures') in caplog.text
