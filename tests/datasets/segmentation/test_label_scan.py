import os

import numpy as np
import pytest
from PIL import Image

from samrs_mm.datasets.segmentation import label_scan
from samrs_mm.datasets.segmentation.label_scan import count_labelled


@pytest.fixture
def labels(tmp_path):
    paths = {}
    for number, stem in enumerate('abc'):
        label = np.full((20, 30), 255, np.uint8)
        label.ravel()[: 100 * number] = 1
        paths[stem] = str(tmp_path / f'{stem}.png')
        Image.fromarray(label).save(paths[stem])
    return paths


def test_counts_are_remembered(labels, tmp_path, monkeypatch):
    cache = tmp_path / 'labelled.csv'
    assert count_labelled(labels, cache, workers=2) == dict(a=0, b=100, c=200)
    monkeypatch.setattr(label_scan, 'read_label', None)
    assert count_labelled(labels, cache) == dict(a=0, b=100, c=200)


def test_half_a_line_of_a_killed_scan_is_not_a_count(labels, tmp_path):
    cache = tmp_path / 'labelled.csv'
    size = os.path.getsize(labels['c'])
    cache.write_text(f'c,{size},2')
    assert count_labelled(labels, cache)['c'] == 200
    assert f'c,{size},2\n' not in cache.read_text()


def test_a_changed_file_is_counted_again(labels, tmp_path):
    cache = tmp_path / 'labelled.csv'
    count_labelled(labels, cache)
    Image.fromarray(np.zeros((50, 60), np.uint8)).save(labels['a'])
    assert count_labelled(labels, cache)['a'] == 3000


def test_no_place_for_the_cache(labels, tmp_path):
    assert count_labelled(labels, tmp_path / 'none/labelled.csv') == dict(a=0, b=100, c=200)
