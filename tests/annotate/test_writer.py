import errno
import os

import numpy as np
import pytest
import torch

from samrs_mm.annotate.plan import Unit
from samrs_mm.annotate.samples import Sample
from samrs_mm.annotate.writer import MaskResult, ResultWriter
from samrs_mm.core import masks
from samrs_mm.core.errors import SamrsError, describe
from samrs_mm.formats.annotated import folder, records
from samrs_mm.formats.annotated.folder import AnnotatedFolder


def sample(number: int, boxes: int = 1) -> Sample:
    polygon = np.array([[1.0, 1], [5, 1], [5, 5], [1, 5]])
    entry = dict(
        path='a.png', scene='a', split=None, offset=[0, 0], width=8, height=8, sha256='', notes=[]
    )
    entries = [
        records.new_box(
            number=i + 1,
            box_id=f'a.txt:{i + 1}',
            label=i,
            category='ship',
            prompt='rbox',
            polygon=polygon,
            scene_polygon=polygon,
            prompt_box=None,
            status='ok',
            reason='',
        )
        for i in range(boxes)
    ]
    image = torch.zeros(8, 8, 3, dtype=torch.uint8)
    return Sample(Unit(number, f'a{number}', 0), image, entry, entries, list(range(boxes)))


def mask(filled: bool = True) -> MaskResult:
    pixels = np.zeros((8, 8), bool)
    pixels[2:4, 2:5] = filled
    return MaskResult(masks.encode(pixels), 0.5, None)


@pytest.fixture
def out(tmp_path):
    result = AnnotatedFolder(tmp_path / 'out')
    result.open({})
    return result


def test_commit(out):
    with ResultWriter(out, 'sig', 'small_on_top') as writer:
        writer.commit(sample(0, boxes=2), [mask(), mask(filled=False)])
    kept, empty = records.load(out.path(folder.INSTANCES, 'a0'))['boxes']
    assert (kept['status'], kept['area'], kept['bbox']) == ('kept', 6, [2, 2, 3, 2])
    assert (empty['status'], empty['segmentation']) == ('empty', None)
    assert empty['reason']
    assert writer.statuses == {'kept': 1, 'empty': 1}


def test_a_full_disk_ends_the_run_only_when_it_stays_full(out, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), 'disk')

    monkeypatch.setattr(os, 'fsync', full)
    writer = ResultWriter(out, 'sig', 'small_on_top', pending=1)

    def write_many() -> None:
        for number in range(50):
            writer.commit(sample(number), [mask()])

    with writer, pytest.raises(SamrsError, match='free some and run the same command'):
        write_many()
    assert 4 <= len(writer.failures) < 20
    assert not list((out.root / folder.INSTANCES).iterdir())


def test_describe_is_one_line():
    assert describe(ValueError('a\n b')) == 'ValueError: a b'
    assert describe(OSError(28, 'No space', 'file')) == 'file: No space'
    assert describe(SamrsError('as it is')) == 'as it is'
