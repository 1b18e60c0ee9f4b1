"""`samrs-mm NAME ...`: the tools under short names, for an installation without a checkout."""

import ast
import importlib.metadata
import platform
import sys
import types
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path

from samrs_mm.compat import check_sets, is_onedl, mm_versions
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.installed import COMMAND, SCOPE, TOOLS, config_names, nearest, shipped
from samrs_mm.version import __version__

_USAGE = f"""usage: {COMMAND} NAME [ARGUMENT ...]

Segmentation datasets from detection boxes, and pre-training on them.
"""
_ENDING = f"""
  {COMMAND} NAME --help       flags and examples of one of them
  {COMMAND} configs [TEXT]    the configs of the package, or those with TEXT in their name
  {COMMAND} --version         the versions of the package and of the libraries below it

A config is a file, or one of the package's by its name: {COMMAND} annotate dota_boxnet_rbox ...
`python -m samrs_mm` is the same, as for several ranks:
  torchrun --nproc-per-node 2 -m samrs_mm train CONFIG --launcher pytorch"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; a tool ends by ``SystemExit``, as it does alone."""
    name, *rest = list(sys.argv[1:] if argv is None else argv) or ['--help']
    if name == 'help' and rest:
        name, rest = rest[0], ['--help']
    if name in ('-h', '--help', 'help') or (name == 'configs' and rest in (['-h'], ['--help'])):
        print('\n'.join((_USAGE, *tool_lines(), _ENDING)))
        return 0
    if name == '--version':
        print('\n'.join(version_lines()))
        return 0
    if name == 'configs':
        return print_configs(rest)
    names = {Path(file).stem: short for short, file in TOOLS.items()}
    short = names.get(name, name)
    if short not in TOOLS:
        near = nearest(name, [*TOOLS, 'configs'])
        hint = f'did you mean {" or ".join(near)}?' if near else f'`{COMMAND}` lists what there is'
        print(f'{COMMAND}: no command {name!r}; {hint}', file=sys.stderr)
        return 2
    run_tool(short, rest)
    return 0


def run_tool(name: str, arguments: Sequence[str]) -> None:
    """Run a tool as ``python tools/FILE.py`` does, under another program name.

    It is the ``__main__`` of this process, so that reading processes can be spawned.
    """
    path = shipped('tools') / TOOLS[name]
    sys.argv = [f'{COMMAND} {name}', *arguments]
    tool = types.ModuleType('__main__')
    tool.__file__ = str(path)
    before, sys.modules['__main__'] = sys.modules['__main__'], tool
    try:
        exec(compile(path.read_bytes(), path, 'exec'), tool.__dict__)
    finally:
        sys.modules['__main__'] = before


def tool_lines() -> Iterator[str]:
    """Yield a line for each tool: its name, and the first sentence of its docstring."""
    width = max(map(len, TOOLS))
    for name, file in TOOLS.items():
        source = (shipped('tools') / file).read_text(encoding='utf-8')
        about = (ast.get_docstring(ast.parse(source)) or '').partition('\n\n')[0]
        yield f'  {name:<{width}}  {" ".join(about.split())}'


def print_configs(words: Sequence[str]) -> int:
    """Print where the package's configs are, and those whose name holds a word or fits a pattern.

    Returns:
        The exit code: 0, or 1 where there is none.
    """
    known = config_names()
    for word in words:
        fits = f'*{word.removeprefix(SCOPE)}*'
        known = [each for each in known if fnmatch(each, fits)]
    if not known:
        near = nearest(words[-1], [Path(each).stem for each in config_names()])
        hint = f'; near are {", ".join(near)}' if near else ''
        print(f'{COMMAND} configs: none is named like {" ".join(words)!r}{hint}', file=sys.stderr)
        return 1
    print(f'in {shipped("configs")}:')
    print('\n'.join(known))
    return 0


def version_lines() -> list[str]:
    """Return the versions of the package, Python, torch and the mm libraries, and of which set.

    Libraries of both sets in one environment and broken ones are named as an error, with the cure.
    """
    try:
        torch = importlib.metadata.version('torch')
    except importlib.metadata.PackageNotFoundError:
        torch = 'not installed'
    lines = [f'samrs_mm {__version__}, Python {platform.python_version()}, torch {torch}']
    libraries = ', '.join(f'{name} {version}' for name, version in mm_versions().items())
    if libraries:
        lines.append(f'{"OneDL" if is_onedl() else "OpenMMLab"}: {libraries}')
    try:
        check_sets()
    except RefusedError as error:
        lines.append(f'error: {error}')
    return lines
