import errno
import os

import numpy as np
import pytest
from folders import tree, write_dota

from samrs_mm.annotate.driver import Annotator, LabelMapWriter, RecordWriter
from samrs_mm.annotate.plan import Plan, Tile
from samrs_mm.annotate.samples import BoxPrompter, PromptedBoxes, Sample, SampleStream
from samrs_mm.core import masks
from samrs_mm.core.errors import SamrsError, describe
from samrs_mm.core.masks import Mask
from samrs_mm.core.prompts import PromptSetting
from samrs_mm.core.quality import MaskFilters
from samrs_mm.datasets.boxes.dota import DOTABoxDataset
from samrs_mm.formats.annotated import folder
from samrs_mm.formats.annotated.folder import AnnotatedFolder
from samrs_mm.formats.annotated.record import BoxEntry, Record
from samrs_mm.models.prompt_segmentors.base import MaskChunk
from samrs_mm.models.prompt_segmentors.box_fill import BoxFillSegmentor


class Moody(BoxFillSegmentor):
    """Fills boxes, but fails where it should, and counts what it is given."""

    def __init__(self, fail_encode=(), fail_decode=(), images_per_pass=1):
        super().__init__()
        self.images_per_pass = images_per_pass
        self.fail_encode, self.fail_decode = fail_encode, fail_decode
        self.passes, self.images = [], 0

    def encode(self, images):
        self.passes.append(len(images))
        numbers = range(self.images, self.images + len(images))
        self.images += len(images)
        if set(numbers) & set(self.fail_encode):
            raise RuntimeError('no encoder\ntoday')
        return list(zip(numbers, super().encode(images), strict=True))

    def decode(self, encoded, prompts):
        number, shape = encoded
        for chunk in super().decode(shape, prompts):
            yield MaskChunk(chunk.masks, np.array([0.5]), np.array([0.25]), ('halved',))
            if number in self.fail_decode:
                raise ValueError('no decoder')


@pytest.fixture
def plan(tmp_path):
    dataset = DOTABoxDataset(str(write_dota(tmp_path / 'data')))
    dataset.collect_classes()
    return Plan(dataset, None)


def run(plan, out, segmentor, policy='small_on_top'):
    folder = AnnotatedFolder(out)
    folder.open({})
    prompter = BoxPrompter(PromptSetting('rbox'), plan.dataset.table)
    stream = SampleStream(plan, plan.shard(0, 1), prompter, done=folder.done())
    writer = RecordWriter(folder, 'sig', LabelMapWriter(folder, policy, MaskFilters()))
    return Annotator(stream, segmentor, writer).run()


def test_scores_and_notes_reach_the_record(plan, tmp_path):
    result = run(plan, tmp_path / 'out', Moody())
    assert (result.images, result.skipped, result.failures) == (5, 0, ())
    assert result.statuses == {'kept': 18}
    record = Record.load(tmp_path / 'out/instances/P0000.json')
    assert record.image.notes == ['halved']
    assert {(box.score, box.stability) for box in record.boxes} == {(0.5, 0.25)}


def test_what_is_done_is_not_done_again(plan, tmp_path):
    run(plan, tmp_path / 'out', Moody())
    segmentor = Moody()
    result = run(plan, tmp_path / 'out', segmentor)
    assert (result.images, result.skipped, segmentor.passes) == (0, 5, [])


@pytest.mark.parametrize(('where', 'says'), [('encode', 'no encoder today'), ('decode', 'decoder')])
def test_a_failing_image_loses_nothing_else(plan, tmp_path, where, says):
    result = run(plan, tmp_path / 'out', Moody(**{f'fail_{where}': (1,)}))
    assert result.images == 4
    (line,) = result.failures
    assert says in line
    assert 'P0001' in line
    failed = Record.load_failure(tmp_path / 'out/failed/P0001.json')
    assert failed.error == line
    assert {box.status for box in failed.boxes} == {'failed'}
    run(plan, tmp_path / 'out', Moody())
    run(plan, tmp_path / 'whole', Moody())
    assert tree(tmp_path / 'out/instances') == tree(tmp_path / 'whole/instances')
    assert not (tmp_path / 'out/failed/P0001.json').exists()


def test_images_per_pass(plan, tmp_path):
    segmentor = Moody(images_per_pass=2)
    run(plan, tmp_path / 'out', segmentor)
    assert segmentor.passes == [2, 2]
    run(plan, tmp_path / 'one', Moody())
    assert tree(tmp_path / 'out') == tree(tmp_path / 'one')


def test_an_encoder_that_fails_blames_every_image_of_its_pass_by_its_own_name(plan, tmp_path):
    result = run(plan, tmp_path / 'out', Moody(fail_encode=(1,), images_per_pass=2))
    assert result.images == 3
    assert len(result.failures) == 2
    for stem in ('P0000', 'P0001'):
        failed = Record.load_failure(tmp_path / f'out/failed/{stem}.json')
        assert failed.error.startswith(f'images/{stem}.png: the segmentor failed')
        assert failed.error in result.failures


def made_sample(number: int, boxes: int = 1) -> Sample:
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
        writer.commit(made_sample(0, boxes=2), [[mask(), mask(filled=False)]])
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
            writer.commit(made_sample(number), [[mask()]])

    with writer, pytest.raises(SamrsError, match='free some and run the same command'):
        write_many()
    assert 4 <= len(writer.failures) < 20
    assert not list((out.root / folder.INSTANCES).iterdir())


def test_a_failure_that_cannot_be_recorded_is_named_too(out):
    """Whatever a writing thread meets must not vanish with the thread."""
    with writer_of(out) as writer:
        writer.fail(made_sample(0), 'lone surrogate \udc80 in a name')
    first, second = writer.failures
    assert first == 'lone surrogate \udc80 in a name'
    assert second.startswith(f'{out.root}/failed/a0.json: cannot record the failure: Unicode')
    assert writer.images == 0


def test_describe_is_one_line():
    assert describe(ValueError('a\n b')) == 'ValueError: a b'
    assert describe(OSError(28, 'No space', 'file')) == 'file: No space'
    assert describe(SamrsError('as it is')) == 'as it is'
