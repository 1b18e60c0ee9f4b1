import numpy as np
import pytest
from export_cases import CLASSES, STEMS, kept, tool, write_folder
from PIL import Image

from samrs_mm.core.classes import PALETTE
from samrs_mm.formats.released import load_released


@pytest.fixture(scope='module', params=['hbox', 'cp+rhbox'])
def exported(request, tmp_path_factory):
    folder = write_folder(tmp_path_factory.mktemp('samrs') / 'made', prompt=request.param)
    assert tool(folder.root, '--to', 'samrs', '--out', folder.root.parent / 'samrs') == 0
    return folder, folder.root.parent / 'samrs', request.param


def test_instances_are_those_of_the_records(exported):
    folder, target, prompt = exported
    for stem in STEMS:
        found = load_released(target / 'ins' / f'{stem}.pkl')
        boxes = kept(folder, stem)
        assert len(found) == len(boxes)
        for instance, box in zip(found, boxes, strict=True):
            assert instance['mask'] == box.segmentation
            assert instance['label'] == box.label
            assert instance['category'] == box.category
            assert instance['size'] == box.area
            polygon = np.array(box.polygon)
            around = [*polygon.min(axis=0), *polygon.max(axis=0)]
            if prompt == 'hbox':
                assert instance['bbox'].tolist() == around
                assert 'rbox' not in instance
            else:
                assert instance['rhbox'].tolist() == around
                assert instance['rbox'].tolist() == box.polygon


def test_label_maps_are_kept_and_coloured(exported):
    folder, target, _ = exported
    for stem in STEMS:
        gray = (target / 'gray' / f'{stem}.png').read_bytes()
        assert gray == folder.path('semantic', stem).read_bytes()
        labels = np.asarray(Image.open(target / 'gray' / f'{stem}.png'))
        colours = np.asarray(Image.open(target / 'color' / f'{stem}.png'))
        for label in range(len(CLASSES)):
            assert (colours[labels == label] == PALETTE[label]).all()
        assert (colours[labels == 255] == 255).all()
        assert colours.shape == (*labels.shape, 3)


def test_our_training_dataset_reads_it(exported):
    from samrs_mm.datasets.segmentation.samrs import SAMRSDataset

    dataset = SAMRSDataset(
        'x', str(exported[1]), metainfo=dict(classes=CLASSES), pipeline=[], filter_empty=False
    )
    assert len(dataset) == 3
