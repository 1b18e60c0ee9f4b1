import numpy as np
import pytest
from PIL import Image, ImageOps

from samrs_mm.core import masks, segmentations
from samrs_mm.core.boxes import MISFIT, BoxLabel, ParsedLabels
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.label_fit import FitRule, Header, fitted, fitted_masks, read_header, turn_of

RESCALE, IGNORE = FitRule(size='rescale'), FitRule(size='ignore')
TURNED, STORED = FitRule(exif='turned'), FitRule(exif='stored')


def labels(*boxes, size=None):
    found = [BoxLabel(f'a:{i}', 'ship', hbox=np.array(box, float)) for i, box in enumerate(boxes)]
    return ParsedLabels(found, size=size)


def hboxes(found):
    return [box.hbox.tolist() for box in found.boxes]


def test_labels_that_fit_are_returned_as_they_are():
    for given in (labels([1, 2, 3, 4]), labels([1, 2, 3, 4], size=(50, 40))):
        assert fitted(given, Header(50, 40), FitRule()) is given


def test_another_size_is_named_scaled_when_asked_or_ignored():
    given = labels([40, 40, 80, 80], [120, 120, 160, 160], size=(200, 200))
    found = fitted(given, Header(50, 50), FitRule())
    assert not found.boxes
    assert [(p.box_id, p.status) for p in found.problems] == [('a:0', MISFIT), ('a:1', MISFIT)]
    assert 'for 200 x 200 px, the picture has 50 x 50 px' in found.misfit
    scaled = fitted(given, Header(50, 50), RESCALE)
    assert hboxes(scaled) == [[10, 10, 20, 20], [30, 30, 40, 40]]
    assert 'scaled from 200 x 200 px' in scaled.notes[0]
    assert hboxes(fitted(given, Header(50, 50), IGNORE)) == hboxes(given)


@pytest.mark.parametrize(
    ('stated', 'size', 'fits'),
    [
        ((1000, 667), (500, 333), True),  # rounded down
        ((1000, 667), (500, 334), True),
        ((333, 500), (999, 1500), True),
        ((1000, 667), (500, 336), False),
        ((200, 100), (50, 50), False),
    ],
)
def test_only_the_same_shape_can_be_scaled(stated, size, fits):
    found = fitted(labels([0, 0, 50, 50], size=stated), Header(*size), RESCALE)
    assert bool(found.boxes) == fits
    if not fits:
        assert 'if only the size in them is wrong' in found.misfit


def test_a_squashed_picture_takes_its_boxes_only_when_asked():
    given = labels([30, 20, 120, 80], size=(240, 160))
    header = Header(128, 128)
    for rule in FitRule(), RESCALE:
        assert '--label-size ignore if only' in (found := fitted(given, header, rule)).misfit
        assert 'stretch if the picture was squashed' in found.misfit
    found = fitted(given, header, FitRule(size='stretch'))
    np.testing.assert_allclose(hboxes(found), [[16, 16, 64, 64]])
    assert 'scaled from 240 x 160 px' in found.notes[0]
    turned = fitted(given, Header(64, 128, 6), FitRule('stretch', 'turned'))
    np.testing.assert_allclose(hboxes(turned), [[8, 64, 32, 112]])
    like_rescale = fitted(labels([4, 4, 8, 8], size=(20, 20)), Header(10, 10), FitRule('stretch'))
    assert hboxes(like_rescale) == [[2, 2, 4, 4]]


def test_exchanged_width_and_height_are_called_so():
    found = fitted(labels([0, 0, 5, 5], size=(100, 50)), Header(50, 100), FitRule())
    assert 'width and height look exchanged' in found.misfit


@pytest.mark.parametrize('orientation', range(1, 9))
def test_turns_are_those_of_exif(tmp_path, orientation):
    stored = np.zeros((30, 50), np.uint8)
    stored[3:9, 11:31] = 255
    exif = Image.Exif()
    exif[274] = orientation
    path = tmp_path / 'a.png'
    Image.fromarray(stored).save(path, exif=exif)
    header = read_header(path)
    assert header == Header(50, 30, orientation)
    with Image.open(path) as image:
        seen = np.asarray(ImageOps.exif_transpose(image))
    assert header.turned == seen.shape[::-1]
    ys, xs = np.nonzero(seen)
    box = [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
    moved = turn_of(header)(np.array(box, float).reshape(2, 2))
    assert [*moved.min(axis=0), *moved.max(axis=0)] == [11, 3, 31, 9]
    found = fitted(labels(box, size=header.turned), header, TURNED)
    assert hboxes(found) == [[11, 3, 31, 9]]


def test_what_fits_only_turned_is_named():
    header = Header(50, 30, 6)
    for given in (labels([1, 31, 9, 45], size=(30, 50)), labels([1, 31, 9, 45])):
        assert 'they fit only turned' in fitted(given, header, FitRule()).misfit
        assert hboxes(fitted(given, header, TURNED)) == [[31, 21, 45, 29]]
        assert hboxes(fitted(given, header, STORED)) == hboxes(given)


def test_what_fits_both_ways_is_noted():
    for header, size in ((Header(50, 30, 3), (50, 30)), (Header(40, 40, 6), (40, 40)),
                         (Header(50, 30, 6), None)):  # fmt: skip
        given = labels([1, 2, 9, 8], size=size)
        found = fitted(given, header, FitRule())
        assert hboxes(found) == hboxes(given)
        assert 'is not applied' in found.notes[0]
        assert not fitted(given, header, STORED).notes


def test_a_size_that_only_the_stored_pixels_have_settles_it():
    given = labels([1, 2, 9, 8], size=(50, 30))
    for rule in (FitRule(), TURNED):
        assert fitted(given, Header(50, 30, 6), rule) is given


def test_scaled_and_turned_takes_both_flags():
    given = labels([2, 62, 18, 90], size=(60, 100))
    header = Header(50, 30, 6)
    assert fitted(given, header, RESCALE).misfit
    assert fitted(given, header, TURNED).misfit
    both = fitted(given, header, FitRule('rescale', 'turned'))
    assert hboxes(both) == [[31, 21, 45, 29]]


def test_boxes_that_lie_elsewhere_are_not_this_pictures():
    given = labels([500, 10, 540, 30], [600, 10, 640, 30], [10, 10, 40, 30])
    found = fitted(given, Header(128, 96), FitRule())
    assert '2 of 3 boxes lie outside the picture: they reach to x 640, y 30' in found.misfit
    assert fitted(given, Header(128, 96), IGNORE) is given
    one = labels([500, 10, 540, 30])  # a slip, whose box gets the status `outside`
    found = fitted(one, Header(128, 96), FitRule())
    assert len(found.boxes) == 1
    assert '1 of 1 box lies outside the picture: they reach to x 540, y 30' in found.notes[0]


def test_fractions_are_no_pixels():
    given = labels([0.1, 0.1, 0.5, 0.25], [0, 0, 1, 1])
    assert 'fractions of width and height?' in fitted(given, Header(128, 96), FitRule()).misfit
    assert fitted(given, Header(128, 96), IGNORE) is given
    points = labels([0, 0, 0, 0])  # no fraction, and gets the status `degenerate`
    assert fitted(points, Header(128, 96), FitRule()) is points


def test_all_forms_of_a_box_are_moved():
    box = BoxLabel(
        'a:1', 'ship', hbox=np.array([10.0, 20, 30, 40]),
        polygon=np.array([(10.0, 20), (30, 20), (30, 40), (10, 40)]),
        region=[[10, 20, 30, 20, 30, 40]],
    )  # fmt: skip
    turned = BoxLabel('a:2', 'ship', rotated=np.array([20.0, 30, 20, 20, 0]))
    found = fitted(ParsedLabels([box, turned], size=(200, 100)), Header(100, 50), RESCALE)
    first, second = found.boxes
    np.testing.assert_array_equal(first.hbox, [5, 10, 15, 20])
    np.testing.assert_array_equal(first.polygon, [(5, 10), (15, 10), (15, 20), (5, 20)])
    assert first.region == [[5, 10, 15, 10, 15, 20]]
    assert {tuple(point) for point in second.polygon.tolist()} == {
        (5, 10), (15, 10), (15, 20), (5, 20)
    }  # fmt: skip


@pytest.mark.parametrize('entry', [dict(size='scale'), dict(exif='yes'), dict(turn=1), 'check'])
def test_impossible_rules_are_refused(entry):
    with pytest.raises(RefusedError, match='label_fit'):
        FitRule.from_config(entry)


@pytest.mark.filterwarnings('error')
def test_a_box_without_end_has_no_centre():
    found = labels([-np.inf, 3, np.inf, 9], [1, 1, 9, 9], size=(60, 40))
    assert len(fitted(found, Header(60, 40), FitRule()).boxes) == 2


@pytest.mark.parametrize('orientation', range(1, 9))
def test_masks_are_turned_as_viewers_turn_pictures(orientation):
    rng = np.random.default_rng(orientation)
    stored = rng.random((20, 31)) < 0.5
    picture = Image.fromarray(stored.astype(np.uint8))
    picture.getexif()[274] = orientation
    seen = np.array(ImageOps.exif_transpose(picture)) > 0
    height, width = seen.shape
    given = labels([2, 3, 9, 9], size=(width, height))
    written = dict(
        rle=masks.encode(seen),
        polygon=[[2.0, 3, 9, 3, 9, 9, 2, 9]],
    )
    found = fitted_masks(written, given, Header(31, 20, orientation), TURNED)
    assert (masks.decode(found['rle']) == stored).all()
    block = np.zeros_like(seen)
    block[3:9, 2:9] = True
    turned = fitted_masks(dict(a=masks.encode(block)), given, Header(31, 20, orientation), TURNED)
    assert segmentations.from_coco(found['polygon'], 20, 31) == turned['a']


def test_polygons_are_scaled_and_run_lengths_are_not():
    given = labels([40, 40, 80, 80], size=(200, 200))
    ring = [[40.0, 40, 80, 40, 80, 80]]
    found = fitted_masks(dict(a=ring), given, Header(50, 50), RESCALE)
    assert found == dict(a=[[10, 10, 20, 10, 20, 20]])
    for size in (50, 200):
        coded = masks.encode(np.ones((size, size), bool))
        with pytest.raises(masks.MaskError):
            fitted_masks(dict(a=coded), given, Header(50, 50), RESCALE)
    assert fitted_masks(dict(a=ring), given, Header(50, 50), IGNORE) == dict(a=ring)
