import numpy as np

from samrs_mm.drawing.label_maps import beside, colour_labels


def test_classes_differ_and_unlabelled_is_black():
    colours = colour_labels(np.array([[*range(37), 255]], np.uint8))[0]
    assert len({tuple(colour) for colour in colours.tolist()}) == 38
    assert colours[-1].tolist() == [0, 0, 0]
    assert colours[:-1].max(axis=1).min() == 255


def test_beside():
    image = np.full((2, 3, 3), 9, np.uint8)
    labels = np.array([[0, 1, 255], [0, 1, 255]], np.uint8)
    prediction = np.array([[0, 0, 0], [1, 1, 1]], np.int64)
    picture = beside(image, labels, prediction)
    assert picture.shape == (2, 9, 3)
    np.testing.assert_array_equal(picture[:, :3], image)
    np.testing.assert_array_equal(picture[:, 3:6], colour_labels(labels))
    first = colour_labels(np.array([[0]]))[0, 0]
    np.testing.assert_array_equal(picture[0, 6:], [first, first, first // 4])
    np.testing.assert_array_equal(beside(image, None, prediction)[:, 3:], colour_labels(prediction))
