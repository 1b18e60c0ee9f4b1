"""Which images a segmentation dataset holds: annotated folders, and the released SAMRS layout."""

import csv
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

from samrs_mm.core.atomic import load
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.found_files import as_there
from samrs_mm.core.images import IMAGE_SUFFIXES
from samrs_mm.core.own_outputs import own_output
from samrs_mm.core.scene_names import scene_in_name, scenes_of
from samrs_mm.core.system import follow
from samrs_mm.core.wording import plural
from samrs_mm.formats.annotated import folder
from samrs_mm.formats.labelled_image import LabelledImage

IMAGE_FOLDERS = ('images', 'trainval/images', 'trainval_images', 'JPEGImages-trainval')
"""Where released SAMRS images were seen below the data root; the first that exists is taken."""

_LABEL_FOLDERS = (
    'semlabels/gray', 'semantic', 'hbox_segs_init/gray', 'rhbox_segs_init/gray',
    'hbox_segs_trainvaltest_init/gray', 'gray', 'labels',
)  # fmt: skip
LABEL_FOLDERS = (*_LABEL_FOLDERS, *(f'trainval/{name}' for name in _LABEL_FOLDERS))
"""Where released SAMRS labels were seen, likewise."""

LABEL_SUFFIXES = ('.png', '.tif', '.tiff')
"""What labels end in, unless a dataset says otherwise; the first that exists is taken."""

DIOR_TRAINVAL = 11_725
"""DIOR's training and validation images are 00001 to 11725, its test images 11726 to 23463."""


def scene_of(stem: str) -> str:
    """Return the scene that an image was cut from, by its name; of any other image its own name.

    Of a folder's images ``scenes_of`` knows more: it sees all names together.

    Example:
        >>> scene_of('P0003__1024__824___0'), scene_of('P0003_0007'), scene_of('train_12_0003')
        ('P0003', 'P0003', 'train_12')
        >>> scene_of('00012'), scene_of('train_0012'), scene_of('img_2021_0714')
        ('00012', 'train_0012', 'img_2021_0714')
    """
    return scene_in_name(stem) or stem


def is_dior_trainval(name: str) -> bool:
    """Whether a DIOR image, by its number, is of the training and validation sets.

    Raises:
        RefusedError: The name isn't one of DIOR.
    """
    match = re.match(r'\d{1,5}(?!\d)', name)
    if not match:
        raise RefusedError(
            f'{name!r} is not a DIOR image (00001 to 23463); use SAMRSDataset for other images'
        )
    return 1 <= int(match[0]) <= DIOR_TRAINVAL


def read_meta(root: Path) -> dict | None:
    """Return an annotated folder's ``meta.json``; None where there is none.

    Raises:
        RefusedError: It can't be read, or misses what training needs.
    """
    path = root / folder.META
    if not path.exists():
        return None
    try:
        meta = load(path.read_bytes())
        complete = {'settings', 'classes', 'palette', 'data_root'} <= meta.keys()
    except (OSError, ValueError, AttributeError) as error:
        raise RefusedError(f'{path}: cannot read it: {error}') from error
    if not complete:
        raise RefusedError(
            f'{path}: the annotation has not got to its end; finish it with sam_annotate.py, or '
            'close it as it is with sam_annotate.py --finalise'
        )
    return meta


def read_annotated(root: Path, meta: dict) -> list[LabelledImage]:
    """Return the images of a folder that ``sam_annotate.py`` wrote, with this ``meta.json``.

    Raises:
        RefusedError: ``images.csv`` is missing or isn't one.
    """
    path = root / folder.INDEX
    own = folder.has_pictures(meta['settings'])
    base = root if own else follow(meta['data_root'], root)
    try:
        with open(path, newline='', encoding='utf-8') as file:
            rows = list(csv.DictReader(file))
        larger = scenes_of(row['scene'] for row in rows)  # what was annotated may be tiles
        return [
            LabelledImage(
                stem=row['stem'],
                image=str(base / row['file']),
                label=str(root / folder.SEMANTIC / f'{row["stem"]}.png'),
                scene=larger[row['scene']] or row['scene'],
                split=row['split'],
                labelled=int(row['labelled']),
            )
            for row in rows
        ]
    except FileNotFoundError as error:
        raise RefusedError(
            f'{path}: no such file; write it with sam_annotate.py --finalise'
        ) from error
    except (OSError, KeyError, TypeError, ValueError, csv.Error) as error:
        raise RefusedError(
            f'{path}: not an index of this tool ({error}); write it with sam_annotate.py --finalise'
        ) from error


def read_released(
    root: Path,
    prefixes: Mapping[str, str],
    img_suffix: str | None = None,
    seg_map_suffix: str | None = None,
    all_labelled: bool = False,
) -> list[LabelledImage]:
    """Return the images that have a label, in the layout of the SAMRS release.

    ``prefixes`` are ``img_path`` and ``seg_map_path`` relative to the folder of the subset; empty
    ones are looked for in ``IMAGE_FOLDERS`` and ``LABEL_FOLDERS``. Suffixes are as in
    ``pair_files``. ``all_labelled`` refuses images without a label.

    Raises:
        RefusedError: A folder is missing, no image has a label, or one that should hasn't.
    """
    images = _folder(root, prefixes.get('img_path'), 'img_path', IMAGE_FOLDERS)
    labels = _folder(root, prefixes.get('seg_map_path'), 'seg_map_path', LABEL_FOLDERS)
    entries, bare = pair_files(images, labels, img_suffix, seg_map_suffix)
    if not entries:
        raise RefusedError(
            f'data_root {root}: no image of {images} has a label STEM{seg_map_suffix or ".png"} in '
            f'{labels}; set data_prefix=dict(img_path=..., seg_map_path=...), or img_suffix and '
            'seg_map_suffix'
        )
    if bare and all_labelled:
        stem = bare[0].removesuffix(img_suffix or Path(bare[0]).suffix)
        raise RefusedError(
            f'{images}: {len(bare)} of {len(bare) + len(entries)} images '
            f'{plural(len(bare), "has", "have")} no label, such as '
            f'{bare[0]} (looked for {labels / stem}{seg_map_suffix or ".png"}); add them, or name '
            'the images to use in a list (ann_file)'
        )
    return entries


def pair_files(
    images: Path, labels: Path, img_suffix: str | None = None, seg_map_suffix: str | None = None
) -> tuple[list[LabelledImage], list[str]]:
    """Return the images in a folder and its subfolders: those with a label, and those without.

    An image ``AREA/STEM.tif`` has its label in the folder of the same name, ``AREA/STEM.png``.

    Args:
        images: Folder of the images.
        labels: Folder of the labels; if it lies in that of the images, it isn't searched for any.
        img_suffix: What the names of images end in, such as ``'_sat.jpg'``; the rest is the stem.
            None takes every image file.
        seg_map_suffix: Likewise of labels; None takes ``.png``, else ``.tif`` or ``.tiff``, in
            capitals too.

    Returns:
        The entries by stem, and the names of the images without a label, sorted.

    Raises:
        RefusedError: Two images have the same stem.
    """
    found: dict[str, str] = {}
    for stem, name in _stems(images, (img_suffix,) if img_suffix else IMAGE_SUFFIXES, labels):
        if stem in found:
            raise RefusedError(
                f'{images}: {found[stem]} and {name} have the same stem, so one label; take one of '
                'them out, or choose by img_suffix'
            )
        found[stem] = name
    wanted = (seg_map_suffix,) if seg_map_suffix else LABEL_SUFFIXES
    ranked = sorted(_stems(labels, wanted), key=lambda pair: pair[1][-4:].lower() != '.png')
    label_of = dict(reversed(ranked))  # of several labels of a stem the first
    scenes = scenes_of(found)
    entries = [
        LabelledImage(stem, str(images / name), str(labels / label_of[stem]), scenes[stem] or stem)
        for stem, name in sorted(found.items())
        if stem in label_of
    ]
    return entries, sorted(name for stem, name in found.items() if stem not in label_of)


def unpaired_files(
    root: str | os.PathLike, prefixes: Mapping[str, str] | None = None
) -> tuple[list[str], list[str]]:
    """Return the images without a label and the labels without an image, by sorted names.

    Both are empty for an annotated folder, whose images all have a label. Pictures of a kind that
    is not read count as images that are missing.
    """
    root, prefixes = Path(root), prefixes or {}
    if read_meta(root):
        return [], []
    images = _folder(root, prefixes.get('img_path'), 'img_path', IMAGE_FOLDERS)
    labels = _folder(root, prefixes.get('seg_map_path'), 'seg_map_path', LABEL_FOLDERS)
    entries, bare = pair_files(images, labels)
    known = {entry.stem for entry in entries}
    return bare, sorted(name for stem, name in _stems(labels, LABEL_SUFFIXES) if stem not in known)


def _folder(root: Path, given: str | None, key: str, known: Iterable[str]) -> Path:
    for name in (given,) if given else known:
        place = root / as_there(root, name)
        if place.is_dir():
            return place
    tried = given or ', '.join(known)
    raise RefusedError(
        f'data_root {root}: no {folder.META}, and no such folder: {tried}; set data_prefix=dict('
        f'{key}=...)'
    )


def _stems(
    path: Path, suffixes: Collection[str], but: Path | None = None
) -> Iterator[tuple[str, str]]:
    """Yield stem and name, relative to a folder, of the files below it that end in a suffix.

    Folders below it that our own tools wrote are passed over.
    """
    for parent, folders, names in os.walk(path, followlinks=True):
        if Path(parent) != path and own_output(Path(parent), names):
            folders[:] = []
            continue
        folders[:] = [
            name for name in folders if name[0] != '.' and (not but or Path(parent, name) != but)
        ]
        below = Path(parent).relative_to(path).as_posix()
        for name in names:
            end = next((suffix for suffix in suffixes if name.lower().endswith(suffix.lower())), '')
            if end and name[0] != '.':
                whole = name if below == '.' else f'{below}/{name}'
                yield whole[: -len(end)], whole


def read_entries(
    root: str | os.PathLike, prefixes: Mapping[str, str] | None = None
) -> list[LabelledImage]:
    """Return the images of an annotated folder or of one subset of the SAMRS release.

    Raises:
        RefusedError: It is neither.
    """
    root = Path(root)
    if not root.is_dir():
        raise RefusedError(f'data_root {root}: no such folder')
    meta = read_meta(root)
    return read_annotated(root, meta) if meta else read_released(root, prefixes or {})


def missing_files(paths: Iterable[str]) -> list[str]:
    """Return those of many files that don't exist, looking into each folder once."""
    listed = cache(lambda folder: set(os.listdir(folder)) if os.path.isdir(folder) else set())
    return [path for path in paths if os.path.basename(path) not in listed(os.path.dirname(path))]
