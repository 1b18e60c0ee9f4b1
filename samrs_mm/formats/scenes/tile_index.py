"""``tiles.json``: what a folder of tiles was cut from."""

import os
from pathlib import Path

from samrs_mm.core.atomic import load
from samrs_mm.core.errors import RefusedError

META = 'tiles.json'


def read_scene_sizes(root: str | os.PathLike) -> dict[str, tuple[int, int]]:
    """Return width and height of each scene of a split, such as ``data/potsdam/test``, by name.

    Raises:
        RefusedError: It wasn't cut by this tool, or not to the end.
    """
    path = Path(root, META)
    try:
        meta = load(path.read_bytes())
        if not meta['partial']:
            return {name: tuple(size) for name, size in meta['scenes'].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RefusedError(
            f'{path}: does not list the scenes of the tiles ({error}); cut them with '
            'prepare_potsdam.py or prepare_isaid.py'
        ) from error
    raise RefusedError(f'{path}: not all scenes are cut yet; run the tool that made it again')
