import numpy as np
import pytest
import torch
from boxnet_cases import AT, Painted, bright_ellipses, iou, painter, whole

from samrs_mm.models.boxnet.asked import Picture
from samrs_mm.models.boxnet.maker import BATCH
from samrs_mm.models.boxnet.points import FIRST, REACHES, mask_of_clicks

IMAGE, MASKS, BOXES = bright_ellipses(300, 400, count=1)
SIZE = IMAGE.shape[:2]


def clicks_at(*points):
    return np.array([[*point, 1.0] for point in points])


def places_of(crops):
    """The places in ``REACHES`` of crops around points, by the size that they say they have."""
    shown = crops[crops[:, AT['object_clicks']].flatten(1).any(1)]  # passes are filled up
    reaches = 20 * np.exp(2 * shown[:, AT['size'], 0, 0].numpy())
    return [int(np.abs(np.log(np.array(REACHES) / reach)).argmin()) for reach in reaches]


def test_of_crops_of_many_sizes_the_best_are_looked_at_again():
    """Its share of a crop is the painter's score: high in a small crop, but over its rim."""
    maker = painter('grey')
    found = mask_of_clicks(maker, Picture(IMAGE), clicks_at(BOXES[0].mean(axis=0)))
    assert iou(whole(found, *SIZE), MASKS[0]) > 0.9
    *tried, again = maker.network.seen
    assert tuple(places_of(tried[0])) == FIRST
    places = [place for crops in tried for place in places_of(crops)]
    assert len(places) == len({*places})
    assert again[:, AT['object_clicks']].flatten(1).any(1).all()
    rows, columns = np.nonzero(MASKS[0])
    middle = np.array([(columns.min() + columns.max() + 1) / 2, (rows.min() + rows.max() + 1) / 2])
    np.testing.assert_allclose(found.frame.centre, middle, atol=2)
    assert found.frame.reach.max() < 64


def test_masks_that_go_on_beyond_their_crop_count_less():
    """The painter's score is highest where the object fills the crop, in seven sizes of eleven."""
    image = np.full((400, 400, 3), 40, np.uint8)
    mask = np.zeros((400, 400), bool)
    mask[110:290, 120:280] = True
    image[mask] = 220
    found = mask_of_clicks(painter('grey'), Picture(image), clicks_at((200, 200)))
    assert iou(whole(found, 400, 400), mask) > 0.9


def test_several_clicks_are_all_in_crops_of_every_size():
    maker = painter('object_clicks')
    mask_of_clicks(maker, Picture(IMAGE), clicks_at((100, 80), (160, 120)))
    *tried, _ = maker.network.seen
    clicked = [crop[AT['object_clicks']].numpy() > 0.5 for crops in tried for crop in crops]
    shown = [discs for discs in clicked if discs.any()]  # passes are filled up
    assert len(shown) >= 8
    for discs in shown:
        assert discs[:32, :32].any()
        assert discs[32:, 32:].any()


def test_a_point_on_nothing_gives_an_empty_mask():
    blank = np.zeros_like(IMAGE)
    found = mask_of_clicks(painter('grey'), Picture(blank), clicks_at((399.9, 0)))
    assert not found.mask.any()


class Liking(Painted):
    """Likes crops of some sizes more, whatever is in them: worst first."""

    def __init__(self, *order):
        super().__init__('grey')
        self.order = order

    def forward(self, crops):
        logits, _ = super().forward(crops)
        places = places_of(crops) + [0] * BATCH
        liked = [self.order.index(p) if p in self.order else -1 for p in places[: len(crops)]]
        return logits.clamp(max=-1), torch.tensor(liked, dtype=torch.float32)


@pytest.mark.parametrize(
    ('order', 'passes'),
    [
        ((7, 5, 4), [[1, 4, 7, 10], [3, 5, 6, 8]]),
        ((7, 3, 4), [[1, 4, 7, 10], [3, 5, 6, 8], [2, 0, 9]]),
        ((1, 4, 10, 9), [[1, 4, 7, 10], [9, 3, 5, 0], [8, 2, 6]]),
        ((4, 7, 8), [[1, 4, 7, 10], [6, 8, 3, 5], [9, 0, 2]]),
        ((4, 1, 0), [[1, 4, 7, 10], [0, 2, 3, 5]]),
    ],
)
def test_sizes_are_tried_until_those_beside_the_two_likeliest_are(order, passes):
    maker = painter()
    maker.network = Liking(*order)
    mask_of_clicks(maker, Picture(np.zeros_like(IMAGE)), clicks_at((200, 150)))
    assert [places_of(crops) for crops in maker.network.seen][:-1] == passes


def test_every_size_is_tried_first_or_beside_one_that_is():
    beside = {step + way for step in FIRST for way in (-1, 1)}
    assert {*FIRST} | beside >= {*range(len(REACHES))}
    assert not {*FIRST} & beside
