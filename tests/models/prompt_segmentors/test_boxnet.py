import json
from dataclasses import replace

import numpy as np
import pytest
import rasterio
import torch
from boxnet_cases import AT, SMALL, bright_ellipses, iou, painter, random_weights
from folders import load_tool, write_dota

import samrs_mm
from samrs_mm.annotate.masking import decode
from samrs_mm.core import boxes as box_ops
from samrs_mm.core import masks
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.images import file_sha256
from samrs_mm.core.prompts import SETTINGS, PromptBatch, PromptSetting
from samrs_mm.models.prompt_segmentors.boxnet import BoxNetSegmentor
from samrs_mm.registry import PROMPT_SEGMENTORS, build

IMAGE, TRUTH, POLYGONS = bright_ellipses()
HULLS = box_ops.bounding_boxes(POLYGONS)


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    return str(random_weights(tmp_path_factory.mktemp('weights') / 'w.safetensors'))


@pytest.fixture(scope='module')
def segmentor(weights):
    made = BoxNetSegmentor(weights, threads=1, device='cpu')
    made.load()
    return made


def painted(channel='box', side=64):
    """A segmentor whose network is ``Painted``."""
    made = BoxNetSegmentor(threads=1, device='cpu')
    made.maker = painter(channel, side)
    return made


def prompts_of(name, polygons=POLYGONS, **more):
    setting = PromptSetting(name)
    hulls = box_ops.bounding_boxes(polygons)
    regions = polygons if setting.mask == 'rbox' else box_ops.corners(hulls)
    return PromptBatch(
        setting,
        boxes=hulls if setting.box in ('hbox', 'rhbox') else None,
        points=polygons.mean(axis=1) if setting.point else None,
        regions=regions if setting.mask else None,
        polygons=polygons if setting.box == 'rbox' else None,
        **more,
    )


def masks_of(segmentor, prompts, image=IMAGE, notes=None):
    (encoded,) = segmentor.encode([image])
    return decode(segmentor, encoded, prompts, [] if notes is None else notes, prompts.valid)


@pytest.mark.parametrize('name', SETTINGS)
def test_every_setting_is_taken(segmentor, name):
    assert segmentor.unsupported(PromptSetting(name)) is None
    found = masks_of(segmentor, prompts_of(name))
    assert len(found) == len(POLYGONS)
    assert [m.segmentation['size'] for m in found] == [list(IMAGE.shape[:2])] * len(found)
    assert all(0 < mask.score < 1 and 0 <= mask.stability <= 1 for mask in found)


@pytest.mark.parametrize('name', ['hbox', 'rhbox', 'rbox', 'hbox-m', 'rbox-m', 'cp+hbox'])
def test_the_network_sees_the_box(name):
    segmentor = painted()
    oriented = name.startswith('rbox')
    for mask, polygon, hull in zip(
        masks_of(segmentor, prompts_of(name)), POLYGONS, HULLS, strict=True
    ):
        box = polygon if oriented else box_ops.corners(hull[None])[0]
        shared, union = masks.overlap(
            mask.segmentation, masks.encode_polygon(box, *IMAGE.shape[:2])
        )
        assert shared / union > 0.93
    crops = torch.cat(segmentor.maker.network.seen)[: len(POLYGONS)]
    assert crops[:, 6].bool().all() == oriented
    assert crops[:, 11].any() == name.startswith('cp')
    assert crops[:, 13].any() == name.endswith('-m')


def test_masks_do_not_depend_on_what_is_prompted_together(segmentor):
    """Nor on the passes of images, shards, or workers, which only share prompts out anew."""
    whole = masks_of(segmentor, prompts_of('hbox'))
    for part in (slice(0, 1), slice(2, 5), slice(5, 6)):
        assert masks_of(segmentor, prompts_of('hbox')[part]) == whole[part]
    assert len({str(mask.segmentation) for mask in whole}) > 3


def test_the_padding_of_a_tile_and_pixels_without_data_are_not_seen():
    padded = np.zeros((160, 200, 3), np.uint8)
    padded[:120, :160] = IMAGE
    at_border = POLYGONS + np.array([160 - POLYGONS.max(axis=(0, 1))[0], 0])
    prompts = prompts_of('rbox', at_border, size=(160, 120))
    plain = masks_of(painted('grey'), prompts_of('rbox', at_border))
    for mask, other in zip(masks_of(painted('grey'), prompts, padded), plain, strict=True):
        assert mask.segmentation['size'] == [160, 200]
        np.testing.assert_array_equal(
            masks.decode(mask.segmentation)[:120, :160], masks.decode(other.segmentation)
        )
        assert mask.score == other.score
    valid = np.ones(IMAGE.shape[:2], bool)
    valid[60:] = False
    for mask in masks_of(painted(), prompts_of('hbox', valid=valid)):
        assert not masks.decode(mask.segmentation)[60:].any()


@pytest.mark.parametrize(('dtype', 'gap'), [('uint16', 7), ('float32', np.nan)])
def test_one_band_of_16_bit_or_float_with_pixels_without_data(tmp_path, weights, dtype, gap):
    values = IMAGE[..., 0].astype(dtype) * 9
    values[60:] = gap
    height, width = values.shape
    shape = dict(count=1, height=height, width=width, dtype=dtype, nodata=gap)
    with rasterio.open(tmp_path / 'a.tif', 'w', 'GTiff', **shape) as file:
        file.write(values, 1)
    segmentor = samrs_mm.load_segmentor('boxnet', weights, threads=1, device='cpu')
    found = segmentor.segment(tmp_path / 'a.tif', POLYGONS, prompt='rbox')
    assert found.masks.any()
    assert not found.masks[:, 60:].any()
    assert np.isfinite(found.scores[found.kept]).all()


def test_settings_tell_all_that_may_change_a_mask(weights, segmentor):
    assert segmentor.settings == dict(
        type='BoxNetSegmentor', side=None, finer=True, fill_holes=True, device='cpu'
    )
    assert segmentor.checkpoint_sha256 == file_sha256(weights)
    options = dict(side=48, finer=False, fill_holes=False, device='cpu')
    made = BoxNetSegmentor(weights, **options, threads=2)
    assert made.settings == dict(type='BoxNetSegmentor', **options)
    made = build(PROMPT_SEGMENTORS, dict(type='BoxNetSegmentor', checkpoint=weights), 'model')
    assert made.provided_scores == ('score', 'stability')


def test_torch_computes_on_one_thread_whatever_others_set(weights, segmentor):
    """Afterwards the others have their threads again."""
    wanted = [mask.score for mask in masks_of(segmentor, prompts_of('rbox'))]
    made = BoxNetSegmentor(weights, threads=2, device='cpu')
    made.load()
    assert made.maker.threads == 2
    seen: list[int] = []
    made.maker.network.register_forward_hook(lambda *_: seen.append(torch.get_num_threads()))
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        assert [mask.score for mask in masks_of(made, prompts_of('rbox'))] == wanted
        made.click(IMAGE, [[20, 20, 1]])
        assert set(seen) == {1}
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_the_side_is_that_of_the_weights_or_chosen(weights):
    for side, wanted in ((None, SMALL.side), (64, 64)):
        made = BoxNetSegmentor(weights, side, threads=1, device='cpu')
        made.load()
        assert made.maker.side == wanted
    for side in (30, 4096):
        problem = rf'model\.side={side}: a multiple of 4 from 16 to 512 is needed'
        with pytest.raises(RefusedError, match=problem):
            BoxNetSegmentor(weights, side, threads=1, device='cpu').load()


@pytest.mark.parametrize(
    ('options', 'problem'),
    [
        (dict(side=8), r'model\.side=8; a whole number from 16'),
        (dict(side=64.0), r'model\.side=64\.0'),
        (dict(threads=0), r'model\.threads=0'),
        (dict(threads=True), r'model\.threads=True; a whole number'),
        (dict(finer='no'), r"model\.finer='no'; True or False"),
        (dict(fill_holes=1), r'model\.fill_holes=1; True or False'),
        (dict(device='tpux'), r"model\.device='tpux'; allowed: cpu, cuda"),
    ],
)
def test_options_that_cannot_be(options, problem):
    with pytest.raises(RefusedError, match=problem):
        BoxNetSegmentor(**options)


def test_a_checkpoint_that_is_not_there():
    with pytest.raises(RefusedError, match=r'checkpoint none\.safetensors: no such file'):
        BoxNetSegmentor('none.safetensors', threads=1, device='cpu').load()


def test_a_click(segmentor):
    answer = segmentor.click(IMAGE, [[*POLYGONS[0].mean(axis=0), 1]])
    assert answer.mask.shape == IMAGE.shape[:2]
    better = segmentor.click(IMAGE, [[5, 5, 0]], box=HULLS[0], previous=answer)
    assert better.score != answer.score


@pytest.mark.skipif(not torch.cuda.is_available(), reason='no GPU')
def test_a_gpu_gives_nearly_the_same(weights, segmentor):
    made = BoxNetSegmentor(weights, threads=1, device='cuda')
    made.load()
    for first, second in zip(
        masks_of(made, prompts_of('rbox')), masks_of(segmentor, prompts_of('rbox')), strict=True
    ):
        shared, union = masks.overlap(first.segmentation, second.segmentation)
        assert shared / max(union, 1) > 0.98
        assert first.score == pytest.approx(second.score, abs=1e-3)


def test_runs_of_any_workers_and_shards_write_the_same_bytes(tmp_path, weights):
    data = write_dota(tmp_path / 'dota', scenes=3)
    tool = load_tool('sam_annotate')
    written = []
    for parts, workers in ((1, '0'), (3, '2')):
        out = tmp_path / f'out{parts}'
        for part in range(parts):
            flags = ['--data-root', str(data), '--out', str(out), '--workers', workers]
            shard = ['--shard', f'{part}/{parts}'] if parts > 1 else []
            options = ['--cfg-options', f'model.checkpoint={weights}', 'model.threads=1']
            assert tool.main(['dota_boxnet_rbox', *flags, *shard, *options]) == 0
        written.append(
            {
                path.relative_to(out): path.read_bytes()
                for folder in ('instances', 'semantic')
                for path in (out / folder).iterdir()
            }
        )
    assert written[0] == written[1]
    assert len(written[0]) == 6
    meta = json.loads((tmp_path / 'out1/meta.json').read_bytes())
    assert meta['settings']['checkpoint_sha256'] == file_sha256(weights)
    assert meta['settings']['model']['type'] == 'BoxNetSegmentor'


@pytest.mark.parametrize('name', ['mask', 'hbox+mask', 'cp+mask', 'cp+hbox+mask'])
def test_a_mask_of_the_label_is_shown_as_the_mask_so_far(name):
    coded = [masks.encode(mask) for mask in TRUTH]
    found = [masks.decode(mask.segmentation) for mask in masks_of(
        painted('previous'),
        replace(prompts_of(name.replace('mask', 'hbox-m')), setting=PromptSetting(name),
                regions=None, masks=coded),
    )]  # fmt: skip
    assert all(iou(mask, truth) > 0.8 for mask, truth in zip(found, TRUTH, strict=True))


def test_with_a_mask_alone_no_box_is_shown():
    coded = [masks.encode(TRUTH[0])]
    for name, boxes in (('mask', None), ('hbox+mask', HULLS[:1])):
        made = painted('previous')
        masks_of(made, PromptBatch(PromptSetting(name), boxes, masks=coded))
        assert bool(made.maker.network.seen[0][:, AT['across_x']].any()) == (boxes is not None)
