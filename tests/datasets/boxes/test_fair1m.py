import pytest

from samrs_mm.core.errors import RefusedError
from samrs_mm.datasets.boxes import FAIR1MBoxDataset, Scene
from samrs_mm.registry import BOX_DATASETS


def test_parts_share_ids_but_not_stems(fair1m_root):
    dataset = BOX_DATASETS.build(
        dict(type='FAIR1MBoxDataset', data_root=str(fair1m_root), classes='fast')
    )
    assert dataset.scenes == [
        Scene('train_1', 'train/part1/images/1.tif', 'train/part1/labelXml/1.xml', 'train'),
        Scene('train_2', 'train/part2/images/2.tif', 'train/part2/labelXmls/2.xml', 'train'),
        Scene('valid_1', 'validation/images/1.tif', 'validation/labelXmls/1.xml', 'val'),
    ]
    assert dataset.collect_classes().boxes == 3
    (box,) = dataset.labels(0).boxes
    assert dataset.classes[dataset.table.index(box.category)] == 'Dry-Cargo-Ship'
    assert dataset[0]['image'].shape == (64, 64, 3)


def test_small_first_release(fair1m_root):
    (fair1m_root / 'train/part2').rename(fair1m_root / 'data')
    scenes = FAIR1MBoxDataset(fair1m_root).scenes
    assert Scene('train_2', 'data/images/2.tif', 'data/labelXmls/2.xml', 'train') in scenes


def test_unknown_class_is_refused_with_the_nearest(fair1m_root, make_text):
    path = fair1m_root / 'validation/labelXmls/1.xml'
    make_text(path, path.read_text().replace('A220', 'A320'))
    with pytest.raises(RefusedError, match=r"validation/labelXmls/1.xml:2: unknown class 'A320'"):
        FAIR1MBoxDataset(fair1m_root, classes='fast').collect_classes()


def test_part_without_label_folder_is_refused(fair1m_root):
    (fair1m_root / 'train/part2/labelXmls').rename(fair1m_root / 'train/part2/labels')
    with pytest.raises(RefusedError, match=r'train/part2/images holds images, but .*labelXml'):
        FAIR1MBoxDataset(fair1m_root)


def test_id_in_both_train_parts_is_refused(fair1m_root, make_image):
    make_image(fair1m_root / 'train/part2/images/1.tif')
    with pytest.raises(RefusedError, match="both be called 'train_1'"):
        FAIR1MBoxDataset(fair1m_root)
