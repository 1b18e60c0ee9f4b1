import numpy as np
import pytest
import torch
from boxnet_cases import bright_ellipses, iou, painter, random_weights, whole

from samrs_mm.core.boxes import corners
from samrs_mm.core.crop_frame import CropFrame
from samrs_mm.core.errors import SegmentorError
from samrs_mm.core.masks import fill_polygon
from samrs_mm.models.boxnet.asked import Asked, Picture
from samrs_mm.models.boxnet.maker import BATCH, MaskMaker, pasted, stability_of, tidied
from samrs_mm.models.boxnet.weights import load_weights

IMAGE, MASKS, BOXES = bright_ellipses()
SIZE = IMAGE.shape[:2]


def asked_of(boxes):
    return [Asked.of_box(box, oriented=True) for box in boxes]


def test_a_network_that_fills_boxes_gives_boxes_where_they_are():
    found = list(painter().make(Picture(IMAGE), asked_of(BOXES)))
    assert len(found) == len(BOXES)
    for each, box in zip(found, BOXES, strict=True):
        assert iou(whole(each, *SIZE), fill_polygon(box, *SIZE)) > 0.93
        assert each.mask.size < IMAGE[..., 0].size / 2


def test_a_network_that_sees_brightness_gives_the_objects():
    upright = [[m.min(0), m.max(0) + 1] for m in (np.argwhere(each)[:, ::-1] for each in MASKS)]
    asked = [Asked.of_box(corners(np.ravel(box)[None].astype(float))[0]) for box in upright]
    for each, truth in zip(painter('grey').make(Picture(IMAGE), asked), MASKS, strict=True):
        here = whole(each, *SIZE)
        others = MASKS.any(axis=0) & ~truth
        assert iou(here & ~others, truth) > 0.9
        x0, y0, x1, y1 = each.box()
        assert here[int(y0) : int(y1), int(x0) : int(x1)].sum() == here.sum()


def test_pixels_without_data_are_not_seen():
    valid = np.ones(SIZE, bool)
    valid[:, 80:] = False
    maker = painter('valid')
    for each in maker.make(Picture(IMAGE, valid), asked_of(BOXES)):
        assert not whole(each, *SIZE)[:, 81:].any()
    blank = np.where(valid[..., None], IMAGE, np.uint8(0))
    white = np.where(valid[..., None], IMAGE, np.uint8(255))
    for first, second in zip(
        painter('grey').make(Picture(blank, valid), asked_of(BOXES)),
        painter('grey').make(Picture(white, valid), asked_of(BOXES)),
        strict=True,
    ):
        np.testing.assert_array_equal(first.logits, second.logits)


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    path = random_weights(tmp_path_factory.mktemp('weights') / 'w.safetensors')
    return MaskMaker(*load_weights(path), side=32, device=torch.device('cpu'))


def test_a_mask_depends_on_its_own_box_alone(trained):
    """Bit by bit, wherever in a pass its crop is, and whatever is beside it."""
    boxes = np.concatenate([BOXES, BOXES + 3, BOXES - 4.5])[:11]
    assert len(boxes) % BATCH
    together = list(trained.make(Picture(IMAGE), asked_of(boxes)))
    turned = list(trained.make(Picture(IMAGE), asked_of(boxes[::-1])))[::-1]
    for box, first, second in zip(boxes, together, turned, strict=True):
        (alone,) = trained.make(Picture(IMAGE), asked_of([box]))
        for other in (second, alone):
            assert other.score == first.score
            assert other.stability == first.stability
            np.testing.assert_array_equal(other.logits, first.logits)
            np.testing.assert_array_equal(other.mask, first.mask)
    assert len({each.score for each in together}) == len(boxes)


def test_threads_change_no_bit_and_no_order(trained):
    several = MaskMaker(trained.network, trained.info, 32, trained.device, threads=3)
    boxes = np.concatenate([BOXES + shift for shift in range(5)])
    assert len(boxes) > 2 * BATCH * several.threads, 'more than are held at a time'
    wanted = trained.make(Picture(IMAGE), asked_of(boxes))
    for first, second in zip(wanted, several.make(Picture(IMAGE), asked_of(boxes)), strict=True):
        assert (first.score, first.corner) == (second.score, second.corner)
        np.testing.assert_array_equal(first.logits, second.logits)
        np.testing.assert_array_equal(first.mask, second.mask)


def test_every_pass_has_one_size(trained):
    maker = painter()
    list(maker.make(Picture(IMAGE), asked_of(BOXES[:1])))
    list(maker.make(Picture(IMAGE), asked_of(BOXES)))
    assert {len(crops) for crops in maker.network.seen} == {BATCH}


def test_boxes_are_taken_as_they_are_needed():
    taken = []

    def boxes():
        for box in np.tile(BOXES, (5, 1, 1)):
            taken.append(1)
            yield Asked.of_box(box)

    masks = painter().make(Picture(IMAGE), boxes())
    next(masks)
    assert len(taken) == BATCH


def test_weights_that_give_no_numbers(trained):
    maker = painter()
    maker.network.forward = lambda crops: (crops[:, 0] * torch.nan, crops[:, 0, 0, 0])
    with pytest.raises(SegmentorError, match='gives NaN'):
        list(maker.make(Picture(IMAGE), asked_of(BOXES)))


@pytest.mark.parametrize(
    'box',
    [
        [10, 10, 10, 10], [10, 10, 10, 30], [50.2, 60.7, 51.6, 62], [0, 0, 160, 120],
        [150, 110, 190, 150], [-90, -80, -50, -40], [-900, -900, 2000, 2000], [1e5, 3, 2e5, 9],
    ],
    ids=['point', 'no width', 'tiny', 'whole', 'in part', 'outside', 'around', 'far'],
)  # fmt: skip
def test_any_box(trained, box):
    asked = [Asked.of_box(corners(np.array([box], float))[0])]
    (found,) = trained.make(Picture(IMAGE), asked)
    assert whole(found, *SIZE).shape == SIZE
    assert 0 <= found.score <= 1
    assert 0 <= found.stability <= 1


def test_a_box_of_a_pixel_gives_it():
    (found,) = painter().make(
        Picture(IMAGE), [Asked.of_box(corners(np.array([[7, 8, 8, 9.0]]))[0])]
    )
    assert np.argwhere(whole(found, *SIZE)).tolist() == [[8, 7]]


def test_pasting_in_pieces_changes_nothing(monkeypatch):
    logits = np.random.default_rng(0).normal(size=(32, 32)).astype(np.float32)
    frame = CropFrame(np.array([50.0, 40]), np.eye(2), np.array([45.0, 30]))
    window = frame.window(90, 99)
    once = pasted(logits, frame, *window)
    monkeypatch.setattr('samrs_mm.models.boxnet.maker._PIXELS_AT_ONCE', 700)
    np.testing.assert_array_equal(pasted(logits, frame, *window), once)
    assert 0.3 < once.mean() < 0.7


def test_tidied():
    mask = np.zeros((40, 60), bool)
    mask[5:25, 5:25] = True
    mask[10:14, 10:14] = False
    mask[30:34, 40:44] = True  # less than a fifth
    mask[5:25, 40:50] = True
    filled = tidied(mask)
    wanted = mask.copy()
    wanted[30:34, 40:44] = False
    np.testing.assert_array_equal(tidied(mask, fill_holes=False), wanted)
    wanted[10:14, 10:14] = True
    np.testing.assert_array_equal(filled, wanted)
    clicks = np.array([(41.5, 32, 1), (11, 11.9, 0), (45, 10, 0), (-1, 70, 1), (99, -3, 0)])
    np.testing.assert_array_equal(tidied(mask, clicks=clicks), mask)
    np.testing.assert_array_equal(tidied(mask, fill_holes=False, clicks=clicks), mask)
    for empty in (np.zeros((3, 4), bool), np.zeros((0, 4), bool)):
        np.testing.assert_array_equal(tidied(empty), empty)
    single = np.zeros((5, 5), bool)
    single[2, 2] = True
    np.testing.assert_array_equal(tidied(single), single)


def test_stability_is_that_of_sam():
    from segment_anything.utils.amg import calculate_stability_score

    logits = np.random.default_rng(0).normal(0, 2, (32, 32)).astype(np.float32)
    wanted = calculate_stability_score(torch.from_numpy(logits)[None], 0.0, 1.0)
    assert stability_of(logits) == pytest.approx(float(wanted[0]))
    assert stability_of(np.full((4, 4), -9, np.float32)) == 0
