"""ONNX files: what writing them needs, and what stands in them beside a network."""

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from samrs_mm.core.errors import RefusedError


def check_target(path: Path, endings: Sequence[str] = ('.onnx',)) -> None:
    """Refuse a name that ends otherwise.

    Raises:
        RefusedError: It does.
    """
    if path.suffix not in endings:
        raise RefusedError(f'{path}: a name that ends in {" or ".join(endings)} is needed')


def need_packages(*names: str) -> None:
    """Refuse to write where a package is missing.

    Raises:
        RefusedError: One is.
    """
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise RefusedError(
                f"writing ONNX needs the package {name} ({error}): pip install {name}, or '.[onnx]'"
            ) from error


def file_bytes(model: Any, told: Mapping[str, str]) -> bytes:
    """Return the file of a model of ``onnx``, which is checked, with metadata in it."""
    import onnx

    onnx.helper.set_model_props(model, dict(told))
    onnx.checker.check_model(model)
    return model.SerializeToString()
