import re

import numpy as np
import pytest
import rasterio
from folders import tree, write_dota

from samrs_mm.annotate.driver import Annotator, BoxPrompter, SampleStream
from samrs_mm.annotate.plan import Plan
from samrs_mm.annotate.record_writer import RecordWriter
from samrs_mm.annotate.writer import LabelMapWriter, MaskFilters
from samrs_mm.core.images import SceneImage
from samrs_mm.core.prompts import AUTHORS, CLIPPED, PromptSetting
from samrs_mm.core.tiling import TileSpec
from samrs_mm.datasets.boxes.dota import DOTABoxDataset
from samrs_mm.formats.annotated.folder import AnnotatedFolder
from samrs_mm.formats.annotated.record import Record
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
            scores = np.array([0.5]), np.array([0.25])
            yield MaskChunk(chunk.masks, *scores, ('halved',), chunk.window)
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


@pytest.mark.parametrize(
    ('mask', 'says'),
    [
        (np.ones((1, 3, 4), bool), r'the segmentor failed: .*a mask of \[3, 4\] in an image of'),
        (np.ones((0, 3, 4), bool), 'the segmentor failed: .*more or fewer masks than'),
    ],
)
def test_masks_that_do_not_fit_their_image(plan, tmp_path, mask, says):
    class Careless(BoxFillSegmentor):
        def decode(self, encoded, prompts):
            for _ in prompts.outlines:
                yield MaskChunk(mask)

    result = run(plan, tmp_path / 'out', Careless())
    assert result.statuses == {}
    for line in result.failures:
        assert re.search(f'^images/P.*: {says}', line)
    assert len(result.failures) == len(list((tmp_path / 'out/failed').iterdir())) > 0


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


def stream(tmp_path, tile=None, prompt='rbox'):
    dataset = DOTABoxDataset(str(write_dota(tmp_path / 'data')))
    dataset.collect_classes()
    plan = Plan(dataset, tile)
    prompter = BoxPrompter(PromptSetting.parse(prompt), dataset.table)
    return SampleStream(plan, list(plan.by_scene.values()), prompter)


def test_whole_scenes(tmp_path):
    samples = list(stream(tmp_path))
    assert [sample.tile.stem for sample in samples] == [f'P{i:04}' for i in range(5)]
    assert [len(sample.record.boxes) for sample in samples] == [3, 4, 5, 6, 0]
    assert samples[-1].prompt_count == 0
    assert samples[0].image.shape == (96, 128, 3)
    assert samples[0].record.image.offset == [0, 0]


def test_an_unreadable_scene_does_not_end_the_stream(tmp_path):
    samples = stream(tmp_path, TileSpec(size=64, overlap=0))
    path = tmp_path / 'data/images/P0001.png'
    path.write_bytes(path.read_bytes()[:500])
    result = list(samples)
    failed = [sample for sample in result if sample.error]
    assert {sample.tile.stem.split('__')[0] for sample in failed} == {'P0001'}
    assert len(failed) == 4
    assert len(result) == 20
    assert 'P0001.png: cannot read the image' in failed[0].error
    assert '\n' not in failed[0].error


def test_a_label_that_appears_between_two_tiles_keeps_its_geometry(tmp_path):
    whole = {b.box_id: b for sample in stream(tmp_path / 'a') for b in sample.record.boxes}
    tiles = stream(tmp_path / 'b', TileSpec(size=64, overlap=32, iof=0.3))
    seen = set()
    for sample in tiles:
        for box in sample.record.boxes:
            seen.add(box.box_id)
            assert box.scene_polygon == whole[box.box_id].polygon
    assert seen == set(whole)


def test_what_is_done_is_left_out(tmp_path):
    whole = stream(tmp_path)
    groups = whole.groups
    part = SampleStream(Plan(whole.dataset, None), groups, whole.prompter, done={'P0001', 'P0004'})
    assert (len(part), part.skipped) == (3, 2)
    assert [sample.tile.stem for sample in part] == ['P0000', 'P0002', 'P0003']


def test_workers_read_the_same(tmp_path):
    samples = stream(tmp_path)
    alone = list(samples.read(0))
    ahead = sorted(samples.read(2), key=lambda sample: sample.tile.index)
    assert [sample.record for sample in ahead] == [sample.record for sample in alone]
    for one, other in zip(alone, ahead, strict=True):
        np.testing.assert_array_equal(one.image, other.image)
    counts = samples.read(2, work=lambda sample: sample.prompt_count)
    assert sorted(counts) == [0, 3, 4, 5, 6]


def borders(root, style, prompt, size=64):
    """Tiles of the scenes, cut with little of a box inside, and what the segmentor is shown."""
    plan = Plan(DOTABoxDataset(str(root)), TileSpec(size=size, overlap=32, iof=0.3))
    prompter = BoxPrompter(PromptSetting(prompt), plan.dataset.table, style)
    return list(SampleStream(plan, plan.shard(0, 1), prompter))


@pytest.mark.parametrize('prompt', ['hbox', 'rhbox', 'cp+hbox'])
def test_boxes_at_tile_borders(tmp_path, prompt):
    """Clipped to the tile or, as the authors prompt them, moved only; read from the label files."""
    root, beyond = write_dota(tmp_path / 'data'), 0
    clipped, moved = (borders(root, style, prompt) for style in (CLIPPED, AUTHORS))
    for first, second in zip(clipped, moved, strict=True):
        assert [b.status for b in first.record.boxes] == [b.status for b in second.record.boxes]
        x, y = second.record.image.offset
        shown = iter(zip(*(s.prompted[0].prompts.boxes for s in (first, second)), strict=True)
                     if first.prompted[0].prompts else ())  # fmt: skip
        for one, box in zip(first.record.boxes, second.record.boxes, strict=True):
            file, line = box.box_id.rsplit(':', 1)
            words = (root / file).read_text().splitlines()[int(line) - 1].split()
            xs, ys = ([float(word) for word in words[start:8:2]] for start in (0, 1))
            label = [min(xs) - x, min(ys) - y, max(xs) - x, max(ys) - y]
            inside = [min(max(value, 0), 64) for value in label]
            if box.status != 'ok':
                continue
            cut, whole = next(shown)
            np.testing.assert_allclose(whole, label, atol=1e-9)
            np.testing.assert_allclose(cut, inside, atol=1e-9)
            np.testing.assert_allclose(box.prompt_box, label, atol=1e-3)
            np.testing.assert_allclose(one.prompt_box, inside, atol=1e-3)
            beyond += max(abs(a - b) for a, b in zip(label, inside, strict=True)) > 1
        assert next(shown, None) is None
    assert beyond > 5


def test_measures_of_a_box_beyond_its_tile_are_of_the_part_inside(tmp_path):
    """A filled box covers all of itself that there is, whatever lies beyond the border."""
    root = write_dota(tmp_path / 'data')
    for style in (CLIPPED, AUTHORS):
        plan = Plan(DOTABoxDataset(str(root)), TileSpec(size=64, overlap=32, iof=0.3))
        prompter = BoxPrompter(PromptSetting('hbox'), plan.dataset.table, style)
        out = AnnotatedFolder(tmp_path / style)
        out.open({})
        stream = SampleStream(plan, plan.shard(0, 1), prompter, out)
        maps = LabelMapWriter(out, 'file_order', MaskFilters())
        Annotator(stream, BoxFillSegmentor(), RecordWriter(out, 'sig', maps)).run()
    records = [
        {path.name: Record.load(path).boxes for path in (tmp_path / style / 'instances').iterdir()}
        for style in (CLIPPED, AUTHORS)
    ]
    boxes = [[box for name in sorted(each) for box in each[name]] for each in records]
    kept = [pair for pair in zip(*boxes, strict=True) if pair[0].status == 'kept']
    assert any(first.prompt_box != second.prompt_box for first, second in kept)
    for first, second in kept:
        assert second.fill == 1
        for name in ('fill', 'coverage', 'leakage', 'at_border', 'bbox', 'segmentation'):
            assert getattr(first, name) == getattr(second, name)


def test_windows_of_a_tiff_are_read_from_disk_and_give_the_same(tmp_path, monkeypatch):
    data = write_dota(tmp_path / 'data', scenes=2)
    pixels = SceneImage(data / 'images/P0000.png').read()
    (data / 'images/P0000.png').unlink()
    with rasterio.open(data / 'images/P0000.tif', 'w', 'GTiff', width=128, height=96, count=3,
                       dtype='uint8', photometric='RGB') as file:  # fmt: skip
        file.write(pixels.transpose(2, 0, 1))
    dataset = DOTABoxDataset(str(data))
    dataset.collect_classes()
    seen = []

    def opened(path, stream, rule):
        seen.append((path.suffix, stream))
        return SceneImage(path, stream, rule=rule)

    monkeypatch.setattr('samrs_mm.annotate.driver.SceneImage', opened)
    run(Plan(dataset, TileSpec(size=64, overlap=16)), tmp_path / 'read', Moody())
    assert seen == [('.tif', True), ('.png', True)]
    monkeypatch.setattr(
        'samrs_mm.annotate.driver.SceneImage', lambda path, stream, rule: SceneImage(path)
    )
    run(Plan(dataset, TileSpec(size=64, overlap=16)), tmp_path / 'held', Moody())
    assert tree(tmp_path / 'read') == tree(tmp_path / 'held')
