import pytest

from samrs_mm.core.classes import NAMED_CLASSES, class_key
from samrs_mm.drawn.class_kinds import CLASS_KINDS, kinds_for
from samrs_mm.drawn.kinds import KINDS


@pytest.mark.parametrize('subset', NAMED_CLASSES)
def test_every_class_of_a_subset_has_kinds_that_exist(subset):
    keys = {class_key(name) for name in CLASS_KINDS}
    missing = [name for name in NAMED_CLASSES[subset] if class_key(name) not in keys]
    assert not missing
    for name in NAMED_CLASSES[subset]:
        assert kinds_for(name)
        assert set(kinds_for(name)) <= KINDS.keys()


def test_the_table_has_no_class_of_no_subset_and_none_twice():
    known = {class_key(name) for names in NAMED_CLASSES.values() for name in names}
    keys = [class_key(name) for name in CLASS_KINDS]
    assert set(keys) == known
    assert len(set(keys)) == len(keys)


def test_all_kinds_but_houses_and_free_forms_look_like_a_class():
    used = {kind for kinds in CLASS_KINDS.values() for kind in kinds}
    assert KINDS.keys() - used == {'house', 'bar', 'blob', 'scatter'}


def test_classes_of_other_datasets_may_be_anything():
    assert kinds_for('cow') == tuple(KINDS)
    assert kinds_for('Storage Tank') == ('tank',)
