"""mmengine without what it does beside every run and takes longer than most tests."""

import sys
from collections.abc import Callable
from copy import deepcopy
from os.path import abspath
from pathlib import Path
from types import SimpleNamespace

import mmengine.config.config
import mmengine.dataset.base_dataset
import mmengine.runner.runner
import pytest
import yapf.yapflib.yapf_api
from mmengine.config import Config

BASES = Path(__file__).resolve().parents[2] / 'configs/_base_'
"""Files that no test changes, and which hundreds of configs inherit."""


def quicken(patch: pytest.MonkeyPatch) -> None:
    """Let mmengine write configs unformatted, and ask no compilers for their versions.

    Nor does it collect garbage for every dataset, among all that is loaded, or read a base of
    our configs more than once.
    """
    # OneDL imports the formatter late
    early = hasattr(mmengine.config.config, 'FormatCode')
    place = mmengine.config.config if early else yapf.yapflib.yapf_api
    patch.setattr(place, 'FormatCode', lambda text, **_: (text, False))
    patch.setattr(mmengine.runner.runner, 'collect_env', dict)
    patch.setattr(mmengine.dataset.base_dataset, 'gc', SimpleNamespace(collect=lambda: 0))
    patch.setattr(Config, '_file2dict', staticmethod(bases_once(Config._file2dict)))


def bases_once(read: Callable[..., tuple]) -> Callable[..., tuple]:
    """Return mmengine's reader of config files as one that keeps what it read of our bases."""
    kept: dict[tuple, tuple] = {}

    def read_once(filename, *args, **options):
        if BASES not in Path(abspath(filename)).parents:
            return read(filename, *args, **options)
        key = sys.platform, filename, args, tuple(options.items())  # one base asks for it
        if key not in kept:
            kept[key] = read(filename, *args, **options)
        return deepcopy(kept[key])

    return read_once
