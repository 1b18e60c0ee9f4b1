"""Every command of the pages, run elsewhere or not, fits what it calls.

Its program, its flags, its configs and the keys that it sets exist. What tests/test_docs.py can't
run needs data, weights, a GPU, a cluster or the network.
"""

import argparse
import dataclasses
import functools
import re
import shlex
from pathlib import Path

import pytest
from folders import ROOT, load_tool

from samrs_mm.config_files import load_config, read_config
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.image_rule import ImageRule
from samrs_mm.core.installed import TOOLS, find_config

PAGES = [
    *(ROOT / name for name in ('README.md', 'README_zh-CN.md', 'CONTRIBUTING.md')),
    *sorted((ROOT / 'docs').glob('*.md')),
    *sorted(ROOT.glob('configs/*/README.md')),
]
FOREIGN = ('pip', 'apt-get', 'mkdir', 'python3', 'python3.11', 'source', '.', 'qgis')
"""Programs that are not ours; what installs is tested by tests/test_make_env.py and by hand."""
OF_THE_READER = ('lab/', 'upernet_toynet', '--to points')
"""Parts of commands about files that extending.md has the reader write; other tests run them."""
IMAGE_KEYS = [f'image.{field.name}' for field in dataclasses.fields(ImageRule)]
NEW_KEYS = ('load_from', 'custom_hooks', *IMAGE_KEYS)
"""Keys that a config need not have."""
TOOL = {**{f'tools/{file}': file for file in TOOLS.values()}, **TOOLS}
STEMS = {Path(file).stem: file for file in TOOLS.values()}


def commands() -> list[tuple[str, str]]:
    """Return each page with each of its commands: lines of blocks, and code in the text."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding='utf-8')
        blocks = re.findall(r'^```bash\n(.*?)^```', text, re.M | re.S)
        lines = '\n'.join(blocks).replace('\\\n', ' ').splitlines()
        rest = re.sub(r'^```.*?^```', '', text, flags=re.M | re.S)
        ours = r'`((?:python tools/|samrs-mm |bash tools/|make |mim run samrs_mm )[^`\n]+)`'
        lines += re.findall(ours, rest)
        bare = (re.sub(r'(^|\s+)#.*', '', line).strip() for line in lines)
        found += [(str(page.relative_to(ROOT)), line) for line in dict.fromkeys(bare) if line]
    return found


def words_of(command: str) -> list[str]:
    """Return the words of a command without the settings of its environment."""
    words = shlex.split(command)
    while words and re.fullmatch(r'[A-Z_]+=\S*', words[0]):
        words.pop(0)
    return words


def tool_call(words: list[str]) -> tuple[str, list[str]] | None:
    """Return the tool's file and its arguments; None for what is no tool of ours."""
    if words[:3] == ['mim', 'run', 'samrs_mm']:
        return STEMS[words[3]], words[4:]
    if words[0] == 'mim' and words[1] in ('train', 'test'):
        return None
    if words[0] == 'bash':
        script, *rest = words[1:]
        assert (ROOT / script).is_file()
        if script.endswith('slurm_train.sh'):
            return 'train.py', rest[2:]
        config, *rest = rest
        if script.endswith('dist_test.sh'):
            checkpoint, _, *rest = rest
            return 'test.py', [config, checkpoint, *rest]
        return 'train.py', [config, *rest[1:]]
    if words[0] == 'sbatch':
        script = next(number for number, word in enumerate(words) if word.endswith('.sh'))
        assert (ROOT / words[script]).is_file()
        return 'train.py', words[script + 1 :]
    if words[0] == 'samrs-mm' and not words[1].startswith('-') and words[1] != 'configs':
        assert words[1] in TOOLS, f'no command {words[1]}'
        return TOOLS[words[1]], words[2:]
    if words[0] == 'python' and words[1] in TOOL:
        return TOOL[words[1]], words[2:]
    return None


def config_for(page: str, file: str) -> str:
    """Return a config that stands for the word CONFIG on a page."""
    for folder in (
        'potsdam',
        'isaid',
        'loveda',
        'vaihingen',
        'deepglobe',
        'sep',
        'mae',
        'annotate',
    ):
        if page.startswith(f'configs/{folder}/'):
            return next(str(path) for path in sorted((ROOT / f'configs/{folder}').glob('*.py')))
    if file in ('sam_annotate.py', 'prompt_ablation.py'):
        return 'dota_grabcut_rbox'
    if page == 'docs/finetune.md':
        return 'potsdam/unet_resnet50_imp_potsdam'
    return 'sep/upernet_resnet50'


@functools.cache
def parser_of(file: str):
    return load_tool(file.removesuffix('.py')).parse_args


@functools.cache
def config_of(path: str):
    return read_config(path)


def parse(file: str, arguments: list[str], monkeypatch) -> argparse.Namespace:
    """Return a tool's arguments; a flag that it has not fails with the parser's own words."""

    def fail(self, message):
        raise AssertionError(f'{file}: {message}')

    monkeypatch.setattr(argparse.ArgumentParser, 'error', fail)
    return parser_of(file)(arguments)


def has_key(config, key: str) -> bool:
    """Return whether a config has what holds a key, and the key itself or a type that takes it."""
    part = config
    *above, last = key.split('.')
    for name in above:
        part = part[int(name)] if isinstance(part, list | tuple) else part.get(name)
        if part is None:
            return False
    return last in part or 'type' in part or above == ['filters']


FOUND = commands()


def test_all_pages_have_some_and_every_program_is_known():
    assert {page for page, _ in FOUND} >= {'README.md', 'docs/finetune.md', 'configs/mae/README.md'}
    assert len(FOUND) > 100
    known = {'python', 'samrs-mm', 'mim', 'bash', 'sbatch', 'make', *FOREIGN}
    assert {words_of(command)[0] for _, command in FOUND if words_of(command)} <= known


@pytest.mark.parametrize(('page', 'command'), FOUND, ids=lambda part: part[:60])
def test_a_command_fits_what_it_calls(page, command, monkeypatch):
    words = words_of(command)
    if words[0] == 'make':
        targets = re.findall(r'^([\w-]+):', (ROOT / 'Makefile').read_text(), re.M)
        assert words[1] in targets
        return
    if words[0] in FOREIGN or any(part in command for part in OF_THE_READER):
        return
    if re.search(r'\b(NAME|TOOL)\b', ' '.join(words[:4])):  # any of them
        return
    call = tool_call(words)
    if call is None:
        check_other(words)
        return
    file, arguments = call
    if not arguments:  # the mention of a tool
        assert (ROOT / 'tools' / file).is_file()
        return
    values = [re.sub(r'\bCONFIG\b(\.py)?', 'CONFIG', word) for word in arguments]
    if any(word.startswith('[') for word in values):
        return  # flags of which a table tells
    config = next((word for word in values if 'CONFIG' in word and '=' not in word), None)
    stand_in = config_for(page, file)
    values = [stand_in if word == config else word for word in values]
    args = parse(file, values, monkeypatch)
    check_config(page, args)


def check_other(words: list[str]) -> None:
    """A script of the repository, a module, or mim with a config of ours."""
    if words[0] == 'python' and words[1] == '-m':
        assert words[2] in ('zipfile', 'pytest', 'samrs_mm')
    elif words[0] == 'python' and words[1].endswith('.py') and words[1] != 'setup.py':
        assert (ROOT / words[1]).is_file(), words[1]
    elif words[:1] == ['mim'] and words[1] in ('train', 'test'):
        config = config_of(str(find_config(Path(words[3]).stem)))
        for word in words[words.index('--cfg-options') + 1 :]:
            assert has_key(config, word.partition('=')[0]), word


def check_config(page: str, args: argparse.Namespace) -> None:
    """The config that a command names is there, and has what its options set."""
    name = getattr(args, 'config', None)
    if not name or not isinstance(name, str) or name in ('FILE', 'DIR', 'FOLDER'):
        return
    try:
        path = str(find_config(name))
    except RefusedError:
        assert Path(name).suffix != '.py', f'{page}: no config {name}'
        return
    config = config_of(path)
    for key in getattr(args, 'cfg_options', None) or {}:
        known = key in NEW_KEYS or key.partition('.')[0] == 'filters' or has_key(config, key)
        assert known, f'{page}: {name} has no {key}'
    if 'prompt' in config:
        load_config(path, getattr(args, 'cfg_options', None), {})
