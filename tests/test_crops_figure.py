import re
import runpy

import numpy as np
from folders import ROOT

from samrs_mm.core.images import SceneImage
from samrs_mm.drawn.kinds import KINDS

crops_figure = runpy.run_path(str(ROOT / 'docs/images/draw_crops.py'))['crops_figure']


def test_the_page_shows_the_figure_and_says_how_many_kinds_there_are():
    """Up to JPEG, and to what OpenCV's versions round differently."""
    path, page = ROOT / 'docs/images/drawn_crops.jpg', (ROOT / 'docs/drawn_crops.md').read_text()
    assert path.stat().st_size < 250_000
    assert '(images/drawn_crops.jpg)' in page
    assert f'{len(KINDS)} kinds' in page
    shown, drawn = SceneImage(path).read(), crops_figure()
    assert shown.shape == drawn.shape
    assert np.abs(shown.astype(float) - drawn).mean() < 6


def test_the_pages_snippet_writes_a_sheet(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (snippet,) = re.findall(
        r'```python\n(.*?)```', (ROOT / 'docs/drawn_crops.md').read_text(), re.S
    )
    exec(snippet, {})
    assert SceneImage(tmp_path / 'crops.png').read().shape == (5 * 194, 8 * 194, 3)
