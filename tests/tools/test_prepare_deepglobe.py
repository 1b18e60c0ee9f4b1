import numpy as np
import pytest
from benchmark_folders import put_together, write_deepglobe
from folders import load_tool, tree
from mmseg.registry import DATASETS

import samrs_mm.datasets.segmentation.deepglobe  # noqa: F401  (registers)
from samrs_mm.formats.scenes.tile_index import read_scene_sizes

NAMES = [str(100 + 37 * number) for number in range(12)]
SIZE = (700, 630)  # 2 x 2 tiles


@pytest.fixture(scope='module')
def prepare():
    tool = load_tool('dataset_converters/prepare_deepglobe')

    def run(root, *flags):
        argv = [root / 'raw', '--out', root / 'out', '--workers', 0, *flags]
        return tool.main([str(each) for each in argv])

    return run


def test_tiles_put_together_are_the_scenes(prepare, tmp_path, capsys):
    written = write_deepglobe(tmp_path / 'raw', NAMES, SIZE)
    assert prepare(tmp_path, '--partial') == 0
    said = capsys.readouterr().out
    sides = {side: read_scene_sizes(tmp_path / 'out' / side) for side in ('train', 'val')}
    assert {**sides['train'], **sides['val']} == dict.fromkeys(NAMES, SIZE[::-1])
    assert 1 <= len(sides['val']) < len(sides['train'])
    assert f'{4 * len(sides["train"])} tiles = {len(sides["train"])} scenes x 4' in said
    for side, names in sides.items():
        for name in names:
            _, label = put_together(tmp_path / 'out' / side, name, SIZE)
            np.testing.assert_array_equal(label, written[name])
    dataset = DATASETS.build(
        dict(type='DeepGlobeTilesDataset', data_root=str(tmp_path / 'out/train'))
    )
    assert len(dataset) == 4 * len(sides['train'])
    assert dataset.metainfo['classes'][2] == 'rangeland'


def test_sides_follow_from_names_and_seed(prepare, tmp_path, capsys):
    write_deepglobe(tmp_path / 'raw', NAMES, (40, 40))
    assert prepare(tmp_path, '--partial', '--val', '0.5') == 0
    some = tree(tmp_path / 'out')
    assert prepare(tmp_path, '--partial', '--val', '0.5', '--seed', '1') == 2
    assert 'other settings (source: "val 0.5, seed 2023"' in capsys.readouterr().err
    assert tree(tmp_path / 'out') == some


@pytest.mark.parametrize('val', ['0', '1', '1.5', 'nan'])
def test_a_share_that_cannot_be(prepare, tmp_path, capsys, val):
    with pytest.raises(SystemExit):
        prepare(tmp_path, '--val', val)
    assert f'--val {val} is not between 0 and 1' in capsys.readouterr().err
