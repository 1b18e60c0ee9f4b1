"""What a COCO file tells of the label files that it was made of, and whether they are as then."""

import hashlib
import json
import re
import shlex
from pathlib import Path
from typing import Any

from samrs_mm.core.errors import RefusedError
from samrs_mm.core.installed import spoken
from samrs_mm.formats.boxes.label_pairs import LABELS, LabelPairs, find_pairs
from samrs_mm.formats.coco import coco_head

_WHAT = 'boxes of a folder'
_INFO = re.compile(rb'"info":\s*(\{[^{}]*\})')
_TAIL = 1 << 16
_ENCODING = 'utf-8', 'surrogateescape'


def source_head(root: Path, pairs: LabelPairs, source: str, options: str) -> dict[str, Any]:
    """Return ``info`` and ``licenses`` of a file made of these labels with these options."""
    head = coco_head(_WHAT)
    head['info'] |= dict(
        source=source,
        options=options,
        label_files=len(pairs.labels),
        label_sha256=_digest(root, pairs),
    )
    return head


def source_info(file: Path) -> dict[str, Any] | None:
    """Return ``info`` of a COCO file that was made of a folder of labels; None of any other."""
    try:
        with file.open('rb') as stream:
            size = stream.seek(0, 2)
            stream.seek(max(0, size - _TAIL))
            tail = stream.read()
        found = _INFO.findall(tail)
        info = json.loads(found[-1]) if found else {}
    except (OSError, ValueError):
        return None
    return info if info.get('description') == coco_head(_WHAT)['info']['description'] else None


def refuse_changed_labels(root: Path, file: Path) -> None:
    """Refuse a file whose label files have changed since it was made of them.

    Times are compared first; files are read only where one is newer or their number is another.

    Raises:
        RefusedError: With the command that makes the file anew.
    """
    info = source_info(file) or {}
    source, digest = info.get('source'), info.get('label_sha256')
    if source not in LABELS or not digest:
        return
    try:
        pairs = find_pairs(root, source)
        made = file.stat().st_mtime_ns
        names = sorted(pairs.labels.values())
        newer = [name for name in names if (root / name).stat().st_mtime_ns > made]
        if not newer and len(names) == info.get('label_files'):
            return
        if _digest(root, pairs) == digest:
            return
    except (OSError, RefusedError):
        return  # without the labels there is nothing to compare
    what = f'{newer[0]} is newer than' if newer else 'label files were added to or taken from'
    out = '' if file.parent.resolve() == root.resolve() else f' --out {shlex.quote(str(file))}'
    command = (
        f'python tools/dataset_converters/boxes_to_coco.py {shlex.quote(str(root))} '
        f'{info.get("options", "")}{out} --overwrite'
    )
    what += f' {file}, which was made of it' if newer else f' those that {file} was made of'
    raise RefusedError(f'{what}; {spoken(command)}')


def _digest(root: Path, pairs: LabelPairs) -> str:
    digest = hashlib.sha256()
    for name in sorted(pairs.labels.values()):
        try:
            data = (root / name).read_bytes()
        except OSError:
            data = b''  # named when its boxes are read
        digest.update(name.encode(*_ENCODING) + b'\0' + hashlib.sha256(data).digest())
    return digest.hexdigest()
