"""What the paper reports for its own models: the tables of ``paper.yml``."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

NUMBERS = Path(__file__).with_name('paper.yml')
OPTION = ' at '
"""Stands in the names of rows that are an option of a config, not a config."""


@dataclass(frozen=True)
class PaperTable:
    """One of the paper's tables.

    Args:
        title: What it shows.
        columns: For each printed column the name of our score.
        rows: By name of our config (in table 1: of the prompt setting) the printed numbers in the
            order of the columns, in percent.
    """

    title: str
    columns: Mapping[str, str]
    rows: Mapping[str, list[float]]

    @property
    def configs(self) -> list[str]:
        """Names of the rows that are configs."""
        return [name for name in self.rows if OPTION not in name]

    def values(self, name: str) -> dict[str, float]:
        """Return the numbers of a row by printed column."""
        return dict(zip(self.columns, self.rows[name], strict=True))


@cache
def paper_tables() -> dict[int, PaperTable]:
    """Return tables 1, 3 to 6 and 9 by number."""
    return {
        number: PaperTable(**table) for number, table in _read().items() if number != 'misprints'
    }


def misprints() -> dict[str, str]:
    """Return what is wrong in rows whose printed mean isn't the mean of their columns."""
    return _read()['misprints']


@cache
def _read() -> dict[Any, Any]:
    return yaml.safe_load(NUMBERS.read_text(encoding='utf-8'))
