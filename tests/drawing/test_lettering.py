import numpy as np

from samrs_mm.drawing.lettering import line, paste, shortened, text_picture, text_width

GREEN = (10, 200, 40)


def block(height, width, colour=GREEN):
    return np.full((height, width, 3), colour, np.uint8)


def test_text_is_drawn_in_its_colour_on_its_ground():
    picture = text_picture('größer', 20, (255, 0, 0), (0, 0, 255))
    assert (picture == (255, 0, 0)).all(2).any()
    assert (picture[0, 0] == (0, 0, 255)).all()
    assert abs(picture.shape[1] - text_width('größer', 20)) <= 6
    assert text_picture('a').shape[0] == text_picture('gÄ').shape[0]


def test_long_texts_are_cut_with_an_ellipsis():
    text = 'expressway-service-area' * 3
    cut = shortened(text, 15, 120)
    assert cut.endswith('…')
    assert text_width(cut, 15) <= 120
    assert text.startswith(cut[:-1])
    assert len(cut) > 8
    assert shortened('ship', 15, 120) == 'ship'
    assert line(text, 100, 15).shape[1] == 100


def test_pasting_cuts_off_what_lies_outside():
    picture = block(10, 10, (0, 0, 0))
    paste(picture, block(6, 6), -3, 8)
    assert (picture == GREEN).all(2).sum() == 3 * 2
    paste(picture, block(6, 6), 20, 20)
    assert (picture == GREEN).all(2).sum() == 3 * 2
