"""The files as FiftyOne reads them: numpy's arrays, deflated; paths from the folder; fields."""

import base64
import io
import json
import zlib

import numpy as np
import pytest
from export_cases import CLASSES, STEMS, kept, tool, write_folder
from PIL import Image

from samrs_mm.core import masks
from samrs_mm.formats.exports.fiftyone import bounding_box


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    folder = write_folder(tmp_path_factory.mktemp('fiftyone') / 'made')
    (folder.root / 'train.txt').write_text(f'{STEMS[0]}\n{STEMS[2]}\n')
    (folder.root / 'val.txt').write_text(f'{STEMS[1]}\n')
    path = folder.path('instances', STEMS[0])
    record = json.loads(path.read_bytes())
    record['boxes'][0]['status'] = 'crowd'
    record['boxes'][1]['flags'] = dict(difficult=1)
    record['boxes'][2]['status'] = 'corrected'
    path.write_text(json.dumps(record))
    return folder


@pytest.fixture(scope='module')
def exported(made):
    target = made.root.parent / 'out'
    assert tool(made.root, '--to', 'fiftyone', '--out', target, '--images', 'copy') == 0
    return target


@pytest.fixture
def samples(exported):
    return json.loads((exported / 'samples.json').read_bytes())['samples']


def pixels_of(detection, width, height):
    """Return a detection's mask ``(H, W)`` bool in its image, as FiftyOne pastes it."""
    data = base64.b64decode(detection['mask']['$binary']['base64'])
    part = np.load(io.BytesIO(zlib.decompress(data)), allow_pickle=False)
    x, y, w, h = detection['bounding_box']
    left, top, right, bottom = pixels_in([x, y, w, h], width, height)
    assert part.shape == (bottom - top, right - left)
    whole = np.zeros((height, width), bool)
    whole[top:bottom, left:right] = part
    return whole


def pixels_in(box, width, height):
    """Return left, top, right and bottom of a bounding box, as eta.core.geometry does."""
    x, y, w, h = box
    right, bottom = min(x + w, 1), min(y + h, 1)
    return int(width * x), int(height * y), int(width * right), int(height * bottom)


@pytest.mark.parametrize('side', [7, 100, 800, 977])
def test_fractions_lead_back_to_the_pixels(side):
    for left in range(0, side, 1 + side // 40):
        for right in range(left + 1, side + 1, 1 + side // 40):
            box = bounding_box(left, 0, right - left, 3, (side, 3))
            assert pixels_in(box, side, 3) == (left, 0, right, 3)
            assert box[0] == pytest.approx(left / side, abs=1e-12)


def test_masks_are_those_of_the_records(made, samples):
    for stem, sample in zip([STEMS[0], STEMS[2], STEMS[1]], samples, strict=True):
        size = sample['metadata']['width'], sample['metadata']['height']
        found = {d['box_id']: d for d in sample['detections']['detections'] if not d['iscrowd']}
        boxes = kept(made, stem)
        assert [*found] == [box.box_id for box in boxes]
        for box in boxes:
            detection = found[box.box_id]
            assert np.array_equal(pixels_of(detection, *size), masks.decode(box.mask))
            assert (detection['label'], detection['confidence']) == (box.category, box.score)
            assert (detection['index'], len(detection['rbox'])) == (box.id, 8)


def test_parts_flags_and_statuses_are_tags(samples):
    assert [sample['tags'] for sample in samples] == [['train'], ['train'], ['val']]
    crowd, flagged, corrected, plain, *_ = samples[0]['detections']['detections']
    assert (corrected['iscrowd'], corrected['tags']) == (0, ['corrected'])
    assert (crowd['iscrowd'], crowd['tags']) == (1, ['crowd'])
    assert (flagged['iscrowd'], flagged['tags'], plain['tags']) == (0, ['difficult=1'], [])


def test_label_maps_begin_at_1_and_are_named(made, exported, samples):
    for sample in samples:
        path = exported / sample['segmentation']['mask_path']
        found = np.array(Image.open(path))
        label = np.array(Image.open(made.path('semantic', path.stem)))
        assert np.array_equal(found == 0, label == 255)
        assert np.array_equal(found[found > 0] - 1, label[found > 0])
        assert (exported / sample['filepath']).is_file()
    data = json.loads((exported / 'metadata.json').read_bytes())
    assert data['mask_targets']['segmentation'] == dict(zip('123', CLASSES, strict=True))
    assert data['classes'] == {'detections': list(CLASSES)}


def test_all_values_have_fields_and_all_ids_differ(exported, samples):
    def check(values, fields):
        known = {field['db_field']: field for field in fields}
        assert values.keys() - {'_cls'} <= known.keys()
        for name, value in values.items():
            below = known.get(name, {}).get('fields')
            for each in value if isinstance(value, list) else [value]:
                if below and isinstance(each, dict):
                    check(each, below)

    fields = json.loads((exported / 'metadata.json').read_bytes())['sample_fields']
    ids = []
    for sample in samples:
        check(sample, fields)
        found = [sample, sample['segmentation'], *sample['detections']['detections']]
        ids += [each['_id']['$oid'] for each in found]
    assert len(set(ids)) == len(ids)
    assert {len(each) for each in ids} == {24}


def test_it_is_the_same_again(made, exported, tmp_path):
    assert tool(made.root, '--to', 'fiftyone', '--out', tmp_path / 'out') == 0
    again, first = (path / 'samples.json' for path in (tmp_path / 'out', exported))
    assert again.read_bytes() == first.read_bytes()
