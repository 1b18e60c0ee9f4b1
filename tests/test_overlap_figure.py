import runpy

import numpy as np
from folders import ROOT

from samrs_mm.core.images import SceneImage

overlap_figure = runpy.run_path(str(ROOT / 'docs/images/draw_overlap.py'))['overlap_figure']


def test_each_policy_looks_different():
    figure = overlap_figure()
    panels = [figure[26:, start : start + 220] for start in range(0, figure.shape[1], 232)]
    assert len(panels) == 4
    for i, panel in enumerate(panels):
        assert not any(np.array_equal(panel, other) for other in panels[:i])


def test_the_page_shows_the_figure():
    """But for its lettering, which follows OpenCV's version."""
    path = ROOT / 'docs/images/overlap.png'
    assert path.stat().st_size < 100_000
    assert '(images/overlap.png)' in (ROOT / 'docs/annotated_dataset.md').read_text()
    shown, drawn = SceneImage(path).read(), overlap_figure()
    assert shown.shape == drawn.shape
    np.testing.assert_array_equal(shown[26:, 232:], drawn[26:, 232:])
