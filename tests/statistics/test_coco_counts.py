"""COCO files as others write them, and damaged ones."""

import json
from pathlib import Path

import numpy as np
import pytest

from samrs_mm.core.errors import RefusedError
from samrs_mm.statistics.coco_counts import count_coco
from samrs_mm.statistics.dataset_stats import Counts, DatasetStats, box_fractions
from samrs_mm.statistics.tables import table_2

ORDER = ('info', 'images', 'categories', 'annotations')
GOOD = dict(image_id='a', category_id=7, bbox=[1, 1, 9, 9], segmentation=[[1, 1, 9, 1, 9, 9]])


@pytest.fixture(params=[ORDER, ORDER[::-1]], ids=['images first', 'images last'])
def read(request, tmp_path):
    """Write the lists given, and the usual ones, in either order and read the file."""

    def run(annotations: list, **lists) -> Counts:
        data = dict(
            info=dict(year=2023),
            images=[dict(id='a', width=60, height=50), dict(id='b', width=600, height=500)],
            categories=[dict(id=7, name='ship'), dict(id=2, name='tank')],
            annotations=annotations,
        )
        path = tmp_path / 'theirs.json'
        path.write_text(json.dumps({key: (data | lists)[key] for key in request.param}))
        classes, counts = count_coco(path)
        assert classes == ('ship', 'tank')[: len(classes)]
        return counts

    return run


def test_polygons_runs_crowds_and_bare_boxes(read):
    square, line = [[10, 10, 30, 10, 30, 30, 10, 30]], dict(size=[500, 600], counts=[5, 9, 299986])
    crowd, slanted = dict(size=[50, 60], counts=[0, 3000]), [590, 4, 594, 0, 610, 10, 604, 14]
    ship, tank = dict(image_id='b', category_id=7), dict(image_id='a', category_id=2)
    counts = read([
        ship | dict(bbox=[10, 10, 20, 20], segmentation=square, area=7.5),
        ship | dict(bbox=[10, 10, 40, 20], segmentation=line),
        ship | dict(bbox=[0, 0, 9, 9], rbox=slanted, segmentation=square),
        ship | dict(segmentation=[*square, [100, 0, 104, 0, 104, 5, 100, 5]]),
        tank | dict(bbox=[50, 40, 20, 20], segmentation=[]),
        tank | dict(bbox=[0, 0, 60, 50], segmentation=crowd, iscrowd=1),
        tank | dict(bbox=[0, 0, 60, 50], segmentation=crowd, iscrowd='0', ignore=1),
    ])  # fmt: skip
    assert counts.problems == []
    assert counts.boxes['area'].tolist() == [400, 9, 400, 420, 0, 0, 0]
    # the third reaches beyond the border at 600, the fifth beyond 60 and 50
    np.testing.assert_equal(counts.boxes['box'].tolist(), [400, 800, 140, np.nan, 100, 3000, 3000])
    assert counts.pixels.tolist() == [1229, 0]
    assert counts.present.tolist() == [1, 0]
    assert counts.images['masks'].tolist() == [0, 4]
    stats = DatasetStats('theirs', ('ship', 'tank'), counts, 'masks')
    for status in ('empty', 'crowd', 'ignored'):
        assert stats.count(status).tolist() == [0, 1]
    assert box_fractions(stats.instances) == pytest.approx([1, 9 / 800, 400 / 140])
    everything, labelled = table_2(stats)
    assert everything[5] == '60 × 50 ~ 600 × 500'
    assert (labelled[1], labelled[5]) == ('1', '600 × 500')


BAD_MASKS = [
    [[]], [[1, 2]], [[1, 1, 9, 1, 9]], [['a'] * 6], [[1, 1, None, 1, 9, 9]], [1, 2, 3], 'text', 5,
    [[1, 1, 9, 1, 9, 9e99]], [[[1, 1], [9, 1], [9, 9]]], dict(size=[5, 5]),
    dict(size=[5, 5], counts=[3, 4]), dict(size=[5, 5], counts=[-5, 30]),
    dict(size=[5, 5], counts=[0, 30]), dict(size=[10**9, 10**9], counts='52'),
    dict(size=[5], counts=[5]), dict(size=[5, 5], counts='é'), dict(size=[5, 5], counts=7),
]  # fmt: skip
BAD_ENTRIES = [GOOD | dict(segmentation=mask) for mask in BAD_MASKS] + [
    GOOD | dict(bbox=['a', 1, 2, 3]), GOOD | dict(bbox=[1, 2]), GOOD | dict(rbox=[1]),
    GOOD | dict(rbox='abcdefgh'), GOOD | dict(category_id=[1]), GOOD | dict(image_id={}), 7, None,
    GOOD | dict(iscrowd='x'),
    {key: GOOD[key] for key in ('image_id', 'bbox')},
]  # fmt: skip


def test_no_annotation_can_break_the_others(read):
    """Some would make pycocotools ask for all memory there is."""
    rows = [row for bad in BAD_ENTRIES for row in (bad, GOOD)]
    counts = read(rows)
    places = [int(line.partition('annotations[')[2].partition(']')[0]) for line in counts.problems]
    assert places == list(range(0, len(rows), 2))
    areas = counts.boxes['area']
    assert len(areas) == len(BAD_ENTRIES)
    assert len(set(areas.tolist())) == 1
    assert areas[0] > 0


def test_unknown_ids_are_counted_and_named(read):
    counts = read([GOOD, GOOD | dict(image_id='c'), GOOD | dict(category_id=9)])
    assert len(counts.boxes) == 1
    (message,) = counts.problems
    assert message.endswith(
        "2 annotations of an unknown image or category, such as image_id 'c', category_id 7"
    )


def test_bad_images_and_categories_are_named(read):
    size = dict(width=20, height=20)
    counts = read(
        [GOOD],
        images=[dict(size, id='a'), dict(size, id='a'), dict(id='b'), dict(size, id='c', width=0)],
        categories=[dict(id=7, name='ship'), dict(id=2)],
    )
    assert (len(counts.images), len(counts.boxes)) == (1, 1)
    messages = [line.partition('json: ')[2] for line in counts.problems]
    assert sorted(messages) == [
        "categories[1]: no 'name'",
        "images[1]: id 'a' is there twice",
        "images[2]: no 'width'",
        'images[3]: size 20 x 0; allowed: whole numbers from 1 to 65535',
    ]


def test_a_set_without_annotations(read):
    counts = read([])
    assert (len(counts.images), len(counts.boxes)) == (2, 0)
    assert not counts.images['labelled'].any()


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('{"images": [', 'a.json:1:13: malformed JSON'),
        ('{"images": [], "categories": [], "annotations": []} x', 'a.json:1:53: malformed JSON'),
        ('[]', 'a COCO file is an object'),
        ('', 'a COCO file is an object'),
        ('{"images": {}}', "'images' is not a list"),
        ('{"images": [], "annotations": []}', "the list 'categories' is missing"),
        ('{"a": "\\ud800', 'malformed JSON'),
        ('[' * 100_000, 'a COCO file is an object'),
        ('{"a": ' + '[' * 100_000, 'malformed JSON'),
    ],
)
def test_what_is_no_coco_file_is_refused_in_one_line(tmp_path, text, message):
    path = tmp_path / 'a.json'
    path.write_text(text)
    with pytest.raises(RefusedError, match=message) as caught:
        count_coco(path)
    assert '\n' not in str(caught.value)


def test_progress_covers_every_byte(tmp_path):
    path = Path(tmp_path / 'a.json')
    lists = dict(images=[], categories=[], annotations=[7] * 3000)
    path.write_text(json.dumps(lists))
    steps = []
    count_coco(path, steps.append)
    assert sum(steps) == path.stat().st_size
