import numpy as np
import pytest
from PIL import Image

from samrs_mm.api.inputs import InputError, box_labels, read_scene
from samrs_mm.core.errors import ImageReadError

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    'pixels',
    [PIXELS, PIXELS[::-1, ::2], PIXELS[..., ::-1], np.asfortranarray(PIXELS)],
    ids=['plain', 'strided', 'from BGR', 'fortran'],
)
def test_arrays_are_taken_as_they_are(pixels):
    scene = read_scene(pixels)
    assert (scene.height, scene.width) == pixels.shape[:2]
    np.testing.assert_array_equal(scene.read(), pixels)
    np.testing.assert_array_equal(scene.crop(2, 3, 5, 4), pixels[3:7, 2:7])


def test_grey_is_replicated():
    np.testing.assert_array_equal(
        read_scene(PIXELS[..., 0]).read(), np.stack([PIXELS[..., 0]] * 3, axis=2)
    )


def test_images_of_pillow_are_arrays():
    image = Image.fromarray(PIXELS)
    np.testing.assert_array_equal(read_scene(image).read(), PIXELS)
    grey = np.asarray(image.convert('L'))
    np.testing.assert_array_equal(read_scene(image.convert('L')).read(), np.dstack([grey] * 3))


def test_files_are_read_as_the_tools_read_them(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / 'a.png')
    for path in (tmp_path / 'a.png', str(tmp_path / 'a.png')):
        np.testing.assert_array_equal(read_scene(path).read(), PIXELS)
    with pytest.raises(ImageReadError, match=r'b\.png: no such image'):
        read_scene(tmp_path / 'b.png')


@pytest.mark.parametrize(
    ('image', 'message'),
    [
        (PIXELS / 255, r'float64 \(20, 30, 3\); expected uint8.*\(image \* 255\)\.round'),
        (PIXELS.astype(np.uint16), r'uint16 .*; expected uint8, 0\.\.255, or the path'),
        (PIXELS.transpose(2, 0, 1), r'\(3, 20, 30\); expected .*transpose\(1, 2, 0\)'),
        (np.dstack([PIXELS, PIXELS[..., 0]]), r'\(20, 30, 4\).*image\[\.\.\., :3\] drops alpha'),
        (PIXELS[None], r'\(1, 20, 30, 3\); .*; give one image at a time'),
        (PIXELS[:0], r'\(0, 30, 3\); expected \(H, W, 3\)'),
        (None, r'object \(\); expected uint8'),
        (PIXELS[..., :1], r'\(20, 30, 1\); .*; image\[\.\.\., 0\] is grey'),
        (Image.fromarray(PIXELS).convert('P'), r"Pillow's mode P; image\.convert\('RGB'\)"),
        (Image.fromarray(PIXELS).convert('YCbCr'), r"mode YCbCr; image\.convert\('RGB'\)"),
    ],
)
def test_what_is_no_image_is_refused_in_a_line(image, message):
    with pytest.raises(InputError, match=message) as caught:
        read_scene(image)
    assert '\n' not in str(caught.value)


def test_the_shape_says_what_boxes_are():
    (upright,) = box_labels([[1, 2, 30, 40]])
    assert upright.hbox.tolist() == [1, 2, 30, 40]
    assert (upright.box_id, upright.category) == ('boxes[0]', 'object')
    (turned,) = box_labels(np.array([[10, 20, 8, 4, 0.3]], np.float32), ['ship'])
    assert turned.rotated.tolist() == pytest.approx([10, 20, 8, 4, 0.3])
    assert turned.category == 'ship'
    corners = np.arange(8).reshape(1, 4, 2)
    for form in (corners, corners.reshape(1, 8)):
        np.testing.assert_array_equal(box_labels(form)[0].polygon, corners[0])


@pytest.mark.parametrize('boxes', [[], np.empty((0, 4)), np.empty((0, 8)), np.empty((0, 4, 2))])
def test_no_boxes_are_boxes(boxes):
    assert box_labels(boxes) == []


def test_nan_and_infinity_pass():
    assert len(box_labels([[np.nan, 2, 30, 40], [0, 0, np.inf, 5]])) == 2


@pytest.mark.parametrize(
    ('boxes', 'categories', 'message'),
    [
        ([1, 2, 30, 40], None, r'shape \(4,\); expected \(N, 4\) x0, y0, x1, y1; .*; \[box\] for'),
        (np.ones((2, 6)), None, r'shape \(2, 6\); expected'),
        ([[1, 2, 3, 4], [1, 2]], None, 'not an array of numbers'),
        (['ship'], None, 'not an array of numbers'),
        (None, None, r'shape \(\); expected'),
        ([[1, 2, 9, 9], [100, 50, 20, 60]], None, r'boxes\[1\] is 100, 50, 20, 60: x1, y1 lie'),
        ([[9, 9, 5, 4, 45]], None, r'boxes\[0\] is .*: the angle is in radians; np\.deg2rad'),
        ([[0.1, 0.2, 0.5, 0.9]], None, r'all within 0\.\.1; they are in pixels'),
        ([[1, 2, 30, 40]], ['a', 'b'], 'categories: 2 for 1 box; give one for each'),
        ([[1, 2, 30, 40]], 's', "categories: 's'; expected a list"),
        ([[1, 2, 30, 40]], [3], 'categories: 3; expected class names'),
    ],
)
def test_what_are_no_boxes_is_refused_in_a_line(boxes, categories, message):
    with pytest.raises(InputError, match=message) as caught:
        box_labels(boxes, categories)
    assert '\n' not in str(caught.value)
