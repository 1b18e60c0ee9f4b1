"""Masks without boxes, against the automatic mask generators of SAM and SAM 2."""

import numpy as np
import pytest
import sam2_reference as ref
import torch
from sam_cases import SMALL, lively, loaded, scene

from samrs_mm.core import masks
from samrs_mm.core.grid import GridPrompts, GridSpec
from samrs_mm.models.prompt_segmentors import proposing
from samrs_mm.models.prompt_segmentors.box_fill import BoxFillSegmentor
from samrs_mm.models.prompt_segmentors.sam2 import SAM2Segmentor

amg = pytest.importorskip(
    'segment_anything.automatic_mask_generator', reason='segment_anything is not installed'
)
CASES = {
    'all': (dict(side=4, scale=1, min_score=0, min_stability=0.01, nms=0.7), (128, 128), 1),
    'limits': (dict(side=6, scale=1, min_score=0.02, min_stability=0.4, nms=0.9), (100, 128), 2),
    'wide': (dict(side=6, scale=1, min_score=0.01, min_stability=0.2, nms=0.5), (40, 120), 3),
    'larger': (dict(side=6, scale=1, min_score=0.01, min_stability=0.1, nms=1.0), (400, 350), 4),
}


def sharpened(state):
    """Make logits steep, so that masks are stable."""
    for key, tensor in state.items():
        if 'output_hypernetworks_mlps' in key and '.layers.2.' in key:
            tensor.mul_(100)
    return state


def in_blobs(segmentor, image):
    """Make masks a few blobs in places of their own: those of random weights are all over."""
    points = torch.tensor([[[60.0, 60]], [[20.0, 90]]]), torch.ones((2, 1), dtype=torch.int)
    encoded = segmentor.encode([image])[0]
    with torch.no_grad():
        low, _ = segmentor._predict_three(encoded, proposing.SquarePrompts(*points))
    segmentor.mask_threshold = float(low.flatten().quantile(0.99))


@pytest.fixture(scope='module')
def sams():
    """A small SAM and a picture, by the size of that and a seed."""

    def made(seed, size=(128, 128)):
        segmentor = loaded(arch=dict(SMALL, seed=seed), chunk=7)
        lively(segmentor.model, seed)
        sharpened(segmentor.model.state_dict())
        image = scene(*size, seed=seed)[0]
        in_blobs(segmentor, image)
        segmentor.model.mask_threshold = segmentor.mask_threshold
        return segmentor, image

    return made


def prompts_for(options, size, valid=None, inside=None):
    height, width = size
    return GridPrompts(GridSpec.from_config(options), 0, 0, inside or (width, height), valid)


def expected_of(generator, image):
    return [
        (
            tuple(found['point_coords'][0]),
            found['segmentation'],
            found['predicted_iou'],
            found['stability_score'],
        )
        for found in generator.generate(image)
    ]


def found_of(proposals):
    return [
        (each.place, dict(each.mask.segmentation), each.mask.score, each.mask.stability)
        for each in proposals
    ]


def generator_of(kind, model, options, chunk, **more):
    return kind(
        model,
        points_per_side=options['side'],
        points_per_batch=chunk,
        pred_iou_thresh=options['min_score'],
        stability_score_thresh=options['min_stability'],
        box_nms_thresh=options['nms'],
        output_mode='coco_rle',
        **more,
    )


@pytest.mark.parametrize('case', CASES)
def test_they_equal_sams_generator_in_order(case, sams):
    options, size, seed = CASES[case]
    segmentor, image = sams(seed, size)
    reference = generator_of(
        amg.SamAutomaticMaskGenerator, segmentor.model, options, segmentor.chunk
    )
    expected = expected_of(reference, image)
    notes = []
    proposals = segmentor.propose(segmentor.encode([image])[0], prompts_for(options, size), notes)
    assert found_of(proposals) == expected
    assert len(expected) > 1
    assert notes == []


def test_what_the_predicted_iou_rejects_is_not_scaled_up(sams, monkeypatch):
    segmentor, image = sams(1)
    encoded, scaled = segmentor.encode([image])[0], []
    real = proposing.scale_up
    monkeypatch.setattr(
        proposing, 'scale_up', lambda low, *rest: scaled.append(len(low)) or real(low, *rest)
    )
    options = CASES['all'][0]
    segmentor.propose(encoded, prompts_for(options, (128, 128)), [])
    assert sum(scaled) > 24
    scaled.clear()
    assert (
        segmentor.propose(encoded, prompts_for(options | dict(min_score=1.0), (128, 128)), []) == []
    )
    assert sum(scaled) == 0


def test_masks_are_cut_to_their_window_and_to_data(sams):
    segmentor, image = sams(1)
    valid = np.zeros((128, 128), bool)
    valid[:, 40:] = True
    options = CASES['all'][0] | dict(nms=1)
    prompts = prompts_for(options, (128, 128), valid, inside=(100, 90))
    proposals = segmentor.propose(segmentor.encode([image])[0], prompts, [])
    assert proposals
    allowed = np.zeros((128, 128), bool)
    allowed[:90, 40:100] = True
    for each in proposals:
        assert 40 <= each.place[0] < 100
        assert each.place[1] < 90
        mask = masks.decode(each.mask.segmentation)
        assert mask.any()
        assert not (mask & ~allowed).any()


def test_memory_that_runs_out_halves_the_points(sams, monkeypatch):
    segmentor, image = sams(2)
    encoded, options = segmentor.encode([image])[0], CASES['all'][0]
    segmentor.chunk = 8
    real = segmentor._predict_three

    def small(encoded, prompts):
        if len(prompts) > 4:
            raise torch.cuda.OutOfMemoryError
        return real(encoded, prompts)

    monkeypatch.setattr(segmentor, '_predict_three', small)
    notes = []
    halved = segmentor.propose(encoded, prompts_for(options, (128, 128)), notes)
    assert notes == ['out of memory with 8 prompts at once: went on with 4']
    segmentor.chunk = 4
    assert found_of(segmentor.propose(encoded, prompts_for(options, (128, 128)), [])) == found_of(
        halved
    )


def test_only_the_family_proposes():
    assert not hasattr(BoxFillSegmentor(), 'propose')


SAM2_OPTIONS = dict(side=6, scale=1, min_score=0.38, min_stability=0.3, nms=0.7)


@pytest.fixture(scope='module')
def sam2(tmp_path_factory):
    pytest.importorskip('transformers', reason='transformers is not installed')
    state = sharpened(ref.random_state(ref.read()[1]))
    path = tmp_path_factory.mktemp('weights') / 'small.pt'
    torch.save({'model': state}, path)
    segmentor = SAM2Segmentor(
        arch=ref.SMALL, checkpoint=str(path), threads=1, device='cpu', chunk=5
    )
    segmentor.load()
    return segmentor, state


@pytest.mark.parametrize('size', ref.IMAGES.values(), ids=ref.IMAGES)
def test_sam2_follows_the_rules_of_its_generator(sam2, size):
    """Its generator's own code, on masks and scores of our network."""
    from segment_anything.utils.amg import (
        batched_mask_to_box,
        build_point_grid,
        calculate_stability_score,
    )
    from torchvision.ops.boxes import batched_nms

    segmentor, _ = sam2
    in_blobs(segmentor, ref.picture(*size))
    (height, width), encoded = size, segmentor.encode([ref.picture(*size)])[0]
    limit = segmentor.mask_threshold
    points = (build_point_grid(6) * np.array([[width, height]])).astype(np.float32)
    rows = []
    with torch.no_grad():
        for part in np.split(points, range(5, 36, 5)):
            low, scores = segmentor._predict_three(encoded, square_points(part, size))
            logits = encoded.frame.scale_up(low.flatten(0, 1))
            for i, (mask, score) in enumerate(zip(logits, scores.flatten(), strict=True)):
                stable = calculate_stability_score(mask[None], limit, 1.0)[0]
                if score > 0.38 and stable >= 0.3:
                    rows.append((tuple(part[i // 3].tolist()), mask > limit, score, stable))
    boxes = batched_mask_to_box(torch.stack([row[1] for row in rows])).float()
    scores = torch.stack([row[2] for row in rows])
    kept = batched_nms(boxes, scores, torch.zeros(len(rows)), 0.7).tolist()
    proposals = segmentor.propose(encoded, prompts_for(SAM2_OPTIONS, size), [])
    assert [(each.mask.score, each.mask.stability) for each in proposals] == [
        (float(rows[i][2]), float(rows[i][3])) for i in kept
    ]
    for each, i in zip(proposals, kept, strict=True):
        np.testing.assert_allclose(each.place, rows[i][0], rtol=1e-6)
        assert np.array_equal(masks.decode(each.mask.segmentation), rows[i][1].numpy())
    assert len(proposals) > 1


def square_points(points, size):
    """Points as Meta's transforms scale them."""
    scaled = torch.from_numpy(points.copy())
    scaled[:, 0] /= size[1]
    scaled[:, 1] /= size[0]
    labels = torch.ones((len(points), 1), dtype=torch.int)
    return proposing.SquarePrompts((scaled * ref.SIDE)[:, None], labels)


@pytest.mark.parametrize('size', ref.IMAGES.values(), ids=ref.IMAGES)
def test_sam2_gives_what_metas_generator_gives(sam2, size):
    generators = pytest.importorskip(
        'sam2.automatic_mask_generator', reason="Meta's sam2 is not installed"
    )
    segmentor, state = sam2
    in_blobs(segmentor, ref.picture(*size))
    reference = generator_of(
        generators.SAM2AutomaticMaskGenerator,
        ref.meta_model(state),
        SAM2_OPTIONS,
        segmentor.chunk,
        mask_threshold=segmentor.mask_threshold,
    )
    reference.predictor._bb_feat_sizes = [(ref.SIDE // step,) * 2 for step in (4, 8, 16)]
    image = ref.picture(*size)
    expected = expected_of(reference, image)
    encoded = segmentor.encode([image])[0]
    found = found_of(segmentor.propose(encoded, prompts_for(SAM2_OPTIONS, size), []))
    assert len(found) == len(expected) > 1
    for (place, coded, *scores), (point, segmentation, *wanted) in zip(
        found, expected, strict=True
    ):
        np.testing.assert_allclose(place, point, rtol=1e-6)
        np.testing.assert_allclose(scores, wanted, atol=0.02)
        assert masks.area(coded) == pytest.approx(masks.area(segmentation), rel=0.05, abs=3)
