"""One annotated set, read in every layout and compared with a slow count."""

import csv
import itertools
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from folders import ROOT, load_tool, tree
from mask_folders import slow_count, write_as_released, write_masks
from PIL import Image

SMALL = 100
TOOL = ROOT / 'tools/analysis_tools/dataset_stats.py'
FIGURES = ('mask_sizes', 'mask_sizes_by_class', 'per_class', 'per_image')


@pytest.fixture(scope='module')
def annotated(tmp_path_factory):
    return write_masks(tmp_path_factory.mktemp('stats') / 'mine')


@pytest.fixture
def copied(annotated, tmp_path):
    """A copy of it that may be damaged."""
    root = tmp_path / 'mine'
    for path in annotated.rglob('*'):
        if path.is_file():
            target = root / path.relative_to(annotated)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    return root


@pytest.fixture
def released(annotated, tmp_path):
    return write_as_released(annotated, tmp_path / 'set')


@pytest.fixture
def stats(tmp_path):
    """Run the tool in this process: exit code, rows of classes.csv, statistics.json."""
    main = load_tool('analysis_tools/dataset_stats').main

    def run(path, *flags, out='out', formats='csv,json'):
        out = tmp_path / out
        code = main([str(path), '--out', str(out), '--format', formats, '--workers', '0', *flags])
        files = [out / 'classes.csv', out / 'statistics.json']
        if not all(file.exists() for file in files):
            return code, None, None
        with files[0].open(newline='') as file:
            return code, list(csv.DictReader(file)), json.loads(files[1].read_text())

    return run


def test_numbers_equal_a_slow_count(annotated, stats):
    code, rows, facts = stats(annotated)
    assert code == 0
    expected = slow_count(annotated)
    assert [row['category'] for row in rows] == list(expected)
    for row in rows:
        numbers = expected[row['category']]
        areas = np.array(numbers['areas'])
        assert int(row['boxes']) == len(numbers['boxes'])
        assert int(row['instances']) == len(areas) > 0
        assert int(row['images']) == len(set(numbers['stems']))
        assert int(row['pixels']) == sum(numbers['pixels']) > 0
        assert int(row['mask_pixels']) == areas.sum()
        sizes = [float(row[f'q{q:02}']) for q in (0, 5, 25, 50, 75, 95, 100)]
        assert sizes == pytest.approx(np.percentile(areas, (0, 5, 25, 50, 75, 95, 100)), abs=1e-4)
        assert float(row['mean']) == pytest.approx(areas.mean(), abs=1e-4)
        assert float(row['share_below_100']) == pytest.approx((areas < SMALL).mean(), abs=1e-4)
        middle = np.median(numbers['shares'])
        assert float(row['box_share_q50']) == pytest.approx(middle, abs=1e-3)
    total = sum(sum(numbers['pixels']) for numbers in expected.values())
    assert facts['pixels'] == total
    assert facts['image_pixels'] == 96 * (4 * 128 + 129)
    assert sum(float(row['pixel_share']) for row in rows) == pytest.approx(1, abs=1e-5)


def test_images_boxes_and_table_2(annotated, stats):
    _, rows, facts = stats(annotated, '--name', 'FAIR')
    images = [facts[f'images{which}'] for which in ('', '_with_instances', '_with_labels')]
    assert images == [5, 4, 4]
    assert (facts['boxes'], facts['instances']) == (20, 17)
    assert facts['statuses'] == dict(
        kept=17, crowd=0, ignored=0, empty=0, outside=1, degenerate=1, filtered=1
    )
    per_image = facts['masks_per_image']
    assert per_image['counts'] == {'0': 1, '3': 1, '4': 2, '6': 1}
    assert (per_image['mean'], per_image['median'], per_image['most']) == (3.4, 4, 6)
    everything, labelled = facts['table_2']
    assert everything == {
        'Dataset': 'FAIR', '#Images': '5', '#Category': '3', '#Channels': 'RGB',
        'Resolution (m)': '-', 'Image size': '128 × 96 ~ 129 × 96', 'Instance': '✓',
        'Fine-grained': '',
    }  # fmt: skip
    assert (labelled['#Images'], labelled['Image size']) == ('4', '128 × 96')
    assert [row['abbreviation'] for row in rows] == ['PL', 'SH', 'SV']


def test_histograms_hold_every_instance_once(annotated, stats):
    _, rows, facts = stats(annotated)
    edges, areas = facts['size_edges'], []
    for numbers in slow_count(annotated).values():
        areas += numbers['areas']
    bins = [sum(low <= area < high for area in areas) for low, high in itertools.pairwise(edges)]
    assert facts['size_histogram'] == bins
    assert sum(bins) == 17
    by_class = facts['size_histogram_by_class']
    assert [sum(by_class[row['category']]) for row in rows] == [int(r['instances']) for r in rows]


SAME = ('category', 'instances', 'images', 'mask_pixels', 'q00', 'q50', 'q100', 'mean',
        'share_below_100', 'box_share_q05', 'box_share_q50', 'box_share_q95')  # fmt: skip


def same(rows, others, *more):
    keys = (*SAME, *more)
    assert [[row[key] for key in keys] for row in rows] == [
        [r[key] for key in keys] for r in others
    ]


def test_a_released_folder_gives_the_same(annotated, released, stats):
    _, expected, _ = stats(annotated)
    code, rows, facts = stats(released, out='released')
    assert code == 0
    same(rows, expected, 'pixels')
    assert facts['statuses']['empty'] == 1  # stored like any other mask
    assert facts['pixels_of'] == 'label maps'
    assert facts['images'] == 5


def test_a_released_folder_of_one_kind(released, annotated, stats, tmp_path):
    _, expected, _ = stats(annotated)
    (released / 'ins').rename(tmp_path / 'away')
    code, rows, facts = stats(released, out='maps')
    assert code == 0
    assert [row['pixels'] for row in rows] == [row['pixels'] for row in expected]
    assert (facts['instances'], facts['images_with_labels']) == (0, 4)
    (tmp_path / 'away').rename(released / 'ins')
    (released / 'gray').rename(tmp_path / 'gray')
    code, rows, facts = stats(released, out='pickles')
    assert code == 0
    same(rows, expected)
    assert facts['pixels_of'].startswith('masks')
    assert [row['pixels'] for row in rows] == [row['mask_pixels'] for row in rows]
    assert facts['table_2'][0]['Image size'] == '128 × 96'


def test_a_coco_file_gives_the_same(annotated, stats):
    _, expected, _ = stats(annotated)
    code, rows, facts = stats(annotated / 'annotations.json', out='coco')
    assert code == 0
    same(rows, expected)
    assert [row['pixels'] for row in rows] == [row['mask_pixels'] for row in expected]
    assert (facts['images'], facts['images_with_labels']) == (5, 4)
    assert facts['masks_per_image']['counts'] == {'0': 1, '3': 1, '4': 2, '6': 1}


def test_a_folder_without_records_gives_the_same(copied, annotated, stats):
    _, expected, _ = stats(annotated)
    for path in (copied / 'instances').iterdir():
        path.unlink()
    code, rows, facts = stats(copied, out='coco')
    assert code == 0
    same(rows, expected, 'pixels')
    assert facts['pixels_of'] == 'label maps'


def test_damaged_records_are_named_and_skipped(copied, annotated, stats, capsys):
    texts = {
        'P0000': 'not json', 'P0001': '{"image": {}, "signature": "", "boxes": [{}]}',
        'P0004': '{"boxes": []}',
    }  # fmt: skip
    for stem, text in texts.items():
        (copied / f'instances/{stem}.json').write_text(text)
    code, rows, facts = stats(copied)
    assert code == 1
    assert facts['images'] == 2
    assert facts['instances'] == sum(int(row['instances']) for row in rows) == 4 + 6
    message = capsys.readouterr().err
    assert [f'{stem}.json: ' in message for stem in texts] == [True] * 3
    assert message.count('skipped: ') == 3


def test_a_class_that_is_not_there(copied, stats):
    path = copied / 'instances/P0000.json'
    record = json.loads(path.read_text())
    record['boxes'][0]['category_id'] = 4
    path.write_text(json.dumps(record))
    code, _, facts = stats(copied)
    assert code == 1
    assert 'category_id beyond 1..3' in facts['skipped'][0]


def test_damaged_files_of_the_release(released, stats):
    (released / 'ins/P0000.pkl').write_bytes(b'\x80\x04cos\nsystem\n.')
    Image.fromarray(np.full((96, 128), 77, np.uint8)).save(released / 'gray/P0001.png')
    Image.fromarray(np.full((9, 9), 255, np.uint8)).save(released / 'gray/P0002.png')
    cut = released / 'gray/P0003.png'
    cut.write_bytes(cut.read_bytes()[:-60])
    code, _, facts = stats(released)
    assert code == 1
    pickled, value, size, broken = facts['skipped']
    assert 'asks for os.system' in pickled
    assert 'pixel value 77; allowed are 0..2 and 255' in value
    assert 'does not fit the image of 9 x 9' in size
    assert 'P0003.png' in broken
    assert facts['images'] == 1


def test_the_subset_is_known_or_asked_for(released, stats, tmp_path, capsys):
    (released / 'export.json').unlink()
    assert stats(released)[0] == 2
    assert 'with --subset sota, sior, fast' in capsys.readouterr().err
    assert len(stats(released, '--subset', 'sota')[1]) == 18
    named = released.rename(tmp_path / 'FAST_1024')
    _, rows, facts = stats(named)
    assert [row['abbreviation'] for row in rows[:3]] == ['A2', 'A3', 'A4']
    assert facts['table_2'][0]['Fine-grained'] == '✓'


@pytest.mark.parametrize(
    ('name', 'text', 'message'),
    [
        ('a.json', '{"images": [', 'malformed JSON'),
        ('a.json', '[]', 'a COCO file is an object'),
        ('a.json', '', 'a COCO file is an object'),
        ('a.json', '{"images": {}}', "'images' is not a list"),
        ('a.json', '{"images": [], "annotations": []}', "'categories' is missing"),
        ('missing', None, 'no such file or folder'),
        ('empty/.hidden', '', 'no meta.json, and no such folder'),
        ('bad/meta.json', '{}', 'has not got to its end'),
        ('bare/meta.json', '{"settings": {}, "classes": [], "palette": [], "data_root": "."}',
         'neither instances/*.json nor annotations.json'),
    ],
)  # fmt: skip
def test_what_is_no_dataset_is_refused_in_one_line(stats, tmp_path, capsys, name, text, message):
    path = tmp_path / name
    if text is not None:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    target = path if name in ('a.json', 'missing') else path.parent
    assert stats(target)[0] == 2
    error = capsys.readouterr().err.split('\r')[-1].strip()
    assert error.startswith('error: ')
    assert message in error
    assert '\n' not in error
    assert not (tmp_path / 'out').exists()


def test_the_short_table(annotated, capsys):
    assert load_tool('analysis_tools/dataset_stats').main([str(annotated), '--workers', '0']) == 0
    said = capsys.readouterr().out
    assert 'images      5; 4 with a mask, 4 with labels' in said
    assert '0 empty, 1 outside, 1 degenerate, 1 filtered' in said
    assert '| Dataset ' in said
    assert 'written' not in said
    assert not (annotated / 'statistics.json').exists()


def test_figures(annotated, stats, tmp_path):
    assert stats(annotated, formats='png')[0] == 0
    out = tmp_path / 'out'
    assert sorted(path.stem for path in out.iterdir()) == list(FIGURES)
    for name in FIGURES:
        pixels = np.array(Image.open(out / f'{name}.png').convert('RGB'))
        assert min(pixels.shape[:2]) > 400
        drawn = (pixels != 255).any(axis=2)
        assert 0.01 < drawn.mean() < 0.7
        assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 20


def test_a_set_without_anything_is_drawn_too(copied, stats):
    for path in (copied / 'instances').iterdir():
        if path.stem != 'P0004':
            path.unlink()
    code, rows, facts = stats(copied, formats='csv,json,png')
    assert code == 0
    assert (facts['images'], facts['instances'], facts['q50']) == (1, 0, None)
    assert {row['instances'] for row in rows} == {'0'}


def run(*args: object) -> subprocess.CompletedProcess:
    command = [sys.executable, str(TOOL), *map(str, args)]
    environment = os.environ | {'OMP_NUM_THREADS': '1'}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


def test_workers_and_repetition_do_not_change_a_byte(annotated, stats, tmp_path):
    assert stats(annotated, formats='csv,json,pdf', out='here')[0] == 0
    done = run(annotated, '--out', tmp_path / 'there', '--workers', 2, '--format', 'csv,json,pdf')
    assert done.returncode == 0, done.stderr
    assert tree(tmp_path / 'there') == tree(tmp_path / 'here')
    for name in FIGURES:
        pdf = (tmp_path / f'here/{name}.pdf').read_bytes()
        assert pdf.startswith(b'%PDF')
        assert len(pdf) > 5000


@pytest.mark.parametrize('flags', [['--format', 'svg'], ['--workers', '-1'], ['--subset', 'dota']])
def test_flags(annotated, flags):
    with pytest.raises(SystemExit) as caught:
        load_tool('analysis_tools/dataset_stats').main([str(annotated), *flags])
    assert caught.value.code == 2


@pytest.mark.slow
def test_a_hundred_thousand_instances(annotated, tmp_path):
    """Numbers scale with the copies, memory doesn't: some 12 bytes for each instance."""
    copies = 100_000 // 17 + 1
    root = tmp_path / 'many'
    (root / 'instances').mkdir(parents=True)
    (root / 'meta.json').write_bytes((annotated / 'meta.json').read_bytes())
    for path in (annotated / 'instances').iterdir():
        text = path.read_bytes()
        for number in range(copies):
            (root / f'instances/{path.stem}_{number}.json').write_bytes(text)
    peaks = {}
    for place in (annotated, root):
        code = (
            'import resource, runpy, sys\n'
            f'sys.argv = ["x", {str(place)!r}, "--out", {str(tmp_path / place.name)!r}, '
            '"--workers", "0", "--format", "csv"]\n'
            f'try: runpy.run_path({str(TOOL)!r}, run_name="__main__")\n'
            'except SystemExit as end: assert end.code == 0\n'
            'print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)'
        )
        done = subprocess.run(
            [sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        peaks[place] = int(done.stderr.split()[-1])
    assert peaks[root] - peaks[annotated] < 100_000  # kB
    for name, factor in ((annotated.name, copies), ('many', 1)):
        with (tmp_path / name / 'classes.csv').open(newline='') as file:
            rows = list(csv.DictReader(file))
        counts = [(int(row['instances']) * factor, int(row['pixels']) * factor) for row in rows]
        peaks.setdefault('counts', counts)
        assert peaks['counts'] == counts
