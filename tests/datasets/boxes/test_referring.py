import csv
import shutil

import numpy as np
import pytest
from export_cases import tool, write_folder
from folders import ROOT, load_tool
from PIL import Image
from referring_cases import (
    CARS,
    ROAD,
    mask,
    rrsisd_files,
    write_refsegrs,
    write_risbench,
    write_rrsisd,
)

from samrs_mm.core import masks
from samrs_mm.core.errors import RefusedError
from samrs_mm.datasets.boxes.referring import ReferringBoxDataset


def boxes(dataset, stem):
    """Return corners x0, y0, x1, y1 by box id, of which all have masks that fill them."""
    index = [scene.stem for scene in dataset.scenes].index(stem)
    labels, truth = dataset.labels(index), dataset.ground_truth_of(index)
    found = {box.box_id: box.hbox.astype(int).tolist() for box in labels.boxes}
    assert found.keys() == truth.keys()
    for box_id, (x0, y0, x1, y1) in found.items():
        assert np.array_equal(masks.decode(truth[box_id]), mask((x0, y0, x1 - x0, y1 - y0)))
    return found


def corners(x, y, width, height):
    return [x, y, x + width, y + height]


def test_images_of_one_content_are_one_scene_and_each_object_is_there_once(tmp_path):
    dataset = ReferringBoxDataset(str(write_refsegrs(tmp_path / 'a')))
    assert [(s.stem, s.image, s.split) for s in dataset.scenes] == [
        ('4213', 'images/4213.tif', 'train'), ('945', 'images/945.tif', 'val'),
    ]  # fmt: skip
    assert boxes(dataset, '4213') == {
        'output_phrase_train.txt:1:1': corners(*CARS[0]),  # the van of line 2 as well
        'output_phrase_train.txt:1:2': corners(*CARS[1]),
        'output_phrase_train.txt:3:1': corners(*ROAD),
    }
    assert dataset.classes == ('object',)
    names = [path.name for path in dataset.truth_files(0)]
    assert names == ['4213.tif', '7.tif', '12.tif']


def test_a_mask_may_be_one_object(tmp_path):
    root = str(write_refsegrs(tmp_path / 'a'))
    dataset = ReferringBoxDataset(root, parts=False)
    truth = dataset.ground_truth_of(0)
    assert [*truth] == [f'output_phrase_train.txt:{line}' for line in (1, 2, 3)]
    assert np.array_equal(masks.decode(truth['output_phrase_train.txt:1']), mask(*CARS))
    assert dataset.labels(0).boxes[0].hbox.tolist() == [5, 5, 34, 18]


def test_risbench(tmp_path):
    dataset = ReferringBoxDataset(str(write_risbench(tmp_path / 'a')), split='test')
    assert boxes(dataset, '00002') == {'output_phrase_test.txt:1:1': corners(*CARS[1])}


def test_objects_of_rrsisd_are_its_annotations(tmp_path):
    dataset = ReferringBoxDataset(str(write_rrsisd(tmp_path / 'a')))
    assert dataset.classes == ('airplane', 'ship')
    assert [scene.stem for scene in dataset.scenes] == ['00001', '00002']
    labels = dataset.labels(0).boxes
    place = 'rrsisd/instances.json:annotations[{}]'
    assert [(box.box_id, box.category) for box in labels] == [
        (place.format(10), 'ship'), (place.format(11), 'airplane'),
    ]  # fmt: skip
    assert labels[1].hbox.tolist() == [5, 5, 34, 18]  # two parts, one object
    truth = dataset.ground_truth_of(0)
    assert np.array_equal(masks.decode(truth[place.format(11)]), mask(*CARS))


def test_problems_are_told_where_they_stand(tmp_path):
    root = write_refsegrs(tmp_path / 'a')
    (root / 'images/945.tif').unlink()
    (root / 'masks/7.tif').write_bytes(b'')
    shutil.copyfile(root / 'masks/4213.tif', root / 'masks/12.tif')
    dataset = ReferringBoxDataset(str(root))
    counts = dataset.collect_classes()
    assert (counts.boxes, counts.problems) == (2, 2)
    assert [scene.stem for scene in dataset.scenes] == ['4213', 'phrases__without_image']
    assert dataset.no_image(1) == "output_phrase_val.txt:1: no file '945' in images"
    [problem] = dataset.labels(0).problems
    assert problem.box_id == 'output_phrase_train.txt:2'
    assert problem.message.startswith('the mask: ')


def test_masks_that_mean_nothing_or_are_of_another_size_are_problems(tmp_path):
    instances, refs = rrsisd_files()
    empty = dict(size=[64, 64], counts=[64 * 64])
    instances['annotations'][0]['segmentation'] = [empty]
    dataset = ReferringBoxDataset(str(write_rrsisd(tmp_path / 'a', instances, refs)))
    [problem] = dataset.labels(0).problems
    assert problem.message == 'an empty mask: no pixel is meant'
    assert len(dataset.labels(0).boxes) == 1
    instances, refs = rrsisd_files()
    instances['images'][1].update(width=32, height=128)
    instances['annotations'][2]['segmentation'] = [[0, 0, 8, 0, 8, 8, 0, 8]]
    dataset = ReferringBoxDataset(str(write_rrsisd(tmp_path / 'b', instances, refs)))
    labels = dataset.labels(1)
    assert not labels.boxes
    assert '32 x 128' in labels.problems[0].message


def test_masks_of_one_image_have_one_size(tmp_path):
    root = write_refsegrs(tmp_path / 'a')
    Image.new('L', (10, 20), 1).save(root / 'masks/7.tif')
    labels = ReferringBoxDataset(str(root)).labels(0)
    [problem] = labels.problems
    assert problem.box_id == 'output_phrase_train.txt:2'
    assert problem.message == 'a mask of 10 x 20 px, others of the image 64 x 64 px'
    assert len(labels.boxes) == 3


def test_other_folders_are_refused(tmp_path):
    with pytest.raises(RefusedError, match='no phrases found; expected output_phrase_'):
        ReferringBoxDataset(str(tmp_path))


def test_our_own_export_is_read_as_what_it_was_made_of(tmp_path):
    made = write_folder(tmp_path / 'made')
    assert tool(made.root, '--to', 'refsegrs', '--out', tmp_path / 'out') == 0
    dataset = ReferringBoxDataset(str(tmp_path / 'out'), parts=False)
    rows = list(csv.DictReader(open(tmp_path / 'out/phrases.csv')))
    assert len(dataset.scenes) == len({row['stem'] for row in rows})
    dataset.collect_classes()
    truth = [m for index in range(len(dataset)) for m in dataset.ground_truth_of(index).values()]
    assert sorted(map(masks.area, truth)) == sorted(int(row['pixels']) for row in rows)


def test_the_ablation_scores_boxes_against_the_masks_of_phrases(tmp_path, capsys):
    root = write_refsegrs(tmp_path / 'a')
    main = load_tool('prompt_ablation').main
    (tmp_path / 'filled.py').write_text(
        f'_base_ = [{str(ROOT / "configs/annotate/referring_grabcut_hbox.py")!r}]\n'
        "model = dict(_delete_=True, type='BoxFillSegmentor')\n"
    )
    flags = [str(tmp_path / 'filled.py'), '--data-root', str(root)]
    flags += ['--out', str(tmp_path / 'out'), '--workers', '0']
    assert main(flags) == 0
    said = capsys.readouterr().out
    row = next(line for line in said.splitlines() if line.startswith('hbox '))
    assert row.split()[1:3] == ['1.0000', '1.0000']  # rectangles are their own boxes
    assert (tmp_path / 'out/ablation.json').exists()
