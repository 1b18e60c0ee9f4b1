"""What a COCO file tells of the label files that it was made of, and whether they are as then."""

import hashlib
import json
import re
import shlex
from pathlib import Path
from typing import Any

from samrs_mm.core.errors import RefusedError
from samrs_mm.core.installed import spoken
from samrs_mm.formats.boxes.label_lists import ImageParts, image_parts
from samrs_mm.formats.boxes.label_pairs import LabelPairs, find_pairs
from samrs_mm.formats.boxes.label_places import LABELS
from samrs_mm.formats.boxes.yolo_names import YoloNames, class_names
from samrs_mm.formats.coco import coco_head

_WHAT = 'boxes of a folder'
_INFO = re.compile(rb'"info":\s*(\{[^{}]*\})')
_TAIL = 1 << 16
_ENCODING = 'utf-8', 'surrogateescape'


def source_head(
    root: Path,
    pairs: LabelPairs,
    source: str,
    options: str,
    names: YoloNames | None = None,
    given: str | None = None,
    parts: ImageParts | None = None,
) -> dict[str, Any]:
    """Return ``info`` and ``licenses`` of a file made of these labels with these options.

    ``names`` are the class names of YOLO, and ``given`` their file where a user named it, which is
    none of the options. ``parts`` are what its lists say.
    """
    head = coco_head(_WHAT)
    head['info'] |= dict(
        source=source,
        options=options,
        label_files=len(pairs.labels),
        label_sha256=_digest(root, pairs),
    )
    if names:
        head['info'] |= dict(names_file=_from(root, given), names_sha256=_digest_of_names(names))
    if parts:
        head['info']['parts_sha256'] = _digest_of(sorted(parts.of.items()))
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


def refuse_changed_labels(root: Path, file: Path) -> str:
    """Refuse a file whose label files or class names have changed since it was made of them.

    Times are compared first; label files are read only where one is newer or their number is
    another.

    Returns:
        Why they could not be compared, as where the file was passed on without them; else ''.

    Raises:
        RefusedError: With the command that makes the file anew.
    """
    info = source_info(file) or {}
    source, digest = info.get('source'), info.get('label_sha256')
    if source not in LABELS or not digest:
        return ''
    given = info.get('names_file')
    try:
        pairs = find_pairs(root, source)
        what = _changed(root, file, info, pairs)
        if not what and 'parts_sha256' in info:
            parts = image_parts(root, source, pairs.images)
            if _digest_of(sorted(parts.of.items())) != info['parts_sha256']:
                what = f'the lists of parts are not those that {file} was made with'
        if not what and 'names_sha256' in info:
            names = class_names(root, str(root / given) if given else None)
            if _digest_of_names(names) != info['names_sha256']:
                what = f'{names.file}: the class names are not those that {file} was made with'
    except (OSError, RefusedError) as error:
        return (
            f'taken as they are in {file.name}, not compared with the {info.get("label_files")} '
            f'label files that it was made of: {str(error).partition(";")[0]}'
        )
    if what:
        words = ['python', 'tools/dataset_converters/boxes_to_coco.py', str(root)]
        words += shlex.split(info.get('options', ''))
        words += ['--names', str(root / given)] if given else []
        if file.parent.resolve() != root.resolve():
            words += ['--out', str(file)]
        raise RefusedError(f'{what}; {spoken(shlex.join([*words, "--overwrite"]))}')
    return ''


def _changed(root: Path, file: Path, info: dict[str, Any], pairs: LabelPairs) -> str:
    """Return what is another with the label files; '' where nothing is."""
    names, made = sorted(pairs.labels.values()), file.stat().st_mtime_ns
    newer = [name for name in names if _placed(root / name) > made]
    if not newer and len(names) == info.get('label_files'):
        return ''
    if _digest(root, pairs) == info['label_sha256']:
        return ''
    if len(names) != info.get('label_files'):
        return f'label files were added to or taken from those that {file} was made of'
    return f'{newer[0]} is newer than {file}, which was made of it'


def _placed(path: Path) -> int:
    """Return when a file was written or put in its place: what is moved there may keep its time."""
    state = path.stat()
    return max(state.st_mtime_ns, state.st_ctime_ns)


def _from(root: Path, file: str | None) -> str | None:
    """Return a path from the root on, where it lies there, else an absolute one."""
    if file is None:
        return None
    path, root = Path(file).resolve(), root.resolve()
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def _digest_of_names(names: YoloNames) -> str:
    return _digest_of([names.names, names.key_points])


def _digest_of(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


def _digest(root: Path, pairs: LabelPairs) -> str:
    digest = hashlib.sha256()
    for name in sorted(pairs.labels.values()):
        try:
            data = (root / name).read_bytes()
        except OSError:
            data = b''  # named when its boxes are read
        digest.update(name.encode(*_ENCODING) + b'\0' + hashlib.sha256(data).digest())
    return digest.hexdigest()
