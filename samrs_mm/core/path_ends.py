"""Files by the ends of their paths: how a path of another machine is found again."""

from collections.abc import Iterable
from pathlib import PurePosixPath, PureWindowsPath

from samrs_mm.core.found_files import folded


class PathEnds:
    """Files below a folder, found by the last parts of a path.

    Args:
        names: The files, relative to the folder, with forward slashes.
    """

    def __init__(self, names: Iterable[str]):
        self._by_name: dict[str, list[str]] = {}
        for name in names:
            self._by_name.setdefault(folded(PurePosixPath(name).name), []).append(name)

    def ending_in(self, path: str) -> list[str]:
        """Return the files, sorted, that share most with the end of a path; case counts if it can.

        Example:
            >>> PathEnds(['a/1.jpg', 'b/1.jpg', 'c/2.jpg']).ending_in('data/b/1.jpg')
            ['b/1.jpg']
        """
        called = self._by_name.get(folded(PurePosixPath(path).name), [])
        for form in (str, folded):
            parts = PurePosixPath(form(path)).parts
            for start in range(len(parts)):
                end = '/'.join(parts[start:])
                if found := [name for name in called if f'/{form(name)}'.endswith(f'/{end}')]:
                    return sorted(found)
        return []


def without_root(path: str) -> str | None:
    r"""Return an absolute path, of Windows or POSIX, from its root on; None of a relative one.

    Example:
        >>> without_root('C:\\data\\a.jpg'), without_root('/data/a.jpg'), without_root('a.jpg')
        ('data/a.jpg', 'data/a.jpg', None)
    """
    known = PureWindowsPath(path)
    return '/'.join(known.parts[1:]) if known.anchor else None
