import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from mobile_sam_golden import CHUNK, FILE, described, reference, sample
from sam_cases import prompts_of, scene
from sam_hq_cases import (
    SIZES,
    SMALL_TINY,
    assert_equal_to_predictor,
    enliven,
    loaded_mobile,
    own_predictions,
    without,
)

from samrs_mm.core.errors import RefusedError
from samrs_mm.core.prompts import PAPER_SETTINGS, PromptSetting
from samrs_mm.models.prompt_segmentors.mobile_sam import PUBLISHED, MobileSAMSegmentor

pytest.importorskip('segment_anything_hq', reason='segment_anything_hq is not installed')

GOLDEN = json.loads(FILE.read_text())
SIZES_ONLY = {key: value for key, value in SMALL_TINY.items() if key != 'seed'}


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    """A file as ``mobile_sam.pt``, of a small network with lively random weights."""
    path = tmp_path_factory.mktemp('weights') / 'mobile_sam.pt'
    torch.save(enliven(loaded_mobile().model).state_dict(), path)
    return str(path)


@pytest.fixture(scope='module')
def segmentor(weights):
    return loaded_mobile(SIZES_ONLY, checkpoint=weights, chunk=CHUNK)


def test_every_setting_is_among_the_kept_predictions():
    assert {*PAPER_SETTINGS} == {name for rows in GOLDEN.values() for name in rows} - {'features'}


@pytest.mark.parametrize('shape', GOLDEN)
def test_predictions_are_those_kept_of_mobile_sam(shape, segmentor):
    size, rows = SIZES[shape], dict(GOLDEN[shape])
    image, polygons = scene(*size, count=CHUNK)
    encoded = segmentor.encode([image])[0]
    np.testing.assert_allclose(sample(encoded.features[0], 24), rows.pop('features'), atol=1e-5)
    for name, kept in rows.items():
        prompts = prompts_of(name, polygons, *size)
        got = described(*own_predictions(segmentor, encoded, prompts))
        noise = rounding(segmentor, encoded, prompts, got)
        for key, bound in (('scores', 1e-4), ('logits', 1e-3), ('pixels', 2)):
            allowed = bound + 4 * noise[key]
            np.testing.assert_allclose(got[key], kept[key], rtol=0, atol=allowed, err_msg=name)


def rounding(segmentor, encoded, prompts, got):
    """How far predictions go where features change by a millionth, as from processor to processor.

    The lively weights make a hundredth of a logit of that.
    """
    found = {key: 0.0 for key in got}
    for seed in range(3):
        rng = torch.Generator().manual_seed(seed)
        features = tuple(
            each * (1 + 1e-6 * torch.randn(each.shape, generator=rng)) for each in encoded.features
        )
        masks = own_predictions(segmentor, replace(encoded, features=features), prompts)
        for key, values in described(*masks).items():
            found[key] = max(found[key], float(np.abs(np.subtract(values, got[key])).max()))
    assert found['scores'] < 0.01, 'with this much rounding, nothing is compared'
    return found


def test_fast_kernels_change_rounding_only():
    image, polygons = scene(*SIZES['wide'], count=CHUNK)
    prompts = prompts_of('hbox', polygons, *SIZES['wide'])
    made = []
    for kernels in ('exact', 'fast'):
        segmentor = loaded_mobile(kernels=kernels)
        made.append(own_predictions(segmentor, segmentor.encode([image])[0], prompts)[1:])
    for theirs, ours in zip(*made, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
        assert (ours != theirs).any(), 'the same code'


@pytest.mark.slow
@pytest.mark.parametrize('shape', SIZES)
def test_all_equals_mobile_sam_bit_for_bit(shape, segmentor):
    pytest.importorskip('mobile_sam', reason='mobile_sam is not installed')
    compared = dict(
        assert_equal_to_predictor(segmentor, reference(), SIZES[shape], PAPER_SETTINGS, CHUNK)
    )
    assert tuple(compared) == PAPER_SETTINGS


def test_the_published_network_has_its_keys_and_shapes():
    mobile_sam = pytest.importorskip('mobile_sam', reason='mobile_sam is not installed')
    theirs = mobile_sam.sam_model_registry['vit_t']().state_dict()
    ours = loaded_mobile(dict(PUBLISHED['vit_t'].sizes, seed=0)).model.state_dict()
    assert {key: value.shape for key, value in ours.items()} == {
        key: value.shape for key, value in theirs.items()
    }


def test_it_takes_all_settings_of_the_paper_but_no_oriented_box():
    segmentor = MobileSAMSegmentor(arch=SMALL_TINY)
    assert not any(segmentor.unsupported(PromptSetting(name)) for name in PAPER_SETTINGS)
    assert segmentor.unsupported(PromptSetting('rbox')) == 'MobileSAM takes no oriented box'


def test_settings_are_plain():
    segmentor = MobileSAMSegmentor(arch=SMALL_TINY, device='cpu')
    assert json.loads(json.dumps(segmentor.settings)) == segmentor.settings
    assert segmentor.settings['type'] == 'MobileSAMSegmentor'
    assert segmentor.settings['arch'] == SMALL_TINY


def test_weights_are_missed_with_their_source(tmp_path):
    advice = PUBLISHED['vit_t'].advice
    assert '40,728,226 bytes' in advice
    with pytest.raises(RefusedError) as info:
        MobileSAMSegmentor()
    cure = f'{advice}, and pass its path, such as checkpoints/mobile_sam.pt, as checkpoint'
    assert f"model.arch='vit_t' without weights: {cure}" in str(info.value)
    with pytest.raises(RefusedError) as info:
        loaded_mobile('vit_t', checkpoint=str(tmp_path / 'no.pt'))
    assert f'{tmp_path / "no.pt"}: no such file; {advice} to that place' in str(info.value)


def test_weights_of_other_sizes_are_refused(weights):
    with pytest.raises(RefusedError) as info:
        loaded_mobile('vit_t', checkpoint=weights)
    assert (
        'holds a MobileSAM of embed_dims=[8, 16, 32, 320], depths=[1, 1, 1, 1], num_heads=[1, 2, '
        '4], window_sizes=[7, 14, 7], not vit_t; set model.arch' in str(info.value)
    )


@pytest.mark.parametrize('package', ['segment_anything', 'segment_anything_hq'])
def test_a_missing_package_is_named_with_its_installation(package, monkeypatch):
    without(monkeypatch, package)
    with pytest.raises(RefusedError) as info:
        loaded_mobile()
    assert str(info.value).startswith(f'MobileSAMSegmentor needs {package} ')
    assert f'pip install {package.replace("_", "-")}==' in str(info.value)
