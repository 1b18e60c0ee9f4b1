"""A folder under review, made once and copied for each test."""

import shutil

import pytest
from reviewed import annotated

from samrs_mm.review.server.session import Session


@pytest.fixture(scope='session')
def made(tmp_path_factory):
    """A data root ``dota`` and its annotated folder ``out``."""
    root = tmp_path_factory.mktemp('reviewed')
    annotated(root)
    return root


@pytest.fixture
def place(made, tmp_path):
    """A copy of both."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture
def session(place):
    """The folder under review by ann."""
    return Session(place / 'out', None, 'ann')
