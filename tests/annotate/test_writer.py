import errno
import os
from types import SimpleNamespace

import numpy as np
import pytest

from samrs_mm.annotate.plan import Tile
from samrs_mm.annotate.writer import LabelMapWriter, MaskFilters, RecordWriter, Sample
from samrs_mm.core import masks
from samrs_mm.core.errors import RefusedError, SamrsError, describe
from samrs_mm.core.masks import Mask
from samrs_mm.core.prompts import PromptedBoxes, PromptSetting
from samrs_mm.formats.annotated import folder
from samrs_mm.formats.annotated.entries import BoxEntry
from samrs_mm.formats.annotated.folder import AnnotatedFolder
from samrs_mm.formats.annotated.record import Record


def made_sample(number: int, *found: Mask) -> Sample:
    polygon = np.array([[1.0, 1], [5, 1], [5, 5], [1, 5]])
    about = dict(path='a.png', scene='a', split=None, offset=[0, 0])
    record = Record.of_image(**about, width=8, height=8, sha256='', notes=[])
    record.boxes = [
        BoxEntry.new(
            number=i + 1, box_id=f'a.txt:{i + 1}', label=i, category='ship', prompt='rbox',
            polygon=polygon, scene_polygon=polygon, prompt_box=None, status='ok',
        )
        for i in range(len(found))
    ]  # fmt: skip
    chosen = list(range(len(found)))
    statuses = ['ok'] * len(found)
    prompted = PromptedBoxes(PromptSetting('rbox'), statuses, [''] * len(found), chosen, None)
    image = np.zeros((8, 8, 3), np.uint8)
    return Sample(Tile(number, f'a{number}', 0), record, image, [prompted], [found])


def mask(filled: bool = True, rows: int = 2) -> Mask:
    pixels = np.zeros((8, 8), bool)
    pixels[2 : 2 + rows, 2:5] = filled
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
        writer.commit(made_sample(0, mask(), mask(filled=False)))
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
            writer.commit(made_sample(number, mask()))

    with writer, pytest.raises(SamrsError, match='free some and run the same command'):
        write_many()
    assert 4 <= len(writer.failures) < 20
    assert not list((out.root / folder.INSTANCES).iterdir())


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


def test_describe_is_one_line():
    assert describe(ValueError('a\n b')) == 'ValueError: a b'
    assert describe(OSError(28, 'No space', 'file')) == 'file: No space'
    assert describe(SamrsError('as it is')) == 'as it is'


def test_filters_decide_the_status():
    record = made_sample(0, *[mask()] * 3).record
    for box, found in zip(record.boxes, (mask(), mask(filled=False), mask(rows=1)), strict=True):
        box.enter_mask(found, 'no pixel')
    MaskFilters(min_area=4).apply(record)
    assert [box.status for box in record.boxes] == ['kept', 'empty', 'filtered']
    assert record.boxes[2].reason == 'area 3 is below min_area 4'
    assert record.kept == record.boxes[:1]
    MaskFilters().apply(record)
    assert [box.status for box in record.boxes] == ['kept', 'empty', 'kept']
    assert record.boxes[2].reason == ''


MASK = SimpleNamespace(
    score=0.8,
    stability=0.9,
    fill=0.5,
    coverage=0.7,
    leakage=0.1,
    components=2,
    area=50,
    at_border=True,
)


@pytest.mark.parametrize(
    ('limits', 'reason'),
    [
        (dict(min_score=0.8), ''),
        (dict(min_score=0.81), 'score 0.8 is below min_score 0.81'),
        (dict(min_stability=1), 'stability 0.9 is below min_stability 1.0'),
        (dict(min_fill=0.5, max_fill=0.5), ''),
        (dict(min_fill=0.6), 'fill 0.5 is below min_fill 0.6'),
        (dict(max_fill=0.4), 'fill 0.5 is above max_fill 0.4'),
        (dict(min_coverage=0.71), 'coverage 0.7 is below min_coverage 0.71'),
        (dict(max_leakage=0), 'leakage 0.1 is above max_leakage 0.0'),
        (dict(max_components=2), ''),
        (dict(max_components=1), 'components 2 is above max_components 1'),
        (dict(min_area=51), 'area 50 is below min_area 51'),
        (dict(min_area=50, max_area=50), ''),
        (dict(max_area=49), 'area 50 is above max_area 49'),
        (dict(drop_at_border=True), "the mask touches the image's border"),
        (dict(drop_at_border=False), ''),
        (dict(min_area=60, max_fill=0.1), 'fill 0.5 is above max_fill 0.1'),
    ],
)
def test_reasons(limits, reason):
    assert MaskFilters.from_config(limits).reason(MASK) == reason


def test_no_filter_is_one_setting_however_written():
    for entry in (None, {}, dict(drop_at_border=False), dict(min_score=None, drop_at_border=None)):
        assert MaskFilters.from_config(entry).as_dict() is None
    assert MaskFilters.from_config(dict(max_leakage=0)).as_dict() == dict(max_leakage=0.0)
    written = [MaskFilters.from_config(dict(min_score=value)) for value in (1, 1.0)]
    assert repr(written[0].as_dict()) == repr(written[1].as_dict())


def test_measures_that_filters_look_at():
    filters = MaskFilters.from_config(dict(min_score=0.5, max_fill=1, drop_at_border=True))
    assert filters.measures == {'score', 'fill', 'at_border'}


@pytest.mark.parametrize(
    ('entry', 'says'),
    [
        (dict(min_iou=0.5), 'filters.min_iou is unknown; allowed: min_score, min_stability,'),
        (dict(min_score='high'), "filters.min_score='high'; allowed: 0 to 1, or None"),
        (dict(min_score=True), 'filters.min_score=True; allowed: 0 to 1'),
        (dict(max_fill=50), 'filters.max_fill=50; allowed: 0 to 1'),
        (dict(max_leakage=float('nan')), 'filters.max_leakage=nan; allowed: 0 to 1'),
        (dict(min_area=0), 'filters.min_area=0; allowed: a whole number from 1'),
        (dict(max_components=1.5), 'filters.max_components=1.5; allowed: a whole number'),
        (dict(drop_at_border=1), 'filters.drop_at_border=1; allowed: True or False'),
        (dict(min_fill=0.5, max_fill=0.4), 'filters.min_fill=0.5 is above filters.max_fill=0.4'),
        (dict(min_area=9, max_area=8), 'filters.min_area=9 is above filters.max_area=8'),
        (dict(max_area=0.5), 'filters.max_area=0.5; allowed: a whole number from 1'),
        ([0.5], 'filters=[0.5]; allowed: None or dict(min_score=..., ...)'),
    ],
)
def test_impossible_filters_are_refused_in_one_line(entry, says):
    with pytest.raises(RefusedError) as caught:
        MaskFilters.from_config(entry)
    assert says in str(caught.value)
    assert '\n' not in str(caught.value)
