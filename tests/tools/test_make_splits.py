import json

import pytest
from folders import load_tool
from PIL import Image
from samrs_folders import write_annotated, write_released

from samrs_mm.core.classes import SIOR_CLASSES
from samrs_mm.core.errors import RefusedError
from samrs_mm.datasets.segmentation.splits import TRAIN, VAL, split_by_image, split_by_scene
from samrs_mm.datasets.segmentation.subsets import nested_subsets
from samrs_mm.formats.annotated.folder import AnnotatedFolder
from samrs_mm.formats.labelled_image import LabelledImage

TOOL = load_tool('dataset_converters/make_splits')


def entries(count, per_scene=4):
    scenes = [f'P{i // per_scene:05}' for i in range(count)]
    return [
        LabelledImage(f'{scene}_{i % per_scene:04}', '', '', scene)
        for i, scene in enumerate(scenes)
    ]


def sizes(sides):
    return tuple(sum(side == wanted for side in sides.values()) for wanted in (TRAIN, VAL))


@pytest.mark.parametrize(('count', 'train', 'val'), [
    (17_480, 16_606, 874), (11_725, 11_139, 586), (64_147, 60_940, 3_207),
])  # fmt: skip
def test_by_image_gives_the_papers_numbers(count, train, val):
    assert sizes(split_by_image(entries(count), 0.05, 0, {})) == (train, val)


def test_by_image_keeps_known_sides_and_exact_counts_when_files_are_added():
    before = split_by_image(entries(1000), 0.05, 0, {})
    after = split_by_image(entries(1200), 0.05, 0, before)
    assert {stem: after[stem] for stem in before} == before
    assert sizes(after) == (1140, 60)
    assert split_by_image(entries(1000), 0.05, 1, {}) != before


def test_by_scene_no_scene_is_on_both_sides_and_none_ever_moves():
    before = split_by_scene(entries(4000), 0.05, 0)
    after = split_by_scene(list(reversed(entries(8000))), 0.05, 0)
    assert {stem: after[stem] for stem in before} == before
    by_scene = {}
    for entry in entries(8000):
        by_scene.setdefault(entry.scene, set()).add(after[entry.stem])
    assert all(len(sides) == 1 for sides in by_scene.values())
    assert 0.035 < sizes(after)[1] / 8000 < 0.065


def test_by_scene_says_what_would_work_where_a_side_is_empty():
    few = entries(12)
    with pytest.raises(RefusedError, match='none of 3 scenes falls into val') as caught:
        split_by_scene(few, 0.001, 0)
    bound = float(str(caught.value).split('--val above ')[1].split(',')[0])
    assert sizes(split_by_scene(few, bound + 0.0001, 0))[1] == 4
    with pytest.raises(RefusedError, match='falls into train'):
        split_by_scene(few, 0.999, 0)


@pytest.fixture
def folder(tmp_path):
    stems = [f'P{scene:04}__64__{x}___0' for scene in range(10) for x in (0, 40)]
    return write_annotated(tmp_path / 'out', stems, empty=stems[:2])


def lists(root):
    return [(root / f'{side}.txt').read_text().split() for side in (TRAIN, VAL)]


def test_writes_lists_of_labelled_images_and_writes_them_again_alike(folder, capsys):
    argv = [str(folder), '--val', '0.3']
    assert TOOL.main(argv) == 0
    train, val = first = lists(folder)
    assert not {s.split('__')[0] for s in train} & {s.split('__')[0] for s in val}
    assert len(train) + len(val) == 18
    assert train == sorted(train)
    assert '20, 2 without a label; 18 in the lists' in capsys.readouterr().out
    record = json.loads((folder / 'splits.json').read_text())
    assert record['settings'] == dict(by='scene', val=0.3, seed=0)
    assert TOOL.main(argv) == 0
    assert lists(folder) == first


def test_by_image_tells_of_shared_scenes(folder, capsys):
    assert TOOL.main([str(folder), '--by', 'image', '--val', '0.3', '--keep-empty']) == 0
    assert [len(names) for names in lists(folder)] == [14, 6]
    assert 'validation is not independent' in capsys.readouterr().out


def test_does_not_overwrite_other_lists_unasked(folder, capsys):
    (folder / 'train.txt').write_text('mine\n')
    assert TOOL.main([str(folder), '--val', '0.3']) == 2
    assert 'not of this tool, such as train.txt; use --overwrite to' in capsys.readouterr().err
    assert TOOL.main([str(folder), '--val', '0.3', '--overwrite']) == 0
    assert TOOL.main([str(folder), '--val', '0.4']) == 2
    assert 'was started with other settings (val: 0.3 -> 0.4); use --ov' in capsys.readouterr().err


def test_no_dior_test_image_is_in_any_list(tmp_path):
    names = [f'{number:05}' for number in (*range(1, 30), *range(11_715, 11_740), 23_463)]
    annotated = write_annotated(tmp_path / 'a', names, SIOR_CLASSES)
    released = write_released(tmp_path / 'b', names)
    assert TOOL.main([str(annotated), '--val', '0.2']) == 0
    assert TOOL.main([str(released), '--val', '0.2', '--sior', '--by', 'image']) == 0
    for root in (annotated, released):
        train, val = lists(root)
        assert len(train) + len(val) == 40
        assert all(1 <= int(name) <= 11_725 for name in train + val)


def test_leaves_out_test_splits(tmp_path):
    stems = [f'P{n:04}' for n in range(12)]
    splits = {s: ('train', 'val', 'test')[n % 3] for n, s in enumerate(stems)}
    root = write_annotated(tmp_path / 'a', stems, splits=splits)
    assert TOOL.main([str(root), '--by', 'image', '--val', '0.25']) == 0
    assert [len(names) for names in lists(root)] == [6, 2]
    argv = [str(root), '--by', 'image', '--val', '0.25', '--overwrite', '--splits', 'test']
    assert TOOL.main(argv) == 0
    assert [len(names) for names in lists(root)] == [3, 1]
    assert TOOL.main([*argv[:-1], 'none']) == 2


def test_refuses_a_folder_of_something_else(tmp_path, capsys):
    assert TOOL.main([str(tmp_path)]) == 2
    assert 'no meta.json, and no such folder: images' in capsys.readouterr().err


def subset(root, percent):
    return (root / f'train_{percent}pct.txt').read_text().split()


def test_small_subsets_are_nested_and_made_again_alike(tmp_path, capsys):
    names = [f'{row}_{column}__512__{x}___0' for row in range(5) for column in range(8)
             for x in range(0, 1600, 320)]  # fmt: skip
    root = write_released(tmp_path / 'train', names, labels='labels')
    assert TOOL.main([str(root), '--fraction', '0.05', '0.03', '0.01']) == 0
    five, three, one = (subset(root, percent) for percent in (5, 3, 1))
    assert (len(five), len(three), len(one)) == (10, 6, 2)
    assert set(one) < set(three) < set(five) < set(names)
    assert five == sorted(five)
    assert 'train_5pct.txt, 10 images' in capsys.readouterr().out
    assert not (root / 'train.txt').exists()
    assert TOOL.main([str(root), '--fraction', '0.03', '0.125']) == 0
    assert subset(root, 3) == three
    assert set(five) < set(subset(root, '12.5'))
    assert TOOL.main([str(root), '--fraction', '0.03', '--seed', '1']) == 2
    assert 'train_3pct.txt lists other images; use --overwrite' in capsys.readouterr().err
    assert TOOL.main([str(root), '--fraction', '0.03', '--seed', '1', '--overwrite']) == 0
    assert subset(root, 3) != three


@pytest.mark.parametrize(('images', 'sizes'), [(8664, (433, 260, 87)), (33_620, (1681, 1009, 336))])
def test_subsets_of_the_papers_sets(images, sizes):
    stems = [str(number) for number in range(images)]
    subsets = nested_subsets(stems, (0.05, 0.03, 0.01), 0)
    assert tuple(map(len, subsets.values())) == sizes


def test_subsets_of_a_list_leave_validation_apart(folder, capsys):
    assert TOOL.main([str(folder), '--val', '0.3']) == 0
    train, val = lists(folder)
    assert TOOL.main([str(folder), '--fraction', '0.5', '--of', 'train.txt']) == 0
    chosen = set(subset(folder, 50))
    assert len(chosen) == round(len(train) / 2)
    assert chosen < set(train)
    assert not chosen & set(val)
    (folder / 'bad.txt').write_text('nobody\n')
    for name, message in (('bad.txt', "such as 'nobody'"), ('no.txt', 'No such file')):
        assert TOOL.main([str(folder), '--fraction', '0.5', '--of', name]) == 2
        assert message in capsys.readouterr().err
    assert 'train_50pct.txt' not in AnnotatedFolder(folder).foreign(set())
    assert 'bad.txt' in AnnotatedFolder(folder).foreign(set())


def test_names_with_blanks(tmp_path):
    stems = [f'city {n}__64__{x}___0' for n in range(10) for x in (0, 40)]
    root = write_annotated(tmp_path / 'out', stems)
    assert TOOL.main([str(root), '--val', '0.3']) == 0
    assert TOOL.main([str(root), '--fraction', '0.5', '--of', 'train.txt']) == 0
    chosen, train = ((root / f'{name}.txt').read_text().splitlines()
                     for name in ('train_50pct', 'train'))  # fmt: skip
    assert 0 < len(chosen) < len(train)
    assert set(chosen) < set(train) < set(stems)


def test_images_named_by_date_are_not_tiles_of_one_scene(tmp_path, capsys):
    stems = [f'img_2021_{day:04}' for day in range(701, 731)]
    root = write_released(tmp_path / 'x', stems)
    assert TOOL.main([str(root), '--val', '0.3']) == 0
    said = capsys.readouterr().out
    assert 'scenes   cannot be told from these names, such as img_2021_0701' in said
    assert 'in both lists' not in said


@pytest.mark.parametrize(
    ('flags', 'message'),
    [
        (('--fraction', '5'), '--fraction 5 is not between 0 and 1 (5 % is 0.05)'),
        (('--of', 'train.txt'), '--of goes with --fraction'),
        (('--fraction', '0.001'), 'of 18 images is none; give at least 0.056'),
    ],
)
def test_impossible_subsets_are_refused(folder, capsys, flags, message):
    try:
        code = TOOL.main([str(folder), *flags])
    except SystemExit as error:
        code = error.code
    assert code == 2
    assert message in capsys.readouterr().err


def tiles_of(name):
    """Four tiles of each of six scenes, named in a way."""
    return [name.format(f'P{scene:04}', x, y, x + 896, y + 896)
            for scene in range(6) for x in (0, 512) for y in (0, 512)]  # fmt: skip


@pytest.mark.parametrize('name', [
    '{0}_{2}_{4}_{1}_{3}', '{0}_{1}_{2}_{3}_{4}', '{0}__1__{1}___{2}', '{0}__0.5__{1}___{2}',
    '{0}__896__{1}___{2}', '{0}_{1}_{2}', '{0}_x{1}_y{2}', '{0}_{2}_{4}_{1}_{3}_aug1',
    '{0}-{1}-{2}',
])  # fmt: skip
def test_no_scene_is_on_both_sides_whoever_cut_the_tiles(tmp_path, capsys, name):
    root = write_released(tmp_path / 'x', tiles_of(name))
    assert TOOL.main([str(root), '--val', '0.3']) == 0
    train, val = ({stem.partition('P')[2][:4] for stem in stems} for stems in lists(root))
    assert len(train) + len(val) == 6
    assert not train & val
    assert 'scenes   6, 0 in both lists' in capsys.readouterr().out


def test_augmented_copies_stay_with_their_picture(tmp_path):
    stems = [f'pic{n}_{end}' for n in range(8) for end in ('aug0', 'aug1', 'hflip', 'rot90')]
    stems += [f'pic{n}_jpg.rf.{n}{copy}4e45fceea167a5a36dedd4bea2543' for n in range(8)
              for copy in range(3)]  # fmt: skip
    root = write_released(tmp_path / 'x', [*stems, *(f'pic{n}' for n in range(8))])
    assert TOOL.main([str(root), '--val', '0.3']) == 0
    train, val = ({stem[:4] for stem in stems} for stems in lists(root))
    assert len(train) + len(val) == 8


def test_tiles_that_were_annotated_whole_are_split_by_their_scene(tmp_path, capsys):
    root = write_annotated(tmp_path / 'out', tiles_of('{0}_{1}_{2}_{3}_{4}'), tiled=False)
    assert TOOL.main([str(root), '--val', '0.3']) == 0
    assert 'scenes   6, 0 in both lists' in capsys.readouterr().out


def test_a_pattern_tells_the_scene(tmp_path, capsys):
    stems = [f'{city}_{part}_{n:03}' for city in ('berlin', 'paris', 'rome', 'oslo')
             for part in ('north', 'south') for n in range(3)]  # fmt: skip
    root = write_released(tmp_path / 'x', stems)
    argv = [str(root), '--val', '0.4']
    assert TOOL.main(argv) == 0
    assert 'cannot be told from these names, such as berlin_north_000: each' in (
        capsys.readouterr().out
    )
    flags = ['--scene', r'(.+)_\w+_\d+']
    assert TOOL.main([*argv, *flags]) == 2
    assert 'started with other settings' in capsys.readouterr().err
    assert TOOL.main([*argv, *flags, '--overwrite']) == 0
    assert 'scenes   4, 0 in both lists' in capsys.readouterr().out
    train, val = ({stem.split('_')[0] for stem in stems} for stems in lists(root))
    assert len(train) + len(val) == 4
    assert TOOL.main([*argv, '--scene', r'(\d+)_x', '--overwrite']) == 2
    assert "not found in 24 of 24 names, such as 'berlin_north_000'" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        TOOL.main([*argv, '--scene', '('])
    assert "'(' is no regular expression" in capsys.readouterr().err


def test_lists_that_mixed_scenes_are_not_replaced_without_a_word(tmp_path, capsys):
    root = write_released(tmp_path / 'x', tiles_of('{0}_{1}_{2}'))
    assert TOOL.main([str(root), '--val', '0.3']) == 0
    train, val = lists(root)
    (root / 'train.txt').write_text('\n'.join([*train[1:], val[0], '']))
    (root / 'val.txt').write_text('\n'.join([*val[1:], train[0], '']))
    assert TOOL.main([str(root), '--val', '0.3']) == 2
    assert '2 images would change sides, such as P000' in capsys.readouterr().err
    assert TOOL.main([str(root), '--val', '0.3', '--overwrite']) == 0
    assert lists(root) == [train, val]


def test_neighbours_in_a_grid_are_named(tmp_path, capsys):
    stems = [f'{row}_{column}__512__{x}___0' for row in range(2, 8) for column in range(7, 14)
             for x in (0, 400)]  # fmt: skip
    root = write_released(tmp_path / 'x', stems)
    assert TOOL.main([str(root), '--val', '0.3']) == 0
    said = capsys.readouterr().out
    assert 'scenes   42, 0 in both lists' in said
    assert 'note     scenes look like cells of a grid: ' in said


def test_few_images_are_never_left_without_a_side(tmp_path, capsys):
    root = write_released(tmp_path / 'x', ['a', 'b', 'c'])
    assert TOOL.main([str(root), '--by', 'image']) == 2
    assert '--val 0.05 of 3 images leaves none for a side; choose one between 0.1667 and' in (
        capsys.readouterr().err
    )
    one = write_released(tmp_path / 'y', [f'ortho_{x}_0' for x in range(0, 2048, 512)])
    assert TOOL.main([str(one), '--val', '0.3']) == 2
    assert 'all 4 images are of one scene, ortho; add others, take' in capsys.readouterr().err
    assert TOOL.main([str(one), '--val', '0.5', '--scene', r'(.+_\d+)_\d+']) == 0


def test_what_has_no_partner_is_named(tmp_path, capsys):
    for name in ('images/a', 'images/b', 'images/c', 'labels/a', 'labels/b', 'labels/z'):
        path = tmp_path / f'{name}.png'
        path.parent.mkdir(exist_ok=True)
        Image.new('L', (8, 8)).save(path)
    assert TOOL.main([str(tmp_path), '--by', 'image', '--val', '0.5']) == 0
    said = capsys.readouterr().out
    assert 'left out 1 image has no label, such as c.png' in said
    assert 'left out 1 label has no image, such as z.png' in said
