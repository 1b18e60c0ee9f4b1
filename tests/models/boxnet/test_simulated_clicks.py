import numpy as np

from samrs_mm.models.boxnet.simulated_clicks import next_click


def blank(*squares, side=32):
    mask = np.zeros((side, side), bool)
    for y0, y1, x0, x1 in squares:
        mask[y0:y1, x0:x1] = True
    return mask


def test_a_click_is_in_the_middle_of_what_was_missed():
    assert next_click(blank(), blank((4, 13, 10, 19))) == (14.5, 8.5, 1)


def test_a_click_is_in_the_middle_of_what_leaks():
    target = blank((0, 10, 0, 10))
    assert next_click(target | blank((20, 29, 20, 29)), target) == (24.5, 24.5, 0)


def test_the_thicker_error_comes_first():
    target = blank((0, 5, 0, 32), (20, 29, 20, 29))  # a bar of more pixels, but thinner
    assert next_click(blank(), target)[:2] == (24.5, 24.5)


def test_the_rim_of_the_crop_is_a_border():
    x, y, _ = next_click(blank(), blank((0, 9, 0, 9)))
    assert (x, y) == (4.5, 4.5)


def test_nobody_clicks_on_thin_errors_or_on_none():
    target = blank((4, 20, 4, 20))
    assert next_click(target, target) is None
    assert next_click(blank((4, 20, 4, 21)), target) is None, 'one pixel too wide'


def test_clicks_by_a_generator_are_well_inside_and_follow_from_it():
    target = blank((2, 30, 2, 30))
    clicks = [next_click(blank(), target, np.random.default_rng(seed)) for seed in range(40)]
    again = [next_click(blank(), target, np.random.default_rng(seed)) for seed in range(40)]
    assert clicks == again
    assert len(set(clicks)) > 10
    assert all(8 < x < 24 and 8 < y < 24 for x, y, _ in clicks), 'half as deep as the middle'
