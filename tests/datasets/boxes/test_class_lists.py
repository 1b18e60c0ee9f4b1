import pytest

from samrs_mm.datasets.boxes.class_lists import class_list, spelling_notes


def test_names_without_a_list_are_sorted_and_none_is_another():
    found = class_list({}, ['vit', 'C+', 'Vit', 'C-'])
    assert found.table.classes == ('C+', 'C-', 'Vit', 'vit')
    assert found.ids is None
    assert found.notes[0].startswith('C+ = 0, C- = 1, Vit = 2, vit = 3 (the names met in the label')
    assert found.notes[1].startswith("'Vit' and 'vit' are not the same name, and stay 2 classes")
    assert len(found.notes) == 2


@pytest.mark.parametrize(
    ('listed', 'classes', 'ids', 'note'),
    [
        ({1: 'zebra', 2: 'ant'}, ('zebra', 'ant'), None, None),
        ({2: 'ant', 1: 'zebra'}, ('zebra', 'ant'), None, None),
        ({0: 'zebra', 1: 'ant'}, ('zebra', 'ant'), [0, 1], 'category ids 0, 1 of the labels are'),
        (
            {1: 'a', 3: 'b', 90: 'c', 7: 'd'}, ('a', 'b', 'd', 'c'), [1, 3, 7, 90],
            'category ids 1 to 90 (with gaps) of the labels are numbered anew, in their order: 1 to'
            ' 4 in records and annotations.json, pixel values 0 to 3; samrs-mm export FOLDER '
            '--to coco --out NEW gives them back',
        ),
        ({'x': 'zebra', 'y': 'ant'}, ('zebra', 'ant'), None, 'category ids x, y of the labels'),
        ({1: 'ship', 2: 'ship'}, ('ship',), None, "1 and 2 are both called 'ship': one class"),
    ],
)  # fmt: skip
def test_the_labels_own_list_is_kept(listed, classes, ids, note):
    found = class_list(listed, ['ant'])
    assert found.table.classes == classes
    assert found.ids == ids
    assert (note in found.notes[0]) if note else not found.notes


def test_a_list_beyond_a_label_map_is_cut_down_to_what_occurs():
    listed = {number: f'c{number}' for number in range(1, 1204)}
    found = class_list(listed, ['c700', 'c3'])
    assert found.table.classes == ('c3', 'c700')
    assert found.ids == [3, 700]
    assert (
        'the list has 1203 classes, a label map holds 255: only the 2 that occur'
        in (found.notes[0])
    )


def test_other_spellings_are_told():
    table = class_list({1: 'Small-Car', 2: 'Bus'}, []).table
    assert spelling_notes(table, {'Bus': 3}) == []
    assert spelling_notes(table, {'bus': 3, 'Small Car': 2, 'Bus': 1}) == [
        "spelled otherwise in the labels: 'Small Car' is 'Small-Car' (2 boxes), 'bus' is 'Bus' (3 "
        'boxes)'
    ]


def test_labels_without_a_box_have_no_list_of_names_to_tell():
    assert class_list({}, []).notes == []


def test_blanks_around_a_name_are_told():
    found = class_list({1: 'car', 2: 'car '}, ['car', 'car '])
    assert found.table.classes == ('car', 'car ')
    assert found.notes[-1].startswith("'car' and 'car ' are not the same name, and stay 2 classes")
