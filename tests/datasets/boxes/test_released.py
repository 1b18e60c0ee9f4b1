import pickle

import numpy as np
import pytest
from PIL import Image

from samrs_mm.core import masks
from samrs_mm.core.classes import FAST_CLASSES
from samrs_mm.core.errors import LabelReadError, RefusedError
from samrs_mm.datasets.boxes.released import SAMRSBoxDataset

CORNERS = np.array([[1.0, 2], [30, 4], [28, 20], [0, 18]])


def instance(**shape) -> dict:
    mask = np.zeros((32, 40), bool)
    mask[5:9, 6:12] = True
    return dict(mask=masks.encode(mask), category='A321', label=1, size=24, **shape)


@pytest.fixture
def root(tmp_path):
    """SIOR's image folders, FAST's instances: each as seen in some download."""
    for name in ('trainval_images', 'test_images', 'trainval/rhbox_segs_init/ins'):
        (tmp_path / name).mkdir(parents=True)
    for name in ('trainval_images/a.jpg', 'test_images/b.jpg'):
        Image.fromarray(np.zeros((32, 40, 3), np.uint8)).save(tmp_path / name)
    around = np.array([0.0, 2, 30, 20])
    entries = [
        instance(rbox=CORNERS, rhbox=around),
        instance(bbox=around),
        instance(),
    ]
    (tmp_path / 'trainval/rhbox_segs_init/ins/a.pkl').write_bytes(pickle.dumps(entries))
    (tmp_path / 'trainval/rhbox_segs_init/ins/c.pkl').write_bytes(b'no pickle')
    return tmp_path


def test_scenes_and_boxes(root):
    dataset = SAMRSBoxDataset(str(root), 'fast')
    assert [(scene.stem, scene.image) for scene in dataset.scenes] == [
        ('a', 'trainval_images/a.jpg'),
        ('b', 'test_images/b.jpg'),
        ('c', None),
    ]
    slanted, upright, bare = dataset.labels(0).boxes
    assert slanted.polygon.tolist() == CORNERS.tolist()
    assert upright.polygon is None
    assert upright.hbox.tolist() == [0, 2, 30, 20]
    assert bare.hbox.tolist() == [6, 5, 12, 9], "without a box, the mask's own"
    assert {box.category for box in (slanted, upright, bare)} == {FAST_CLASSES[1]}
    assert dataset.labels(1).boxes == []
    with pytest.raises(LabelReadError, match=r'c.pkl: damaged, or no pickle'):
        dataset.labels(2)
    assert dataset.gray_of(dataset.scenes[0]) is None


def test_a_label_beyond_the_classes_is_a_problem(root):
    dataset = SAMRSBoxDataset(str(root), ('only',))
    labels = dataset.labels(0)
    assert not labels.boxes
    assert [problem.message for problem in labels.problems] == ['label 1; allowed are 0..0'] * 3


def test_a_missing_folder_is_refused(root):
    with pytest.raises(RefusedError, match=r'no folder of instance files \(x\); name it'):
        SAMRSBoxDataset(str(root), 'fast', instances='x')
