import numpy as np
import pytest
from folders import tree, write_dota

from samrs_mm.annotate.driver import Annotator, LabelMapWriter, RecordWriter
from samrs_mm.annotate.plan import Plan
from samrs_mm.annotate.samples import BoxPrompter, SampleStream
from samrs_mm.core.prompts import PromptSetting
from samrs_mm.core.quality import MaskFilters
from samrs_mm.datasets.boxes import DOTABoxDataset
from samrs_mm.formats.annotated.folder import AnnotatedFolder
from samrs_mm.formats.annotated.record import Record
from samrs_mm.models.prompt_segmentors.base import MaskChunk
from samrs_mm.models.prompt_segmentors.box_fill import BoxFillSegmentor


class Moody(BoxFillSegmentor):
    """Fills boxes, but fails where it is told to, and counts what it is given."""

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
