import os

import numpy as np
import pytest
from PIL import Image

from samrs_mm.core.errors import LabelReadError
from samrs_mm.datasets.segmentation import label_scan
from samrs_mm.datasets.segmentation.label_scan import find_labelled, is_labelled

FOUND = dict(a=False, b=True, c=True)


@pytest.fixture
def labels(tmp_path):
    paths = {}
    for number, stem in enumerate('abc'):
        label = np.full((20, 30), 255, np.uint8)
        label.ravel()[: 100 * number] = 1
        paths[stem] = str(tmp_path / f'{stem}.png')
        Image.fromarray(label).save(paths[stem])
    return paths


def test_what_was_found_is_remembered(labels, tmp_path, monkeypatch):
    cache = tmp_path / 'labelled.csv'
    assert find_labelled(labels, cache, workers=2) == FOUND
    monkeypatch.setattr(label_scan, 'is_labelled', None)
    assert find_labelled(labels, cache) == FOUND


def test_half_a_line_of_a_killed_scan_is_no_answer(labels, tmp_path):
    cache = tmp_path / 'labelled.csv'
    size = os.path.getsize(labels['c'])
    cache.write_text(f'c,{size},2')
    assert find_labelled(labels, cache)['c'] is True
    assert f'c,{size},2\n' not in cache.read_text()


def test_a_changed_file_is_looked_at_again(labels, tmp_path):
    cache = tmp_path / 'labelled.csv'
    find_labelled(labels, cache)
    Image.fromarray(np.zeros((50, 60), np.uint8)).save(labels['a'])
    assert find_labelled(labels, cache)['a'] is True


def test_no_place_for_the_cache(labels, tmp_path):
    assert find_labelled(labels, tmp_path / 'none/labelled.csv') == FOUND


def test_a_cache_of_counts_is_still_good(labels, tmp_path, monkeypatch):
    cache = tmp_path / 'labelled.csv'
    rows = [(stem, os.path.getsize(path)) for stem, path in labels.items()]
    cache.write_text(''.join(f'{stem},{size},{100 * n}\n' for n, (stem, size) in enumerate(rows)))
    monkeypatch.setattr(label_scan, 'is_labelled', None)
    assert find_labelled(labels, cache) == FOUND


def test_other_kinds_are_read_whole_and_broken_ones_are_named(tmp_path):
    label = np.full((20, 30), 255, np.uint8)
    for name, expect in (('empty.tif', False), ('full.tif', True)):
        Image.fromarray(label).save(tmp_path / name)
        assert is_labelled(str(tmp_path / name)) is expect
        label[-1, -1] = 3
    (tmp_path / 'broken.png').write_bytes(b'\x89PNG')
    for name in ('broken.png', 'gone.png'):
        with pytest.raises(LabelReadError, match=name):
            is_labelled(str(tmp_path / name))


def test_progress_counts_the_files(labels, tmp_path):
    seen = []

    def progress(results):
        for result in results:
            seen.append(result)
            yield result

    find_labelled(labels, tmp_path / 'labelled.csv', progress=progress)
    assert seen == [False, True, True]
