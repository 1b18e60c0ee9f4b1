"""What a user can do whose images have no label files where they are looked for."""

from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from samrs_mm.core.found_files import as_there
from samrs_mm.core.installed import spoken
from samrs_mm.core.wording import counted, plural
from samrs_mm.formats.boxes.label_places import (
    IMAGE_FOLDERS,
    LABELS,
    may_hold_labels,
    own_places,
    shared_place,
    usual,
)
from samrs_mm.formats.foreign import CVAT_XML, foreign_file, is_coco

_MOST_JSON = 5
_ANNOTATE = (
    'python tools/sam_annotate.py configs/annotate/coco_boxnet_hbox.py --data-root {root} --out '
    'OUT --cfg-options dataset.ann_file={file}'
)


def no_label_hint(root: Path, files: Iterable[str], images: Sequence[str], source: str) -> str:
    """Return where the labels of a folder's images seem to be, to end a message; '' if unknown.

    Args:
        root: The folder.
        files: All files in it, relative to it, with forward slashes.
        images: Those that are images.
        source: A format of ``LABELS``.
    """
    names = sorted(files)
    if source == 'voc' and any('Bounding Boxes' in name for name in names):
        return '; this looks like DIOR: configs/annotate/sior_sam-vit-h_hbox.py reads it as it is'
    folder = LABELS[source][0]
    if above := _folder_above(root, folder):
        return f'; there is a folder of labels beside it: give the folder above, {above}'
    for name in (name for name in names if name.lower().endswith('.xml')):
        if foreign_file(root / name) == CVAT_XML:
            return f'; there is {name}: {CVAT_XML}'
        break
    if own := [name for name in names if may_hold_labels(name, source)]:
        return _elsewhere(own, images, source)
    other = 'voc' if source == 'yolo' else 'yolo'
    if any(may_hold_labels(name, other) for name in names):
        return f'; there are {LABELS[other][1]} files: is it --from {other}?'
    return _of_json(root, [name for name in names if name.lower().endswith('.json')])


def _folder_above(root: Path, folder: str) -> Path | None:
    """Return the folder that has a folder of labels beside the images that were given."""
    root = root if root.parent.name else root.absolute()
    for here in (root, root.parent):
        if usual(f'{here.name}/').rstrip('/') in IMAGE_FOLDERS:
            return here.parent if (here.parent / as_there(here.parent, folder)).is_dir() else None
    return None


def _elsewhere(labels: Sequence[str], images: Sequence[str], source: str) -> str:
    """Return how label files that are there differ from those that are looked for."""
    folder, suffix = LABELS[source]
    places = {
        place
        for image in images
        for place in [*own_places(image, source), shared_place(image, source)]
    }
    lower = {place.lower(): place for place in places}
    for name in labels:
        path = PurePosixPath(usual(name)).with_suffix(suffix)
        if path.as_posix().lower() in lower:
            return f'; there is {name}, which differs in case: rename it or its image'
        for at in range(len(path.parts) - 1):
            if '/'.join([*path.parts[:at], folder, *path.parts[at + 1 :]]) in places:
                return f'; there is {name}: rename the folder {name.split("/")[at]} to {folder}'
    are = plural(len(labels), 'is', 'are')
    return f'; there {are} {counted(len(labels), f"{suffix} file")}, such as {labels[0]}'


def _of_json(root: Path, names: Sequence[str]) -> str:
    """Return what json files are and what reads them."""
    for name in names[:_MOST_JSON]:
        if is_coco(root / name):
            command = spoken(_ANNOTATE.format(root=root, file=name))
            return f'; {name} is a COCO file, which is annotated as it is: {command}'
        if hint := foreign_file(root / name):
            return f'; there is {name}: {hint}'
    if names:
        return (
            '; .json files are not read: export COCO, YOLO or VOC from the tool that wrote them '
            '(LabelMe, X-AnyLabeling, CVAT, Label Studio)'
        )
    return ''
