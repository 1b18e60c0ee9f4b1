"""Images to predict, and what mmsegmentation itself predicts."""

import numpy as np
import torch
from PIL import Image
from rasterio.transform import from_origin
from scene_cases import build

SIZE = 70, 90
PLACE = dict(crs='EPSG:32633', transform=from_origin(366_000.5, 5_808_000, 0.05, 0.05))


def expected(pixels, **options):
    """The probabilities of a whole image by mmsegmentation's own way."""
    model = build(**options).float()
    inputs = torch.from_numpy(pixels[..., ::-1].transpose(2, 0, 1).copy())
    with torch.no_grad():
        size = pixels.shape[:2]
        data = model.data_preprocessor(dict(inputs=[inputs], data_samples=[_sample(size)]))
        (result,) = model.predict(**data)
    return result.seg_logits.data.softmax(0).numpy()


def _sample(size):
    from mmseg.structures import SegDataSample

    return SegDataSample(metainfo=dict(ori_shape=size, img_shape=size, pad_shape=size))


def labels_of(path):
    image = Image.open(path)
    assert image.mode == 'L'
    return np.asarray(image)
