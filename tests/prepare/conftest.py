"""A small dataset to cut."""

import pytest
from folders import write_dota


@pytest.fixture
def dota(tmp_path):
    return write_dota(tmp_path / 'dota')
