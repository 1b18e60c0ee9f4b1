"""Masks of arrays and boxes: the tool's own, and what is refused."""

import csv
import importlib.metadata
import json
import subprocess
import sys

import numpy as np
import pytest
from boxnet_cases import random_weights
from folders import CONFIG, ROOT, load_tool, write_dota
from PIL import Image
from sam_cases import SMALL, scene

import samrs_mm
from samrs_mm.api.inputs import InputError
from samrs_mm.config_files import read_config
from samrs_mm.core.errors import ImageReadError, RefusedError, SegmentorError
from samrs_mm.formats.annotated.record import Record
from samrs_mm.formats.embeddings import pixels_sha256
from samrs_mm.models.prompt_segmentors.base import PromptSegmentor
from samrs_mm.models.prompt_segmentors.named import SEGMENTORS

SAM = dict(type='SAMSegmentor', arch=SMALL, threads=1, device='cpu')


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return write_dota(tmp_path_factory.mktemp('data') / 'dota', scenes=4)


def labels_of(data, stem):
    """The polygons ``(N, 8)`` and class names of a scene."""
    lines = (data / 'labelTxt' / f'{stem}.txt').read_text().splitlines()
    rows = [line.split() for line in lines]
    return np.array([row[:8] for row in rows], float).reshape(-1, 8), [row[8] for row in rows]


def comparable(record):
    """All of a record's boxes but their place in a label file."""
    return [{**box.as_dict(), 'box_id': ''} for box in record.boxes]


@pytest.mark.parametrize(
    ('model', 'prompt', 'options'),
    [
        (SEGMENTORS['grabcut'], 'rbox', {}),
        (SEGMENTORS['grabcut'], 'hbox', dict(filters=dict(min_coverage=0.7))),
        (SEGMENTORS['box-fill'], 'rhbox', dict(overlap_policy='file_order')),
        (SAM, 'cp+hbox+hbox-m', dict(overlap_policy='score', filters=dict(max_leakage=0.5))),
    ],
    ids=['grabcut rbox', 'grabcut hbox, filtered', 'box-fill rhbox', 'sam'],
)
def test_masks_are_those_of_the_tool(data, tmp_path, model, prompt, options):
    config = tmp_path / 'config.py'
    lines = [f'_base_ = {CONFIG!r}', f'model = dict(_delete_=True, **{model!r})']
    config.write_text(
        '\n'.join([*lines, *(f'{key} = {value!r}' for key, value in options.items())])
    )
    flags = ['--data-root', str(data), '--out', str(tmp_path / 'out'), '--prompt', prompt]
    assert load_tool('sam_annotate').main([str(config), *flags, '--workers', '0']) == 0
    segmentor = samrs_mm.load_segmentor(model)
    classes = json.loads((tmp_path / 'out/meta.json').read_bytes())['classes']
    for path in sorted((data / 'images').iterdir()):
        boxes, names = labels_of(data, path.stem)
        pixels = np.asarray(Image.open(path))
        found = segmentor.segment(pixels, boxes, names, classes=classes, prompt=prompt, **options)
        record = Record.load(tmp_path / f'out/instances/{path.stem}.json')
        assert comparable(found.record) == comparable(record)
        label_map = np.asarray(Image.open(tmp_path / f'out/semantic/{path.stem}.png'))
        np.testing.assert_array_equal(found.label_map, label_map)
        again = segmentor.segment(path, boxes, names, classes=classes, prompt=prompt, **options)
        assert comparable(again.record) == comparable(record)
        assert (again.record.image.sha256, again.stem) == (record.image.sha256, path.stem)


def test_names_are_the_configs_of_the_package():
    """And so are the defaults: a name and its config give equal settings."""
    for name, file in (
        ('boxnet', 'boxnet'),
        ('grabcut', 'grabcut'),
        ('box-fill', 'box_fill'),
        ('sam-vit-h', 'sam_vit-h'),
    ):
        path = ROOT / f'configs/_base_/prompt_segmentors/{file}.py'
        entry = read_config(str(path)).model
        kind = samrs_mm.registry.PROMPT_SEGMENTORS
        checkpoint = dict(checkpoint=entry.checkpoint) if 'checkpoint' in entry else {}
        assert kind.build(SEGMENTORS[name] | checkpoint).settings == kind.build(entry).settings


def test_upright_rotated_and_polygon_boxes_agree():
    image, _ = scene(60, 80)
    segmentor = samrs_mm.load_segmentor('box-fill')
    box, centre = [10, 20, 50, 40], [30, 30, 40, 20, 0]
    corners = [[[10, 20], [50, 20], [50, 40], [10, 40]]]
    masks = [segmentor.segment(image, b, prompt='rbox').masks for b in ([box], [centre], corners)]
    assert masks[0].shape == (1, 60, 80)
    assert masks[0].dtype == bool
    assert masks[0][0, 20:40, 10:50].all()
    assert masks[0].sum() == 800
    np.testing.assert_array_equal(masks[0], masks[1])
    np.testing.assert_array_equal(masks[0], masks[2])


def test_every_box_has_its_row():
    image, _ = scene(60, 80)
    boxes = [[10, 20, 50, 40], [np.nan, 0, 5, 5], [100, 100, 120, 120], [3, 3, 3.2, 9]]
    names = ['ship', 'plane', 'ship', 'plane']
    found = samrs_mm.load_segmentor('box-fill').segment(image, boxes, names)
    assert found.statuses == ('kept', 'degenerate', 'outside', 'degenerate')
    assert found.kept.tolist() == [True, False, False, False]
    assert found.reasons[0] == ''
    assert found.reasons[1] == 'a coordinate is NaN or infinite'
    assert 'outside the 80 x 60 px image' in found.reasons[2]
    assert (len(found), found.masks.shape) == (4, (4, 60, 80))
    assert found.masks.sum(axis=(1, 2)).tolist() == [800, 0, 0, 0]
    assert found.classes == ('plane', 'ship')
    assert found.categories == tuple(names)
    assert found.labels.tolist() == [1, 0, 1, 0]
    assert np.unique(found.label_map).tolist() == [1, 255]
    assert np.isnan(found.scores).all()
    np.testing.assert_array_equal(found.image, image)
    np.testing.assert_array_equal(found.prompt_boxes[0], boxes[0])
    assert repr(found) == '<AnnotatedImage image: 80 x 60 px, 4 boxes, 1 kept>'


def test_masks_are_prompts_to_start_from(data):
    path, (polygons, _) = data / 'images/P0001.png', labels_of(data, 'P0001')
    segmentor = samrs_mm.load_segmentor('grabcut')
    first = segmentor.segment(path, polygons)
    again = segmentor.segment(path, polygons, masks=first.masks)
    assert {box.prompt for box in again.record.boxes} == {'hbox+mask'}
    given = [np.roll(first.masks[0], 3, 1), None, *first.masks[2:]]
    moved = segmentor.segment(path, polygons, masks=given)
    assert (moved.masks[0] != again.masks[0]).any()
    assert moved.statuses[1] == 'maskless'
    np.testing.assert_array_equal(moved.masks[2:], again.masks[2:])
    alone = segmentor.segment(path, masks=first.masks, prompt='mask')
    assert len(alone.masks) == len(polygons)


@pytest.mark.parametrize(
    ('options', 'says'),
    [
        (dict(masks=np.ones((1, 20, 20))), r'masks\[0\]: float64 20 x 20; expected bool, 20 x 30'),
        (dict(masks=np.zeros((1, 20, 30), bool)), r'masks\[0\]: no pixel'),
        (dict(masks=np.ones((2, 20, 30), bool)), 'masks: 2 for 1 box; give one for each'),
        (dict(masks=[None], boxes=None), r'masks\[0\]: None; without boxes'),
        (dict(prompt='hbox+mask'), "masks: prompt 'hbox\\+mask' looks at masks; give them"),
        (dict(masks=[None], prompt='hbox'), "prompt 'hbox' looks at no masks; leave them out"),
        (dict(boxes=None), r'boxes: '),
    ],
)
def test_masks_that_can_not_be(options, says):
    image = np.zeros((20, 30, 3), np.uint8)
    with pytest.raises(InputError, match=says):
        samrs_mm.load_segmentor('grabcut').segment(image, **dict(boxes=[[2, 2, 9, 9]]) | options)


def test_no_boxes_no_masks():
    image, _ = scene(60, 80)
    found = samrs_mm.load_segmentor('grabcut').segment(image, [])
    assert found.masks.shape == (0, 60, 80)
    assert (found.boxes.shape, found.polygons.shape) == ((0, 4), (0, 4, 2))
    assert (found.label_map == 255).all()


def test_sam_gives_scores():
    image, polygons = scene(60, 80)
    found = samrs_mm.load_segmentor(SAM).segment(image, polygons)
    assert found.scores.shape == found.stabilities.shape == (len(polygons),)
    assert np.isfinite(found.scores).all()


def test_a_config_of_the_users_own_and_options(tmp_path):
    (tmp_path / 'mine.py').write_text("model = dict(type='GrabCutSegmentor', iterations=2)")
    segmentor = samrs_mm.load_segmentor(tmp_path / 'mine.py', margin=0.7)
    assert segmentor.model.settings['iterations'] == 2
    assert segmentor.model.settings['margin'] == 0.7
    assert samrs_mm.load_segmentor('dota_grabcut_rbox').model.settings['iterations'] == 3


@pytest.mark.parametrize(
    ('arguments', 'options', 'message'),
    [
        (
            ('grabcat',),
            {},
            "'grabcat' is none of boxnet, grabcut, box-fill, sam-.*no such file",
        ),
        (('nowhere.py',), {}, r'nowhere\.py: no such file'),
        (('grabcut', 'sam.pth'), {}, 'GrabCutSegmentor takes no checkpoint'),
        (('grabcut',), dict(iteration=3), "did you mean 'iterations'"),
        (
            ('sam-vit-b',),
            {},
            r'without weights: download https://\S+ .*, and pass its path',
        ),
        ((dict(type='Other'),), {}, "type='Other': no such prompt segmentor"),
    ],
)
def test_segmentors_that_can_not_be(arguments, options, message):
    with pytest.raises(RefusedError, match=message):
        samrs_mm.load_segmentor(*arguments, **options)


def test_clicks(tmp_path):
    weights = random_weights(tmp_path / 'w.safetensors')
    segmentor = samrs_mm.load_segmentor('boxnet', weights, threads=1)
    image = np.full((60, 80), 40, np.uint8)
    image[20:40, 30:50] = 200
    path = tmp_path / 'image.png'
    Image.fromarray(image).save(path)
    first = segmentor.click(path, [[40, 30, 1]])
    assert first.mask.shape == (60, 80)
    assert 0 <= first.score <= 1
    again = segmentor.click(image, [[40, 30, 1]])
    np.testing.assert_array_equal(again.mask, first.mask)
    better = segmentor.click(image, [[40, 30, 1], [5, 5, 0]], [30, 20, 50, 40], first)
    assert better.score != first.score
    with pytest.raises(InputError, match='clicks: rows of x, y and 1 or 0'):
        segmentor.click(image, [[40, 30]])
    with pytest.raises(RefusedError, match='BoxFillSegmentor takes no clicks'):
        samrs_mm.load_segmentor('box-fill').click(image, [[40, 30, 1]])


def test_a_config_without_a_model(tmp_path):
    (tmp_path / 'other.py').write_text('x = 1')
    with pytest.raises(RefusedError, match=r"other\.py: has no 'model'"):
        samrs_mm.load_segmentor(tmp_path / 'other.py')


@pytest.mark.parametrize(
    ('options', 'error', 'message'),
    [
        (dict(prompt='box'), RefusedError, "unknown prompt 'box'; allowed: cp, hbox"),
        (dict(prompt='cp'), RefusedError, "prompt 'cp': a centre point alone has no extent"),
        (dict(filters=dict(min_score=0.5)), RefusedError, 'gives its masks no score'),
        (dict(filters=dict(score=0.5)), RefusedError, r'filters\.score is unknown'),
        (dict(overlap_policy='big'), RefusedError, "overlap_policy 'big' is unknown"),
        (dict(categories=['ship'], classes=['plane']), InputError, "unknown class 'ship'; nearest"),
        (dict(classes=['plane']), InputError, "unknown class 'object'"),
        (dict(categories=['a'], classes='abc'), InputError, "^classes: 'abc'; expected a list"),
        (dict(categories=['a'], classes=[1]), InputError, '^classes: 1; expected class names'),
        (dict(categories=['a'], classes=['a', 'a']), InputError, "class 'a' is there twice"),
    ],
)
def test_settings_that_can_not_be(options, error, message):
    image, _ = scene(60, 80)
    with pytest.raises(error, match=message):
        samrs_mm.load_segmentor('grabcut').segment(image, [[5, 5, 20, 20]], **options)


def test_images_that_can_not_be(tmp_path):
    segmentor = samrs_mm.load_segmentor('grabcut')
    with pytest.raises(InputError, match='expected uint8'):
        segmentor.segment(np.zeros((9, 9, 3)), [[1, 1, 5, 5]])
    with pytest.raises(ImageReadError, match='no such image'):
        segmentor.segment(tmp_path / 'a.png', [[1, 1, 5, 5]])


def test_a_failing_segmentor_is_an_error_in_one_line():
    class Broken(PromptSegmentor):
        settings = dict(type='Broken')

        def unsupported(self, setting):
            return None

        def encode(self, images):
            raise RuntimeError('no\nluck')

        def decode(self, encoded, prompts):
            yield from ()

    with pytest.raises(
        SegmentorError, match=r'^image: the segmentor failed: RuntimeError: no luck$'
    ):
        samrs_mm.Segmentor(Broken()).segment(scene(60, 80)[0], [[5, 5, 20, 20]])


def test_grabcut_needs_no_torch():
    code = (
        'import sys\n'
        "sys.modules.update(dict.fromkeys(['torch', 'mmcv', 'mmseg', 'mmdet', 'mmrotate']))\n"
        'import numpy as np, samrs_mm\n'
        "found = samrs_mm.load_segmentor('grabcut').segment(\n"
        '    np.zeros((40, 40, 3), np.uint8), [[5, 5, 20, 20]])\n'
        'print(found)'
    )
    done = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert '40 x 40 px, 1 box' in done.stdout


def neon_photo():
    """The aerial photo that the package deepforest (MIT) ships, and its boxes, if it is here."""
    try:
        files = importlib.metadata.files('deepforest') or ()
    except importlib.metadata.PackageNotFoundError:
        files = ()
    found = {file.name: file.locate() for file in files if file.stem == 'OSBS_029'}
    if not {'OSBS_029.tif', 'OSBS_029.csv'} <= found.keys():
        pytest.skip('deepforest is not installed')
    with open(found['OSBS_029.csv'], newline='') as file:
        rows = list(csv.DictReader(file))
    boxes = [[float(row[key]) for key in ('xmin', 'ymin', 'xmax', 'ymax')] for row in rows]
    return found['OSBS_029.tif'], np.array(boxes)


def test_trees_on_a_real_photo():
    path, boxes = neon_photo()
    found = samrs_mm.load_segmentor('grabcut').segment(path, boxes, ['tree'] * len(boxes))
    assert found.image.shape == (400, 400, 3)
    assert len(found) == len(boxes) > 50
    assert set(found.statuses) == {'kept'}
    for mask, (x0, y0, x1, y1) in zip(found.masks, boxes.astype(int), strict=True):
        inside = mask[y0 : y1 + 1, x0 : x1 + 1].sum()
        assert 0 < inside == mask.sum()
    filled = samrs_mm.load_segmentor('box-fill').segment(path, boxes)
    shares = found.masks.sum((1, 2)) / filled.masks.sum((1, 2))
    assert 0.3 < np.median(shares) < 1, 'crowns are rounder than their boxes'


def test_embeddings_are_taken_and_stored(tmp_path, monkeypatch):
    image, polygons = scene(60, 80)
    Image.fromarray(image).save(tmp_path / 'a.png')
    store = tmp_path / 'store'
    direct = samrs_mm.load_segmentor(SAM).segment(image, polygons)
    first = samrs_mm.load_segmentor(SAM, embeddings=store, embeddings_dtype='fp32')
    np.testing.assert_array_equal(first.segment(image, polygons).masks, direct.masks)
    assert first.segment(tmp_path / 'a.png', polygons).stem == 'a'
    names = sorted(path.name for path in store.iterdir())
    assert names == ['a.safetensors', f'image-{pixels_sha256(image)[:16]}.safetensors']
    for dtype in ('fp16', 'fp32'):
        second = samrs_mm.load_segmentor(SAM, embeddings=store, embeddings_dtype=dtype)
        monkeypatch.setattr(second.model, 'encode', lambda images: 1 / 0)
        found = [second.segment(each, polygons) for each in (image, tmp_path / 'a.png')]
        assert found[0].stem == 'image'
        np.testing.assert_array_equal(found[0].masks, found[1].masks)
        assert (found[0].masks == direct.masks).mean() > 0.999
    assert (found[0].masks == direct.masks).all()
    with pytest.raises(RefusedError, match='GrabCutSegmentor has no image encoder'):
        samrs_mm.load_segmentor('grabcut', embeddings=store)
