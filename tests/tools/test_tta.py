"""Test-time augmentation of the fine-tuning configs, against the same done by hand."""

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from backbone_cases import perturb
from folders import ROOT, load_tool
from label_cases import assert_best_class
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmseg.registry import DATASETS, MODELS
from mmseg.utils import register_all_modules
from PIL import Image
from tile_folders import write_tiles

SIDE, CROP, STRIDE = 96, 64, 43
SCALES = (1.0, 0.75, 1.25, 1.5, 1.75, 2.0)


@pytest.fixture(scope='module')
def config(tmp_path_factory):
    """Tiles larger than the window, and a small network."""
    root = tmp_path_factory.mktemp('tta')
    write_tiles(root / 'test', 'potsdam', ['a'], size=SIDE, side=SIDE)
    register_all_modules(init_default_scope=True)
    config = Config.fromfile(ROOT / 'configs/potsdam/unet_resnet50_imp_potsdam.py')
    config.test_dataloader.dataset.data_root = str(root / 'test')
    config.model.backbone.update(depth=18, base_channels=4, init_cfg=None)
    config.model.decode_head.update(in_channels=[4, 8, 16, 32], decoder_channels=(16, 8, 8, 8))
    config.model.test_cfg.update(crop_size=(CROP, CROP), stride=(STRIDE, STRIDE))
    return config


def seen(image, scale, flip):
    """Return one view ``(1, 3, H, W)``, normalised, and the size before padding."""
    height, width = (int(side * scale + 0.5) for side in image.shape[:2])
    view = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    view = (view[:, ::-1] if flip else view)[..., ::-1].astype(np.float64)  # BGR to RGB
    view = (view - (123.675, 116.28, 103.53)) / (58.395, 57.12, 57.375)
    below, right = -height % 32, -width % 32
    padded = np.pad(view, ((0, below), (0, right), (0, 0)))
    return torch.from_numpy(padded.transpose(2, 0, 1)[None].copy()), (height, width)


def by_windows(model, view):
    """Average the logits of windows; the last ones are shifted back to the border."""
    height, width = view.shape[-2:]
    total, times = torch.zeros(1, 5, height, width).double(), torch.zeros(height, width)
    tops, lefts = (
        sorted({min(start, side - CROP) for start in range(0, side - CROP + STRIDE, STRIDE)})
        if side > CROP
        else [0]
        for side in (height, width)
    )
    for top in tops:
        for left in lefts:
            rows, columns = slice(top, top + CROP), slice(left, left + CROP)
            window = view[..., rows, columns]
            logits = model.decode_head(model.extract_feat(window))
            size = window.shape[-2:]
            logits = F.interpolate(logits, size=size, mode='bilinear', align_corners=False)
            total[..., rows, columns] += logits
            times[rows, columns] += 1
    return total / times


def by_hand(model, image, scales):
    """Return ``(5, H, W)``: the mean over views of their softmax at the image's size."""
    views = []
    for scale in scales:
        for flip in (False, True):
            view, (height, width) = seen(image, scale, flip)
            logits = by_windows(model, view)[..., :height, :width]
            logits = logits.flip(-1) if flip else logits
            logits = F.interpolate(
                logits, size=image.shape[:2], mode='bilinear', align_corners=False
            )
            views.append(logits.softmax(1)[0])
    return torch.stack(views).mean(0)


@pytest.mark.parametrize(('name', 'scales'), [('', (1.0,)), ('multi_scale', SCALES)])
@torch.no_grad()
def test_it_is_the_mean_of_the_views(config, name, scales):
    config = config.copy()
    load_tool('test').use_tta(config, 'config.py', name)
    dataset = DATASETS.build(config.test_dataloader.dataset)
    torch.manual_seed(0)
    tta = MODELS.build(config.model).double().eval()
    perturb(tta, std=0.1)
    batch = pseudo_collate([dataset[0]])
    assert len(batch['inputs']) == 2 * len(scales)
    inputs = [[image.double() for image in view] for view in batch['inputs']]
    [result] = tta.test_step(batch | dict(inputs=inputs))

    path = result.img_path
    expected = by_hand(tta.module, cv2.imread(path), scales)
    [predicted] = result.pred_sem_seg.data
    assert predicted.shape == (SIDE, SIDE)
    assert_best_class(predicted, expected)  # mmsegmentation normalises in float32
    once = by_windows(tta.module, seen(cv2.imread(path), 1.0, False)[0])[..., :SIDE, :SIDE]
    assert (once[0].argmax(0) != predicted).any(), 'a single view predicts something else'
    label = np.asarray(Image.open(path.replace('images', 'labels')))
    np.testing.assert_array_equal(result.gt_sem_seg.data[0], label)
