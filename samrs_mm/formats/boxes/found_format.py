"""Which label format a folder has, by the names of its files and the beginnings of some."""

import codecs
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from samrs_mm.core.errors import RefusedError
from samrs_mm.core.found_files import walk_names
from samrs_mm.core.images import IMAGE_SUFFIXES
from samrs_mm.core.wording import counted
from samrs_mm.formats.boxes.coco_files import coco_files, first_of_each
from samrs_mm.formats.boxes.label_places import may_hold_labels, own_places, usual
from samrs_mm.formats.boxes.label_source import source_info
from samrs_mm.formats.foreign import CVAT_XML, LABEL_STUDIO, foreign_file, is_labelme

AUTO = 'auto'
_HEAD = 1 << 12
_BLANK = 4
"""Bytes of a file that may be a mark and a line's end."""
_MOST = 20
"""Files of a folder that are looked into."""

_YOLO_LINE = re.compile(r'\s*\d+(?:\.0+)?(?:\s+[-+.\deE]+){4,}\s*$')
_DOTA_LINE = re.compile(r'\s*(?:[-+.\deE]+\s+){8}\D')
_DOTA_HEADER = re.compile(r'\s*(?:imagesource|gsd)\b', re.IGNORECASE)


@dataclass
class FoundFormat:
    """A label format that a folder has.

    Args:
        name: One of ``SOURCES`` but ``auto``.
        files: The label files that show it: the first few.
    """

    name: str
    files: list[str]

    def __str__(self) -> str:
        return f'{self.name} ({_LOOKED_FOR[self.name][1]}, such as {self.files[0]})'


@dataclass
class _Folder:
    root: Path
    names: list[str]

    def heads(self, suffix: str) -> Iterator[tuple[str, str]]:
        """Yield the first files of each folder that end in a suffix, with their beginnings.

        Empty files, as of images without objects in YOLO, don't count.
        """
        for name in first_of_each(self.names, suffix, _MOST, self._holds_something):
            try:
                with (self.root / name).open('rb') as file:
                    yield name, _text(file.read(_HEAD))
            except OSError:
                continue

    def _holds_something(self, name: str) -> bool:
        try:
            return (self.root / name).stat().st_size > _BLANK
        except OSError:
            return False

    def lines(self) -> Iterator[tuple[str, str]]:
        """Yield text files that may hold labels, with their first line that is no header."""
        images = {
            place
            for name in self.names
            if name.lower().endswith(IMAGE_SUFFIXES)
            for place in own_places(name, 'yolo')
        }
        for name, head in self.heads('.txt'):
            folders = [part.lower() for part in PurePosixPath(name).parts[:-1]]
            likely = usual(name) in images or {'labels', 'labeltxt'} & set(folders)
            lines = [line for line in head.splitlines() if line.strip()]
            lines = [line for line in lines if not _DOTA_HEADER.match(line)]
            if likely and may_hold_labels(name, 'yolo') and lines:
                yield name, lines[0]

    def xml(self, wanted: Callable[[str, str], bool]) -> list[str]:
        """Return the XML files whose lower-case name and beginning are as wanted."""
        return [name for name, head in self.heads('.xml') if wanted(name.lower(), head)]


def _text(head: bytes) -> str:
    """Return the beginning of a file as text, by its byte order mark, else as UTF-8."""
    utf16 = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return head.decode('utf-16' if utf16 else 'utf-8-sig', errors='replace')


def _coco(folder: _Folder) -> list[str]:
    return [name for name, _ in coco_files(folder.root, folder.names, _MOST)]


def _yolo(folder: _Folder) -> list[str]:
    return [name for name, line in folder.lines() if _YOLO_LINE.match(line)]


def _dota(folder: _Folder) -> list[str]:
    return [name for name, line in folder.lines() if _DOTA_LINE.match(line)]


def _is_annotation(head: str) -> bool:
    return re.search(r'<annotation[\s>]', head) is not None


def _voc(folder: _Folder) -> list[str]:
    return folder.xml(
        lambda name, head: (
            _is_annotation(head) and 'bounding boxes/' not in name and not _in_label_xml(name)
        )
    )


def _dior(folder: _Folder) -> list[str]:
    return folder.xml(lambda name, head: _is_annotation(head) and 'bounding boxes/' in name)


def _in_label_xml(name: str) -> bool:
    return bool({'labelxml', 'labelxmls'} & set(name.split('/')[:-1]))


def _fair1m(folder: _Folder) -> list[str]:
    return folder.xml(lambda name, head: _is_annotation(head) and _in_label_xml(name))


def _hrsc(folder: _Folder) -> list[str]:
    return folder.xml(lambda name, head: '<HRSC_Image' in head)


def _cvat(folder: _Folder) -> list[str]:
    return [
        name
        for name in first_of_each(folder.names, '.xml', _MOST)
        if foreign_file(folder.root / name) == CVAT_XML
    ]


def _labelme(folder: _Folder) -> list[str]:
    names = first_of_each(folder.names, '.json', _MOST)
    return [name for name in names if is_labelme(folder.root / name)]


def _labelstudio(folder: _Folder) -> list[str]:
    return [
        name
        for name in first_of_each(folder.names, '.json', _MOST)
        if foreign_file(folder.root / name) == LABEL_STUDIO
    ]


def _isaid(folder: _Folder) -> list[str]:
    return [name for name in folder.names if name.endswith('_instance_id_RGB.png')]


_LOOKED_FOR: dict[str, tuple[Callable[[_Folder], Sequence[str]], str]] = {
    'coco': (_coco, '.json with images, annotations and categories'),
    'cvat': (_cvat, '.xml with <annotations> and <image>'),
    'dior': (_dior, ".xml in 'Horizontal Bounding Boxes'"),
    'dota': (_dota, '.txt with 8 numbers and a class'),
    'fair1m': (_fair1m, '.xml in labelXml'),
    'hrsc2016': (_hrsc, '.xml with <HRSC_Image>'),
    'isaid': (_isaid, '*_instance_id_RGB.png'),
    'labelme': (_labelme, '.json with shapes'),
    'labelstudio': (_labelstudio, '.json with a list of tasks'),
    'voc': (_voc, '.xml with <annotation>'),
    'yolo': (_yolo, '.txt with a class number and 4 numbers or more'),
}
SOURCES = (AUTO, *_LOOKED_FOR)
"""What ``--from`` takes."""


def found_format(root: Path) -> FoundFormat:
    """Return the label format of a folder.

    A COCO file that ``boxes_to_coco.py`` made of label files in the folder is none of its own.

    Raises:
        RefusedError: None is found, or several are.
    """
    if not root.is_dir():
        raise RefusedError(f'data_root {root}: no such folder')
    folder = _Folder(root, list(walk_names(root)))
    found = []
    for name, (look, _) in _LOOKED_FOR.items():
        if files := look(folder):
            found.append(FoundFormat(name, sorted(files)))
    if len(found) > 1 and found[0].name == 'coco':
        own = [file for file in found[0].files if source_info(root / file) is None]
        found[:1] = [FoundFormat('coco', own)] if own else []
    if not found:
        looked = '; '.join(f'{name}: {what}' for name, (_, what) in _LOOKED_FOR.items())
        raise RefusedError(
            f'data_root {root}: no labels found in its {counted(len(folder.names), "file")}; '
            f'looked for {looked}; a config of another dataset, or a format that is not read?'
        )
    if len(found) > 1:
        names = [each.name for each in found]
        raise RefusedError(
            f'data_root {root}: has labels of {len(found)} formats: {" and ".join(map(str, found))}'
            f'; say which to take: {" or ".join(f"--from {name}" for name in names)}'
        )
    return found[0]
