"""tools/analysis_tools/browse_dataset.py on every kind of SOURCE."""

import json
import shutil

import cv2
import numpy as np
import pytest
from folders import CONFIG, ROOT, load_tool, tree, write_dota
from tile_folders import write_tiles

from samrs_mm.core import masks
from samrs_mm.core.wording import counted
from samrs_mm.drawing.colours import STATUS_COLOURS, class_colour

POTSDAM = ROOT / 'configs/potsdam/unet_resnet50_imp_potsdam.py'
COCO = ROOT / 'configs/annotate/coco_grabcut_hbox.py'


@pytest.fixture(scope='module')
def scenes(tmp_path_factory):
    root = write_dota(tmp_path_factory.mktemp('browse') / 'scenes', scenes=4)
    label = root / 'labelTxt/P0001.txt'
    odd = '50 50 50 50 50 50 50 50 plane 0\n900 900 940 900 940 940 900 940 ship 0\n'
    label.write_text(label.read_text() + odd)
    return root


@pytest.fixture(scope='module')
def annotated(scenes, sam_annotate):
    out = scenes.parent / 'masks'
    options = 'model.type=BoxFillSegmentor', 'filters.min_area=120'
    flags = '--data-root', str(scenes), '--out', str(out), '--workers', '0'
    assert sam_annotate.main([CONFIG, *flags, '--cfg-options', *options]) == 0
    return out


@pytest.fixture
def browse(tmp_path):
    tool = load_tool('analysis_tools/browse_dataset')

    def run(source, *flags, out='look'):
        return tool.main([str(source), '--out', str(tmp_path / out), *map(str, flags)])

    return run


def has(path, colour, least=10):
    """Whether a colour is in a JPEG, whose pixels are off by a little."""
    picture = cv2.imread(str(path))[..., ::-1].astype(int)
    return (np.abs(picture - colour).max(2) < 30).sum() >= least


def test_annotated_folders_show_boxes_prompts_and_masks(annotated, browse, tmp_path, capsys):
    assert browse(annotated, '--side', 300) == 0
    look = tmp_path / 'look'
    assert {path.name for path in look.iterdir()} == {
        'P0000.jpg', 'P0001.jpg', 'P0002.jpg', 'P0003.jpg', 'index.jpg', 'index.txt',
    }  # fmt: skip
    notes = dict(line.split('\t') for line in (look / 'index.txt').read_text().splitlines()[:4])
    assert notes['P0003.jpg'] == 'no boxes: nothing is labelled (255 everywhere)'
    counts = {'kept': 0}
    for box in json.loads((annotated / 'instances/P0001.json').read_text())['boxes']:
        counts[box['status']] = counts.get(box['status'], 0) + 1
    assert counts['outside'] == counts['degenerate'] == 1
    for status, count in counts.items():
        assert f'{count} {status}' in notes['P0001.jpg']
        assert has(look / 'P0001.jpg', STATUS_COLOURS[status])
    assert 'all 4 images' in capsys.readouterr().out


def test_equal_seeds_give_equal_pictures_and_others_other_images(annotated, browse, tmp_path):
    for out, seed in ('a', 3), ('b', 3), ('c', 0):
        assert browse(annotated, '--number', 2, '--seed', seed, '--side', 200, out=out) == 0
    assert tree(tmp_path / 'a') == tree(tmp_path / 'b')
    assert tree(tmp_path / 'a') != tree(tmp_path / 'c')
    assert browse(annotated, '--number', 2, '--seed', 3, '--side', 200, out='c') == 0
    assert tree(tmp_path / 'a') == tree(tmp_path / 'c'), 'nothing is left of the run before'


def test_one_can_ask_for_images_kinds_and_classes(annotated, browse, tmp_path):
    assert browse(annotated, '--stems', 'P0002', '--what', 'masks', '--side', 300) == 0
    both = cv2.imread(str(tmp_path / 'look/P0002.jpg')).shape[1]
    assert both == 3 * 10 + 2 * 300
    assert browse(annotated, '--classes', 'Small Vehicle', '--what', 'boxes', out='sv') == 0
    record = json.loads((annotated / 'instances/P0001.json').read_text())
    count = sum(box['category'] == 'small-vehicle' for box in record['boxes'])
    assert f'P0001.jpg\t{counted(count, "box")}' in (tmp_path / 'sv/index.txt').read_text()
    assert not (tmp_path / 'sv/P0003.jpg').exists()


def test_a_broken_image_is_reported_and_passed_over(annotated, browse, tmp_path, capsys):
    copy = tmp_path / 'data'
    shutil.copytree(annotated.parent, copy)
    (copy / 'scenes/images/P0002.png').write_bytes(b'no image')
    assert browse(copy / 'masks', '--side', 200) == 1
    assert 'P0002.png' in capsys.readouterr().err
    assert (tmp_path / 'look/P0001.jpg').exists()
    assert browse(CONFIG, '--data-root', copy / 'scenes', '--side', 200, out='boxes') == 1
    assert (tmp_path / 'boxes/P0001.jpg').exists()
    assert browse(copy / 'masks', '--sheet', '--number', 2, out='sheet') == 1
    assert (tmp_path / 'sheet/images_masks.jpg').exists()


def test_lists_and_splits_choose_images(annotated, browse, tmp_path, capsys):
    copy = tmp_path / 'data'
    shutil.copytree(annotated.parent, copy)
    (copy / 'masks/val.txt').write_text('P0001\n')
    assert browse(copy / 'masks', '--split', 'val', '--side', 200) == 0
    assert [path.name for path in (tmp_path / 'look').glob('P*')] == ['P0001.jpg']
    assert browse(copy / 'masks', '--split', 'train', out='none') == 2
    assert '--split train' in capsys.readouterr().err


@pytest.mark.parametrize('tiles', [(), ('tile.size=80', 'tile.overlap=20')])
def test_annotate_configs_show_boxes_and_prompts(scenes, browse, tmp_path, tiles):
    flags = '--prompt', 'cp+hbox', 'rbox-m', '--side', 300, '--number', 20
    options = ('--cfg-options', *tiles) if tiles else ()
    assert browse(CONFIG, '--data-root', scenes, *flags, *options) == 0
    names = {path.stem for path in (tmp_path / 'look').glob('P*.jpg')}
    if tiles:
        assert 'P0001__80__48___16' in names
    else:
        assert names == {'P0000', 'P0001', 'P0002', 'P0003'}
        notes = (tmp_path / 'look/index.txt').read_text()
        assert '6 boxes, 1 degenerate, 1 outside' in notes
        assert cv2.imread(str(tmp_path / 'look/P0001.jpg')).shape[1] == 3 * 300 + 4 * 10


@pytest.fixture
def coco(tmp_path):
    """Write one image with a rectangle whose true mask is its left half."""
    root = tmp_path / 'coco'
    (root / 'images').mkdir(parents=True)
    cv2.imwrite(str(root / 'images/a.png'), np.full((100, 100, 3), 90, np.uint8))
    mask = np.zeros((100, 100), bool)
    mask[20:60, 20:40] = True
    box = dict(
        id=1, image_id=1, category_id=1, bbox=[20, 20, 40, 40], segmentation=masks.encode(mask)
    )
    data = dict(
        images=[dict(id=1, file_name='a.png', width=100, height=100)],
        categories=[dict(id=1, name='ship')],
        annotations=[box],
    )
    (root / 'annotations.json').write_text(json.dumps(data))
    return root


def test_true_masks_are_shown_where_the_dataset_has_them(coco, browse, tmp_path):
    assert browse(COCO, '--data-root', coco, '--what', 'truth', '--side', 100) == 0
    picture = cv2.imread(str(tmp_path / 'look/a.jpg'))[..., ::-1].astype(int)
    tinted = np.abs(picture - (0.55 * 90 + 0.45 * np.array(class_colour(0)))).max(2) < 25
    columns = np.nonzero(tinted[:, :110])[1]
    assert 25 <= columns.min() <= 35 < 45 <= columns.max() <= 52, 'the left half alone'
    assert tinted[:, :110].sum() == pytest.approx(40 * 20, rel=0.3)


def test_true_masks_are_cut_with_the_tiles(coco, browse, tmp_path):
    tiles = 'tile.size=50', 'tile.overlap=0', 'tile.iof=0.3'
    flags = '--what', 'truth', '--stems', 'a__50__0___0', '--side', 50
    assert browse(COCO, '--data-root', coco, *flags, '--cfg-options', *tiles) == 0
    picture = cv2.imread(str(tmp_path / 'look/a__50__0___0.jpg'))[..., ::-1].astype(int)
    tinted = np.abs(picture[:, 10:60] - (0.55 * 90 + 0.45 * np.array(class_colour(0)))).max(2) < 25
    assert tinted.sum() == pytest.approx(20 * 30, rel=0.3)
    assert set(np.flatnonzero(tinted.any(0))) <= set(range(18, 43))


def test_sheets_have_a_row_for_each_class(annotated, scenes, browse, tmp_path):
    assert browse(annotated, '--sheet', '--number', 3) == 0
    look = tmp_path / 'look'
    assert {path.name for path in look.iterdir()} == {
        'classes_masks.jpg', 'images_masks.jpg', 'index.txt',
    }  # fmt: skip
    sheet = cv2.imread(str(look / 'classes_masks.jpg'))
    assert sheet.shape[0] > 3 * 128
    for label in range(3):
        assert has(look / 'classes_masks.jpg', class_colour(label), 300)
    assert browse(annotated, '--sheet', '--number', 3, '--classes', 'ship', out='ship') == 0
    assert cv2.imread(str(tmp_path / 'ship/classes_masks.jpg')).shape[0] < 2 * 134 + 20


def test_the_basic_prompts_stand_side_by_side(coco, browse, tmp_path):
    assert browse(COCO, '--data-root', coco, '--sheet', '--number', 1) == 0
    sheet = cv2.imread(str(tmp_path / 'look/prompts.jpg'))
    assert sheet.shape[1] == 7 * 220 + 8 * 10


def test_training_configs_show_a_batch(browse, tmp_path):
    write_tiles(tmp_path / 'train', 'potsdam', ['a', 'b'])
    root = f'train_dataloader.dataset.data_root={tmp_path / "train"}'
    options = '--cfg-options', root, 'train_dataloader.sampler.batch_size=2'
    assert browse(POTSDAM, *options, '--number', 3, '--side', 128) == 0
    lines = (tmp_path / 'look/index.txt').read_text().splitlines()
    assert len(lines) == 5
    assert lines[0].startswith('000_potsdam_')
    assert 'source potsdam, 512 x 512 px' in lines[0]
    flags = '--raw', '--stems', 'a__64__32___32', '--side', 128
    assert browse(POTSDAM, *options, *flags, out='raw') == 0
    assert 'source potsdam, 64 x 64 px' in (tmp_path / 'raw/index.txt').read_text()
    assert browse(POTSDAM, *options, '--sheet', '--number', 2, out='sheet') == 0
    names = {path.name for path in (tmp_path / 'sheet').iterdir()}
    assert names == {'classes_potsdam.jpg', 'images_potsdam.jpg', 'index.txt'}


def test_what_makes_no_sense_is_refused(annotated, scenes, browse, tmp_path, capsys):
    def refused(*words):
        assert browse(*words) == 2
        return capsys.readouterr().err

    assert '--raw means nothing for an annotated folder' in refused(annotated, '--raw')
    assert '--what truth' in refused(annotated, '--what', 'truth')
    assert '--stems P9' in refused(annotated, '--stems', 'P9')
    assert 'unknown class' in refused(annotated, '--classes', 'submarine')
    assert 'no meta.json' in refused(scenes)
    assert 'unknown prompt' in refused(CONFIG, '--data-root', scenes, '--prompt', 'box')
    assert 'no such file' in refused(tmp_path / 'none.py')
    assert '--split test' in refused(CONFIG, '--data-root', scenes, '--split', 'test')
    (tmp_path / 'look').mkdir(exist_ok=True)
    (tmp_path / 'look/index.txt').unlink(missing_ok=True)
    mine = tmp_path / 'look/mine.jpg'
    mine.touch()
    assert 'not of this tool' in refused(annotated)
    (tmp_path / 'look/index.txt').write_text('mine.jpg\n')  # a list of images, as datasets have
    assert 'not of this tool' in refused(annotated)
    assert mine.exists()
