"""The picture at the top of the README, and the commands of docs/annotation.md that make it."""

import importlib.util
import runpy
from pathlib import Path

import cv2
import numpy as np
import pytest
from folders import ROOT, load_tool

from samrs_mm.core.images import SceneImage
from samrs_mm.formats.annotated.record import Record

NAME = '2019_YELL_2_541000_4977000_image_crop'
PICTURE = ROOT / 'docs/images/trees.jpg'
SCRIPT = runpy.run_path(str(ROOT / 'docs/images/draw_trees.py'))


def trees() -> Path | None:
    """Return the folder of the image and its boxes: the tutorial's, or the installed package's."""
    found = importlib.util.find_spec('deepforest')
    packages = found.submodule_search_locations if found else ()
    folders = [ROOT / 'data/trees', *(Path(package) / 'data' for package in packages)]
    return next((each for each in folders if (each / f'{NAME}.png').is_file()), None)


@pytest.fixture(scope='module')
def annotated(tmp_path_factory):
    """The real image with its boxes, annotated as docs/annotation.md says."""
    if trees() is None:
        pytest.skip('no data/trees: docs/annotation.md says how to get it')
    folder = tmp_path_factory.mktemp('trees')
    for suffix in ('.png', '.xml'):
        (folder / f'{NAME}{suffix}').symlink_to(trees() / f'{NAME}{suffix}')
    assert load_tool('dataset_converters/boxes_to_coco').main([str(folder), '--from', 'voc']) == 0
    config, out = ROOT / 'configs/annotate/coco_grabcut_hbox.py', folder / 'masks'
    flags = ['--data-root', str(folder), '--out', str(out), '--workers', '0']
    assert load_tool('sam_annotate').main([str(config), *flags]) == 0
    return out


def test_every_box_gets_a_mask_inside_it(annotated):
    record = Record.load_checked(annotated / 'instances' / f'{NAME}.json', 1)
    assert len(record.boxes) == 279
    for box in record.boxes:
        x, y, width, height = box.bbox
        x0, y0, x1, y1 = box.prompt_box
        assert box.status == 'kept'
        assert min(x - x0, y - y0, x1 - x - width, y1 - y - height) >= -1


def test_the_picture_is_the_one_that_is_shown(annotated):
    """But for JPEG's losses: moved by one pixel it differs by more than 4."""
    pictures = SceneImage(PICTURE).read(), SCRIPT['trees_figure'](annotated)
    shown, drawn = (cv2.blur(picture.astype(np.float32), (5, 5)) for picture in pictures)
    assert shown.shape == drawn.shape
    assert np.abs(shown - drawn).mean() < 2.5


def test_the_picture_is_small_and_says_where_it_is_from():
    assert PICTURE.stat().st_size < 300_000
    for page in ('README.md', 'README_zh-CN.md', 'docs/images/README.md'):
        text = (ROOT / page).read_text(encoding='utf-8')
        assert 'trees.jpg' in text
        assert all(word in text for word in ('NEON', 'CC0', 'deepforest', 'MIT', 'GrabCut'))
    assert 'Permission is hereby granted' in text
