"""The mm libraries as they are installed: what differs, and what has to be gone round.

Two sets have the same import names: OpenMMLab's own, unchanged since 2024, and its continuation by
OneDL. Nothing else knows which one there is.
"""

import contextlib
import functools
import importlib.util
import logging
import os
import sys
import types
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import Any

from packaging.version import Version

from samrs_mm.compat.broken import why_not_imported
from samrs_mm.compat.stand_in import StandIn
from samrs_mm.core.errors import RefusedError
from samrs_mm.start import explain_broken_packages

# import name: distributions of OpenMMLab, of OneDL
_SETS = dict(
    mmengine=(('mmengine', 'mmengine-lite'), 'onedl-mmengine'),
    mmcv=(('mmcv', 'mmcv-lite', 'mmcv-full'), 'onedl-mmcv'),
    mmseg=(('mmsegmentation',), 'onedl-mmsegmentation'),
    mmdet=(('mmdet',), 'onedl-mmdetection'),
    mmrotate=(('mmrotate',), 'onedl-mmrotate'),
    mmpretrain=(('mmpretrain',), 'onedl-mmpretrain'),
)
_NEEDED = ('torch', 'torchvision', 'mmengine', 'mmcv', 'mmseg')


def _installed(*names: str) -> list[str]:
    found = []
    for name in names:
        with contextlib.suppress(PackageNotFoundError):
            distribution(name)
            found.append(name)
    return found


@functools.cache
def is_onedl() -> bool:
    """Return whether the mm libraries are those of OneDL, not OpenMMLab's."""
    return bool(_installed('onedl-mmengine'))


def mm_versions() -> dict[str, str]:
    """Return the versions of the mm libraries that are installed, by their names for pip."""
    names = [name for theirs, onedl in _SETS.values() for name in (*theirs, onedl)]
    return {name: version(name) for name in _installed(*names)}


def check_sets() -> None:
    """Make sure that the mm libraries are whole, and of one set.

    Raises:
        RefusedError: Libraries of both are installed, or one library twice: they overwrite each
            other's files. Or there is no file of one that is noted as installed.
    """
    theirs = [name for names, _ in _SETS.values() for name in _installed(*names)]
    onedl = _installed(*(name for _, name in _SETS.values())) if theirs else []
    if onedl:
        found = [*theirs, *onedl]
        wanted = [name for names, name in _SETS.values() if {name, *names} & set(found)]
        listed = ', '.join(f'{name} {version(name)}' for name in found)
        raise RefusedError(
            f'{listed}: these are of two sets, which have the same import names and overwrite each '
            f"other's files; run `pip uninstall -y {' '.join(found)}`, then `pip install "
            f'{" ".join(wanted)}`'
        )
    for module, (names, onedl_name) in _SETS.items():
        found = _installed(*names, onedl_name)
        listed = ' and '.join(f'{name} {version(name)}' for name in found)
        if len(found) > 1:
            raise RefusedError(
                f"{listed} are the same library, {module}, and overwrite each other's files; run "
                f'`pip uninstall -y {" ".join(found)}`, then `pip install {found[0]}=='
                f'{version(found[0])}`'
            )
        if found and module not in sys.modules and not _is_there(module):
            raise RefusedError(
                f'{listed} is noted as installed, but there are no files of {module}; run `pip '
                f'install --force-reinstall --no-deps {found[0]}=={version(found[0])}`'
            )


def missing_library(error: ImportError) -> str | None:
    """Return what to install, in one line, where an import failed for want of an mm library.

    None if the error is about something else.
    """
    name = (error.name or '').partition('.')[0]
    if not isinstance(error, ModuleNotFoundError) or name not in (*_SETS, *_NEEDED):
        return None
    if name != error.name and _is_there(name):
        theirs, onedl_name = _SETS.get(name, ((name,), name))
        wanted = (_installed(*theirs, onedl_name) or [onedl_name if is_onedl() else theirs[0]])[0]
        return (
            f'{name} is half removed: it has no {error.name}; run `pip install --force-reinstall '
            f'--no-deps {wanted}`'
        )
    return f'{name} is not installed: run {how_to_install(name not in _NEEDED)}'


def why_no_library(name: str, error: Exception) -> str | None:
    """Return what to do, in one line, where a module of an mm library can't be imported.

    None if the module is of no mm library, or the error is about something else.
    """
    library = name.partition('.')[0]
    if library == 'mmrotate' and isinstance(error, AssertionError) and not is_onedl():
        return (
            f"OpenMMLab's mmrotate can't be imported beside its mmdet ({error}); oriented "
            "detection needs OneDL's libraries, in an environment of their own: `pip install "
            "'samrs_mm[onedl-all]'`"
        )
    return missing_library(error) if library in _SETS and isinstance(error, ImportError) else None


def how_to_install(everything: bool) -> str:
    """Return what installs the mm libraries, of the set that is there; ``everything``: all six.

    From a checkout that isn't installed it is ``.``: a name that pip knows might be another's.
    """
    theirs = _installed(*(each for names, _ in _SETS.values() for each in names))
    extra = ('openmmlab' if theirs else 'onedl') + '-all' * everything
    package = 'samrs_mm' if _installed('samrs_mm') else '.'
    return f"`make env`, or `pip install '{package}[{extra}]'`"


def _is_there(name: str) -> bool:
    with contextlib.suppress(ValueError):
        return importlib.util.find_spec(name) is not None
    return True  # imported and without a spec: a mock, as builders of documentation make them


def broken_library(error: BaseException) -> str | None:
    """Return what to do, in one line, where a library could not be imported.

    None if the error is about something else.
    """
    line = missing_library(error) if isinstance(error, ImportError) else None
    line = line or why_not_imported(error)
    if line:
        try:
            check_sets()
        except RefusedError as reason:
            return str(reason)
    return line


class _FirstFinder:
    """Sees what is about to be imported: mmpretrain and mmdet do without some parts, and mmrotate's
    boxes are mended.
    """

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: Any = None
    ) -> ModuleSpec | None:
        """Return a spec for a part that is replaced, else None, and the next finder is asked."""
        if name in ('mmpretrain.models', 'mmpretrain.datasets'):
            _leave_out_images_with_text()
        if name == 'mmrotate.models':
            importlib.import_module('samrs_mm.compat.rotated').mend()
        if name == _LANES and importlib.util.find_spec('imgaug') is None:
            return StandIn(_missing_imgaug).spec(name)
        return None


_FIRST: Any = _FirstFinder()
# onedl-mmdetection's augmentation of lanes, all that imports imgaug (in the distribution imaug),
# which holds old versions of OpenCV and numpy; mmdet.datasets would fail with it.
_LANES = 'mmdet.datasets.transforms.generate_line'


def _missing_imgaug(part: str) -> RefusedError:
    return RefusedError(f'{part} needs imgaug: `pip install imaug`')


def _leave_out_images_with_text() -> None:
    """Leave mmpretrain's models of images with text out beside transformers that don't suit them.

    Their failure would be that of `mmdet.models` and `mmseg.models`. Without any transformers
    mmpretrain leaves them out itself.
    """
    if _installed('transformers') and not _suit_mmpretrain():
        dependency: Any = importlib.import_module('mmpretrain.utils.dependency')
        dependency.WITH_MULTIMODAL = False


def _suit_mmpretrain() -> bool:
    """Return whether mmpretrain's models can do with these transformers, without importing them.

    They are written for version 4, and OpenMMLab's take a function from where it isn't in later
    ones.
    """
    spec = importlib.util.find_spec('transformers')
    if spec is None or spec.origin is None or Version(version('transformers')).major >= 5:
        return False
    if is_onedl():
        return True
    try:
        source = Path(spec.origin).with_name('modeling_utils.py').read_text(encoding='utf-8')
    except OSError:
        return False
    return 'apply_chunking_to_forward' in source


def prepare_imports() -> None:
    """Let the mm libraries import beside what is installed, without noise; name what is missing.

    To be called before anything imports mmseg, mmdet or mmpretrain.
    """
    if _FIRST not in sys.meta_path:
        sys.meta_path.insert(0, _FIRST)
    if not all(map(_is_there, _NEEDED)):
        explain_broken_packages(broken_library)
    with contextlib.suppress(ImportError):
        logs: Any = importlib.import_module('mmengine.logging')
        if is_onedl() and not hasattr(logs.print_log, '__wrapped__'):
            logs.print_log = _without_debugging(logs.print_log)


def _without_debugging(print_log: Any) -> Any:
    """Wrap mmengine's ``print_log``: without a logger it prints even what is meant for debugging.

    So every start of a tool began with "Could not import OneDL", a service of that company.
    """

    @functools.wraps(print_log)
    def wrapped(msg: Any, logger: Any = None, level: int = logging.INFO) -> None:
        if logger is not None or level > logging.DEBUG:
            print_log(msg, logger, level)

    return wrapped


def mmrotate_boxes() -> types.ModuleType:
    """Import `mmrotate.structures.bbox` (QuadriBoxes, RotatedBoxes).

    OpenMMLab's mmrotate 1.0.0rc1 asserts mmdet <= 3.1.0 at import, and mmdet <= 3.1.0 refuses
    mmcv 2.1: no set of versions satisfies both, though the box structures work unchanged. So mmdet
    reads as 3.1.0 while mmrotate is imported. `mmrotate.models` stays out of reach there: it needs
    `collections.Sequence`, gone since Python 3.10.

    Raises:
        ImportError: mmrotate or mmdet is missing, or they refuse each other.
    """
    try:
        mmdet = importlib.import_module('mmdet')
        with contextlib.nullcontext() if is_onedl() else _reading_at_most(mmdet, '3.1.0'):
            return importlib.import_module('mmrotate.structures.bbox')
    except (ImportError, AssertionError) as error:
        names = 'onedl-mmrotate' if is_onedl() else 'mmrotate==1.0.0rc1 mmdet==3.3.0'
        raise ImportError(
            f'rotated boxes need mmrotate and mmdet ({error}): run `make env`, or `pip install '
            f'{names}`'
        ) from error


@contextlib.contextmanager
def _reading_at_most(module: Any, newest: str) -> Iterator[None]:
    real = module.__version__
    if Version(real) > Version(newest):
        module.__version__ = newest
    try:
        yield
    finally:
        module.__version__ = real


def mend_get_flops() -> None:
    """Mend OpenMMLab's ``get_flops.py`` of mmsegmentation 1.2, if it is the script that runs.

    It gives mmengine both ``input_shape`` and ``inputs``, which mmengine 0.10 refuses.
    """
    script: Any = sys.modules['__main__']
    measure = getattr(script, 'get_model_complexity_info', None)
    named = os.path.basename(getattr(script, '__file__', '')) == 'get_flops.py'
    if measure and named and not is_onedl():
        script.get_model_complexity_info = lambda model, _, **options: measure(model, **options)
