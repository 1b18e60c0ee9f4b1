import numpy as np
from boxnet_cases import bright_ellipses, iou, painter, whole

from samrs_mm.models.boxnet.asked import Picture
from samrs_mm.models.boxnet.points import REACHES, mask_of_clicks

IMAGE, MASKS, BOXES = bright_ellipses(300, 400, count=1)
SIZE = IMAGE.shape[:2]


def clicks_at(*points):
    return np.array([[*point, 1.0] for point in points])


def test_of_crops_of_many_sizes_the_best_are_looked_at_again():
    """Its share of a crop is the painter's score: high in a small crop, but over its rim."""
    maker = painter('grey')
    found = mask_of_clicks(maker, Picture(IMAGE), clicks_at(BOXES[0].mean(axis=0)))
    assert iou(whole(found, *SIZE), MASKS[0]) > 0.9
    shown = sum(crops[:, 11].flatten(1).any(1).sum().item() for crops in maker.network.seen)
    assert shown == len(REACHES) + 4
    rows, columns = np.nonzero(MASKS[0])
    middle = np.array([(columns.min() + columns.max() + 1) / 2, (rows.min() + rows.max() + 1) / 2])
    np.testing.assert_allclose(found.frame.centre, middle, atol=2)
    assert found.frame.reach.max() < 64


def test_masks_that_go_on_beyond_their_crop_count_less():
    """The painter's score is highest where the object fills the crop, in seven crops of eleven."""
    image = np.full((400, 400, 3), 40, np.uint8)
    mask = np.zeros((400, 400), bool)
    mask[110:290, 120:280] = True
    image[mask] = 220
    found = mask_of_clicks(painter('grey'), Picture(image), clicks_at((200, 200)))
    assert iou(whole(found, 400, 400), mask) > 0.9


def test_several_clicks_are_all_in_every_crop():
    maker = painter('object_clicks')
    mask_of_clicks(maker, Picture(IMAGE), clicks_at((100, 80), (160, 120)))
    crops = np.concatenate([crops.numpy() for crops in maker.network.seen])
    for crop in crops[: len(REACHES)]:
        discs = crop[11] > 0.5
        assert discs[:32, :32].any()
        assert discs[32:, 32:].any()


def test_a_point_on_nothing_gives_an_empty_mask():
    blank = np.zeros_like(IMAGE)
    found = mask_of_clicks(painter('grey'), Picture(blank), clicks_at((399.9, 0)))
    assert not found.mask.any()
