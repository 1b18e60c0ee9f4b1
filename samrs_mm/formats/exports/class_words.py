"""Class names as words of a sentence, and the words that take in several classes."""

import re
from collections.abc import Mapping, Sequence

_SPELLED = {
    'baseballfield': 'baseball field',
    'basketballcourt': 'basketball court',
    'golffield': 'golf field',
    'groundtrackfield': 'ground track field',
    'storagetank': 'storage tank',
    'tenniscourt': 'tennis court',
    'trainstation': 'train station',
}
"""DIOR's names that are run together."""

GROUPS: Mapping[str, frozenset[str]] = {
    'vehicle': frozenset({
        'bus', 'car', 'cargo truck', 'dump truck', 'excavator', 'large truck', 'large vehicle',
        'other vehicle', 'pickup truck', 'small car', 'small vehicle', 'tractor', 'trailer',
        'truck', 'truck tractor', 'van',
    }),
    'airplane': frozenset({
        'a220', 'a321', 'a330', 'a350', 'arj21', 'boeing737', 'boeing747', 'boeing777',
        'boeing787', 'c919', 'other airplane',
    }),
    'ship': frozenset({
        'dry cargo ship', 'engineering ship', 'fishing boat', 'liquid cargo ship', 'motorboat',
        'other ship', 'passenger ship', 'tugboat', 'warship',
    }),
    'sports ground': frozenset({
        'baseball diamond', 'baseball field', 'basketball court', 'football field', 'golf field',
        'ground track field', 'soccer ball field', 'tennis court',
    }),
}  # fmt: skip
"""Words for several classes together, by those classes' words."""

_SIZES = ('small', 'large', 'light', 'heavy')
_REST = 'other'


def words(name: str) -> str:
    """Return a class name in lower case without punctuation; empty where no letter is left."""
    plain = ' '.join(re.sub(r'[\W_]+', ' ', name).lower().split())
    return _SPELLED.get(plain, plain)


def speakable(name: str) -> bool:
    """Whether words say what a thing is; ``other ship`` does only beside the other classes."""
    return not name.startswith(f'{_REST} ')


def is_sized(name: str) -> bool:
    """Whether words hold a size already, as ``small vehicle`` does."""
    return not set(name.split()).isdisjoint(_SIZES)


def article(name: str, number: int) -> str:
    """Return words with the article that a number of such things takes."""
    if number == 1:
        return f'the {name}'
    return f'an {name}' if name[0] in 'aeiou' else f'a {name}'


def groups_of(names: Sequence[str]) -> dict[str, set[str]]:
    """Return, of the words for several classes, those that hold two of a dataset's or more.

    A word that is a class of the dataset itself is none of them: that class has its own objects.
    """
    found = {word: members & set(names) for word, members in GROUPS.items()}
    return {word: set(m) for word, m in found.items() if len(m) > 1 and word not in names}
