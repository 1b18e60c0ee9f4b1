import pytest

from samrs_mm.core.classes import (
    FAST_CLASSES,
    NAMED_CLASSES,
    PALETTE,
    SIOR_CLASSES,
    SOTA_CLASSES,
    ClassTable,
    UnknownClassError,
    abbreviations,
    class_key,
    likely_misspelt,
    palette_for,
)


@pytest.mark.parametrize(
    ('name', 'count', 'some'),
    [
        ('sota', 18, {0: 'large-vehicle', 4: 'plane', 9: 'small-vehicle', 17: 'helipad'}),
        ('sior', 20, {0: 'airplane', 6: 'expressway-service-area', 8: 'dam', 19: 'windmill'}),
        ('fast', 37, {0: 'A220', 15: 'Dry-Cargo-Ship', 24: 'other-airplane', 36: 'Warship'}),
    ],
)
def test_orders_of_the_release(name, count, some):
    classes = NAMED_CLASSES[name]
    assert len(classes) == len({class_key(c) for c in classes}) == count
    assert {index: classes[index] for index in some} == some


def test_palette():
    assert len(PALETTE) == 37
    assert len(set(PALETTE)) == 37
    assert PALETTE[0] == (0, 127, 255)
    assert palette_for(2) == [(0, 127, 255), (0, 63, 0)]
    assert len(palette_for(255)) == 255
    assert all(0 <= value < 256 for colour in palette_for(255) for value in colour)


@pytest.mark.parametrize(
    ('classes', 'spelled', 'meant'),
    [
        (SOTA_CLASSES, 'Storage_Tank', 'storage-tank'),
        (SOTA_CLASSES, 'store_tank', 'storage-tank'),
        (SOTA_CLASSES, 'Soccer_ball_field', 'soccer-ball-field'),
        (SIOR_CLASSES, 'Expressway-Service-area', 'expressway-service-area'),
        (SIOR_CLASSES, 'expresswayservicearea', 'expressway-service-area'),
        (SIOR_CLASSES, 'golf course', 'golffield'),
        (SIOR_CLASSES, 'train station', 'trainstation'),
        (SIOR_CLASSES, 'toll-station', 'expressway-toll-station'),
        (FAST_CLASSES, 'Dry Cargo Ship', 'Dry-Cargo-Ship'),
        (FAST_CLASSES, 'PassengerShip', 'Passenger-Ship'),
        (FAST_CLASSES, 'other-vehicle', 'other-vehicle'),
    ],
)
def test_spellings(classes, spelled, meant):
    assert classes[ClassTable(classes).index(spelled)] == meant


def test_every_class_finds_itself():
    for classes in NAMED_CLASSES.values():
        assert [ClassTable(classes).index(name) for name in classes] == list(range(len(classes)))


def test_unknown_class_lists_the_nearest():
    with pytest.raises(UnknownClassError, match=r"'A320'; nearest known: .*A321"):
        ClassTable(FAST_CLASSES).index('A320')
    with pytest.raises(UnknownClassError, match='nearest known: plane, ship'):
        ClassTable(['plane', 'ship']).index('???')


def test_names_of_labels_are_sorted_and_no_two_are_one():
    names = ['small vehicle', 'Ship', 'small-vehicle', 'ship', 'Ship', 'C+', 'C-', '0.5m', '05m']
    table = ClassTable.from_names(names)
    assert table.classes == tuple(sorted(set(names)))
    assert [table.classes[table.index(name)] for name in names] == names
    assert table.alike == [['Ship', 'ship'], ['small vehicle', 'small-vehicle']]


def test_the_nearest_spelling_is_meant():
    table = ClassTable(['Ship', 'small-vehicle', 'small vehicle', 'C+', 'C-'])
    assert table.index('SHIP') == 0
    assert table.index('Small-Vehicle') == 1
    with pytest.raises(UnknownClassError, match="'small_vehicle' may be 'small-vehicle' and 'sma"):
        table.index('small_vehicle')
    for name in ('C', 'C/', 'c'):
        with pytest.raises(UnknownClassError, match=f"unknown class '{name}'"):
            table.index(name)


def test_names_in_other_scripts_stay_apart():
    table = ClassTable.from_names(['飞机', '船', '+', '++'])
    assert len(table.classes) == 4
    assert {table.classes[table.index(name)] for name in ('飞机', '船')} == {'飞机', '船'}


def test_impossible_tables():
    with pytest.raises(ValueError, match="'ship' is there twice"):
        ClassTable(['ship', 'Ship', 'ship'])
    with pytest.raises(ValueError, match='256 classes'):
        ClassTable([f'c{i}' for i in range(256)])


@pytest.mark.parametrize('classes', NAMED_CLASSES.values(), ids=NAMED_CLASSES)
def test_every_class_of_a_subset_has_its_own(classes):
    short = abbreviations(classes)
    assert len(set(short)) == len(classes)
    assert all(name.isalnum() and 2 <= len(name) <= 3 for name in short)


@pytest.mark.parametrize(
    ('subset', 'name', 'short'),
    [
        ('sota', 'helipad', 'HP'),
        ('sota', 'large-vehicle', 'LV'),
        ('sior', 'expressway-toll-station', 'ETS'),
        ('sior', 'windmill', 'WD'),
        ('fast', 'Truck-Tractor', 'TUT'),
        ('fast', 'Boeing777', 'B7'),
    ],
)
def test_the_paper_s_appendix(subset, name, short):
    classes = NAMED_CLASSES[subset]
    assert abbreviations(classes)[classes.index(name)] == short


def test_some_classes_of_a_subset_in_other_spelling():
    assert abbreviations(('Plane', 'storage tank')) == ('PL', 'ST')
    assert abbreviations(('airplane', 'storagetank')) == ('APL', 'STT')


def test_other_classes_keep_their_names():
    assert abbreviations(('plane', 'submarine')) == ('plane', 'submarine')
    assert abbreviations(()) == ()


@pytest.mark.parametrize('classes', NAMED_CLASSES.values(), ids=NAMED_CLASSES)
def test_no_class_of_a_subset_looks_misspelt(classes):
    for rare in classes:
        assert likely_misspelt(dict.fromkeys(classes, 1000) | {rare: 1}) == []


@pytest.mark.parametrize('slip', ['rooof', 'rof', 'foor', 'Roof', 'roofs', 'ro_of', 'roaf'])
def test_slips_of_the_pen(slip):
    counts = {'roof': 70, slip: 1, 'car': 30}
    assert likely_misspelt(counts) == ([(slip, 'roof')] if slip != 'foor' else [])
    assert likely_misspelt(counts | {slip: 20}) == []


def test_other_numbers_are_other_classes():
    assert likely_misspelt({'boeing 737': 90, 'boeing 747': 1, 'A1': 50, 'A2': 1}) == []
