"""Committing images: by threads, by processes, on a full disk, by processes that die."""

import errno
import os
import pickle

import numpy as np
import pytest
from folders import tree
from written_samples import Deadly, Full, made_sample, mask

from samrs_mm.annotate import record_writer
from samrs_mm.annotate.ablation.scores import SCORED, AblationRecord, ScoredBox, enter_results
from samrs_mm.annotate.record_writer import RecordWriter, SampleWriter, writing_processes
from samrs_mm.annotate.writer import LabelMapWriter, MaskFilters
from samrs_mm.core import masks
from samrs_mm.core.errors import SamrsError
from samrs_mm.core.grid import GridPrompts, GridSpec
from samrs_mm.core.own_process import DiedError
from samrs_mm.formats.annotated import folder
from samrs_mm.formats.annotated.folder import AnnotatedFolder
from samrs_mm.formats.annotated.record import Record
from samrs_mm.models.prompt_segmentors.proposing import Proposal


def writer_of(
    out: AnnotatedFolder, kind: type = LabelMapWriter, filters: MaskFilters | None = None,
    **options: int,
) -> RecordWriter:  # fmt: skip
    maps = kind(out, 'small_on_top', filters or MaskFilters())
    return RecordWriter(out, 'sig', maps, **options)


@pytest.fixture
def out(tmp_path):
    result = AnnotatedFolder(tmp_path / 'out')
    result.open({})
    return result


def test_commit(out):
    with writer_of(out) as writer:
        writer.commit(made_sample(0, mask(), mask(filled=False)))
    record = Record.load(out.path(folder.INSTANCES, 'a0'))
    kept, empty = record.boxes
    assert record.signature == 'sig'
    assert (kept.status, kept.area, kept.bbox) == ('kept', 6, [2, 2, 3, 2])
    assert (empty.status, empty.segmentation) == ('empty', None)
    assert empty.reason == 'the segmentor returned no pixel'
    assert writer.statuses == {'kept': 1, 'empty': 1}
    assert writer.images == 1


def test_a_full_disk_ends_the_run_only_when_it_stays_full(out):
    writer = writer_of(out, Full, pending=1)

    def write_many() -> None:
        for number in range(50):
            writer.commit(made_sample(number, mask()))

    with writer, pytest.raises(SamrsError, match='free some and run the same command'):
        write_many()
    assert 8 <= len(writer.failures) < 20
    assert writer.failures[0] == 'disk: No space left on device'
    assert not list((out.root / folder.INSTANCES).iterdir())


def test_a_failure_that_meets_the_full_disk_counts_too(out, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), 'disk')

    monkeypatch.setattr(os, 'fsync', full)
    maps = LabelMapWriter(out, 'small_on_top', MaskFilters())
    written = SampleWriter(out, maps)(made_sample(0, mask()))
    assert (written.failures, written.full) == (('disk: No space left on device',), 2)


def test_a_failure_that_cannot_be_recorded_is_named_too(out):
    """Whatever a writing thread meets must not vanish with the thread."""
    sample = made_sample(0)
    sample.error = 'lone surrogate \udc80 in a name'
    with writer_of(out) as writer:
        writer.commit(sample)
    first, second = writer.failures
    assert first == 'lone surrogate \udc80 in a name'
    assert second.startswith(f'{out.root}/failed/a0.json: cannot record the failure: Unicode')
    assert writer.images == 0


def test_bytes_do_not_depend_on_who_writes(tmp_path):
    folders = []
    for name, options in dict(threads={}, process=dict(processes=1)).items():
        out = AnnotatedFolder(tmp_path / name)
        out.open({})
        with writer_of(out, filters=MaskFilters(min_area=4), **options) as writer:
            for number in range(6):
                sample = made_sample(number, mask(), mask(filled=False), mask(rows=1))
                sample.note = f'{number:032x}'
                if number == 4:
                    sample.masks = [[mask()]]  # one is missing: whoever writes it meets an error
                writer.commit(sample)
        assert (writer.images, len(writer.failures)) == (5, 1)
        out.notes.keep([f'a{number}' for number in range(6)])
        folders.append(tree(out.root))
    assert folders[0] == folders[1]
    assert any(name.startswith('failed/') for name in folders[0])


def test_a_process_that_dies_loses_its_image_alone(out):
    with writer_of(out, Deadly, processes=1) as writer:
        for number in range(5):
            sample = made_sample(number, mask())
            if number == 3:
                sample.note = lambda: None  # what can't travel fails its image, too
            writer.commit(sample)
    died, not_sent = writer.failures
    assert died == (
        'a1: could not be written: its process was ended by signal 9, perhaps out of memory'
    )
    assert 'pickle' in not_sent
    assert writer.images == 3
    failed = Record.load_failure(out.path(folder.FAILED, 'a1'))
    assert [box.status for box in failed.boxes] == ['failed']
    assert failed.error == died
    assert (out.done(), out.failed()) == ({'a0', 'a2', 'a4'}, {'a1', 'a3'})


class Ended:
    """A process that has ended over each image; from the third on none can be started."""

    def __init__(self, started: list):
        if len(started) == 2:
            raise SamrsError('python: could not be started')
        started.append(self)
        self.ended = False

    def __call__(self, _):
        self.ended = True
        raise DiedError('its process ended with exit code 1')

    def close(self):
        self.ended = True


def test_memory_is_not_blamed_for_an_error_of_python(out, monkeypatch):
    started = []
    monkeypatch.setattr(record_writer, 'OwnProcess', lambda _: Ended(started))
    with writer_of(out, processes=1) as writer:
        for number in range(3):
            writer.commit(made_sample(number, mask()))
    died = 'could not be written: its process ended with exit code 1'
    not_replaced = 'a2: could not be written: python: could not be started'
    assert writer.failures == [f'a0: {died}', f'a1: {died}', not_replaced]


def test_processes_that_cannot_all_be_started_are_refused(out, monkeypatch):
    started = []
    monkeypatch.setattr(record_writer, 'OwnProcess', lambda _: Ended(started))
    with pytest.raises(SamrsError, match=r'^python: could not be started; with --workers 0 '):
        writer_of(out, processes=3).__enter__()
    assert [each.ended for each in started] == [True, True]


def test_no_more_is_sent_than_is_written(out):
    sample = made_sample(0, mask())
    sample.image = np.zeros((1024, 1024, 3), np.uint8)
    sample.valid, sample.gaps = np.zeros((1024, 1024), bool), True
    with writer_of(out) as writer:
        writer.commit(sample)
    assert len(pickle.dumps(sample)) < 4000
    assert sample.gaps


def as_sent(item):
    return pickle.loads(pickle.dumps(item))


def test_an_ablations_image_is_the_same_elsewhere(out):
    sample = made_sample(0, mask())
    about = dict(path='a.png', scene='a', split=None, offset=[0, 0], sha256='', notes=[])
    sample.record = AblationRecord.of_image(**about, width=8, height=8)
    truth = mask(rows=3).segmentation
    sample.record.boxes = [ScoredBox(1, 'a', 1, 'ship', SCORED, masks.area(truth), truth, {})]
    work = SampleWriter(out, enter_results)
    there, here = as_sent(sample), sample
    assert as_sent(work)(there).statuses == work(here).statuses == ('scored',)
    assert there.record.dump() == here.record.dump()


def test_masks_without_boxes_are_the_same_elsewhere(out):
    sample = made_sample(0)
    sample.prompted, sample.masks = [], ()
    sample.grid = GridPrompts(GridSpec(), 0, 0, (8, 8), np.ones((8, 8), bool))
    sample.proposals = [Proposal(3, 1, (1.5, 2.5), masks.Mask(mask().segmentation, 0.9, 0.95))]
    sample.let_go()
    work = SampleWriter(out, LabelMapWriter(out, 'small_on_top', MaskFilters()))
    there, here = as_sent(sample), sample
    assert as_sent(work)(there).statuses == work(here).statuses == ('kept',)
    assert there.record.dump() == here.record.dump()


@pytest.mark.parametrize(
    ('on_gpu', 'readers', 'images', 'expected'),
    [
        (False, 8, 1000, 0),
        (True, 8, 1000, 4),
        (True, 3, 1000, 2),
        (True, 0, 1000, 0),
        (True, 4, 16, 1),
        (True, 4, 15, 0),
    ],
)
def test_how_many_processes_write(on_gpu, readers, images, expected):
    assert writing_processes(on_gpu, readers, images) == expected
