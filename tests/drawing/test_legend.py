import numpy as np

from samrs_mm.drawing.legend import legend
from samrs_mm.drawing.overlays import class_colour


def test_every_class_has_its_colour_in_order():
    names = ['ground', 'a much longer name', 'x']
    picture = legend(names)
    height = picture.shape[0] // len(names)
    for index in range(len(names)):
        middle = picture[index * height + height // 2, 30]
        np.testing.assert_array_equal(middle, class_colour(index))
    text = (picture[:, 70:] < 128).all(2)
    widths = [np.flatnonzero(part.any(0)).max() for part in np.split(text, len(names))]
    assert widths[1] == max(widths)
    assert widths[1] < text.shape[1] - 3, 'no name is cut'
