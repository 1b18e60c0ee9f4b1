import random

from samrs_mm.core.shares import equal_shares


def test_places_go_round_until_none_is_left_or_wanted():
    rng = random.Random(0)
    for _ in range(200):
        wanted = {name: rng.randrange(30) for name in 'abcde'[: rng.randrange(1, 6)]}
        places = rng.randrange(80)
        found = equal_shares(wanted, places)
        assert list(found) == list(wanted)
        assert sum(found.values()) == min(places, sum(wanted.values()))
        full = max(found.values())
        for name, share in found.items():  # who has fewer than others has all, or one fewer
            assert share == wanted[name] or share >= full - 1
