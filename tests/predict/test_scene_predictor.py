import numpy as np
import pytest
import torch
from label_cases import assert_best_class
from mask2former_cases import IN_CHANNELS, head_config
from mmengine.config import ConfigDict
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from PIL import Image
from scene_cases import CLASSES, build, scene
from segmentor_cases import CLASSES as HEADS
from segmentor_cases import small_model

from samrs_mm.core.errors import RefusedError, SamrsError
from samrs_mm.core.images import SceneImage
from samrs_mm.predict.scene_blends import STEPS, AverageBlend, CentreBlend
from samrs_mm.predict.scene_predictor import ScenePredictor
from samrs_mm.predict.window_model import WindowModel

NORMALISE = dict(type='SegDataPreProcessor', mean=[120.0] * 3, std=[60.0] * 3, bgr_to_rgb=True)


@pytest.fixture
def open_scene(tmp_path):
    def make(pixels):
        Image.fromarray(pixels).save(tmp_path / 'scene.png')
        return SceneImage(tmp_path / 'scene.png')

    return make


@pytest.fixture
def raw_scores(monkeypatch):
    """Return the scores ``(K, H, W)`` that a predictor makes of a scene, as they are blended."""

    def run(predictor, image, **options):
        found = np.full((predictor.model.num_classes, image.height, image.width), np.nan)

        def keep(self, strip, columns, scores):
            rows = slice(strip.top, strip.top + len(strip.labels))
            assert np.isnan(found[:, rows, columns]).all(), 'no pixel twice'
            found[:, rows, columns] = scores

        with monkeypatch.context() as patch:
            for blend in (CentreBlend, AverageBlend):
                patch.setattr(blend, '_fill', keep)
            list(predictor.strips(image, **options))
        return found

    return run


def sample_of(pixels):
    """What a pipeline makes of an image."""
    size = pixels.shape[:2]
    bgr = torch.from_numpy(pixels[..., ::-1].transpose(2, 0, 1).copy())
    sample = SegDataSample(metainfo=dict(ori_shape=size, img_shape=size, pad_shape=size))
    return dict(inputs=[bgr], data_samples=[sample])


def reference(model, pixels):
    """The logits that mmsegmentation gives for an image, as ``tools/test.py`` runs it."""
    with torch.no_grad():
        (result,) = model.test_step(sample_of(pixels))
    return result.seg_logits.data.numpy()


def whole(predictor, image, **options):
    """Put strips together; they come in order and leave no gap."""
    strips = list(predictor.strips(image, **options))
    tops = np.cumsum([0, *(len(strip.labels) for strip in strips)])
    assert [strip.top for strip in strips] == tops[:-1].tolist()
    assert tops[-1] == image.height
    shares = None
    if strips[0].probabilities is not None:
        shares = np.concatenate([strip.probabilities for strip in strips], axis=1)
    return np.concatenate([strip.labels for strip in strips]), shares


SIZES = [((97, 131), 1), ((48, 200), 3), ((33, 20), 1), ((161, 96), 4)]


@pytest.mark.parametrize(('size', 'batch'), SIZES)
def test_no_seams_where_the_network_sees_no_further_than_half_the_overlap(
    open_scene, raw_scores, size, batch
):
    pixels = scene(*size)
    model = build(layers=6)
    predictor = ScenePredictor(WindowModel(model), (48, 40), (36, 28), batch=batch)
    expected = reference(model, pixels)
    found = raw_scores(predictor, open_scene(pixels))
    np.testing.assert_allclose(found, expected, atol=1e-6)
    labels, _ = whole(predictor, open_scene(pixels))
    assert_best_class(labels, expected)


def test_seams_where_it_sees_one_pixel_further(open_scene, raw_scores):
    pixels, model = scene(97, 131), build(layers=7)
    predictor = ScenePredictor(WindowModel(model), (48, 40), (36, 28))
    wrong = np.abs(raw_scores(predictor, open_scene(pixels)) - reference(model, pixels)).max(0)
    assert wrong.max() > 1e-4
    assert wrong[:24, :20].max() < 1e-6, 'far from any seam'


@pytest.mark.parametrize(('stride', 'exact'), [(32, True), (30, False)])
def test_no_seams_with_a_network_that_reduces(open_scene, raw_scores, stride, exact):
    """It averages 4 x 4 px, so windows have to begin at multiples of 4."""
    pixels, model = scene(130, 150), build(layers=1, stride=4)
    predictor = ScenePredictor(WindowModel(model), (64, 64), (stride, stride))
    found = raw_scores(predictor, open_scene(pixels))
    assert (np.abs(found - reference(model, pixels)).max() < 1e-6) == exact


@pytest.mark.parametrize(('size', 'batch'), SIZES)
def test_average_is_mmsegmentations_slide_inference(open_scene, raw_scores, size, batch):
    pixels = scene(*size, seed=1)
    slide = dict(crop_size=(48, 40), stride=(31, 23))
    model = build(layers=5, stride=4, divisor=32, slide=slide)
    predictor = ScenePredictor(WindowModel(model), (48, 40), (31, 23), 'average', batch)
    expected = reference(model, pixels)
    np.testing.assert_allclose(raw_scores(predictor, open_scene(pixels)), expected, atol=1e-6)
    labels, shares = whole(predictor, open_scene(pixels), probabilities=True)
    assert_best_class(labels, expected)
    expected = torch.from_numpy(expected).softmax(0).numpy()
    np.testing.assert_allclose(shares / STEPS, expected, atol=0.5 / STEPS + 1e-5)


@pytest.mark.parametrize('blend', ['centre', 'average'])
def test_a_window_larger_than_the_scene_is_the_scene(open_scene, raw_scores, blend):
    pixels, model = scene(50, 70), build(layers=3, stride=4, divisor=32)
    predictor = ScenePredictor(WindowModel(model), (512, 512), (342, 342), blend)
    found = raw_scores(predictor, open_scene(pixels))
    np.testing.assert_allclose(found, reference(model, pixels), atol=1e-6)
    assert predictor.count(50, 70) == 1


def test_padding_to_a_fixed_size(open_scene, raw_scores):
    pixels, model = scene(50, 70), build(layers=3)
    model.data_preprocessor.test_cfg = dict(size=(96, 96))
    slide = dict(mode='slide', crop_size=(32, 32), stride=(20, 20))
    model.test_cfg = ConfigDict(slide)
    predictor = ScenePredictor(WindowModel(model), (32, 32), (20, 20), 'average')
    expected = reference(model, pixels)
    np.testing.assert_allclose(raw_scores(predictor, open_scene(pixels)), expected, atol=1e-6)


def test_flip_averages_probabilities(open_scene, raw_scores):
    pixels, model = scene(58, 43), build(layers=4)
    predictor = ScenePredictor(WindowModel(model, flip=True), (64, 64), (40, 40))
    logits = [reference(model, pixels), reference(model, pixels[:, ::-1])[..., ::-1].copy()]
    expected = sum(torch.from_numpy(part).softmax(0) for part in logits).numpy() / 2
    np.testing.assert_allclose(raw_scores(predictor, open_scene(pixels)), expected, atol=1e-6)
    labels, shares = whole(predictor, open_scene(pixels), probabilities=True)
    assert_best_class(labels, expected)
    np.testing.assert_allclose(shares / STEPS, expected, atol=0.5 / STEPS + 1e-5)


@pytest.mark.parametrize('source', HEADS)
def test_a_source_picks_its_head(open_scene, source):
    model = small_model(data_preprocessor=NORMALISE).float()
    pixels = scene(64, 96)
    data = sample_of(pixels)
    data['data_samples'][0].set_metainfo(dict(source=source))
    predictor = ScenePredictor(WindowModel(model, source), (128, 128), (96, 96))
    labels, shares = whole(predictor, open_scene(pixels), probabilities=True)
    assert len(shares) == HEADS[source]
    with torch.no_grad():
        (result,) = model.test_step(data)
    assert_best_class(labels, result.seg_logits.data)


@pytest.mark.parametrize('heads', [None, dict(city=dict(num_classes=4), coast=dict(num_classes=3))])
def test_mask2former(open_scene, heads):
    pytest.importorskip('mmcv.ops')
    config = dict(
        type='MultiHeadMask2Former' if heads else 'EncoderDecoder',
        data_preprocessor=NORMALISE,
        backbone=dict(type='ResNet', depth=18, base_channels=8),
        decode_head=head_config() if heads else head_config(num_classes=4),
        test_cfg=dict(mode='whole'),
        **(dict(heads=heads) if heads else {}),
    )
    assert IN_CHANNELS == [8, 16, 32, 64]
    build()  # registers
    model = MODELS.build(ConfigDict(config)).eval()
    pixels = scene(64, 64)
    data = sample_of(pixels)
    data['data_samples'][0].set_metainfo(dict(source='city'))
    predictor = ScenePredictor(
        WindowModel(model, 'city' if heads else None), (64, 64), (32, 32), 'average'
    )
    labels, shares = whole(predictor, open_scene(pixels), probabilities=True)
    with torch.no_grad():
        (result,) = model.test_step(data)
    scores = result.seg_logits.data.numpy()
    assert_best_class(labels, scores)
    np.testing.assert_allclose(shares / STEPS, scores / scores.sum(0), atol=0.5 / STEPS + 1e-5)


@pytest.mark.parametrize('blend', ['centre', 'average'])
def test_windows_of_nothing_are_not_seen(open_scene, raw_scores, blend, monkeypatch):
    pixels, model = scene(100, 100), build()
    seen, ticks = [], []
    original = model.encode_decode
    monkeypatch.setattr(
        model, 'encode_decode', lambda x, metas: seen.append(len(x)) or original(x, metas)
    )
    predictor = ScenePredictor(WindowModel(model), (40, 40), (30, 30), blend, batch=2)
    labels, _ = whole(
        predictor,
        open_scene(pixels),
        is_valid=lambda x, y, width, height: x + width > 60,
        tick=ticks.append,
    )
    assert sum(seen) == 6
    assert sum(ticks) == predictor.count(100, 100) == 9
    expected = raw_scores(predictor, open_scene(pixels))
    assert_best_class(labels[:, 60:], expected[..., 60:])


def test_probabilities_are_left_out_unless_wanted(open_scene):
    predictor = ScenePredictor(WindowModel(build()), (40, 40), (30, 30))
    assert all(strip.probabilities is None for strip in predictor.strips(open_scene(scene(50, 50))))


def test_what_can_not_be_is_refused():
    model, heads = build(), small_model()
    for source, message in ((None, 'several heads; choose a source from sota, sior, fast'),
                            ('city', 'source city: no head; choose')):  # fmt: skip
        with pytest.raises(RefusedError, match=message):
            WindowModel(heads, source)
    with pytest.raises(RefusedError, match='source city: this model has one head'):
        WindowModel(model, 'city')
    with pytest.raises(RefusedError, match=r'stride 65: it must be in 1\.\.64'):
        ScenePredictor(WindowModel(model), (64, 64), (65, 65))
    model.out_channels = 1
    with pytest.raises(RefusedError, match='a single channel is not supported'):
        WindowModel(model)
    model.out_channels = 256
    with pytest.raises(RefusedError, match='at most 255'):
        WindowModel(model)
    assert WindowModel(build()).num_classes == len(CLASSES)


def test_too_little_gpu_memory_is_told_in_one_line(open_scene, monkeypatch):
    model = build()

    def full(*_):
        raise torch.cuda.OutOfMemoryError('no memory')

    monkeypatch.setattr(model, 'encode_decode', full)
    predictor = ScenePredictor(WindowModel(model), (40, 40), (30, 30), batch=2)
    with pytest.raises(SamrsError, match=r'2 windows of 40 x 40 px.*--batch'):
        list(predictor.strips(open_scene(scene(100, 100))))


@pytest.mark.parametrize('bands', [1, 2, 4])
@pytest.mark.parametrize('normalised', [True, False])
def test_networks_of_other_bands_are_refused(bands, normalised):
    model = small_model()
    if normalised:
        model.data_preprocessor.mean = torch.zeros(bands, 1, 1)
    if bands == 1 or not normalised:
        stem = next(each for each in model.backbone.modules() if isinstance(each, torch.nn.Conv2d))
        stem.in_channels = bands
    with pytest.raises(RefusedError, match=f'the network takes images of {bands} band') as error:
        WindowModel(model)
    assert '\n' not in str(error.value)
