"""What a GPU does with logits, done on the CPU: packed, moved and unpacked they are the whole's."""

import numpy as np
import pytest
import torch
from logit_cases import SIZES, gathered, objects, slow
from sam_cases import loaded, prompts_of, results, scene

from samrs_mm.core.errors import SegmentorError
from samrs_mm.models.prompt_segmentors import sam_base
from samrs_mm.models.prompt_segmentors import scale_up as scale_up_module
from samrs_mm.models.prompt_segmentors.device_masks import DeviceMasks
from samrs_mm.models.prompt_segmentors.frame import Frame
from samrs_mm.models.prompt_segmentors.sam import SAMSegmentor
from samrs_mm.models.prompt_segmentors.scale_up import ScaledMask


@pytest.mark.parametrize('size', SIZES.values(), ids=SIZES)
def test_masks_come_off_a_device_as_they_are(size):
    rng = np.random.default_rng(0)
    frame = Frame(1024, size)
    h, w = np.array(frame.input_size) / 4
    low_res = objects(rng, 256, [(w / 2, h / 2, 9, 4), (0, 0, 5, 5), (w, h, 300, 300)])
    low_res = torch.cat([low_res, torch.full((1, 256, 256), -3.0), torch.full((1, 256, 256), 3.0)])
    queued = DeviceMasks.queue(low_res, frame, 0.0)
    assert queued.bits.shape == (5, size[1], -(-size[0] // 8))
    made = [ScaledMask(*window) for window in queued.windows()]
    assert made[3].mask.size == 0
    assert all(mask.mask.flags.f_contiguous for mask in made)
    for found, expected in zip(gathered(made, frame), slow(low_res, frame), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.fixture
def as_on_gpu(monkeypatch):
    """Let SAM go on the CPU the way that it goes on a GPU."""
    monkeypatch.setattr(SAMSegmentor, 'asynchronous', True)
    monkeypatch.setattr(
        scale_up_module, '_on_cpu', lambda *a: scale_up_module.taken(scale_up_module._queued(*a))
    )


@pytest.mark.parametrize('ahead', [0, 2**31])
def test_sam_gives_a_device_its_chunks_at_once(as_on_gpu, monkeypatch, ahead):
    image, polygons = scene(90, 70, count=7)
    prompts = prompts_of('hbox', polygons, 90, 70)
    monkeypatch.setattr(sam_base, '_BITS_AHEAD', ahead)
    monkeypatch.setattr(scale_up_module, 'PIXELS_AT_ONCE', 2 * 90 * 70)
    segmentor = loaded(chunk=3)
    encoded, predict, sizes = segmentor.encode([image])[0], segmentor._predict, []
    monkeypatch.setattr(
        segmentor, '_predict', lambda code, some: sizes.append(len(some)) or predict(code, some)
    )
    chunks = segmentor.decode(encoded, prompts)
    assert sizes == ([3, 3, 1] if ahead else [3])
    found = list(chunks)
    assert sizes == [3, 3, 1]
    monkeypatch.undo()
    expected = results(loaded(chunk=3), image, prompts)
    np.testing.assert_array_equal(np.concatenate([c.whole() for c in found]), expected[0])
    for name, values in zip(('scores', 'stability'), expected[1:], strict=True):
        np.testing.assert_array_equal(np.concatenate([getattr(c, name) for c in found]), values)


def test_what_is_no_number_is_told_when_masks_are_taken(as_on_gpu):
    image, polygons = scene(64, 64)
    segmentor = loaded()
    segmentor.model.mask_decoder.iou_token.weight.fill_(float('nan'))
    chunks = segmentor.decode(segmentor.encode([image])[0], prompts_of('hbox', polygons, 64, 64))
    with pytest.raises(SegmentorError, match='NaN'):
        next(chunks)
