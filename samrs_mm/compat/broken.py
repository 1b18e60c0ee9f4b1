"""Imports that fail although something of that name is there: what is wrong, and what mends it."""

import contextlib
import importlib.util
import os
import re
import site
import sys
import sysconfig
import traceback
from collections.abc import Iterator
from importlib.machinery import PathFinder
from importlib.metadata import (
    PackageNotFoundError,
    distribution,
    packages_distributions,
    requires,
    version,
)

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

_OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# import names that pip knows under others
_DISTRIBUTIONS = dict(
    cv2='opencv-python',
    PIL='pillow',
    yaml='pyyaml',
    segment_anything='segment-anything',
    pkg_resources='setuptools<81',
)
_OTHER_NUMPY = re.compile(
    r"numpy\.core\.multiarray|numpy\.dtype size|_ARRAY_API|NumPy 1\.x|module 'numpy' has no"
)
_OTHER_MM = re.compile(r'(\w+)==\S+ is used but incompatible')


def why_not_imported(error: BaseException) -> str | None:
    """Return what is wrong with a package that could not be imported, with the cure, in one line.

    None where an error is none of an import, or one of our own code.
    """
    frames = traceback.extract_tb(error.__traceback__)
    for name, file in _hiding_modules():
        if _concerns(error, frames, name, file):
            return (
                f'{file} hides the module {name!r} of the same name ({_message(error)}): rename '
                'it, or run from another folder'
            )
    culprit = _failing_package(error, frames)
    missing = (error.name or '').partition('.')[0] if isinstance(error, ModuleNotFoundError) else ''
    if missing and missing not in (culprit, 'samrs_mm') and not _is_there(missing):
        if culprit is None and not _is_ours(frames[-1].filename):
            return None
        wants = f'{_named(culprit)} needs {missing}, which' if culprit else missing
        return f'{wants} is not installed: run `make env`, or `pip install {_wanted(missing)}`'
    if culprit is None:
        return None
    if _OTHER_NUMPY.search(_message(error)) and culprit != 'numpy':
        return (
            f'{_named(culprit)} does not fit {_named("numpy")} ({_message(error)}): `pip install '
            f'--upgrade {_wanted(culprit)} {_wanted("numpy")}`'
        )
    if other := _OTHER_MM.match(_message(error)):
        name = other[1].lower()
        return (
            f'{_named(culprit)} does not fit {_named(name)} ({_message(error)}): run `make env`, '
            f'or `pip install {_wanted(name)}`'
        )
    return (
        f'{_named(culprit)} cannot be imported ({type(error).__name__}: {_message(error)}): `pip '
        f'install --upgrade --force-reinstall {_wanted(culprit)}`, or `make env` for an '
        'environment of its own'
    )


def _message(error: BaseException) -> str:
    text = ' '.join(str(error).split())
    return text if len(text) <= 160 else f'{text[:157]}...'


def _hiding_modules() -> Iterator[tuple[str, str]]:
    """Yield name and file of imported modules of the user's that hide one of Python's or a package.

    They lie in the current folder or in that of the script.
    """
    folders = {os.path.abspath(path) for path in (os.getcwd(), *sys.path[:1])} - _sites()
    for name, module in list(sys.modules.items()):
        file = getattr(module, '__file__', None)
        if '.' in name or not file:
            continue
        place = os.path.dirname(os.path.abspath(file))
        if os.path.basename(file) == '__init__.py':
            place = os.path.dirname(place)
        if (
            place in folders
            and place not in _sites()
            and name != 'samrs_mm'
            and _is_elsewhere(name)
        ):
            yield name, os.path.abspath(file)


def _is_elsewhere(name: str) -> bool:
    return name in sys.stdlib_module_names or PathFinder.find_spec(name, list(_sites())) is not None


def _concerns(error: BaseException, frames: traceback.StackSummary, name: str, file: str) -> bool:
    """Return whether an error may come of a module that hides another."""
    found = getattr(error, 'name', None) or ''
    return (
        any(os.path.abspath(frame.filename) == file for frame in frames)
        or file in str(error)
        or found.partition('.')[0] == name
        or re.search(rf"module '{re.escape(name)}[.']", str(error)) is not None
    )


def _sites() -> set[str]:
    """Return the folders that packages are installed in."""
    found = {sysconfig.get_paths()[key] for key in ('purelib', 'platlib')}
    with_user = [*getattr(site, 'getsitepackages', list)(), site.getusersitepackages()]
    inside = [
        path for path in sys.path if os.path.basename(path) in ('site-packages', 'dist-packages')
    ]
    return {os.path.abspath(path) for path in (*found, *with_user, *inside)}


def _failing_package(error: BaseException, frames: traceback.StackSummary) -> str | None:
    """Return the import name of the package whose own code failed while it was imported."""
    ours = [i for i, frame in enumerate(frames) if _is_ours(frame.filename)]
    rest = frames[ours[-1] + 1 :] if ours else frames
    inside = [_package_of(frame.filename) for frame in rest if frame.name == '<module>']
    importing = [package for package in inside if package]
    if importing:
        return importing[-1]
    if not isinstance(error, ImportError) or not error.name:
        return None
    name = error.name.partition('.')[0]
    return name if name != 'samrs_mm' and _is_there(name) else None


def _is_there(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def _is_ours(file: str) -> bool:
    return os.path.abspath(file).startswith(_OURS + os.sep)


def _package_of(file: str) -> str | None:
    """Return the import name of the installed package that a file belongs to."""
    path = os.path.abspath(file)
    for place in _sites():
        if path.startswith(place + os.sep) and not _is_ours(file):
            return path[len(place) + 1 :].partition(os.sep)[0].partition('.')[0]
    return None


def _distribution(name: str) -> str | None:
    """Return the distribution that a package was installed from, as pip calls it."""
    theirs = dict(mmseg='mmsegmentation', mmdet='mmdetection').get(name, name)
    for guess in (_DISTRIBUTIONS.get(name, name), name, f'onedl-{theirs}', theirs):
        with contextlib.suppress(PackageNotFoundError, ValueError):
            return str(distribution(guess).metadata['Name'])
    found = packages_distributions().get(name, [])  # reads the list of files of every package
    return found[0] if found else None


def _named(name: str) -> str:
    """Return a package as pip lists it, with its version."""
    found = _distribution(name)
    try:
        return f'{found} {version(found)}' if found else name
    except PackageNotFoundError:
        return name


def _wanted(name: str) -> str:
    """Return what pip is to install of a package: our own limits where we set some."""
    pip_name = _distribution(name) or _DISTRIBUTIONS.get(name, name)
    try:
        listed = requires('samrs_mm') or []
    except PackageNotFoundError:
        listed = []
    for line in listed:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        if canonicalize_name(requirement.name) == canonicalize_name(pip_name):
            limits = str(requirement.specifier)
            return f"'{requirement.name}{limits}'" if limits else requirement.name
    return f"'{pip_name}'" if re.search('[<>=]', pip_name) else pip_name
