"""Class names of YOLO datasets, as they are written: data.yaml, classes.txt, obj.names."""

import codecs
import contextlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml  # type: ignore[import-untyped]
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode  # type: ignore[import-untyped]

from samrs_mm.core.errors import RefusedError
from samrs_mm.core.found_files import walk_files
from samrs_mm.core.wording import counted, plural

NAME_FILES = ('data.yaml', 'data.yml', 'dataset.yaml', 'dataset.yml', 'classes.txt', 'obj.names')
"""Files that names are looked for in, in the root, else in any folder below it."""

_NUMBERED = re.compile(r'(\d{1,4})\s*[:=,\s]\s*\S')
_YAML = ('.yaml', '.yml')
_MARKS = {
    codecs.BOM_UTF8: 'utf-8-sig', codecs.BOM_UTF16_LE: 'utf-16', codecs.BOM_UTF16_BE: 'utf-16',
}  # fmt: skip


@dataclass(frozen=True)
class YoloNames:
    """Class names by number, and what else a data.yaml says of its label lines.

    Args:
        names: Class names by number, as written.
        file: The file that they are of.
        key_points: Number of key points and of values each (2 or 3) of ``kpt_shape``, or None.
    """

    names: tuple[str, ...]
    file: Path
    key_points: tuple[int, int] | None = None


def class_names(root: Path, given: str | None) -> YoloNames:
    """Return the class names of a YOLO dataset, of a file given or looked for.

    Raises:
        RefusedError: There is no such file, it does not give every class one name of its own, or
            two files that were looked for differ.
    """
    paths = [Path(given)] if given else _names_files(root.iterdir())
    paths = [path for path in paths if path.is_file()]
    if not given and not paths:
        paths = _names_files(walk_files(root)) or _only_yaml(root)
    found = [read_names_file(path) for path in paths]
    if not found:
        others = sorted(path.name for path in root.glob('*.y*ml')) if not given else []
        hint = f'; is it {others[0]}?' if others else ''
        raise RefusedError(
            f'{given or root}: no class names there; give --names FILE (looked for '
            f'{", ".join(NAME_FILES)}{hint})'
        )
    for other in found[1:]:
        if other.names != found[0].names:
            raise RefusedError(
                f'{found[0].file} and {other.file} differ: {_listed(found[0].names)} and '
                f'{_listed(other.names)}; say which is right with --names FILE'
            )
    return found[0]


def _only_yaml(root: Path) -> list[Path]:
    """Return the one .yaml in a folder that has ``names``, whatever it is called, if it is one."""
    named = []
    for path in sorted(root.glob('*.y*ml')):
        with contextlib.suppress(RefusedError):
            if is_yaml(path) and 'names' in _read(path, _text(path)):
                named.append(path)
    return named if len(named) == 1 else []


def _names_files(paths: Iterable[Path]) -> list[Path]:
    """Return the files that are called as files of names are, in any case, the likeliest first."""
    rank = {name: place for place, name in enumerate(NAME_FILES)}
    found = [path for path in paths if path.name.lower() in rank]
    return sorted(found, key=lambda path: (path.parent, rank[path.name.lower()], path))


def read_names_file(path: Path) -> YoloNames:
    """Read a .yaml with ``names``, or a text file with a name a line.

    Names are text whatever YAML would make of it: ``no``, ``0737`` and ``2024-01-01`` stay.

    Raises:
        RefusedError: It can't be read, a number has no name or two, two numbers have one name, or
            ``nc`` is another number than that of the names.
    """
    text = _text(path)
    if not is_yaml(path):
        return YoloNames(_of_lines(path, text), path)
    entries = _read(path, text)
    if 'names' not in entries:
        raise RefusedError(f'{path}: has no names:, the list of class names')
    names = _checked(path, _of_yaml(path, entries['names']))
    if 'nc' in entries:
        count = _value(entries['nc'])
        if count != str(len(names)):
            raise RefusedError(
                f'{_place(path, entries["nc"])}: nc is {count}, but there '
                f'{plural(len(names), "is", "are")} {counted(len(names), "name")}: '
                f'{_listed(names)}; mend the one that is wrong'
            )
    return YoloNames(names, path, _key_points(path, entries.get('kpt_shape')))


def yaml_values(path: Path) -> dict[str, list[str]]:
    """Return the text of each key of a data.yaml that has text, or a list of it, as written.

    Raises:
        RefusedError: It can't be read, or is no YAML.
    """
    found = {}
    for key, node in _read(path, _text(path)).items():
        items = node.value if isinstance(node, SequenceNode) else [node]
        if all(isinstance(item, ScalarNode) for item in items):
            found[key] = [item.value.strip() for item in items]
    return found


def is_yaml(path: Path) -> bool:
    """Whether a file of names is a data.yaml."""
    return path.suffix.lower() in _YAML


def _read(path: Path, text: str) -> dict[str, Node]:
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        reason = ' '.join(str(error).split())
        raise RefusedError(f'{path}: malformed YAML: {reason}') from error
    return _entries(path, root) if isinstance(root, MappingNode) else {}


def _text(path: Path) -> str:
    try:
        return _decode(path.read_bytes())
    except (OSError, UnicodeError) as error:
        reason = 'not UTF-8 text; save it as UTF-8' if isinstance(error, UnicodeError) else error
        raise RefusedError(f'{path}: cannot read the class names: {reason}') from error


def _decode(data: bytes) -> str:
    encoding = next((name for mark, name in _MARKS.items() if data.startswith(mark)), 'utf-8')
    return data.decode(encoding).replace('\r\n', '\n').replace('\r', '\n')


def _of_lines(path: Path, text: str) -> tuple[str, ...]:
    lines = [line.strip() for line in text.rstrip().split('\n')]
    for number, line in enumerate(lines, 1):
        if not line:
            raise RefusedError(
                f'{path}:{number}: a blank line among the names; every line is a class, so take '
                'it out or name the class'
            )
    numbered = [_NUMBERED.match(line) for line in lines]
    if len(lines) > 1 and all(m and int(m[1]) == n for n, m in enumerate(numbered)):
        raise RefusedError(
            f'{path}:1: {lines[0]!r}: the names begin with their numbers; leave the numbers out, '
            'the line says which class it is'
        )
    return _checked(path, lines)


def _entries(path: Path, node: MappingNode) -> dict[str, Node]:
    """Return the entries of a YAML mapping by key as written."""
    entries: dict[str, Node] = {}
    for key, value in node.value:
        name = _value(key)
        if name in entries:
            raise RefusedError(f'{_place(path, key)}: {name!r} is there twice; keep one')
        entries[name] = value
    return entries


def _of_yaml(path: Path, node: Node) -> list[str]:
    if isinstance(node, SequenceNode):
        items = list(node.value)
    elif isinstance(node, MappingNode):
        by_key = _entries(path, node)
        wanted = [str(number) for number in range(len(by_key))]
        if set(by_key) != set(wanted):
            raise RefusedError(
                f'{_place(path, node)}: names are numbered {_listed(tuple(by_key))}; numbers go '
                f'from 0 to {len(by_key) - 1} without a gap'
            )
        items = [by_key[key] for key in wanted]
    else:
        raise RefusedError(
            f'{_place(path, node)}: names is {_value(node)!r}, not a list; write names: '
            f'[{_value(node)}]'
        )
    for item in items:
        if not isinstance(item, ScalarNode):
            raise RefusedError(f'{_place(path, item)}: a name that is a list or a mapping')
    return [item.value.strip() for item in items]


def _checked(path: Path, names: Sequence[str]) -> tuple[str, ...]:
    if not names:
        raise RefusedError(f'{path}: no class names in it')
    first: dict[str, int] = {}
    for number, name in enumerate(names):
        if not name or not name.isprintable():
            raise RefusedError(f'{path}: class {number} is called {name!r}; give it a name')
        other = first.setdefault(' '.join(name.split()), number)
        if other != number:
            raise RefusedError(
                f'{path}: classes {other} and {number} are both called {name!r}; their boxes could '
                'not be told apart, so give each a name of its own'
            )
    return tuple(names)


def _key_points(path: Path, node: Node | None) -> tuple[int, int] | None:
    if node is None:
        return None
    values = [_value(item) for item in node.value] if isinstance(node, SequenceNode) else []
    if len(values) != 2 or not values[0].isdecimal() or values[1] not in ('2', '3'):
        raise RefusedError(f'{_place(path, node)}: kpt_shape is not [number of key points, 2 or 3]')
    return int(values[0]), int(values[1])


def _value(node: Node) -> str:
    return node.value if isinstance(node, ScalarNode) else f'a {node.id}'


def _place(path: Path, node: Node) -> str:
    return f'{path}:{node.start_mark.line + 1}'


def _listed(names: Sequence[str]) -> str:
    text = ', '.join(names[:8])
    return f'{text}, ... ({len(names)})' if len(names) > 8 else text
