"""What a folder of another layout than the config's looks like, for messages."""

from itertools import islice
from pathlib import Path

from samrs_mm.core.found_files import walk_files

_LOOKED_AT = 20_000
_CONVERT = 'tools/dataset_converters/boxes_to_coco.py {root} --from {kind}, then a coco config'


def layout_hint(root: Path) -> str:
    """Return what a folder seems to be and which config reads it, to end a message; '' if unknown.

    Only the names of the first files are looked at.
    """
    names = [
        path.relative_to(root).as_posix().lower() for path in islice(walk_files(root), _LOOKED_AT)
    ]
    json = sorted(name for name in names if name.endswith('.json'))
    looks = {
        "DOTA's layout; a dota config reads it": _any(names, 'labeltxt', '.txt'),
        f'Pascal VOC; {_CONVERT.format(root=root, kind="voc")}': _any(names, 'annotations', '.xml'),
        f'YOLO; {_CONVERT.format(root=root, kind="yolo")}': (
            _any(names, 'labels', '.txt') or 'data.yaml' in names or 'classes.txt' in names
        ),
        f'a COCO file {json[0] if json else ""}; a coco config with dataset.ann_file reads it': (
            bool(json)
        ),
    }
    found = [text for text, fits in looks.items() if fits]
    return f'. It looks like {found[0]}' if found else ''


def _any(names: list[str], folder: str, suffix: str) -> bool:
    return any(name.endswith(suffix) and folder in name.split('/')[:-1] for name in names)
