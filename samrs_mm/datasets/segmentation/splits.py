"""Assign images to a training and a validation list."""

import hashlib
import os
from collections.abc import Mapping, Sequence

from samrs_mm.core.atomic import atomic_write
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.found_files import read_list
from samrs_mm.core.resumable import ResumableFolder
from samrs_mm.core.wording import counted
from samrs_mm.formats.labelled_image import LabelledImage

TRAIN, VAL = 'train', 'val'
RECORD = 'splits.json'


class SplitFolder(ResumableFolder):
    """``train.txt``, ``val.txt`` and ``splits.json``, which states how they were made.

    Any other files may lie beside them.
    """

    if_foreign = if_other = 'use --overwrite to replace its lists, or another --out'

    def __init__(self, root: str | os.PathLike):
        super().__init__(root, RECORD)
        self.lists = {side: self.root / f'{side}.txt' for side in (TRAIN, VAL)}

    def foreign(self) -> list[str]:
        """Return the lists that are there."""
        return [path.name for path in self.lists.values() if path.exists()]

    def sides(self) -> dict[str, str]:
        """Return the side of each listed image by stem."""
        return {
            stem: side
            for side, path in self.lists.items()
            if path.exists()
            for stem in read_list(path)
        }

    def write(self, settings: dict, sides: Mapping[str, str]) -> dict[str, int]:
        """Write the lists, sorted; return the number of images in each."""
        lists = {side: sorted(stem for stem in sides if sides[stem] == side) for side in self.lists}
        counts = {side: len(stems) for side, stems in lists.items()}
        self.root.mkdir(parents=True, exist_ok=True)
        # the record goes first: lists without one would be taken for the user's own
        self.save(dict(settings=settings, counts=counts))
        for side, stems in lists.items():
            atomic_write(self.lists[side], ''.join(f'{stem}\n' for stem in stems).encode())
        return counts


def rank(name: str, seed: int, salt: str = '') -> float:
    """Return a number in [0, 1) that follows from a name, a seed and a purpose (salt) alone."""
    digest = hashlib.sha256(f'{salt}{seed}:{name}'.encode()).digest()
    return int.from_bytes(digest[:7], 'big') / 2**56


def split_by_scene(entries: Sequence[LabelledImage], val: float, seed: int) -> dict[str, str]:
    """Return the side of each image by stem; a scene is on one side as a whole.

    A scene's side follows from its name and the seed alone. ``val`` is the fraction of scenes for
    validation, in (0, 1).

    Raises:
        RefusedError: All scenes fall on one side.
    """
    scenes = {entry.scene: rank(entry.scene, seed) for entry in entries}
    if len(scenes) == 1:
        raise RefusedError(
            f'all {len(entries)} images are of one scene, {entries[0].scene}; add others, take '
            r"parts of it as scenes (--scene '(.+_\d+)_\d+' takes rows or columns of SCENE_X_Y), "
            'or split --by image, by which training sees parts of what it is validated on'
        )
    inside = sum(value < val for value in scenes.values())
    if not 0 < inside < len(scenes):
        side, bound = (VAL, min(scenes.values())) if not inside else (TRAIN, max(scenes.values()))
        limit = f'above {bound:.4f}' if not inside else f'of at most {bound:.4f}'
        raise RefusedError(
            f'none of {counted(len(scenes), "scene")} falls into {side} with --val {val} '
            f'--seed {seed}; '
            f'choose --val {limit}, another --seed, or --by image'
        )
    return {entry.stem: VAL if scenes[entry.scene] < val else TRAIN for entry in entries}


def split_by_image(
    entries: Sequence[LabelledImage], val: float, seed: int, known: Mapping[str, str]
) -> dict[str, str]:
    """Return the side of each image by stem, with exactly ``round((1 - val) * n)`` for training.

    Images whose side is known from an earlier split keep it; the others are assigned in the order
    of their rank. Counts are missed only where the known sides leave no choice.

    Raises:
        RefusedError: A side would be empty.
    """
    stems = [entry.stem for entry in entries]
    if not 0 < round((1 - val) * len(stems)) < len(stems):
        least = 0.5 / len(stems)
        raise RefusedError(
            f'--val {val} of {len(stems)} images leaves none for a side; choose one between '
            f'{least:.4f} and {1 - least:.4f}'
        )
    wanted = len(stems) - round((1 - val) * len(stems))
    wanted -= sum(known.get(stem) == VAL for stem in stems)
    new = sorted((stem for stem in stems if stem not in known), key=lambda s: rank(s, seed))
    sides = {stem: VAL if number < wanted else TRAIN for number, stem in enumerate(new)}
    return {stem: known.get(stem) or sides[stem] for stem in stems}


def shared_scenes(entries: Sequence[LabelledImage], sides: Mapping[str, str]) -> int:
    """Return the number of scenes that have images on both sides."""
    return len({(e.scene, sides[e.stem]) for e in entries}) - len({e.scene for e in entries})


def refuse_moves(known: Mapping[str, str], sides: Mapping[str, str]) -> None:
    """Refuse sides other than those of earlier lists: what was trained on could be validated on.

    Raises:
        RefusedError: An image would change its side.
    """
    moved = sorted(stem for stem in sides if known.get(stem, sides[stem]) != sides[stem])
    if moved:
        raise RefusedError(
            f'{counted(len(moved), "image")} would change sides, such as {moved[0]} from '
            f'{known[moved[0]]} to '
            f'{sides[moved[0]]}: the scenes of the images are told otherwise than when the lists '
            'were written; use --overwrite to replace them, or another --out'
        )
