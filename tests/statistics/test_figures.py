import itertools

import numpy as np
import pytest

from samrs_mm.core.classes import FAST_CLASSES, NAMED_CLASSES, abbreviations
from samrs_mm.statistics.dataset_stats import Counts, DatasetStats, box_table
from samrs_mm.statistics.figures import (
    mask_sizes,
    mask_sizes_by_class,
    per_class,
    per_image,
    short,
    write_figures,
)


def drawn_stats(classes=FAST_CLASSES, images=40, seed=0) -> DatasetStats:
    """Return numbers as of a real set: few classes with many instances, and one with none."""
    rng = np.random.default_rng(seed)
    weights = rng.pareto(0.7, len(classes))
    weights[3] = 0
    counts = []
    for _ in range(images):
        count = rng.integers(0, 40)
        labels = rng.choice(len(classes), count, p=weights / weights.sum())
        sides = np.exp(rng.normal(2.5, 1, (count, 2))).clip(1, 300)
        areas = (sides.prod(1) * 0.7).astype(int).clip(1)
        hboxes = np.concatenate([np.zeros((count, 2)), sides], 1)
        boxes = box_table(labels, ['kept'] * count, areas, hboxes, 600, 600)
        pixels = np.bincount(labels, areas, minlength=len(classes))
        counts.append(Counts.of_image(boxes, pixels, 600, 600))
    return DatasetStats('fast', classes, Counts.merged(counts, len(classes)), 'label maps')


@pytest.fixture(scope='module')
def stats():
    return drawn_stats()


def test_bars_are_the_numbers(stats):
    pixels, instances = per_class(stats).axes
    assert [bar.get_height() for bar in pixels.patches] == stats.counts.pixels.tolist()
    assert [bar.get_height() for bar in instances.patches] == stats.count_instances().tolist()
    names = [text.get_text() for text in instances.get_xticklabels()]
    assert names == list(abbreviations(FAST_CLASSES))
    counts = [text.get_text() for text in instances.texts]
    assert counts == [short(count) for count in stats.count_instances()]
    assert '0' in counts


def test_size_histogram_holds_all(stats):
    (axes,) = mask_sizes(stats).axes
    assert sum(bar.get_height() for bar in axes.patches) == len(stats.instances)
    small = [bar for bar in axes.patches if bar.get_x() + bar.get_width() <= 100.1]
    below = np.count_nonzero(stats.instances['area'] < 100)
    assert sum(bar.get_height() for bar in small) == below
    assert len({bar.get_facecolor() for bar in small}) == 1
    assert small[0].get_facecolor() != axes.patches[-1].get_facecolor()


def test_a_violin_for_each_class_that_has_instances(stats):
    (axes,) = mask_sizes_by_class(stats).axes
    medians = {int(line.get_xdata()[0]): line.get_ydata()[0] for line in axes.lines}
    assert medians == {
        label: np.median(stats.of_class(label)['area'])
        for label in range(len(FAST_CLASSES))
        if len(stats.of_class(label))
    }
    assert 3 not in medians


def test_images_and_fractions(stats):
    images, fractions = per_image(stats).axes
    masks = stats.counts.images['masks']
    heights = [bar.get_height() for bar in images.patches]
    assert sum(heights) == len(masks)
    assert heights[0] == np.count_nonzero(masks == 0)
    assert heights[4] == np.count_nonzero((masks >= 8) & (masks < 16))
    names = [text.get_text() for text in images.get_xticklabels()]
    assert names[:4] == ['0', '1', '2–3', '4–7']
    assert sum(bar.get_height() for bar in fractions.patches) == len(stats.instances)


@pytest.mark.parametrize('classes', NAMED_CLASSES.values(), ids=NAMED_CLASSES)
@pytest.mark.parametrize('draw', [per_class, mask_sizes_by_class])
def test_class_names_and_counts_do_not_touch(classes, draw):
    figure = draw(drawn_stats(classes, 5))
    figure.draw_without_rendering()
    for axes in figure.axes:
        for texts in (axes.get_xticklabels(), axes.texts):
            extents = sorted((text.get_window_extent() for text in texts), key=lambda box: box.x0)
            assert all(a.x1 <= b.x0 for a, b in itertools.pairwise(extents))
        top = axes.get_window_extent().y1
        assert all(text.get_window_extent().y1 <= top + 1 for text in axes.texts)


@pytest.mark.parametrize(
    ('count', 'text'),
    [(0, '0'), (999, '999'), (1000, '1.0k'), (9949, '9.9k'), (9951, '10k'), (2_345_678, '2.3M'),
     (23_456_789, '23M'), (5e9, '5.0G')],
)  # fmt: skip
def test_short_counts(count, text):
    assert short(count) == text


def test_dollar_signs_are_no_formulas(tmp_path):
    stats = drawn_stats(('$\\bad{$', 'a$', '5$ to 7$', 'ship'))
    stats.name = '$x_{$'
    assert len(write_figures(stats, tmp_path, ['png'])) == 4
    (axes,) = mask_sizes_by_class(stats).axes
    assert axes.get_xticklabels()[0].get_text() == r'\$\bad{\$'


def test_nothing_is_cut_off():
    figure = mask_sizes_by_class(drawn_stats(('ship', 'plane', 'harbor', 'bridge')))
    figure.draw_without_rendering()
    width = figure.bbox.width
    for text in (figure._suptitle, figure.axes[0].xaxis.label):
        box = text.get_window_extent()
        assert 0 <= box.x0 < box.x1 <= width
