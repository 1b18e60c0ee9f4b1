from dataclasses import replace

import numpy as np
import pytest

from samrs_mm.core import masks
from samrs_mm.formats.annotated.entries import BoxEntry, ImageEntry
from samrs_mm.formats.annotated.record import Record
from samrs_mm.formats.exports.phrases import phrases_of

SIDE = 300


def box(number, label, x, y, w, h, status='kept'):
    """Return a box whose mask is the rectangle."""
    mask = np.zeros((SIDE, SIDE), bool)
    mask[y : y + h, x : x + w] = True
    polygon = np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]], float)
    entry = BoxEntry.new(
        number, f'a.txt:{number}', label, 'unused', 'hbox', polygon, polygon, None, status
    )
    if status not in ('kept', 'corrected', 'added'):
        return entry
    return replace(entry, segmentation=masks.encode(mask), bbox=[x, y, w, h], area=w * h)


def phrases(classes, *boxes):
    """Return numbers of boxes by phrase, and reasons by phrase that is dropped."""
    entry = ImageEntry('a.png', 'a', None, [0, 0], SIDE, SIDE, None, [])
    entries = [box(number, *each) for number, each in enumerate(boxes, 1)]
    found = phrases_of(Record(entry, 's', entries), classes)
    assert len({phrase.text for phrase in found}) == len(found)
    kept = {p.text: [b.id for b in p.boxes] for p in found if not p.dropped}
    dropped = {p.text: p.dropped for p in found if p.dropped}
    return kept, dropped


def test_a_class_and_its_places():
    kept, dropped = phrases(
        ['ship'], (0, 10, 140, 20, 20), (0, 270, 140, 20, 20), (0, 140, 135, 20, 20)
    )
    assert kept == {
        'ship': [1, 2, 3], 'ship on the left': [1], 'ship on the right': [2],
        'ship in the middle': [3],
    }  # fmt: skip
    assert dropped == {'small ship': 'ambiguous', 'large ship': 'ambiguous'}


@pytest.mark.parametrize('status', ['corrected', 'added'])
def test_masks_by_hand_are_spoken_of(status):
    kept, _ = phrases(['ship'], (0, 10, 140, 20, 20), (0, 270, 140, 20, 20, status))
    assert kept['ship'] == [1, 2]
    assert kept['ship on the right'] == [2]


def test_a_thing_on_the_border_of_a_place_makes_the_phrase_unsure():
    kept, dropped = phrases(['ship'], (0, 10, 140, 20, 20), (0, 90, 140, 20, 20))
    assert 'ship on the left' not in kept  # the second one's centre lies at a third
    assert dropped['ship on the left'] == 'ambiguous'
    assert kept['ship'] == [1, 2]


def test_a_thing_that_reaches_to_the_other_side_is_on_neither():
    kept, dropped = phrases(['bridge'], (0, 0, 10, 170, 20), (0, 180, 200, 110, 20))
    assert dropped['bridge on the left'] == 'ambiguous'  # its centre is, its end is not
    assert kept['bridge at the top'] == [1]


def test_sizes_are_named_where_there_are_two():
    kept, dropped = phrases(
        ['tank'], (0, 10, 10, 10, 10), (0, 40, 10, 11, 10), (0, 200, 200, 40, 40)
    )
    assert kept['small tank'] == [1, 2]
    assert kept['large tank'] == [3]
    assert dropped['tank on the right'] == 'same'  # the large one
    _, dropped = phrases(['tank'], (0, 10, 10, 10, 10), (0, 40, 10, 15, 10), (0, 200, 200, 20, 10))
    assert dropped['small tank'] == dropped['large tank'] == 'ambiguous'
    _, dropped = phrases(
        ['tank'], (0, 10, 10, 6, 6), (0, 40, 10, 20, 20), (0, 90, 10, 66, 66)
    )  # each is ten times the one before: where do the large ones begin?
    assert dropped['small tank'] == dropped['large tank'] == 'ambiguous'


def test_a_name_that_holds_a_size_gets_no_other():
    kept, dropped = phrases(['small-vehicle'], (0, 10, 10, 10, 10), (0, 200, 200, 40, 40))
    assert not [text for text in {*kept, *dropped} if text.startswith(('small small', 'large'))]


def test_words_for_several_classes():
    classes = ['small-vehicle', 'large-vehicle', 'ship']
    kept, dropped = phrases(
        classes, (0, 10, 10, 10, 10), (1, 200, 200, 40, 12), (2, 100, 250, 20, 20)
    )
    assert kept['vehicle'] == [1, 2]
    assert kept['small vehicle'] == [1]
    assert kept['large vehicle'] == [2]
    assert dropped['small vehicle on the left'] == 'same'
    kept, dropped = phrases([*classes, 'vehicle'], (0, 10, 10, 10, 10), (3, 200, 200, 40, 12))
    assert kept['vehicle'] == [2]  # a class of its own takes in no others


def test_other_ship_is_a_ship_only_beside_the_other_kinds():
    kept, dropped = phrases(['Tugboat', 'other-ship'], (0, 10, 10, 9, 9), (1, 200, 200, 9, 9))
    assert kept['ship'] == [1, 2]
    assert not [text for text in {*kept, *dropped} if 'other' in text]


@pytest.mark.parametrize(
    ('x', 'text', 'why'),
    [
        (110, 'ship in the harbor', None),
        (88, 'ship in the harbor', 'none'),  # 40 % of it are in it
        (72, 'ship next to the harbor', None),  # 8 px of 20 away
        (65, 'ship next to the harbor', 'none'),  # 15 px: neither next to it nor not
        (50, 'ship next to the harbor', 'none'),  # 30 px
    ],
)
def test_relations(x, text, why):
    width = 20
    kept, dropped = phrases(
        ['ship', 'harbor'], (1, 100, 100, 60, 60), (0, x, 120, width, 20), (0, 10, 270, 20, 20),
        (0, 175, 175, 20, 20),
    )  # fmt: skip
    assert dropped.get(text) is None
    assert kept.get(text) == (None if why else [2])


def test_a_thing_half_in_another_makes_both_relations_unsure():
    _, dropped = phrases(
        ['ship', 'harbor'], (1, 100, 100, 60, 60), (0, 110, 120, 20, 20), (0, 88, 140, 20, 20),
        (0, 162, 110, 20, 20), (0, 175, 200, 20, 20),
    )  # fmt: skip
    assert dropped['ship in the harbor'] == dropped['ship next to the harbor'] == 'ambiguous'


def test_a_half_near_thing_makes_nearness_unsure():
    harbor = (1, 100, 100, 60, 60)
    near, half = (0, 72, 120, 20, 20), (0, 65, 145, 20, 20)
    kept, _ = phrases(['ship', 'harbor'], harbor, near, (0, 10, 270, 20, 20))
    assert kept['ship next to the harbor'] == [2]
    kept, dropped = phrases(['ship', 'harbor'], harbor, near, half, (0, 10, 270, 20, 20))
    assert dropped['ship next to the harbor'] == 'ambiguous'


def test_several_others_take_the_indefinite_article():
    kept, dropped = phrases(
        ['ship', 'airport'], (1, 100, 100, 60, 60), (1, 200, 10, 60, 60), (0, 110, 110, 9, 9),
        (0, 10, 270, 9, 9), (0, 180, 180, 9, 9),
    )  # fmt: skip
    assert kept['ship in an airport'] == [3]
    assert 'airport next to a ship' not in {*kept, *dropped}  # it is in it


@pytest.mark.parametrize('status', ['empty', 'filtered', 'crowd', 'ignored'])
def test_a_box_without_a_mask_spoils_what_is_said_of_its_class(status):
    kept, dropped = phrases(
        ['ship', 'harbor', 'tank'], (0, 10, 140, 20, 20), (0, 200, 140, 20, 20, status),
        (1, 5, 165, 30, 30), (2, 150, 20, 20, 20),
    )  # fmt: skip
    assert {*kept} == {'harbor', 'tank'}
    assert dropped['ship'] == dropped['ship on the left'] == 'unmasked'
    assert dropped['harbor next to the ship'] == 'unmasked'


def test_what_lies_outside_the_image_spoils_nothing():
    kept, _ = phrases(['ship'], (0, 10, 140, 20, 20), (0, 200, 140, 20, 20, 'outside'))
    assert kept == {'ship': [1]}


def test_next_to_no_pixels():
    assert phrases(['ship'], (0, 10, 10, 3, 5)) == (
        {}, {'ship': 'tiny', 'ship on the left': 'tiny', 'ship at the top': 'tiny'},
    )  # fmt: skip
