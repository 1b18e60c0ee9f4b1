import numpy as np

from samrs_mm.drawing.colours import class_colour, colour_labels, ink_on, outline_colour


def test_classes_differ_and_unlabelled_is_black():
    colours = colour_labels(np.array([[*range(37), 255]], np.uint8))[0]
    assert len({tuple(colour) for colour in colours.tolist()}) == 38
    assert colours[-1].tolist() == [0, 0, 0]
    assert colours[:-1].max(axis=1).min() == 255
    assert colours[3].tolist() == list(class_colour(3))


def test_dark_colours_get_a_light_outline_and_light_text():
    assert outline_colour((0, 0, 127)) == ink_on((0, 0, 127)) == (255, 255, 255)
    assert outline_colour((240, 228, 66)) == (240, 228, 66)
    assert ink_on((240, 228, 66)) == (0, 0, 0)
