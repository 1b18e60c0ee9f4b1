import importlib
import os
import pickle
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw

from samrs_mm.annotation import boxes as box_ops
from samrs_mm.annotation.errors import RefusedError, SegmentorError
from samrs_mm.annotation.prompts import PAPER_SETTINGS, PromptBatch, PromptSetting, mask_prompt
from samrs_mm.models.prompt_segmentors import sam as sam_module
from samrs_mm.models.prompt_segmentors import sam_weights
from samrs_mm.models.prompt_segmentors.sam import SAMSegmentor

sam_package = pytest.importorskip('segment_anything', reason='segment_anything is not installed')

ROOT = Path(__file__).resolve().parents[3]
SMALL = dict(embed_dim=96, depth=2, num_heads=3, global_attn_indexes=(1,), img_size=128, seed=3)
SIZES = {
    'square': (128, 128),
    'wide': (40, 120),
    'tall': (120, 40),
    'tiny': (20, 33),
    'larger than the model': (400, 350),
}
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


@pytest.fixture(autouse=True)
def restore_threads():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def loaded(device='cpu', **options):
    segmentor = SAMSegmentor(**dict(arch=SMALL, threads=1, device=device) | options)
    segmentor.load()
    return segmentor


def scene(height, width, seed=0, count=5):
    """A noisy picture with bright slanted boxes, and the boxes' corners ``(count, 4, 2)``."""
    rng = np.random.default_rng(seed)
    image = Image.fromarray(rng.integers(20, 90, (height, width, 3), dtype=np.uint8))
    polygons = []
    for _ in range(count):
        centre = rng.uniform((0, 0), (width, height))
        half = rng.uniform(0.1, 0.3, 2) * min(height, width)
        angle = rng.uniform(0, np.pi)
        axes = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        polygon = centre + np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half @ axes
        ImageDraw.Draw(image).polygon([tuple(p) for p in polygon], tuple(rng.integers(120, 255, 3)))
        polygons.append(polygon)
    return np.asarray(image), np.array(polygons)


def prompts_of(name, polygons, height, width):
    setting = PromptSetting.parse(name)
    hulls = box_ops.hull(polygons)
    regions = None
    if setting.mask:
        regions = polygons if setting.mask == 'rbox' else box_ops.corners(hulls)
    return PromptBatch(
        setting,
        boxes=box_ops.clip(hulls, width, height) if setting.box else None,
        points=polygons.mean(axis=1) if setting.point else None,
        regions=regions,
    )


def gathered(chunks):
    """Return masks, scores and stability of all chunks."""
    parts = zip(*((chunk.masks, chunk.scores, chunk.stability) for chunk in chunks), strict=True)
    return tuple(np.concatenate(part) for part in parts)


def results(segmentor, image, prompts):
    return gathered(segmentor.decode(segmentor.encode([image])[0], prompts))


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


def in_chunks(predictor, prompts, height, width, size):
    """``SamPredictor.predict_torch``, as its notebook calls it: prompts in batches."""
    side = predictor.model.image_encoder.img_size
    device, to = predictor.device, predictor.transform
    masks, scores = [], []
    for start in range(0, len(prompts), size):
        part = prompts[start : start + size]
        points = labels = boxes = regions = None
        if part.points is not None:
            scaled = to.apply_coords(part.points[:, None], (height, width))
            points = torch.as_tensor(scaled, device=device).float()
            labels = torch.ones(len(part), 1, device=device)
        if part.boxes is not None:
            scaled = to.apply_boxes(part.boxes, (height, width))
            boxes = torch.as_tensor(scaled, device=device).float()
        if part.regions is not None:
            regions = [mask_prompt(region, height, width, side) for region in part.regions]
            regions = torch.as_tensor(np.array(regions), device=device)[:, None]
        mask, score, _ = predictor.predict_torch(points, labels, boxes, regions, False)
        masks.append(mask[:, 0].cpu().numpy())
        scores.append(score[:, 0].cpu().numpy())
    return np.concatenate(masks), np.concatenate(scores)


def assert_like_predictor(segmentor, predictor, size, chunk, names=PAPER_SETTINGS):
    """Compare every setting on one image; return how much of the image each mask covers."""
    height, width = size
    image, polygons = scene(height, width, count=3)
    encoded = segmentor.encode([image])[0]
    predictor.set_image(image)
    assert torch.equal(encoded.features, predictor.features)
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
    predictor = sam_package.SamPredictor(segmentor.model)
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
    segmentor = loaded(arch='vit_b', checkpoint=vit_b, threads=4)
    reference = sam_package.SamPredictor(sam_package.sam_model_registry['vit_b'](vit_b))
    for size in ((640, 640), (300, 1000), (1000, 300), (20, 33), (1300, 1500)):
        for chunk in (1, 2):
            for name, masks in assert_like_predictor(segmentor, reference, size, chunk):
                filled = masks.mean(axis=(1, 2))
                print('vit_b', size, chunk, name, np.round(filled, 3))
                assert ((filled > 0.001) & (filled < 0.999)).any(), f'{name}: {filled}'


def test_sizes_build_the_models_that_segment_anything_builds():
    sizes = dict(SMALL, img_size=1024)
    ours, _ = sam_weights.build_sam(sam_weights.check_arch(sizes, None), None)
    torch.manual_seed(SMALL['seed'])
    build = importlib.import_module('segment_anything.build_sam')._build_sam
    theirs = build(96, 2, 3, [1])
    assert str(ours) == str(theirs)
    for key, value in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[key], value, rtol=0, atol=0)


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
    images = [scene(*size, seed)[0] for seed, size in enumerate(SIZES.values())]
    single, several = loaded(), loaded(images_per_pass=3)
    alone = [single.encode([image])[0] for image in images]
    first = several.encode(images[:3])
    for one, many in zip(alone[:3], first, strict=True):
        assert many.original_size == one.original_size
        assert many.input_size == one.input_size
        torch.testing.assert_close(many.features, one.features, atol=1e-4, rtol=0)
    # However many companions are left, and wherever an image stands among them.
    for batch, at in ((images[:1], 0), ([images[3], images[0]], 1), ([images[4]] * 2 + images, 2)):
        again = several.encode(batch[:3])[at].features
        assert torch.equal(again, first[0].features)


def test_scaling_up_in_slices_changes_no_bit(monkeypatch):
    image, polygons = scene(400, 350)
    prompts = prompts_of('hbox', polygons, 400, 350)
    segmentor = loaded()
    whole = results(segmentor, image, prompts)
    monkeypatch.setattr(sam_module, 'PIXELS_AT_ONCE', 2 * 400 * 350)
    chunks = list(segmentor.decode(segmentor.encode([image])[0], prompts))
    assert [len(chunk.masks) for chunk in chunks] == [2, 2, 1]
    for expected, got in zip(whole, results(segmentor, image, prompts), strict=True):
        np.testing.assert_array_equal(got, expected)


def test_masks_lie_in_memory_as_the_rle_encoder_reads_them():
    image, polygons = scene(40, 60)
    masks, _, _ = results(loaded(), image, prompts_of('hbox', polygons[:1], 40, 60))
    assert masks[0].flags.f_contiguous


def test_amp_is_close_but_not_the_same():
    image, polygons = scene(256, 256)
    prompts = prompts_of('hbox', polygons, 256, 256)
    exact, amp = loaded(), loaded(amp=True)
    features = amp.encode([image])[0].features
    assert features.dtype == torch.float32
    assert not torch.equal(features, exact.encode([image])[0].features)
    assert (results(exact, image, prompts)[0] == results(amp, image, prompts)[0]).mean() > 0.97


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
    np.testing.assert_array_equal(np.concatenate([c.masks for c in chunks]), expected[0])
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
    with pytest.raises(SegmentorError, match=r'out of memory while encoding 1 images.*smaller'):
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
    segmentor = SAMSegmentor(arch=SMALL, device='cpu')
    assert segmentor.settings == dict(
        type='SAMSegmentor',
        arch=dict(SMALL, global_attn_indexes=[1], window_size=14),
        chunk=20,
        images_per_pass=1,
        amp=False,
        threads=4,
        device='cpu',
    )


def test_load_fixes_what_decides_rounding():
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True
    loaded(threads=3)
    assert torch.get_num_threads() == 3
    assert not torch.backends.cuda.matmul.allow_tf32
    assert not torch.backends.cudnn.allow_tf32
    assert torch.backends.cudnn.deterministic


def test_random_weights_follow_the_seed_and_leave_the_global_generator_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first, again = loaded().model, loaded().model
    assert torch.rand(1) == expected
    other = loaded(arch=dict(SMALL, seed=4)).model
    key = 'mask_decoder.mask_tokens.weight'
    assert torch.equal(first.state_dict()[key], again.state_dict()[key])
    assert not torch.equal(first.state_dict()[key], other.state_dict()[key])


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


def fake_weights(embed_dim, depth, side=1024):
    """What an architecture is recognised by, and nothing else."""
    state = {f'image_encoder.blocks.{i}.norm1.bias': torch.zeros(1) for i in range(depth)}
    state['image_encoder.patch_embed.proj.weight'] = torch.zeros(embed_dim, 1, 1, 1)
    state['image_encoder.pos_embed'] = torch.zeros(1, side // 16, 1, 1)
    return state


class Evil:
    def __reduce__(self):
        return os.system, ('touch ran_code',)


def refusal(arch, path):
    segmentor = SAMSegmentor(arch=arch, checkpoint=str(path), threads=2)
    with pytest.raises(RefusedError) as info:
        segmentor.load()
    assert '\n' not in str(info.value)
    return str(info.value)


@pytest.mark.parametrize('arch', ['vit_h', 'vit_l', 'vit_b'])
def test_missing_weights_are_answered_with_their_source(arch, tmp_path):
    published = sam_weights.PUBLISHED[arch]
    line = refusal(arch, tmp_path / 'sam.pth')
    with pytest.raises(RefusedError) as info:
        SAMSegmentor(arch=arch)
    for text in (line, str(info.value)):
        assert f'https://dl.fbaipublicfiles.com/segment_anything/{published.file}' in text
        assert published.sha256 in text
        assert f'{published.size:,} bytes' in text
    assert f'{tmp_path / "sam.pth"}: no such file' in line
    assert f'checkpoints/{published.file}' in str(info.value)


def test_a_truncated_checkpoint_is_told_with_both_sizes(tmp_path):
    path = tmp_path / 'sam.pth'
    torch.save(fake_weights(768, 12), path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    line = refusal('vit_b', path)
    assert str(path) in line
    assert 'truncated' in line
    assert f'{path.stat().st_size:,} bytes instead of 375,042,383' in line


def test_a_pickle_with_code_is_refused_and_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, save in (('torch.pth', torch.save), ('bare.pth', None)):
        path = tmp_path / name
        if save:
            save({'w': Evil()}, path)
        else:
            path.write_bytes(pickle.dumps(Evil()))
        line = refusal(SMALL, path)
        assert str(path) in line
        assert not (tmp_path / 'ran_code').exists()


@pytest.mark.parametrize(
    ('asked', 'held', 'expected'),
    [
        ('vit_h', (768, 12), 'holds vit_b, not vit_h'),
        ('vit_b', (1280, 32), 'holds vit_h, not vit_b'),
        ('vit_l', (96, 2, 128), 'holds a SAM of embed_dim=96, depth=2, img_size=128, not vit_l'),
        (SMALL, (1024, 24), 'holds vit_l, not a SAM of embed_dim=96, depth=2, img_size=128'),
    ],
)
def test_a_wrong_arch_is_answered_with_the_right_one(asked, held, expected, tmp_path):
    path = tmp_path / 'sam.pth'
    torch.save(fake_weights(*held), path)
    line = refusal(asked, path)
    assert expected in line
    assert 'set model.arch' in line


def test_weights_of_something_else_are_refused(tmp_path):
    path = tmp_path / 'other.pth'
    for content in ({'conv.weight': torch.zeros(1)}, [1, 2], torch.zeros(3)):
        torch.save(content, path)
        assert 'holds no SAM' in refusal(SMALL, path)
    state = loaded().model.state_dict()
    del state['mask_decoder.iou_token.weight']
    torch.save(state, path)
    assert 'mask_decoder.iou_token.weight' in refusal(SMALL, path)


def test_official_weights_that_differ_from_the_published_are_noted(tmp_path, monkeypatch, capfd):
    path = tmp_path / 'tuned.pth'
    path.write_bytes(b'tuned')
    assert len(sam_weights._sha256(str(path), 'vit_b')) == 64
    assert 'is not the published sam_vit_b_01ec64.pth' in ''.join(capfd.readouterr())


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
        (dict(arch=SMALL, threads=None), 'model.threads=None'),
    ],
)
def test_impossible_options_are_refused(options, expected):
    with pytest.raises(RefusedError, match=expected):
        SAMSegmentor(**options)


def test_without_segment_anything_the_package_imports_and_load_says_what_to_install(monkeypatch):
    code = (
        'import sys; sys.modules["segment_anything"] = None\n'
        'from samrs_mm.models.prompt_segmentors import SAMSegmentor\n'
        f'SAMSegmentor(arch={SMALL!r}).load()'
    )
    result = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True)
    assert 'RefusedError: SAMSegmentor needs segment_anything' in result.stderr
    assert 'pip install segment-anything==1.0' in result.stderr


@pytest.mark.slow
def test_two_thousand_boxes_need_no_more_memory_and_time_per_box_than_twenty():
    context = {}
    for count in (20, 2000):
        run = subprocess.run(
            [sys.executable, __file__, str(count)], cwd=ROOT, capture_output=True, text=True,
            check=True, env=os.environ | {'PYTHONPATH': str(ROOT)},
        )  # fmt: skip
        context[count] = [float(value) for value in run.stdout.split()]
        print(count, 'boxes: peak of encoding, peak (MB), s per box:', *context[count])
    encoding, peak, seconds = context[2000]
    assert peak - encoding < 1500
    assert seconds < 1.2 * context[20][2]


def measure(count):
    """Print the peak memory after one image and one prompt, after ``count``, and s per box."""
    import time

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
