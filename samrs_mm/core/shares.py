"""A number of places shared out as equally as those who want them allow."""

from collections.abc import Mapping


def equal_shares(wanted: Mapping[str, int], places: int) -> dict[str, int]:
    """Return how many places each name gets; what small ones leave over goes to the others.

    Example:
        >>> equal_shares({'ship': 100, 'plane': 2, 'tank': 50}, 22)
        {'ship': 10, 'plane': 2, 'tank': 10}
    """
    shares, left = {}, places
    ordered = sorted(wanted, key=lambda name: wanted[name])  # stable: ties in their order
    for place, name in enumerate(ordered):
        shares[name] = min(wanted[name], left // (len(ordered) - place))
        left -= shares[name]
    return {name: shares[name] for name in wanted}
