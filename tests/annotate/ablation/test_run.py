import numpy as np
import pytest

from samrs_mm.annotate.ablation.scores import (
    AblationRecord,
    ScoredBox,
    SettingResult,
    enter_results,
)
from samrs_mm.annotate.plan import Tile
from samrs_mm.annotate.writer import Sample
from samrs_mm.core import masks
from samrs_mm.core.masks import Mask
from samrs_mm.core.prompts import PromptedBoxes, PromptSetting
from samrs_mm.formats.annotated.record import RecordError

SIZE = 12, 16


def square(side: int, at: int = 2) -> dict:
    pixels = np.zeros(SIZE, bool)
    pixels[at : at + side, at : at + side] = True
    return masks.encode(pixels)


@pytest.fixture
def record():
    about = dict(path='a.png', scene='a', split=None, offset=[0, 0], sha256='', notes=[])
    record = AblationRecord.of_image(**about, height=SIZE[0], width=SIZE[1])
    for number, truth in enumerate((square(4), None, square(6)), 1):
        status, area = ('scored', masks.area(truth)) if truth else ('unscored', None)
        box = ScoredBox(number, f'a:{number}', 1, 'ship', status, area, truth, {})
        record.boxes.append(box)
    names = ('hbox', 'rbox')
    prompted = [
        PromptedBoxes(PromptSetting(name), ['ok', 'ok', 'outside'], ['', '', 'far'], [0, 1], None)
        for name in names
    ]
    empty = Mask(masks.encode(np.zeros(SIZE, bool)), 0.1)
    found = [[Mask(square(2), 0.5), empty], [empty, Mask(square(3), 0.9)]]
    enter_results(Sample(Tile(0, 'a', 0), record, None, prompted, found))
    return record


def test_each_setting_is_measured_against_the_true_masks(record):
    first, second, third = record.boxes
    assert record.image.encodes == 1
    hit, missed = first.results['hbox'], first.results['rbox']
    assert (hit.status, hit.score, hit.area, hit.intersection, hit.union) == ('kept', 0.5, 4, 4, 16)
    assert (missed.status, missed.intersection, missed.union) == ('empty', 0, 16)
    assert missed.score is missed.segmentation is None
    assert second.results == {}
    assert {name: result.status for name, result in third.results.items()} == dict(
        hbox='outside', rbox='outside'
    )


def test_what_is_written_is_read(record, tmp_path):
    record.write(tmp_path / 'a.json')
    back = AblationRecord.load_checked(tmp_path / 'a.json')
    assert back == record
    assert isinstance(back.boxes[0].results['hbox'], SettingResult)


def test_a_damaged_mask_of_a_setting_is_named(record, tmp_path):
    record.boxes[0].results['hbox'].segmentation = dict(size=[2, 2], counts='4')
    record.write(tmp_path / 'a.json')
    place = r'boxes\[0\]\.results\.hbox\.segmentation: a mask of \[2, 2\]'
    with pytest.raises(RecordError, match=place):
        AblationRecord.load_checked(tmp_path / 'a.json')


def test_a_failure_keeps_no_boxes(record, tmp_path):
    record.fail('a.png: no')
    record.write(tmp_path / 'a.json')
    assert AblationRecord.load_failure(tmp_path / 'a.json').boxes == []
