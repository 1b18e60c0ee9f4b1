import json
import re

import numpy as np
import pytest
from folders import CONFIG, write_dota
from sam_cases import SMALL

from samrs_mm.annotate import fidelity
from samrs_mm.annotate.fidelity import Enough, Fidelity, ImageMasks
from samrs_mm.annotate.job import AnnotationJob
from samrs_mm.config_files import load_config
from samrs_mm.core import masks as mask_ops
from samrs_mm.core.errors import RefusedError, SegmentorError
from samrs_mm.registry import PROMPT_SEGMENTORS, build

pytest.importorskip('segment_anything', reason='segment_anything is not installed')

SAM = {
    'model.type': 'SAMSegmentor', 'model.arch': SMALL, 'model.threads': 1, 'model.device': 'cpu',
}  # fmt: skip


def square(start, stop, size=20):
    mask = np.zeros((size, size), bool)
    mask[start:stop, start:stop] = True
    return mask_ops.encode(mask)


def made(*masks, scores=None, choices=(), **more):
    boxes = [f'a.txt:{i + 1}' for i in range(len(masks))]
    return ImageMasks(boxes, list(masks), scores or [], [], list(choices), **more)


def test_the_numbers_of_a_report():
    pairs = dict(
        one=(
            made(square(0, 10), square(0, 0), scores=[0.5, 0.9], choices=[0, 2]),
            made(square(0, 10), square(0, 0), scores=[0.5, 0.8], choices=[0, 1], notes=['noted']),
        ),
        two=(made(square(0, 10), square(0, 0)), made(square(0, 5), square(0, 1))),
        three=(made(), made(error='it broke')),
    )
    summary = Fidelity(pairs).summary()
    assert (summary['images'], summary['masks'], summary['noted']) == (2, 4, 1)
    assert summary['iou_mean'] == pytest.approx((1 + 1 + 0.25 + 0) / 4)
    assert summary['iou_min'] == 0
    assert summary['below'] == 0.5
    assert summary['pixels'] == pytest.approx((75 + 1) / (4 * 400))
    assert summary['score'] == dict(mean=pytest.approx(0.05), max=pytest.approx(0.1))
    assert summary['stability'] == dict(mean=None, max=None)
    assert summary['swapped'] == 0.5
    assert summary['failed'] == dict(three='it broke')
    assert summary['worst'][:2] == [
        dict(image='two', box='a.txt:2', iou=0.0), dict(image='two', box='a.txt:1', iou=0.25),
    ]  # fmt: skip
    assert summary['by_image']['one'] == dict(masks=2, notes=['noted'], iou_mean=1.0, iou_min=1.0)


PASSED = dict(iou_mean=1.0, masks=100, images=10)


def test_what_passes():
    enough = Enough()
    assert fidelity.why_not(PASSED | dict(iou_mean=0.99), enough) is None
    for change, reason in (
        (dict(iou_mean=0.9899), 'mean IoU 0.9899 with the fp32 masks, 0.99 is needed'),
        (dict(iou_mean=None, masks=0), '0 masks of 10 images compared'),
        (dict(iou_mean=float('nan')), 'mean IoU nan'),
        (dict(iou_mean=2.0), 'mean IoU 2.0'),
        (dict(iou_mean='1'), 'no numbers'),
        (dict(iou_mean=True), 'no numbers'),
        (dict(masks=None), 'no numbers'),
        (dict(images=True), 'no numbers'),
        (dict(lost=['a', 'b']), 'it made no mask of 2 images, such as a; set model.precision=fp32'),
        (
            dict(masks=99),
            '99 masks of 10 images compared, at least 100 masks of 10 images',
        ),
        (dict(masks=1, images=1), '1 mask of 1 image compared, .* give fidelity.py more --images'),
        (dict(images=9), '100 masks of 9 images compared'),
    ):
        assert re.match(f'.*{reason}', fidelity.why_not(PASSED | change, enough))
    assert fidelity.why_not(dict(iou_mean=1.0, masks=3, images=1), Enough(3, 1)) is None
    assert fidelity.why_not({}, enough)


@pytest.mark.parametrize(
    ('entry', 'line'),
    [
        (dict(mask=3), r'fidelity=.*allowed: None or dict\(masks=100, images=10\)'),
        ([3], 'allowed: None or dict'),
        (dict(masks=0), 'fidelity.masks=0; a whole number from 1'),
        (dict(images=True), 'fidelity.images=True'),
        (dict(images='9'), "fidelity.images='9'"),
    ],
)
def test_what_can_not_be_enough(entry, line):
    with pytest.raises(RefusedError, match=line):
        Enough.from_config(entry)


def test_how_much_is_enough_is_a_setting():
    assert Enough.from_config(None) == Enough.from_config({}) == Enough(100, 10)
    assert Enough.from_config(dict(images=3)) == Enough(100, 3)


@pytest.fixture
def job_of(tmp_path):
    root = write_dota(tmp_path / 'dota')

    def make(**options):
        options = SAM | {f'model.{key}': value for key, value in options.items()}
        flags = dict(data_root=str(root), out=str(tmp_path / 'out'), prompt='hbox')
        config = load_config(CONFIG, options, flags)
        for key in ('iterations', 'max_side'):
            config.model.pop(key, None)
        job = AnnotationJob(config, 'test')
        job.collect_classes()
        return job, config.model

    return make


def quiet(what):
    return iter


def test_masks_are_made_both_ways_and_the_report_opens_the_gate(job_of, tmp_path):
    job, entry = job_of(precision='bf16', kernels='fast')
    folder = tmp_path / 'reports'
    exact = fidelity.exact_of(entry, job.segmentor)
    assert (exact.precision, exact.kernels, exact.compile) == ('fp32', 'exact', False)
    found = fidelity.compare(job, exact, 3, quiet)
    assert exact.model is None
    assert len(found.pairs) == 3
    summary = found.summary()
    assert not summary['failed']
    assert 0.5 < summary['iou_mean'] < 1
    assert summary['masks'] == sum(len(one.masks) for one, _ in found.pairs.values()) > 3
    about, few = fidelity.identity(job.segmentor, 'hbox'), Enough(1, 3)
    with pytest.raises(RefusedError, match=r"precision='bf16': not compared .*run `THE COMMAND`"):
        fidelity.refuse_unchecked(job.segmentor, 'hbox', folder, 'THE COMMAND')
    path = fidelity.write_report(folder, about, summary | dict(iou_mean=0.9951), 'data', few)
    fidelity.refuse_unchecked(job.segmentor, 'hbox', folder, '', few)
    with pytest.raises(RefusedError, match='of 3 images compared, at least 100 masks of 10'):
        fidelity.refuse_unchecked(job.segmentor, 'hbox', folder, '')
    report = json.loads(path.read_bytes())
    assert report['passed'] is True
    assert report['least'] == dict(iou_mean=0.99, masks=1, images=3)
    assert report['about']['versions'].keys() == {'torch', 'segment-anything'}
    fidelity.write_report(folder, about, summary | dict(iou_mean=0.98), 'data', few)
    with pytest.raises(RefusedError, match=r'mean IoU 0\.98 with the fp32 masks, 0\.99 is needed'):
        fidelity.refuse_unchecked(job.segmentor, 'hbox', folder, '', few)


@pytest.mark.parametrize(
    ('change', 'same'),
    [
        (dict(), True),
        (dict(chunk=3, images_per_pass=2), True),
        (dict(precision='fp16'), False),
        (dict(kernels='exact'), False),
        (dict(compile=True), False),
        (dict(arch=SMALL | dict(seed=4)), False),
    ],
)
def test_a_report_holds_for_what_it_was_made_of(job_of, tmp_path, change, same):
    asked = dict(precision='bf16', kernels='fast')
    job, _ = job_of(**asked)
    fidelity.write_report(tmp_path, fidelity.identity(job.segmentor, 'hbox'), PASSED, 'data')
    other, _ = job_of(**asked | change)
    if same:
        fidelity.refuse_unchecked(other.segmentor, 'hbox', tmp_path, '')
    else:
        with pytest.raises(RefusedError, match='not compared with fp32 yet'):
            fidelity.refuse_unchecked(other.segmentor, 'hbox', tmp_path, '')


def test_other_weights_prompts_and_versions_need_a_report_of_their_own(
    job_of, tmp_path, monkeypatch
):
    segmentor = job_of(precision='bf16')[0].segmentor
    fidelity.write_report(tmp_path, fidelity.identity(segmentor, 'hbox'), PASSED, 'data')
    fidelity.refuse_unchecked(segmentor, 'hbox', tmp_path, '')
    with pytest.raises(RefusedError, match='not compared'):
        fidelity.refuse_unchecked(segmentor, 'cp+hbox', tmp_path, '')
    segmentor.checkpoint_sha256 = '0' * 64
    with pytest.raises(RefusedError, match='not compared'):
        fidelity.refuse_unchecked(segmentor, 'hbox', tmp_path, '')
    segmentor.checkpoint_sha256 = None
    monkeypatch.setattr(fidelity, 'versions_of', lambda names: dict.fromkeys(names, '9.9'))
    with pytest.raises(RefusedError, match='not compared'):
        fidelity.refuse_unchecked(segmentor, 'hbox', tmp_path, '')


@pytest.mark.parametrize(
    'spoil',
    [
        lambda data: data[: len(data) // 2],
        lambda data: b'[' * 100_000,
        lambda data: b'[]',
        lambda data: b'{"format":1}',
        lambda data: b'\xff\x00',
        lambda data: data.replace(b'"format":1', b'"format":2'),
        lambda data: data.replace(b'"prompt":"hbox"', b'"prompt":"cp"'),
        lambda data: data.replace(b'"summary":{', b'"summary":[],"x":{'),
        lambda data: b'cos\nsystem\n(S"touch x"\ntR.',
        lambda data: b' ' * (fidelity._LARGEST + 1),
    ],
)
def test_a_damaged_report_is_one_line(job_of, tmp_path, spoil):
    segmentor = job_of(precision='bf16')[0].segmentor
    about = fidelity.identity(segmentor, 'hbox')
    path = fidelity.write_report(tmp_path, about, PASSED, 'data')
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(
        RefusedError, match=r'no report of tools/analysis_tools/fidelity\.py .*run `X`'
    ):
        fidelity.refuse_unchecked(segmentor, 'hbox', tmp_path, 'X')


def test_exact_and_unchecked_ways_need_no_report(job_of, tmp_path):
    for options in (dict(), dict(kernels='fast'), dict(precision='bf16', unchecked=True)):
        fidelity.refuse_unchecked(job_of(**options)[0].segmentor, 'hbox', tmp_path, '')


def test_what_has_nothing_to_compare_is_refused(job_of):
    job, entry = job_of()
    with pytest.raises(RefusedError, match=r'the config is the exact way .*precision=bf16'):
        fidelity.exact_of(entry, job.segmentor)
    job.segmentor.exact_options = {}
    with pytest.raises(RefusedError, match='SAMSegmentor computes in one way only'):
        fidelity.exact_of(entry, job.segmentor)


def test_images_that_fail_are_named_and_the_others_compared(job_of, monkeypatch):
    job, entry = job_of(precision='bf16')
    exact = fidelity.exact_of(entry, job.segmentor)
    path = job.dataset.image_path(0)
    path.write_bytes(b'no picture')
    decode = type(job.segmentor).decode

    def fail_once(self, encoded, prompts, failed=[]):  # noqa: B006
        if self is job.segmentor and not failed:
            failed.append(1)
            raise SegmentorError('it broke')
        return decode(self, encoded, prompts)

    monkeypatch.setattr(type(job.segmentor), 'decode', fail_once)
    found = fidelity.compare(job, exact, 9, quiet)
    summary = found.summary()
    assert len(found.pairs) == 4  # one scene has no box
    assert summary['images'] == 2
    assert len(summary['failed']) == 2
    assert len(summary['lost']) == 1  # the picture is unreadable either way
    assert 'no mask of 1 image' in fidelity.why_not(summary, Enough(1, 1))
    reasons = ' '.join(summary['failed'].values())
    assert 'the segmentor failed: it broke' in reasons
    assert path.name in reasons


def test_data_without_boxes_is_refused(job_of):
    job, entry = job_of(precision='bf16')
    for index in range(len(job.dataset)):
        (job.dataset.root / job.dataset.scenes[index].label).write_text('')
    with pytest.raises(RefusedError, match='no image has a box'):
        fidelity.compare(job, fidelity.exact_of(entry, job.segmentor), 2, quiet)


def test_the_exact_way_of_a_segmentor_without_fast_kernels():
    pytest.importorskip('transformers', reason='transformers is not installed')
    import sam2_reference

    entry = dict(type='SAM2Segmentor', arch=sam2_reference.SMALL | dict(seed=0), device='cpu')
    reduced = build(PROMPT_SEGMENTORS, entry | dict(precision='bf16'), 'model')
    exact = fidelity.exact_of(entry | dict(precision='bf16'), reduced)
    assert (exact.precision, exact.reduced, reduced.reduced) == ('fp32', False, True)


def test_masks_without_boxes_have_no_report_to_make(job_of, tmp_path):
    segmentor = job_of(precision='bf16')[0].segmentor
    with pytest.raises(RefusedError) as info:
        fidelity.refuse_unchecked(segmentor, 'grid', tmp_path, 'THE COMMAND')
    assert str(info.value).endswith('; set model.unchecked=True')
