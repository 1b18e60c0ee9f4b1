"""Small detection datasets in DOTA's layout, and comparison of folders byte by byte."""

import errno
import fcntl
import hashlib
import importlib.util
import itertools
import os
import resource
import signal
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
from PIL import Image
from processes import exit_codes, started

from samrs_mm.core import input_notes
from samrs_mm.formats.annotated import folder
from samrs_mm.formats.annotated.record import Record

ROOT = Path(__file__).resolve().parents[2]
CONFIG = str(ROOT / 'configs/annotate/dota_grabcut_rbox.py')
BOX_FILL = ('--cfg-options', 'model.type=BoxFillSegmentor')


def write_dota(root: Path, scenes: int = 5, size: tuple[int, int] = (96, 128), seed: int = 0):
    """Write scenes with bright slanted boxes on a dark ground; the last scene has none."""
    rng = np.random.default_rng(seed)
    (root / 'images').mkdir(parents=True)
    (root / 'labelTxt').mkdir()
    for number in range(scenes):
        image = rng.integers(20, 70, (*size, 3)).astype(np.uint8)
        lines = []
        for _ in range(0 if number == scenes - 1 else 3 + number):
            polygon = _slanted(rng, size)
            _paint(image, polygon, rng.integers(150, 255, 3))
            name = ('ship', 'plane', 'small-vehicle')[len(lines) % 3]
            lines.append(' '.join(f'{v:.1f}' for v in polygon.ravel()) + f' {name} 0')
        Image.fromarray(image).save(root / 'images' / f'P{number:04}.png')
        (root / 'labelTxt' / f'P{number:04}.txt').write_text(''.join(f'{x}\n' for x in lines))
    return root


def _slanted(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    centre = rng.uniform((12, 12), (size[1] - 12, size[0] - 12))
    half, angle = rng.uniform(4, 12, 2), rng.uniform(0, np.pi)
    axes = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return centre + np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half @ axes


def _paint(image: np.ndarray, polygon: np.ndarray, colour: np.ndarray) -> None:
    import cv2

    cv2.fillPoly(image, [np.rint(polygon).astype(np.int32)], colour.tolist())


def tree(root: Path) -> dict[str, str]:
    """Return the hash of every file below a folder, by relative path.

    Notes of input are left out: they hold times of files, in the order in which work was done.
    """
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob('*'))
        if path.is_file() and path.name not in (input_notes.NAME, folder.MADE)
    }


def is_free(path: Path) -> bool:
    """Return whether no process holds a file or folder (see ``samrs_mm.core.system``)."""
    handle = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    return True


def link_package(site: Path) -> None:
    """Make the package importable from a folder, with its configs, as an installation does."""
    (site / 'samrs_mm/.mim').mkdir(parents=True)
    for path in (ROOT / 'samrs_mm').iterdir():
        if path.name != '.mim':
            (site / 'samrs_mm' / path.name).symlink_to(path)
    for name in ('configs', 'tools', 'model-index.yml'):
        (site / 'samrs_mm/.mim' / name).symlink_to(ROOT / name)


def load_tool(name: str) -> ModuleType:
    """Import a tool, such as ``sam_annotate`` or ``dataset_converters/prepare_tiles``."""
    path = ROOT / 'tools' / f'{name}.py'
    spec = importlib.util.spec_from_file_location(f'tool_{path.stem}', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_apart(argv: list[str], fault: tuple = (), tool: str = 'sam_annotate') -> int:
    """Run a tool in a process of its own and return its exit code.

    Args:
        argv: Command line.
        fault: ``('kill', call, nth)``: SIGKILL at the nth call of ``os.<call>``;
            ``('full', numbers)``: those calls of ``os.fsync``, from 1, meet a full disk;
            ``('fsize', limit)``: files can't grow beyond ``limit`` bytes;
            ``('record',)``: SIGKILL after the first record that it writes.
        tool: Name of the tool.

    Returns:
        The exit code, negative if a signal ended the process.
    """
    (code,) = exit_codes([started(_child, argv, fault, tool)])
    return code


def _child(argv: list[str], fault: tuple, tool: str) -> None:
    sys.stdout = sys.stderr = open(os.devnull, 'w')
    if fault and fault[0] == 'fsize':
        resource.setrlimit(resource.RLIMIT_FSIZE, (fault[1], fault[1]))
    elif fault == ('record',):
        _end_after_a_record()
    elif fault:
        _spoil(*fault)
    sys.exit(load_tool(tool).main(argv))


def _end_after_a_record() -> None:
    original = Record.write

    def write(self, path):
        original(self, path)
        os.kill(os.getpid(), signal.SIGKILL)

    Record.write = write


def _spoil(kind: str, *details) -> None:
    call, numbers = details if kind == 'kill' else ('fsync', details[0])
    original, count = getattr(os, call), itertools.count(1)

    def spoilt(*args):
        now = next(count)
        if kind == 'kill' and now == numbers:
            os.kill(os.getpid(), signal.SIGKILL)
        if kind == 'full' and now in numbers:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), 'disk')
        return original(*args)

    setattr(os, call, spoilt)
