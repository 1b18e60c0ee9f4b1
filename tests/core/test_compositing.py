import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from samrs_mm.core import masks
from samrs_mm.core.classes import UNLABELLED
from samrs_mm.core.compositing import (
    OVERLAP_POLICIES,
    Instance,
    check_policy,
    compose,
    paint_order,
)
from samrs_mm.core.errors import RefusedError

HEIGHT, WIDTH = 6, 8
scores = st.none() | st.sampled_from([0.0, 0.25, 0.5, 1.0, 1.2])
drawn = st.lists(st.tuples(st.integers(0, 254), arrays(bool, (HEIGHT, WIDTH)), scores), max_size=6)


def instance(label, mask, score=None):
    return Instance(label, masks.encode(mask), int(mask.sum()), score)


def slow(parts, policy):
    """Ask every pixel which of its masks wins: the later box where two are equal."""
    labels = np.full((HEIGHT, WIDTH), UNLABELLED)
    visible = [0] * len(parts)
    for y in range(HEIGHT):
        for x in range(WIDTH):
            here = [k for k, (_, mask, _) in enumerate(parts) if mask[y, x]]
            rank = {
                'small_on_top': lambda k: (-parts[k][1].sum(), k),
                'file_order': lambda k: (0, k),
                'score': lambda k: (-1 if parts[k][2] is None else parts[k][2], k),
            }[policy]
            if here:
                winner = max(here, key=rank)
                labels[y, x] = parts[winner][0]
                visible[winner] += 1
    return labels, visible


@pytest.mark.parametrize('policy', OVERLAP_POLICIES)
@given(parts=drawn)
def test_against_a_loop_over_pixels(policy, parts):
    labels, visible = compose([instance(*part) for part in parts], HEIGHT, WIDTH, policy)
    expected, seen = slow(parts, policy)
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, expected)
    assert visible == seen
    assert all(type(area) is int for area in visible)


def test_ties_go_to_the_later_box():
    mask = np.ones((HEIGHT, WIDTH), bool)
    for policy in OVERLAP_POLICIES:
        equal = [instance(label, mask, 0.5) for label in (3, 1, 2)]
        assert paint_order(equal, policy) == [0, 1, 2]
        labels, visible = compose(equal, HEIGHT, WIDTH, policy)
        assert (labels == 2).all()
        assert visible == [0, 0, HEIGHT * WIDTH]


def test_policies_differ_where_they_should():
    big, small = np.ones((HEIGHT, WIDTH), bool), np.zeros((HEIGHT, WIDTH), bool)
    small[2, 3] = True
    parts = [instance(0, small, 0.9), instance(1, big, 0.1)]
    winners = {p: compose(parts, HEIGHT, WIDTH, p)[0][2, 3] for p in OVERLAP_POLICIES}
    assert winners == dict(small_on_top=0, file_order=1, score=0)


def test_nothing_is_unlabelled():
    labels, visible = compose([], HEIGHT, WIDTH, 'score')
    assert (labels == UNLABELLED).all()
    assert visible == []


def test_many_instances():
    instances = [instance(k % 255, np.eye(40, dtype=bool)) for k in range(300)]
    labels, visible = compose(instances, 40, 40, 'file_order')
    assert labels[0, 0] == 299 % 255
    assert sum(visible) == visible[-1] == 40


def test_unknown_policy():
    assert check_policy('score') == 'score'
    with pytest.raises(RefusedError, match="overlap_policy 'big' is unknown; allowed: small_on_to"):
        check_policy('big')
