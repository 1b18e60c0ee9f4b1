"""The study of benchmarks/sep_study.py: its data, its order of work, and what its table says."""

import csv
import json
import os
import re
import subprocess
import sys
from dataclasses import replace

import cv2
import numpy as np
import pytest
from folders import ROOT, load_tool, tree
from mmengine.config import Config
from pycocotools import mask as coco_mask
from study_tools import Tools

from samrs_mm.core.errors import RefusedError, SamrsError
from samrs_mm.drawn.dataset import write_demo_dataset

TILES = dict(train=800, test=300)


@pytest.fixture(scope='module')
def study():
    return load_tool('../benchmarks/sep_study')


@pytest.fixture(scope='module')
def classes(study):
    path = study.CONFIGS / study.CONFIG
    return Config.fromfile(path, import_custom_modules=False).metainfo['classes']


def scores(study, plan, gains):
    """Made-up scores: 50 without SEP, and ``gains[fraction][seed]`` more with it."""
    return {
        run: dict.fromkeys(study.METRICS, 50 + run.seed + added)
        for run in study.all_runs(plan)
        for added in [gains[run.fraction][run.seed] if run.arm == 'sep' else 0]
    }


def test_as_many_runs_as_promised(study):
    runs = study.all_runs(study.Plan())
    assert len(set(runs)) == len(runs) == 3 * 4 * 2
    assert len({run.folder for run in runs}) == 24
    assert {run.fraction for run in runs} == {1.0, 0.05, 0.03, 0.01}


def test_labels_of_tiles_are_exact(study, classes, tmp_path):
    list(write_demo_dataset(tmp_path / 'scenes', 7, 256, 3, 'b'))
    assert study.write_tiles(tmp_path / 'scenes', tmp_path / 'tiles', classes, 128) == 28
    found = json.loads((tmp_path / 'scenes/annotations.json').read_text())
    names = {category['id']: category['name'] for category in found['categories']}
    seen = set()
    for image in found['images']:
        masks = [
            (coco_mask.decode(item['segmentation']) > 0, names[item['category_id']])
            for item in found['annotations']
            if item['image_id'] == image['id']
        ]
        expected = np.zeros((256, 256), np.uint8)
        for mask, name in sorted(masks, key=lambda pair: -pair[0].sum()):
            expected[mask] = classes.index(name)
        scene = cv2.imread(str(tmp_path / 'scenes' / image['file_name']))
        stem = image['file_name'].removeprefix('images/').removesuffix('.png')
        for y, x in ((0, 0), (0, 128), (128, 0), (128, 128)):
            name, part = f'{stem}__128__{x}___{y}.png', np.s_[y : y + 128, x : x + 128]
            label = cv2.imread(str(tmp_path / 'tiles/labels' / name), cv2.IMREAD_UNCHANGED)
            assert np.array_equal(label, expected[part])
            pixels = cv2.imread(str(tmp_path / 'tiles/images' / name))
            assert np.array_equal(pixels, scene[part])
            seen |= set(np.unique(label))
    assert seen <= set(range(len(classes)))
    assert len(seen) > 5


def prepare(place, plan):
    for part, count in TILES.items():
        folder = place.folder / 'data' / part
        folder.mkdir(parents=True, exist_ok=True)
        (folder / 'tiles.json').write_text(json.dumps(dict(tiles=count)))


def watch(monkeypatch, study, die_after=None):
    """Let tools stand in that train and test nothing; return them."""
    return Tools(
        monkeypatch, study, prepare, lambda name: 'sep.pth' if name == 'sep' else 'last_checkpoint',
        lambda name: dict(mIoU=1.0 + len(name), mF1=2.0), die_after,
    )  # fmt: skip


def test_arms_differ_in_the_weights_they_start_from_and_in_nothing_else(
    study, monkeypatch, tmp_path
):
    tools = watch(monkeypatch, study)
    study.study(tmp_path, study.Plan(), jobs=1, threads=1)
    trained = [words for name, words in tools.calls if name == 'train']
    work_dirs = [words[words.index('--work-dir') + 1] for words in trained]
    by_dir = dict(zip(work_dirs, trained, strict=True))
    assert sum(name.endswith('/sep') for name in work_dirs) == 3
    pairs = [(d, d.replace('-scratch', '-sep')) for d in work_dirs if d.endswith('-scratch')]
    assert len(pairs) == 12
    for scratch, sep in pairs:
        seed = re.search(r'seed(\d)', sep)[1]
        more = set(by_dir[sep]) - set(by_dir[scratch]) - {sep}
        assert more == {f'load_from=runs/seed{seed}/sep/sep.pth'}
        assert set(by_dir[scratch]) - set(by_dir[sep]) == {scratch}
        assert f'randomness.seed={seed}' in by_dir[sep]
        assert work_dirs.index(f'runs/seed{seed}/sep') < work_dirs.index(sep)


def test_the_same_command_goes_on_where_it_stopped(study, monkeypatch, tmp_path):
    whole = watch(monkeypatch, study)
    study.study(tmp_path / 'straight', study.Plan(), jobs=2, threads=1)
    first = watch(monkeypatch, study, die_after=12)
    with pytest.raises(SamrsError, match='killed'):
        study.study(tmp_path / 'stopped', study.Plan(), jobs=1, threads=1)
    assert len(first.calls) == 12
    second = watch(monkeypatch, study)
    study.study(tmp_path / 'stopped', study.Plan(), jobs=1, threads=1)
    both = [(name, tuple(words)) for name, words in first.calls + second.calls]
    assert len(set(both)) == len(both) == len(whole.calls) == 3 + 2 * 24
    again = watch(monkeypatch, study)
    study.study(tmp_path / 'stopped', study.Plan(), jobs=1, threads=1)
    assert again.calls == []
    assert (tmp_path / 'stopped/plot.png').stat().st_size > 10_000
    names = 'table.md', 'results.csv'
    for name in names:
        texts = [(tmp_path / folder / name).read_text() for folder in ('straight', 'stopped')]
        assert texts[0] == texts[1]


def test_a_study_of_another_size_is_refused(study, monkeypatch, tmp_path):
    tools = watch(monkeypatch, study)
    study.study(tmp_path, study.QUICK, jobs=1, threads=1)
    before = tree(tmp_path)
    with pytest.raises(RefusedError, match='of another size; give another --out'):
        study.study(tmp_path, replace(study.QUICK, iterations=9), jobs=1, threads=1)
    assert tree(tmp_path) == before
    assert len(tools.calls) == 1 + 2 * 4


@pytest.mark.parametrize(
    ('gains', 'says'),
    [
        ((2, 3, 4), '3.0 points of mIoU above the one without, better for 3 of 3 seeds.'),
        ((-2, -3, -4), '3.0 points of mIoU below the one without, better for 0 of 3 seeds.'),
        (
            (4, -2, 1),
            '1.0 points of mIoU above the one without, better for 2 of 3 seeds: no more than the '
            'differences spread.',
        ),
    ],
)
def test_it_can_come_out_either_way(study, gains, says):
    plan = replace(study.Plan(), fractions=(1.0, 0.01))
    found = scores(study, plan, {1.0: (0, 0, 0), 0.01: gains})
    text = study.table(found, plan, TILES)
    row = next(line for line in text.splitlines() if line.startswith('| 8 (1 %) | 3 |'))
    mean, spread = np.mean(gains), np.std(gains, ddof=1)
    assert f'| 51.0 ± 1.0 | {51 + mean:.1f} ± ' in row
    assert row.count(f'| {mean:+.1f} ± {spread:.1f} |') == 2
    assert f'With 1 % of the tiles the network with SEP is {says}' in text
    assert study.PROVES in text


def test_seeds_that_lack_an_arm_are_left_out(study):
    plan = replace(study.Plan(), fractions=(0.03,))
    found = scores(study, plan, {0.03: (1, 2, 30)})
    del found[study.Run(2, 0.03, 'scratch')]
    assert '| 24 (3 %) | 2 | 50.5 ± 0.7 | 52.0 ± 1.4 | +1.5 ± 0.7 |' in study.table(
        found, plan, TILES
    )
    del found[study.Run(1, 0.03, 'sep')]
    assert '| 24 (3 %) | 1 | 50.0 | 51.0 | +1.0 |' in study.table(found, plan, TILES)
    assert '| 24 (3 %) | 0 |  |  |  |' in study.table({}, plan, TILES)


@pytest.mark.slow
def test_the_quick_study(tmp_path):
    command = [sys.executable, ROOT / 'benchmarks/sep_study.py', '--quick', '--jobs', '2']
    environment = os.environ | dict(CUDA_VISIBLE_DEVICES='-1')
    out = tmp_path / 'work_dirs/sep_study'
    said = [
        subprocess.run(command, cwd=tmp_path, env=environment, check=True, text=True,
                       capture_output=True).stdout
        for _ in range(2)
    ]  # fmt: skip
    assert '5/5 fine-tuned and scored' in said[0]
    assert 'fine-tuned' not in said[1]
    assert (out / 'table.md').read_text() in said[1]
    rows = list(csv.DictReader((out / 'results.csv').open()))
    assert [(row['tiles'], row['arm']) for row in rows] == [
        ('63', 'scratch'), ('63', 'sep'), ('6', 'scratch'), ('6', 'sep'),
    ]  # fmt: skip
    assert all(0 <= float(row['mIoU']) <= float(row['mF1']) <= 100 for row in rows)
    for row in rows:
        share = dict([('63', '100'), ('6', '10')])[row['tiles']]
        log = (out / f'logs/train-seed0-{share}pct-{row["arm"]}.txt').read_text()
        assert ('sep.pth: 192 of 194 weights match' in log) == (row['arm'] == 'sep')
    listed = (out / 'data/train/seed0/train_10pct.txt').read_text().split()
    assert len(listed) == 6
    assert set(listed) <= {path.stem for path in (out / 'data/train/images').iterdir()}
    train, test = (set(tree(out / 'data' / part / 'images').values()) for part in ('train', 'test'))
    assert train
    assert test
    assert not train & test
