import pytest

from samrs_mm.core.abbreviations import abbreviations
from samrs_mm.core.classes import NAMED_CLASSES


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
