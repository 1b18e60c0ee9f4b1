"""An annotated folder as a sequence of images, read when asked for."""

import json
import pickle
import shutil

import numpy as np
import pytest
from folders import CONFIG, load_tool, write_dota
from PIL import Image
from pycocotools import mask as coco_mask

import samrs_mm
from samrs_mm.core.errors import RefusedError, SamrsError
from samrs_mm.core.images import SceneImage


def annotate(data, out, *options):
    flags = ['--data-root', str(data), '--out', str(out), '--workers', '0', '--cfg-options']
    argv = [CONFIG, *flags, 'model.type=BoxFillSegmentor', *options]
    assert load_tool('sam_annotate').main(argv) == 0
    return out


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp('annotated')
    return annotate(write_dota(root / 'data', scenes=4), root / 'out')


def test_images_are_what_is_on_disk(folder):
    dataset = samrs_mm.open_annotated(folder)
    assert len(dataset) == 4
    assert dataset.stems == tuple(f'P{number:04}' for number in range(4))
    meta = json.loads((folder / 'meta.json').read_bytes())
    assert dataset.classes == tuple(meta['classes']) == ('plane', 'ship', 'small-vehicle')
    assert dataset.palette == [tuple(colour) for colour in meta['palette']]
    for image, stem in zip(dataset, dataset.stems, strict=True):
        record = json.loads((folder / f'instances/{stem}.json').read_bytes())
        assert image.stem == stem
        assert len(image) == len(record['boxes'])
        pixels = np.asarray(Image.open(folder.parent / f'data/images/{stem}.png'))
        np.testing.assert_array_equal(image.image, pixels)
        label_map = np.asarray(Image.open(folder / f'semantic/{stem}.png'))
        np.testing.assert_array_equal(image.label_map, label_map)
        assert image.masks.shape == (len(image), *pixels.shape[:2])
        for number, box in enumerate(record['boxes']):
            mask = coco_mask.decode(box['segmentation']).astype(bool)
            np.testing.assert_array_equal(image.masks[number], mask)
            np.testing.assert_array_equal(image.mask(number), mask)
            assert image.polygons[number].tolist() == box['polygon']
            assert image.prompt_boxes[number].tolist() == box['prompt_box']
            assert image.labels[number] == box['category_id'] - 1
        corners = image.polygons.reshape(-1, 4, 2)
        np.testing.assert_array_equal(image.boxes[:, :2], corners.min(axis=1))
        np.testing.assert_array_equal(image.boxes[:, 2:], corners.max(axis=1))
        for name, key in (
            ('categories', 'category'),
            ('statuses', 'status'),
            ('reasons', 'reason'),
        ):
            assert getattr(image, name) == tuple(box[key] for box in record['boxes'])
        assert image.draw().shape == image.image.shape


def test_images_are_found_by_name_number_and_slice(folder):
    dataset = samrs_mm.open_annotated(str(folder))
    assert dataset['P0002'].stem == dataset[2].stem == dataset[-2].stem == 'P0002'
    assert [image.stem for image in dataset[1:3]] == ['P0001', 'P0002']
    with pytest.raises(KeyError, match=r"'P002': no such image in .*out; did you mean 'P0002'\?"):
        dataset['P002']
    with pytest.raises(IndexError):
        dataset[4]
    assert repr(dataset).endswith('out: 4 images, 3 classes>')


def test_nothing_is_read_before_it_is_asked_for(folder, monkeypatch):
    dataset = samrs_mm.open_annotated(folder)
    image = dataset[0]
    monkeypatch.setattr(SceneImage, '__init__', lambda *_: pytest.fail('the image was read'))
    assert image.masks.any()
    monkeypatch.undo()
    monkeypatch.setattr('samrs_mm.core.masks.decode', lambda _: pytest.fail('a mask was decoded'))
    image = dataset[0]
    assert len(image) == 3
    assert image.image is image.image
    assert image.label_map.any()


def test_images_travel_between_processes(folder):
    image = pickle.loads(pickle.dumps(samrs_mm.open_annotated(folder)))[1]
    again = pickle.loads(pickle.dumps(image))
    np.testing.assert_array_equal(again.masks, image.masks)
    segmented = samrs_mm.load_segmentor('box-fill').segment(image.image, image.boxes)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(segmented)).masks, segmented.masks)


def test_tiles_have_images_of_their_own(folder, tmp_path):
    options = 'tile.size=64', 'tile.overlap=16'
    out = annotate(folder.parent / 'data', tmp_path / 'tiles', *options)
    (tmp_path / 'elsewhere').mkdir()
    for image in samrs_mm.open_annotated(out, data_root=tmp_path / 'elsewhere'):
        assert image.image.shape == (64, 64, 3)
        assert image.size == image.label_map.shape == (64, 64)


def test_a_dataset_that_was_moved(folder, tmp_path):
    out = tmp_path / 'deep/er/out'
    shutil.copytree(folder, out)
    with pytest.raises(SamrsError, match=r'P0000\.png: no such image'):
        samrs_mm.open_annotated(out)[0].image  # noqa: B018
    moved = samrs_mm.open_annotated(out, data_root=folder.parent / 'data')
    assert moved[0].image.shape == (96, 128, 3)


def test_a_damaged_record_is_named(folder, tmp_path):
    out = annotate(folder.parent / 'data', tmp_path / 'out')
    (out / 'instances/P0001.json').write_text('{')
    dataset = samrs_mm.open_annotated(out)
    assert dataset[0].masks.any()
    with pytest.raises(SamrsError, match=r'instances/P0001\.json: not a JSON record') as caught:
        dataset[1].masks  # noqa: B018
    assert '\n' not in str(caught.value)


def test_what_is_no_such_folder(folder, tmp_path):
    with pytest.raises(RefusedError, match='nowhere: no such folder'):
        samrs_mm.open_annotated(tmp_path / 'nowhere')
    with pytest.raises(RefusedError, match=r'no meta\.json, .*import_samrs\.py'):
        samrs_mm.open_annotated(folder.parent / 'data')
    (tmp_path / 'meta.json').write_text('{"settings": {}}')
    with pytest.raises(RefusedError, match='has not got to its end'):
        samrs_mm.open_annotated(tmp_path)


def test_imported_folders_are_read_too(folder, tmp_path):
    samrs, back = tmp_path / 'samrs', tmp_path / 'back'
    export = load_tool('dataset_converters/export_dataset').main
    flags = ['--to', 'samrs', '--out', str(samrs), '--workers', '0', '--images', 'copy']
    assert export([str(folder), *flags]) == 0
    convert = load_tool('dataset_converters/import_samrs').main
    assert convert([str(samrs), '--out', str(back), '--workers', '0']) == 0
    for image, original in zip(
        samrs_mm.open_annotated(back), samrs_mm.open_annotated(folder), strict=True
    ):
        np.testing.assert_array_equal(image.masks, original.masks)
        np.testing.assert_array_equal(image.image, original.image)
        np.testing.assert_array_equal(image.label_map, original.label_map)
