"""The picture of docs/geo.md, and the commands there that make it."""

import re
import runpy
import shlex

import cv2
import numpy as np
import pytest
from folders import ROOT, load_tool
from map_cases import LONLAT, UTM, affine, box, read_layer, write_scene
from test_trees_figure import trees

from samrs_mm.core.images import SceneImage

PICTURE = ROOT / 'docs/images/map.jpg'
LAYER = runpy.run_path(str(ROOT / 'docs/images/boxes_on_map.py'))
FIGURE = runpy.run_path(str(ROOT / 'docs/images/draw_map.py'))


def annotate_as_the_page_says(image, root):
    """Run the commands of docs/geo.md that neither download nor open QGIS."""
    page = (ROOT / 'docs/geo.md').read_text(encoding='utf-8')
    section = page.split('## How do I try it on a real scene?')[1]
    commands = re.search(r'```bash\n(.*?)```', section, re.S)[1].splitlines()
    assert [shlex.split(line)[0] for line in commands] == ['pip', *['python'] * 3, 'qgis']
    to_layer, to_masks = (shlex.split(line)[1:] for line in commands[2:4])
    assert to_layer[0] == 'docs/images/boxes_on_map.py'
    layer = root / to_layer[2].removeprefix('data/')
    LAYER['write_tables'](layer, [LAYER['boxes_on_map'](image)])
    assert to_masks[0] == 'tools/sam_annotate.py'
    replaced = {to_layer[1]: str(image), to_layer[2]: str(layer), 'data/osbs': str(root / 'osbs')}
    words = [replaced.get(word, word) for word in to_masks[1:]]
    words.insert(1, '--workers=0')
    assert load_tool('sam_annotate').main([str(ROOT / words[0]), *words[1:]]) == 0
    return root / 'osbs/masks.gpkg'


def test_the_commands_and_the_figure_on_a_drawn_scene(tmp_path):
    image = write_scene(tmp_path / 'OSBS_029.tif', affine(20), size=(120, 90))
    image.with_suffix('.csv').write_text(
        'image_path,xmin,ymin,xmax,ymax,label\na,10,20,40,50,Tree\na,60,5,110,80,Tree\n'
    )
    masks = annotate_as_the_page_says(image, tmp_path)
    meta, _, columns = read_layer(masks, 'boxes')
    assert meta['crs'] == LONLAT
    assert columns['label'].tolist() == ['Tree', 'Tree']
    assert read_layer(masks, 'masks')[0]['crs'] == UTM
    figure = FIGURE['map_figure'](image, masks)
    assert figure.shape[1] > 2 * 120
    scene = cv2.resize(SceneImage(image).read(), None, fx=1.25, fy=1.25)
    changed = (figure[: len(scene), : scene.shape[1]] != scene).any(axis=2)
    ring = np.round(np.array([*box(60, 5, 110, 80)]) * 1.25).astype(int)
    assert all(changed[y - 1 : y + 2, x - 1 : x + 2].any() for x, y in ring)
    assert not changed[8:20, :60].any()


def test_the_real_scene_and_its_picture(tmp_path):
    """But for JPEG's losses: moved by one pixel it differs by more than 4."""
    image = trees() / 'OSBS_029.tif' if trees() else None
    if image is None or not image.is_file():
        pytest.skip('no deepforest: docs/geo.md says how to get it')
    masks = annotate_as_the_page_says(image, tmp_path)
    _, shapes, columns = read_layer(masks, 'masks')
    assert len(shapes) == 61
    assert set(columns['label']) == {'Tree'}
    pictures = SceneImage(PICTURE).read(), FIGURE['map_figure'](image, masks)
    shown, drawn = (cv2.blur(picture.astype(np.float32), (5, 5)) for picture in pictures)
    assert shown.shape == drawn.shape
    assert np.abs(shown - drawn).mean() < 2.5


def test_the_picture_is_small_and_says_where_it_is_from():
    assert PICTURE.stat().st_size < 150_000
    page = (ROOT / 'docs/geo.md').read_text(encoding='utf-8')
    assert all(word in page for word in ('map.jpg', 'NEON', 'public domain', 'deepforest', 'MIT'))
    assert 'OSBS_029.csv' in (ROOT / 'docs/images/README.md').read_text(encoding='utf-8')
