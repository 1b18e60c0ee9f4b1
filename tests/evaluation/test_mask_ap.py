import contextlib
import copy
import io
import json
import math

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from samrs_mm.core import masks
from samrs_mm.evaluation.mask_ap import SIZES, average_precision


def mask_at(x, y, width, height):
    mask = np.zeros((300, 300), bool)
    mask[y : y + height, x : x + width] = True
    return mask


@pytest.fixture(scope='module')
def data():
    """Three images, two categories, masks of all sizes, shifted, some missing."""
    rng = np.random.default_rng(0)
    truth = dict(images=[dict(id=i, height=300, width=300) for i in (1, 2, 3)], annotations=[])
    truth['categories'] = [dict(id=1, name='a'), dict(id=2, name='b'), dict(id=3, name='never')]
    found = []
    for image in (1, 2, 3):
        for number in range(20):
            side = (6, 20, 60, 120)[number % 4]
            x, y = rng.integers(0, 300 - side, 2)
            about = dict(image_id=image, category_id=1 + number % 2)
            mask = mask_at(x, y, side, side)
            truth['annotations'].append(
                dict(about, id=len(truth['annotations']) + 1, area=side**2, iscrowd=0,
                     bbox=[int(x), int(y), side, side], segmentation=masks.encode(mask))
            )  # fmt: skip
            moved = masks.encode(np.roll(mask, int(rng.integers(0, side // 3)), axis=1))
            if number % 7:
                found.append(dict(about, segmentation=moved, score=float(rng.uniform())))
    return truth, found


def test_it_is_what_pycocotools_says_of_the_files(data, tmp_path):
    truth, found = data
    for name, content in (('truth', truth), ('found', found)):
        (tmp_path / f'{name}.json').write_text(json.dumps(content))
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(tmp_path / 'truth.json'))
        evaluation = COCOeval(coco, coco.loadRes(str(tmp_path / 'found.json')), 'segm')
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    ap = average_precision(truth, found)
    names = 'AP', 'AP50', 'AP75', None, 'medium', 'large'
    expected = dict(zip(names, evaluation.stats[:6], strict=True))
    assert 0 < ap['AP75'] < ap['AP50'] < 1
    assert {name: ap[name] for name in names if name} == pytest.approx(
        {name: value for name, value in expected.items() if name}
    )
    assert all(0 <= ap[name] <= 1 for name in SIZES)


def test_arguments_are_left_as_they_are(data):
    before = copy.deepcopy(data)
    average_precision(*data)
    assert before == data


def test_more_than_a_hundred_objects_of_an_image_count():
    truth = dict(images=[dict(id=1, height=300, width=300)], categories=[dict(id=1, name='a')])
    coded = [masks.encode(mask_at(2 * (i % 150), 2 * (i // 150), 2, 2)) for i in range(300)]
    about = dict(image_id=1, category_id=1)
    truth['annotations'] = [
        dict(about, id=i + 1, area=4, iscrowd=0, bbox=[0, 0, 2, 2], segmentation=mask)
        for i, mask in enumerate(coded)
    ]
    found = [dict(about, segmentation=mask, score=1.0) for mask in coded]
    assert average_precision(truth, found)['AP'] == pytest.approx(1)
    assert average_precision(truth, found[::2])['AP'] == pytest.approx(0.5, abs=0.01)
    assert average_precision(truth, [])['AP'] == 0


def test_nothing_to_find_is_no_number():
    truth = dict(images=[], annotations=[], categories=[dict(id=1, name='a')])
    assert all(math.isnan(value) for value in average_precision(truth, []).values())
