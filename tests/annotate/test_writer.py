import errno
import os

import numpy as np
import pytest

from samrs_mm.annotate.driver import LabelMapWriter, RecordWriter
from samrs_mm.annotate.plan import Tile
from samrs_mm.annotate.samples import PromptedBoxes, Sample
from samrs_mm.core import masks
from samrs_mm.core.errors import SamrsError, describe
from samrs_mm.core.masks import Mask
from samrs_mm.core.prompts import PromptSetting
from samrs_mm.core.quality import MaskFilters
from samrs_mm.formats.annotated import folder
from samrs_mm.formats.annotated.folder import AnnotatedFolder
from samrs_mm.formats.annotated.record import BoxEntry, Record


def sample(number: int, boxes: int = 1) -> Sample:
    polygon = np.array([[1.0, 1], [5, 1], [5, 5], [1, 5]])
    about = dict(path='a.png', scene='a', split=None, offset=[0, 0])
    record = Record.of_image(**about, width=8, height=8, sha256='', notes=[])
    record.boxes = [
        BoxEntry.new(
            number=i + 1, box_id=f'a.txt:{i + 1}', label=i, category='ship', prompt='rbox',
            polygon=polygon, scene_polygon=polygon, prompt_box=None, status='ok',
        )
        for i in range(boxes)
    ]  # fmt: skip
    statuses = ['ok'] * boxes
    prompted = PromptedBoxes(PromptSetting('rbox'), statuses, [''] * boxes, [*range(boxes)], None)
    image = np.zeros((8, 8, 3), np.uint8)
    return Sample(Tile(number, f'a{number}', 0), record, image, [prompted])


def mask(filled: bool = True) -> Mask:
    pixels = np.zeros((8, 8), bool)
    pixels[2:4, 2:5] = filled
    return Mask(masks.encode(pixels), 0.5)


def writer_of(out: AnnotatedFolder, **options: int) -> RecordWriter:
    maps = LabelMapWriter(out, 'small_on_top', MaskFilters())
    return RecordWriter(out, 'sig', maps, **options)


@pytest.fixture
def out(tmp_path):
    result = AnnotatedFolder(tmp_path / 'out')
    result.open({})
    return result


def test_commit(out):
    with writer_of(out) as writer:
        writer.commit(sample(0, boxes=2), [[mask(), mask(filled=False)]])
    record = Record.load(out.path(folder.INSTANCES, 'a0'))
    kept, empty = record.boxes
    assert record.signature == 'sig'
    assert (kept.status, kept.area, kept.bbox) == ('kept', 6, [2, 2, 3, 2])
    assert (empty.status, empty.segmentation) == ('empty', None)
    assert empty.reason
    assert writer.statuses == {'kept': 1, 'empty': 1}


def test_a_full_disk_ends_the_run_only_when_it_stays_full(out, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), 'disk')

    monkeypatch.setattr(os, 'fsync', full)
    writer = writer_of(out, pending=1)

    def write_many() -> None:
        for number in range(50):
            writer.commit(sample(number), [[mask()]])

    with writer, pytest.raises(SamrsError, match='free some and run the same command'):
        write_many()
    assert 4 <= len(writer.failures) < 20
    assert not list((out.root / folder.INSTANCES).iterdir())


def test_a_failure_that_cannot_be_recorded_is_named_too(out):
    """Whatever a writing thread meets must not vanish with the thread."""
    with writer_of(out) as writer:
        writer.fail(sample(0), 'lone surrogate \udc80 in a name')
    first, second = writer.failures
    assert first == 'lone surrogate \udc80 in a name'
    assert second.startswith(f'{out.root}/failed/a0.json: cannot record the failure: Unicode')
    assert writer.images == 0


def test_describe_is_one_line():
    assert describe(ValueError('a\n b')) == 'ValueError: a b'
    assert describe(OSError(28, 'No space', 'file')) == 'file: No space'
    assert describe(SamrsError('as it is')) == 'as it is'
