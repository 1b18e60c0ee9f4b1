from pathlib import Path

import pytest
from folders import CONFIG, load_tool, write_dota


@pytest.fixture(scope='session')
def sam_annotate():
    return load_tool('sam_annotate')


@pytest.fixture
def dota(tmp_path: Path) -> Path:
    return write_dota(tmp_path / 'dota')


@pytest.fixture
def annotate(sam_annotate, dota, tmp_path):
    """Run the tool in this process: ``annotate('--limit', 2, out='a')`` -> exit code."""

    def run(*flags, out: str = 'out', data: Path | None = None, config: str = CONFIG) -> int:
        common = '--data-root', str(data or dota), '--out', str(tmp_path / out), '--workers', '0'
        return sam_annotate.main([config, *common, *map(str, flags)])

    return run
