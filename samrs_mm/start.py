"""What comes before all other imports, so that one that fails is explained, and few do.

Needs nothing but what Python itself has imported by then.
"""

import os
import sys
from collections.abc import Callable
from typing import Any

_PROGRAM = 'samrs-mm'


def begin(explain: Callable[[BaseException], str | None]) -> None:
    """Let installed packages go before files of the current folder, and explain what is broken.

    Changes nothing in programs that aren't ours: a notebook's errors keep their tracebacks.
    """
    if _is_module_run():
        _put_current_folder_last()
    if _is_module_run() or _is_tool():
        explain_broken_packages(explain)


def _is_module_run() -> bool:
    """Return whether this is ``python -m samrs_mm``."""
    words = sys.orig_argv
    return any(words[i : i + 2] == ['-m', 'samrs_mm'] for i in range(len(words)))


def _is_tool() -> bool:
    """Return whether this is ``samrs-mm``, or a script in the folder ``tools`` of the package."""
    script = os.path.abspath(sys.argv[0]) if sys.argv and sys.argv[0] else ''
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    tools = [os.path.join(root, 'tools'), os.path.join(root, 'samrs_mm', '.mim', 'tools')]
    inside = any(script.startswith(folder + os.sep) for folder in tools)
    return inside or os.path.basename(script).removesuffix('.exe') == _PROGRAM


def _put_current_folder_last() -> None:
    """Let a ``random.py`` or ``mmcv.py`` of the user's hide nothing, and plug-ins still be found.

    ``python -m`` looks in the current folder first.
    """
    here = os.getcwd()
    if sys.path and os.path.abspath(sys.path[0]) == here:
        sys.path.append(sys.path.pop(0))


def explain_broken_packages(explain: Callable[[BaseException], str | None]) -> None:
    """From here on, where a program ends as a library can't be imported, say why in one line.

    ``explain`` returns the line, or None where an error is another one.
    """
    before = sys.excepthook

    def hook(kind: Any, error: Any, trace: Any) -> None:
        try:
            line = explain(error)
        except Exception:  # noqa: BLE001 (what explains it may need what is broken)
            line = _hidden_module() or _missing_module(error)
        if line:
            print(f'error: {line}', file=sys.stderr)
        else:
            before(kind, error, trace)

    sys.excepthook = hook


def _hidden_module() -> str | None:
    """Return which file of the current folder hides a module of Python's own, and the cure."""
    here = os.getcwd()
    for name in sorted(sys.stdlib_module_names & sys.modules.keys()):
        file = getattr(sys.modules[name], '__file__', None) or ''
        if os.path.dirname(os.path.abspath(file)) == here:
            return f"{file} hides Python's own module {name!r}: rename it, or run from elsewhere"
    return None


def _missing_module(error: BaseException) -> str | None:
    name = (error.name or '').partition('.')[0] if isinstance(error, ModuleNotFoundError) else ''
    return f'{name} is not installed: run `make env`, or `pip install {name}`' if name else None
