"""What is made of FiftyOne's objects; a stand-in has the few calls that are used.

FiftyOne itself, with its database, was run by hand: docs/corrections.md.
"""

import sys
from datetime import datetime
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from samrs_mm.core import masks
from samrs_mm.core.errors import RefusedError
from samrs_mm.formats.corrections.fiftyone_api import read_fiftyone
from samrs_mm.formats.corrections.found import FIFTYONE, found_files
from samrs_mm.formats.corrections.shapes import EditError

HEIGHT, WIDTH = 40, 60


class Detection(SimpleNamespace):
    """A label: ``mask`` fills its box."""

    mask = None

    @property
    def has_mask(self):
        return self.mask is not None

    def to_segmentation(self, frame_size):
        width, height = frame_size
        whole = np.zeros((height, width), np.uint8)
        x, y = (round(v * side) for v, side in zip(self.bounding_box[:2], frame_size, strict=True))
        rows, columns = self.mask.shape
        whole[y : y + rows, x : x + columns] = self.mask * 255
        return SimpleNamespace(mask=whole)


class Sample(dict):
    def __init__(self, filepath, size=(WIDTH, HEIGHT), **fields):
        super().__init__({name: SimpleNamespace(detections=d) for name, d in fields.items()})
        self.filepath = filepath
        self.metadata = size and SimpleNamespace(width=size[0], height=size[1])
        self.last_modified_at = datetime(2026, 1, 2, 3, 4, 5, 678)


class Dataset:
    deleted = 0

    def __init__(self, *samples):
        self.samples = samples

    def get_field_schema(self, embedded_doc_type):
        return {name: embedded_doc_type for sample in self.samples for name in sample}

    def distinct(self, path):
        name = path.split('.')[0]
        return [getattr(each, 'box_id', None) for s in self.samples for each in s[name].detections]

    def iter_samples(self, progress):
        return iter(self.samples)

    def delete(self):
        self.deleted += 1


@pytest.fixture
def fiftyone(monkeypatch):
    """A stand-in whose ``datasets`` can be loaded by name, ``on_disk`` from a folder."""
    module = ModuleType('fiftyone')
    module.datasets, module.on_disk = {}, None
    module.Detections = object()
    module.types = SimpleNamespace(FiftyOneDataset='FiftyOneDataset')
    module.ImageMetadata = SimpleNamespace(
        build_for=lambda path: SimpleNamespace(width=WIDTH, height=HEIGHT)
    )

    def load(name):
        if name not in module.datasets:
            raise ValueError(f"Dataset '{name}'\nnot found")
        return module.datasets[name]

    module.load_dataset = load
    module.Dataset = SimpleNamespace(from_dir=lambda **flags: module.on_disk)
    monkeypatch.setitem(sys.modules, 'fiftyone', module)
    return module


def detections():
    pixels = np.eye(10, 12) > 0
    known = Detection(label='ship', bounding_box=[0.1, 0.25, 0.2, 0.25], mask=pixels, box_id='a:1')
    return known, Detection(label='plane', bounding_box=[0.5, 0.5, 0.25, 0.2])


def test_masks_come_pixel_by_pixel_and_boxes_as_boxes(fiftyone):
    known, drawn = detections()
    fiftyone.datasets['mine'] = Dataset(
        Sample('C:\\data\\P1.png', truth=[known, drawn], other=[drawn]),
        Sample('/data/P2.tif', size=None, truth=[], other=[]),
    )
    first, second = read_fiftyone(Path('mine'))
    assert (first.stem, first.width, first.height) == ('P1', WIDTH, HEIGHT)
    assert first.when == '2026-01-02T03:04:05+00:00'
    mask, box = first.shapes
    expected = np.zeros((HEIGHT, WIDTH), bool)
    expected[10:20, 6:18] = known.mask
    np.testing.assert_array_equal(masks.decode(mask.mask), expected)
    assert (mask.box_id, mask.label, mask.bare) == ('a:1', 'ship', False)
    assert (box.box_id, box.label, box.bare) == (None, 'plane', True)
    assert box.ring.tolist() == [[30, 20], [45, 20], [45, 28], [30, 28]]
    assert (second.stem, second.width, second.shapes) == ('P2', WIDTH, [])


def test_a_folder_is_read_and_its_dataset_does_not_stay(fiftyone, tmp_path):
    known, _ = detections()
    fiftyone.on_disk = Dataset(Sample('P1.png', truth=[known]))
    (tmp_path / 'samples.json').write_text('{}')
    assert found_files(tmp_path) == found_files(tmp_path, FIFTYONE) == {tmp_path: FIFTYONE}
    assert [each.stem for each in read_fiftyone(tmp_path)] == ['P1']
    assert fiftyone.on_disk.deleted == 1


def test_an_image_of_unknown_size_is_named(fiftyone):
    fiftyone.datasets['mine'] = Dataset(Sample('/data/P1.png', size=(0, 0), truth=[]))
    fiftyone.ImageMetadata.build_for = lambda path: SimpleNamespace(width=None, height=None)
    (found,) = read_fiftyone(Path('mine'))
    assert isinstance(found, EditError)
    assert str(found) == 'mine: /data/P1.png: its size is not known'


@pytest.mark.parametrize(
    ('dataset', 'says'),
    [
        (None, "mine: FiftyOne: ValueError: Dataset 'mine' not found"),
        (Dataset(Sample('a.png')), 'mine: no detections; expected them in one field'),
        (Dataset(Sample('a.png', one=[], two=[])), 'mine: detections in one, two; expected them'),
    ],
)
def test_what_can_not_be_read_is_one_line(fiftyone, dataset, says):
    if dataset:
        fiftyone.datasets['mine'] = dataset
    with pytest.raises(RefusedError) as error:
        list(read_fiftyone(Path('mine')))
    assert str(error.value).startswith(says)
    assert '\n' not in str(error.value)


def test_without_fiftyone_the_cure_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, 'fiftyone', None)
    with pytest.raises(RefusedError, match='install it: pip install fiftyone'):
        list(read_fiftyone(Path('mine')))


def test_a_name_without_the_format_says_how(tmp_path):
    with pytest.raises(RefusedError, match='goes with --from fiftyone'):
        found_files(tmp_path / 'mine')
    assert found_files(tmp_path / 'mine', FIFTYONE) == {tmp_path / 'mine': FIFTYONE}
