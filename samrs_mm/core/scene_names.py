"""Which scene an image was cut from, or which picture it is a copy of, by its name."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial

_ENDS = r'(?:jpe?g|png|tiff?|bmp|webp)'
_TURNED = (
    r'(?:aug(?:mented)?[_-]?\d*|(?:[hv]|lr|ud|horizontal|vertical)?[_-]?flip(?:ped)?(?:[_-]?(?:[hvxy]|'
    r'hv|lr|ud|horizontal|vertical|\d))?|rot(?:ate|ated|ation)?[_-]?\d{0,3}|mirror(?:ed)?|'
    r'transposed?|bright(?:ness)?|contrast|blur(?:red)?|noisy?|noise|gamma|hue|copy\d*)'
)
_COPIES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf'(.+?)(?:_{_ENDS})?\.rf\.[0-9a-z]{{8,}}',  # Roboflow
        rf'(?:.+_)?original_(.+?)\.{_ENDS}_[0-9a-f-]{{36}}',  # Augmentor
        rf'(.+?)[_-]{_TURNED}',
        r'(?:aug(?:mented)?\d*|[hv]?flip(?:ped)?|rot(?:ated)?_?(?:90|180|270)|mirror(?:ed)?)[_-](.+)',
    )
)
"""Names of turned, recoloured or otherwise augmented copies; the group is the picture's."""

_MARK = r'(?:[xyrc]|row|col|left|top)[_-]?\d+'
_TILES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        # ours, mmrotate's, YOLO's SCENE__SIZE__X___Y; DOTA's devkit has a scale for the size
        r'(.+)__\d+(?:\.\d+)?__\d+___\d+',
        r'(P\d{4,}|(?:train|valid)_\d+)_\d{4,}',  # the SAMRS release; BboxToolkit on DOTA
        r'([MN]-\d+-\d+-[A-D]-[a-d]-\d-\d)_\d+',  # LandCover.ai
        rf'(.+?)[_-]{_MARK}[_-]{_MARK}(?:[_-][wh]\d+)*',  # SCENE_x512_y0, SCENE_r0_c3
    )
)
_CORNERS = re.compile(r'(.+)[_-](\d+)[_-](\d+)[_-](\d+)[_-](\d+)')
_OFFSETS = re.compile(r'(.+)[_-](\d+)[_-](\d+)')
_LEAST = 16
"""Least side of a tile in pixels; smaller numbers count rows and columns."""


def scene_in_name(stem: str) -> str | None:
    """Return the scene that a name tells for certain, by itself; None of any other name.

    Known are tiles ``SCENE__SIZE__X___Y`` of our tools, mmrotate's and YOLO's, with a scale for the
    size those of DOTA's devkit; those of the SAMRS release (``P0003_0007`` of SOTA,
    ``train_12_0003`` and ``valid_7_0000`` of FAST); with the corners of a square, as
    mmsegmentation's converters and SAHI write them; with marked numbers, ``SCENE_x512_y0``. A copy
    (``x_aug1``, ``x_hflip``, Roboflow's ``x_jpg.rf.HASH``) is of the scene of its picture.

    Example:
        >>> scene_in_name('P0003__1024__824___0'), scene_in_name('P0003_0007')
        ('P0003', 'P0003')
        >>> scene_in_name('2_10_0_0_512_512'), scene_in_name('P0003_0_896_512_1408_aug1')
        ('2_10', 'P0003')
        >>> scene_in_name('img_2021_0714') is None
        True
    """
    name = _uncopied(stem)
    found = next((match[1] for tile in _TILES if (match := tile.fullmatch(name))), None)
    if found is None and (match := _CORNERS.fullmatch(name)):
        sides = _sides(match)
        found = match[1] if sides and sides[0] == sides[1] else None
    if found is not None:
        return _uncopied(found)
    return name if name != stem else None


def scenes_of(stems: Iterable[str]) -> dict[str, str | None]:
    """Return the scene of each image of a folder by stem; None where the names don't tell.

    Beside what ``scene_in_name`` knows, all names together tell tiles ``SCENE_X_Y`` (offsets in
    pixels from 0, or rows and columns of several scenes from 0 or 1) and
    ``SCENE_X0_Y0_X1_Y1`` that aren't square.

    Example:
        >>> scenes_of(['austin1_0_0', 'austin1_512_0', 'img_2021_0714'])
        {'austin1_0_0': 'austin1', 'austin1_512_0': 'austin1', 'img_2021_0714': None}
    """
    scenes = {stem: scene_in_name(stem) for stem in stems}
    open_names = [stem for stem, scene in scenes.items() if scene is None]
    for rule in (_by_corners, _by_offsets):
        found = rule(open_names)
        scenes |= {stem: _uncopied(scene) for stem, scene in found.items()}
        open_names = [stem for stem in open_names if stem not in found]
    bases = {scene for scene in scenes.values() if scene}
    # a picture that others are copies or tiles of
    return {stem: scene or (stem if stem in bases else None) for stem, scene in scenes.items()}


def by_pattern(pattern: re.Pattern, stems: Iterable[str]) -> dict[str, str | None]:
    """Return the scene of each image by a user's pattern, searched for in its stem.

    The scene is the group ``scene``, else the first group, else all that is found; None where
    nothing is.
    """
    group: str | int = 'scene' if 'scene' in pattern.groupindex else min(pattern.groups, 1)
    found = {stem: pattern.search(stem) for stem in stems}
    return {stem: match[group] if match else None for stem, match in found.items()}


def grid_neighbours(scenes: Collection[str]) -> list[tuple[str, str]]:
    """Return pairs of scenes that adjoin, where names are cells of a grid, such as ``2_10``.

    They are only if no two scenes are one cell and most have a neighbour among the others.
    """
    split = {scene: re.fullmatch(r'(.*?)(\d{1,3})[_-](\d{1,3})', scene) for scene in scenes}
    cells = {(m[1], int(m[2]), int(m[3])): scene for scene, m in split.items() if m}
    pairs = [
        (scene, other)
        for (before, row, column), scene in sorted(cells.items())
        for other in (cells.get((before, row + 1, column)), cells.get((before, row, column + 1)))
        if other
    ]
    beside = {scene for pair in pairs for scene in pair}
    return pairs if len(cells) == len(scenes) and 2 * len(beside) > len(scenes) else []


def _uncopied(name: str) -> str:
    """Return the name of the picture that a name is a copy's of, or the name itself."""
    while match := next((m for copy in _COPIES if (m := copy.fullmatch(name))), None):
        name = match[1]
    return name


def _sides(corners: re.Match) -> tuple[int, int] | None:
    """Return the sides of a tile whose corners are x, y, x, y or y, y, x, x; None of another."""
    a, b, c, d = map(int, corners.groups()[1:])
    for sides in ((c - a, d - b), (d - c, b - a)):
        if min(sides) >= _LEAST:
            return sides
    return None


def _by_corners(stems: Collection[str]) -> dict[str, str]:
    """Tiles with corners, most of which are of one size."""
    matches = {stem: match for stem in stems if (match := _CORNERS.fullmatch(stem))}
    sides = {stem: size for stem, match in matches.items() if (size := _sides(match))}
    most = Counter(sides.values()).most_common(1)
    if not most or most[0][1] < 2 or 2 * most[0][1] < len(sides):
        return {}
    return {stem: matches[stem][1] for stem in sides}


Places = Mapping[str, list[tuple[int, int]]]


def _by_offsets(stems: Collection[str]) -> dict[str, str]:
    """Tiles ``SCENE_X_Y``, if that is what all such names together look like."""
    matches = {stem: match for stem in stems if (match := _OFFSETS.fullmatch(stem))}
    places: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for match in matches.values():
        places[match[1]].append((int(match[2]), int(match[3])))
    rules: tuple[Callable[[Places], bool], ...] = (
        _are_pixels, partial(_are_cells, first=0), partial(_are_cells, first=1),
    )  # fmt: skip
    if not any(rule(places) for rule in rules):
        return {}
    return {stem: match[1] for stem, match in matches.items()}


def _are_pixels(places: Places) -> bool:
    """Whether numbers are offsets in pixels: most scenes begin at 0, and no step is too small."""
    numbers = {number for of in places.values() for pair in of for number in pair} - {0}
    begin = sum(min(x for x, _ in of) == 0 == min(y for _, y in of) for of in places.values())
    return bool(numbers) and min(numbers) >= _LEAST and 2 * begin >= len(places)


def _are_cells(places: Places, first: int) -> bool:
    """Whether numbers are rows and columns of several scenes, most of which are filled."""
    filled = 0
    for of in places.values():
        (rows, columns), cells = map(set, zip(*of, strict=True)), set(of)
        whole = len(rows) * len(columns)
        if len(cells) >= 4 and min(rows) == min(columns) == first and len(cells) >= 0.7 * whole:
            filled += len(of)
    return len(places) > 1 and 2 * filled >= sum(map(len, places.values()))
