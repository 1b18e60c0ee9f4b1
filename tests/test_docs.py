"""Every command and snippet that a newcomer can paste is run."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from folders import ROOT

# The examples of extending.md need files of the reader's own: tests/test_extending_*.py run them.
PAGES = [
    ROOT / 'README.md',
    *sorted(path for path in (ROOT / 'docs').glob('*.md') if path.stem != 'extending'),
]
WANTS_DATA = ('data/DOTA-v2', 'data/DIOR', 'data/FAIR1M-2.0')
WANTS_WEIGHTS = ('sam-vit-h', '-sep_potsdam')
PLACEHOLDER = re.compile(r'\b(CONFIG|DIR|FOLDER|OUT)\b')


def commands() -> list[str]:
    """Return the tool commands of README and docs without placeholders, in order."""
    found = []
    for page in PAGES:
        found += re.findall(r'^(?:\| \w+ \| `)?(python tools/[^\n`]*)', page.read_text(), re.M)
    return [command for command in dict.fromkeys(found) if not PLACEHOLDER.search(command)]


def shell(command: str, folder: Path) -> subprocess.CompletedProcess:
    path = f'{Path(sys.executable).parent}:{os.environ["PATH"]}'
    environment = {**os.environ, 'PATH': path}
    return subprocess.run(
        command, shell=True, cwd=folder, env=environment, capture_output=True, text=True
    )


@pytest.fixture(scope='module')
def checkout(tmp_path_factory):
    """A folder in which the demo has been run."""
    folder = tmp_path_factory.mktemp('checkout')
    for name in ('tools', 'configs'):
        (folder / name).symlink_to(ROOT / name)
    done = shell('python tools/demo.py --iterations 8', folder)
    assert done.returncode == 0, done.stderr
    (folder / 'demo.txt').write_text(done.stdout)
    return folder


def test_the_demo_scores_and_draws(checkout):
    said = (checkout / 'demo.txt').read_text()
    scores = re.findall(r'^data/demo/(\S+): mIOU_I (\S+)', said, re.M)
    assert [name for name, _ in scores] == ['masks', 'box-fill']
    assert all(0.7 < float(score) < 1 for _, score in scores)
    before = re.search(r'^before training +city/mIoU .* mIoU (\S+)$', said, re.M)
    after = re.search(r'^after training +city/mIoU .* mIoU (\S+)$', said, re.M)
    assert 0 <= float(before[1]) < float(after[1])
    pictures = re.findall(r'^picture +(\S+)', said, re.M)
    assert len(pictures) == 2
    assert all((checkout / picture).stat().st_size > 50_000 for picture in pictures)


@pytest.mark.parametrize('command', commands())
def test_a_command_of_the_docs(checkout, command):
    done = shell(command, checkout)
    assert 'Traceback' not in done.stderr
    if any(name in command for name in WANTS_DATA + WANTS_WEIGHTS):
        assert done.returncode == 2
        cures = r'no such folder|https://\S+\.pth|tools/train.py configs/sep/\S+ writes it'
        assert re.search(cures, done.stderr), done.stderr
    else:
        assert done.returncode == 0, done.stderr


def test_there_are_commands():
    assert len(commands()) >= 6
