import os
import resource
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sam_cases import SMALL, gathered, loaded, prompts_of, results, scene

from samrs_mm.core import masks as mask_ops
from samrs_mm.core.errors import RefusedError, SegmentorError
from samrs_mm.core.prompts import PAPER_SETTINGS, PromptBatch, PromptSetting
from samrs_mm.models.prompt_segmentors.sam import SAMSegmentor

pytest.importorskip('segment_anything', reason='segment_anything is not installed')

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize('name', ['hbox', 'cp+rbox-m'])
def test_other_chunk_sizes_change_few_pixels(name):
    image, polygons = scene(200, 256, count=20)
    prompts = prompts_of(name, polygons, 200, 256)
    reference, scores, _ = results(loaded(chunk=20), image, prompts)
    for chunk in (1, 2, 7):
        masks, other_scores, _ = results(loaded(chunk=chunk), image, prompts)
        share = (masks != reference).mean()
        assert share < 1e-4, f'chunk {chunk}: {share:.1e} of the pixels differ'
        np.testing.assert_allclose(other_scores, scores, atol=1e-4)


def test_a_pass_of_several_images_gives_each_its_own_result():
    sizes = ((128, 128), (40, 120), (120, 40), (20, 33), (400, 350))
    images = [scene(*size, seed)[0] for seed, size in enumerate(sizes)]
    single, several = loaded(), loaded(images_per_pass=3)
    alone = [single.encode([image])[0] for image in images]
    first = several.encode(images[:3])
    for one, many in zip(alone[:3], first, strict=True):
        assert many.frame == one.frame
        torch.testing.assert_close(many.features, one.features, atol=1e-4, rtol=0)
    # However many companions are left, and wherever an image stands among them.
    for batch, at in ((images[:1], 0), ([images[3], images[0]], 1), ([images[4]] * 2 + images, 2)):
        again = several.encode(batch[:3])[at].features
        assert torch.equal(again[0], first[0].features[0])


def test_masks_lie_in_memory_as_the_rle_encoder_reads_them():
    image, polygons = scene(40, 60)
    segmentor = loaded()
    encoded = segmentor.encode([image])[0]
    for chunk in segmentor.decode(encoded, prompts_of('hbox', polygons, 40, 60)):
        assert chunk.masks[0].flags.f_contiguous


def raise_beyond(monkeypatch, segmentor, limit, error):
    """Let the prompt encoder run out of memory with more than ``limit`` prompts."""
    forward, sizes = segmentor.model.prompt_encoder.forward, []

    def limited(points, boxes, masks):
        sizes.append(len(boxes))
        if len(boxes) > limit:
            raise error
        return forward(points=points, boxes=boxes, masks=masks)

    monkeypatch.setattr(segmentor.model.prompt_encoder, 'forward', limited)
    return sizes


CPU_ALLOCATOR = RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1")


@pytest.mark.parametrize(
    'error', [torch.cuda.OutOfMemoryError('CUDA out of memory'), CPU_ALLOCATOR]
)
def test_chunks_are_halved_when_memory_runs_out(error, monkeypatch):
    image, polygons = scene(64, 64)
    prompts = prompts_of('hbox', np.concatenate([polygons] * 2), 64, 64)
    expected = results(loaded(chunk=2), image, prompts)
    segmentor = loaded(chunk=10)
    sizes = raise_beyond(monkeypatch, segmentor, 2, error)
    chunks = list(segmentor.decode(segmentor.encode([image])[0], prompts))
    assert sizes == [10, 5, 2, 2, 2, 2, 2]
    np.testing.assert_array_equal(np.concatenate([c.whole() for c in chunks]), expected[0])
    np.testing.assert_array_equal(np.concatenate([c.scores for c in chunks]), expected[1])
    assert chunks[0].notes == (
        'out of memory with 10 prompts at once: went on with 5',
        'out of memory with 5 prompts at once: went on with 2',
    )


def test_no_memory_for_a_single_prompt_is_one_clear_line(monkeypatch):
    image, polygons = scene(64, 64)
    segmentor = loaded()
    raise_beyond(monkeypatch, segmentor, 0, CPU_ALLOCATOR)
    with pytest.raises(SegmentorError, match='out of memory with a single prompt'):
        results(segmentor, image, prompts_of('hbox', polygons, 64, 64))


def test_no_memory_to_encode_is_one_clear_line(monkeypatch):
    segmentor = loaded()

    def fail(batch):
        raise CPU_ALLOCATOR

    monkeypatch.setattr(segmentor.model.image_encoder, 'forward', fail)
    with pytest.raises(SegmentorError, match=r'out of memory while encoding 1 image.*smaller'):
        segmentor.encode([scene(64, 64)[0]])


def test_other_errors_pass_unchanged(monkeypatch):
    image, polygons = scene(64, 64)
    segmentor = loaded()
    raise_beyond(monkeypatch, segmentor, 0, RuntimeError('shapes cannot be multiplied'))
    with pytest.raises(RuntimeError, match='shapes cannot be multiplied'):
        results(segmentor, image, prompts_of('hbox', polygons, 64, 64))


def test_weights_that_give_nan_are_told():
    image, polygons = scene(64, 64)
    segmentor = loaded()
    segmentor.model.mask_decoder.iou_token.weight.fill_(float('nan'))
    with pytest.raises(SegmentorError, match='NaN'):
        results(segmentor, image, prompts_of('hbox', polygons, 64, 64))


def test_sam_takes_all_settings_of_the_paper_but_no_oriented_box():
    segmentor = SAMSegmentor(arch=SMALL)
    assert not any(segmentor.unsupported(PromptSetting(name)) for name in PAPER_SETTINGS)
    assert segmentor.unsupported(PromptSetting('rbox')) == 'SAM takes no oriented box'


def test_settings_are_plain_and_complete():
    segmentor = SAMSegmentor(arch=SMALL, threads=4, device='cpu')
    assert segmentor.settings == dict(
        type='SAMSegmentor',
        arch=dict(SMALL, global_attn_indexes=[1], window_size=14),
        chunk=20,
        images_per_pass=1,
        precision='fp32',
        threads=4,
        device='cpu',
        kernels='exact',
        compile=False,
    )


def test_load_fixes_what_decides_rounding():
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True
    loaded(threads=3)
    assert torch.get_num_threads() == 3
    assert not torch.backends.cuda.matmul.allow_tf32
    assert not torch.backends.cudnn.allow_tf32
    assert torch.backends.cudnn.deterministic


def test_a_checkpoint_is_loaded_and_hashed(tmp_path):
    path = tmp_path / 'small.pth'
    torch.save(loaded().model.state_dict(), path)
    arch = {key: value for key, value in SMALL.items() if key != 'seed'}
    segmentor = loaded(arch=arch, checkpoint=str(path))
    image, polygons = scene(64, 64)
    prompts = prompts_of('hbox', polygons, 64, 64)
    assert (
        segmentor.checkpoint_sha256
        == subprocess.run(['sha256sum', path], capture_output=True, text=True, check=True).stdout[
            :64
        ]
    )
    assert loaded().checkpoint_sha256 is None
    for one, other in zip(
        results(loaded(), image, prompts), results(segmentor, image, prompts), strict=True
    ):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ('options', 'expected'),
    [
        (dict(arch='vit_x', checkpoint='a.pth'), "model.arch='vit_x'; allowed: vit_h, vit_l"),
        (dict(arch=dict(embed_dim=96)), 'missing depth, num_heads'),
        (dict(arch=dict(SMALL, width=3)), 'unknown width'),
        (dict(arch=dict(SMALL, seed=None)), 'add seed=0'),
        (dict(arch=dict(SMALL, img_size=250)), 'img_size=250'),
        (dict(arch=SMALL, chunk=0), 'model.chunk=0'),
        (dict(arch=SMALL, images_per_pass=1.5), 'model.images_per_pass=1.5'),
        (dict(arch=SMALL, device='gpu'), "model.device='gpu'; allowed: cpu, cuda"),
        (dict(arch=SMALL, threads=0), 'model.threads=0'),
        (dict(arch=SMALL, precision='half'), "model.precision='half'; allowed: fp32, fp16, bf16"),
        (dict(arch=SMALL, kernels=True), 'model.kernels=True; allowed: exact, fast'),
        (dict(arch=SMALL, compile=1), 'model.compile=1; True or False'),
        (dict(arch=SMALL, unchecked='no'), "model.unchecked='no'; True or False"),
    ],
)
def test_impossible_options_are_refused(options, expected):
    with pytest.raises(RefusedError, match=expected):
        SAMSegmentor(**options)


@pytest.mark.slow
def test_two_thousand_boxes_need_no_more_memory_and_time_per_box_than_twenty():
    context = {}
    for count in (20, 2000):
        run = subprocess.run(
            [sys.executable, __file__, str(count)], cwd=ROOT, capture_output=True, text=True,
            check=True, env=os.environ | {'PYTHONPATH': f'{ROOT}:{ROOT / "tests/support"}'},
        )  # fmt: skip
        context[count] = [float(value) for value in run.stdout.split()]
        print(count, 'boxes: peak of encoding, peak (MB), s per box:', *context[count])
    encoding, peak, seconds = context[2000]
    assert peak - encoding < 1500
    assert seconds < 1.5 * context[20][2]  # equal but for what else the machine does


def measure(count):
    """Print the peak memory after one image and one prompt, after ``count``, and s per box."""
    segmentor = loaded(arch=dict(SMALL, img_size=1024), threads=4)
    image, _ = scene(1024, 1024)
    rng = np.random.default_rng(0)
    low = rng.uniform(0, 950, (count, 2))
    prompts = PromptBatch(
        PromptSetting('hbox'), boxes=np.concatenate([low, low + rng.uniform(8, 60, (count, 2))], 1)
    )
    encoded = segmentor.encode([image])[0]
    list(segmentor.decode(encoded, prompts[:1]))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    list(segmentor.decode(encoded, prompts[:20]))
    start = time.perf_counter()
    done = sum(len(chunk.masks) for chunk in segmentor.decode(encoded, prompts))
    seconds = (time.perf_counter() - start) / done
    print(before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, seconds)


if __name__ == '__main__':
    measure(int(sys.argv[1]))


@pytest.mark.parametrize('name', ['mask', 'cp+mask', 'hbox+mask', 'cp+hbox+mask'])
def test_a_mask_of_the_label_is_prompted_as_that_of_a_box_is(name):
    height, width = 48, 64
    image, polygons = scene(height, width, count=3)
    segmentor = loaded()
    encoded = segmentor.encode([image])[0]
    of_boxes = prompts_of(name.replace('mask', 'hbox-m'), polygons, height, width)
    coded = [mask_ops.encode_polygon(region, height, width) for region in of_boxes.regions]
    given = replace(of_boxes, setting=PromptSetting(name), regions=None, masks=coded)
    wanted = gathered(segmentor.decode(encoded, of_boxes))
    for found, expected in zip(gathered(segmentor.decode(encoded, given)), wanted, strict=True):
        np.testing.assert_array_equal(found, expected)
    others = [mask_ops.encode(~mask_ops.decode(rle)) for rle in coded]
    other = gathered(segmentor.decode(encoded, replace(given, masks=others)))
    assert not np.array_equal(other[1], wanted[1])
