import json
import math

import pytest

from samrs_mm.core.errors import RefusedError
from samrs_mm.evaluation.results import (
    RUN_KEY,
    best,
    collect,
    read_test,
    read_training,
    run_entry,
)

TRAIN_LINE = dict(lr=1e-3, loss=2.5, time=0.1, data_time=0.01, iter=1, step=1)


def write_test(path, config='unet_a', tta=None, options=None, **scores):
    about = run_entry(f'configs/x/{config}.py', 'work_dirs/y/iter_9.pth', tta, options)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(scores | {RUN_KEY: about}))
    return path


def write_training(work, *starts, config='unet_a'):
    """A work dir as mmengine leaves it; ``starts`` are lists of validations ``{step: mIoU}``."""
    work.mkdir(parents=True, exist_ok=True)
    (work / f'{config}.py').write_text('')
    for number, validations in enumerate(starts):
        data = work / f'20260101_00000{number}' / 'vis_data'
        data.mkdir(parents=True)
        (data / 'config.py').write_text('')
        lines = [TRAIN_LINE]
        lines += [
            dict(mIoU=score, mF1=score + 1, data_time=0.1, time=0.2, step=step)
            for step, score in validations.items()
        ]
        text = ''.join(f'{json.dumps(line)}\n' for line in lines)
        (data / 'scalars.json').write_text(text)
    return work


def test_a_test_is_read_as_it_was_written(tmp_path):
    path = write_test(tmp_path / 'metrics.json', tta=True, options={'a.b': [1]}, OA=3, mIoU=4.5)
    result = read_test(path)
    assert result.config == 'unet_a'
    assert result.scores == dict(OA=3.0, mIoU=4.5)
    assert result.origin == f'iter_9.pth, TTA flip, a.b=[1]; {path}'


def test_scores_that_are_not_numbers_are_left_out(tmp_path):
    path = write_test(tmp_path / 'metrics.json', mF1=math.nan, mIoU=4.5)
    assert read_test(path).scores == dict(mIoU=4.5)


def test_the_last_validation_of_the_last_start_that_has_one_counts(tmp_path):
    work = write_training(tmp_path / 'w', {2: 10, 4: 20}, {6: 15}, {})
    result = read_training(work)
    assert result.scores == dict(mIoU=15.0, mF1=16.0)
    assert result.config == 'unet_a'
    assert 'iteration 6, last validation, no TTA' in result.origin
    assert read_training(write_training(tmp_path / 'v', {})) is None


def test_everything_below_a_folder_is_found(tmp_path):
    write_training(tmp_path / 'a', {2: 10})
    write_training(tmp_path / 'b', {2: 11}, config='unet_b')
    write_test(tmp_path / 'b/results/metrics.json', config='unet_b', mIoU=12)
    results, problems = collect([tmp_path])
    assert problems == []
    assert sorted((result.config, result.scores['mIoU']) for result in results) == [
        ('unet_a', 10), ('unet_b', 11), ('unet_b', 12),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('{', 'not JSON'),
        ('[]', "does not say of which model it is ('run')"),
        ('{"mIoU": 3}', "does not say of which model it is ('run')"),
        ('{"mIoU": 3, "run": {"config": "a"}}', 'does not say of which model it is'),
        (
            '{"mIoU": "3", "run": {"config": "a", "checkpoint": "b", "tta": null, "options": {}}}',
            "'mIoU' is '3', not a number",
        ),
    ],
)
def test_a_damaged_file_is_named_and_the_others_are_read(tmp_path, text, message):
    path = tmp_path / 'a/metrics.json'
    path.parent.mkdir()
    path.write_text(text)
    write_test(tmp_path / 'b/metrics.json', mIoU=12)
    (result,), (problem,) = collect([tmp_path])
    assert result.scores == dict(mIoU=12)
    assert problem.startswith(f'{path}: ')
    assert message in problem


def test_a_broken_log_is_named(tmp_path):
    work = write_training(tmp_path / 'w', {2: 10})
    log = next(work.glob('*/vis_data/scalars.json'))
    log.write_text(log.read_text() + '{"mIoU": 1')
    results, (problem,) = collect([tmp_path])
    assert results == []
    assert problem.startswith(f'{log}:3: not JSON')


def test_a_work_dir_of_two_configs_is_named(tmp_path):
    work = write_training(tmp_path / 'w', {2: 10})
    (work / 'unet_b.py').write_text('')
    assert 'holds 2 configs (unet_a, unet_b)' in collect([tmp_path])[1][0]


def test_no_such_folder(tmp_path):
    with pytest.raises(RefusedError, match='no such folder'):
        collect([tmp_path / 'gone'])


def test_flip_goes_before_plain_before_other_augmentation_before_validation(tmp_path):
    write_training(tmp_path / 'work', {2: 1})
    for number, tta in enumerate(('multi_scale', None, True), 2):
        write_test(tmp_path / f'{number}/metrics.json', tta=tta, mIoU=number)
    write_test(tmp_path / '0/metrics.json', tta=True, options={'a': 1}, mIoU=3.5)
    results = collect([tmp_path])[0]
    for expected in (4, 3.5, 3, 2, 1):
        chosen, others = best(results)
        assert chosen['unet_a'].scores['mIoU'] == expected
        assert len(others) == len(results) - 1
        results = others
    twice = collect([tmp_path / '3', tmp_path / '3'])[0]
    assert best(twice)[0]['unet_a'] is twice[0], 'of equals the first'
