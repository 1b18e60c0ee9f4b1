import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw
from sam_cases import SIZES, as_published, gathered, in_chunks, loaded, prompts_of, scene

from samrs_mm.core.prompts import PAPER_SETTINGS, mask_prompt

sam_package = pytest.importorskip('segment_anything', reason='segment_anything is not installed')

DEVICES = [
    'cpu',
    pytest.param(
        'cuda',
        marks=[
            pytest.mark.gpu,
            pytest.mark.skipif(not torch.cuda.is_available(), reason='no CUDA device'),
        ],
    ),
]


def one_by_one(predictor, prompts, height, width):
    """``SamPredictor.predict``, as its notebook calls it: a prompt at a time."""
    side = predictor.model.image_encoder.img_size
    masks, scores = [], []
    for i in range(len(prompts)):
        point, box, region = prompts.points, prompts.boxes, prompts.regions
        mask, score, _ = predictor.predict(
            point_coords=None if point is None else point[i : i + 1],
            point_labels=None if point is None else np.array([1]),
            box=None if box is None else box[i],
            mask_input=None
            if region is None
            else mask_prompt(region[i], height, width, side)[None],
            multimask_output=False,
        )
        masks.append(mask[0])
        scores.append(score[0])
    return np.array(masks), np.array(scores)


def assert_like_predictor(segmentor, predictor, size, chunk, names=PAPER_SETTINGS):
    """Compare every setting on one image; return how much of the image each mask covers."""
    height, width = size
    image, polygons = scene(height, width, count=3)
    encoded = segmentor.encode([image])[0]
    predictor.set_image(image)
    assert torch.equal(encoded.features[0], predictor.features)
    segmentor.chunk = chunk
    for name in names:
        prompts = prompts_of(name, polygons, height, width)
        masks, scores, stability = gathered(segmentor.decode(encoded, prompts))
        if chunk == 1:
            expected, expected_scores = one_by_one(predictor, prompts, height, width)
        else:
            expected, expected_scores = in_chunks(predictor, prompts, height, width, chunk)
        assert masks.dtype == bool
        assert masks.shape == (len(prompts), height, width)
        np.testing.assert_array_equal(masks, expected, name)
        np.testing.assert_allclose(scores, expected_scores, atol=1e-5, rtol=0, err_msg=name)
        assert ((stability >= 0) & (stability <= 1)).all()
        yield name, masks


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('chunk', [1, 2])
@pytest.mark.parametrize('size', SIZES.values(), ids=SIZES)
def test_masks_and_scores_equal_sam_predictor(size, chunk, device):
    segmentor = loaded(device)
    predictor = sam_package.SamPredictor(as_published(segmentor.model))
    compared = dict(assert_like_predictor(segmentor, predictor, size, chunk))
    assert tuple(compared) == PAPER_SETTINGS
    for name, masks in compared.items():
        filled = masks.mean(axis=(1, 2))
        assert ((filled > 0.01) & (filled < 0.99)).all(), f'{name}: trivial masks: {filled}'
        assert len({mask.tobytes() for mask in masks}) > 1, f'{name}: equal masks'


@pytest.fixture(scope='module')
def vit_b(tmp_path_factory):
    """A checkpoint of ViT-B's size, with random weights."""
    path = tmp_path_factory.mktemp('weights') / 'vit_b.pth'
    torch.manual_seed(0)
    torch.save(sam_package.sam_model_registry['vit_b']().state_dict(), path)
    return str(path)


@pytest.mark.slow
def test_a_vit_b_equals_sam_predictor(vit_b):
    segmentor = loaded(arch='vit_b', checkpoint=vit_b, threads=1)
    reference = sam_package.SamPredictor(sam_package.sam_model_registry['vit_b'](vit_b))
    for size in ((640, 640), (300, 1000), (1000, 300), (20, 33), (1300, 1500)):
        for name, masks in assert_like_predictor(segmentor, reference, size, chunk=3):
            filled = masks.mean(axis=(1, 2))
            assert ((filled > 0.01) & (filled < 0.99)).all(), f'{name}: {filled}'


def test_mask_prompt_equals_one_made_with_torch_and_pillow():
    height, width, side = 300, 421, 1024
    polygon = np.array([[60.0, 40], [300, 80], [280, 200], [50, 170]])
    drawn = Image.new('L', (width, height))
    ImageDraw.Draw(drawn).polygon([tuple(p) for p in polygon], fill=1)
    scores = torch.tensor(np.asarray(drawn)).float()[None, None] * 2000 - 1000
    scale = side / width
    size = int(height * scale + 0.5), side
    scores = F.interpolate(scores, size, mode='bilinear', align_corners=False)
    scores = F.pad(scores, (0, 0, 0, side - size[0]), value=-1000.0)
    scores = F.interpolate(scores, (side // 4,) * 2, mode='bilinear', align_corners=False)[0, 0]
    ours = mask_prompt(polygon, height, width, side)
    assert ours.dtype == np.float32
    assert ours.shape == (256, 256)
    different = np.sign(ours) != np.sign(scores.numpy())
    # Pillow draws the border pixels, COCO's rule halves them: one low-resolution pixel around.
    assert different.sum() <= 2 * np.abs(polygon - np.roll(polygon, 1, 0)).sum() * 256 / width
    inner = ours == 1000
    assert (scores.numpy()[inner] == 1000).mean() > 0.99
    assert ours[-1].max() == -1000
