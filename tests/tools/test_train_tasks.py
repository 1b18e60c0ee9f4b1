"""Multi-task pre-training by the tools: on ranks, resumed, scored and handed on."""

import json

import pytest
import torch
from task_cases import ALL, INSTANCES
from task_runs import write_task_run
from training_runs import record, run_tool

from samrs_mm.compat import is_onedl

no_mmrotate = pytest.mark.skipif(not is_onedl(), reason="OpenMMLab's mmrotate can't be imported")
TASKS = [
    pytest.param(INSTANCES, id='instances'),
    pytest.param(ALL, id='oriented', marks=[pytest.mark.ops, no_mmrotate]),
]


def train(root, *flags, ranks=1):
    argv = [str(root / 'tasks.py'), '--work-dir', str(root / 'work'), *flags]
    codes, said = run_tool('train', argv, root / 'said', ranks, folder=root)
    assert codes == [0] * ranks, said[-3000:]
    return said


def gradients(root, step):
    return torch.load(root / f'gradients{step}.pth', weights_only=True)


@pytest.mark.parametrize('tasks', TASKS)
def test_two_ranks_that_each_lack_a_source_train_as_one(tasks, tmp_path):
    """The same global batches: losses as logged, and the first step's gradients.

    By SGD: of a gradient near zero Adam takes the sign, which rounding decides.
    """
    roots = {ranks: tmp_path / str(ranks) for ranks in (1, 2)}
    for ranks, root in roots.items():
        write_task_run(root, tasks)
        train(
            root, '--cfg-options', 'train_cfg.max_iters=3',
            f'train_dataloader.batch_size={2 // ranks}', 'optim_wrapper.type=GradientWriter',
            f'optim_wrapper.folder={root}', 'optim_wrapper.optimizer.type=SGD', ranks=ranks,
        )  # fmt: skip
    (one,), two = record(roots[1]), record(roots[2], 2)
    for whole, *parts in zip(one, *two, strict=True):
        assert [whole['pixels'][i] for i in (0, 1)] == [part['pixels'][0] for part in parts]
        assert parts[0]['logs'] == parts[1]['logs'], 'every rank logs the global values'
    assert {*one[0]['logs']} >= {'loss_a_ce', 'loss_a_instance_mask', 'loss_b_ce'}
    for name, value in one[0]['logs'].items():
        assert two[0][0]['logs'][name] == pytest.approx(value, rel=1e-5, abs=1e-6), name
    assert one[2]['logs']['loss'] == pytest.approx(two[0][2]['logs']['loss'], rel=1e-4)
    pairs = zip(gradients(roots[2], 0), gradients(roots[1], 0), strict=True)
    worst = max(float((a - b).abs().max() / b.abs().max().clamp(min=1e-6)) for a, b in pairs)
    print(f'largest difference of a gradient, relative to its tensor: {worst:.1e}')
    assert worst < 1e-3


@pytest.mark.parametrize('tasks', TASKS)
def test_a_resumed_run_ends_with_the_same_bits(tasks, tmp_path):
    for name in ('whole', 'parts'):
        write_task_run(tmp_path / name, tasks)
    train(tmp_path / 'whole')
    train(tmp_path / 'parts', '--cfg-options', 'train_cfg.max_iters=2')
    train(tmp_path / 'parts', '--resume')
    states = [
        torch.load(tmp_path / name / 'work/iter_4.pth', weights_only=True)['state_dict']
        for name in ('whole', 'parts')
    ]
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
    (whole,), (parts,) = record(tmp_path / 'whole'), record(tmp_path / 'parts')
    assert [line['logs'] for line in whole] == [line['logs'] for line in parts]


@pytest.mark.ops
@pytest.mark.parametrize('tasks', TASKS)
def test_all_tasks_are_scored_and_written(tasks, tmp_path):
    config = write_task_run(tmp_path, tasks, validate=True)
    train(tmp_path, '--cfg-options', 'train_cfg.max_iters=2', 'train_cfg.val_interval=2')
    argv = [config, str(tmp_path / 'work/iter_2.pth'), '--work-dir', str(tmp_path / 'scored'),
            '--out', str(tmp_path / 'out')]  # fmt: skip
    (code,), said = run_tool('test', argv, tmp_path / 'tested', folder=tmp_path)
    assert code == 0, said[-3000:]
    metrics = json.loads((tmp_path / 'out/metrics.json').read_text())
    assert {'a/mIoU', 'b/mIoU', 'mIoU'} <= metrics.keys()
    if tasks is ALL:
        assert {'a_oriented/mAP', 'b_oriented/mAP'} <= metrics.keys()
    assert {path.name for path in (tmp_path / 'out/predictions').iterdir()} >= {'a', 'b'}


def test_what_does_not_fit_is_refused_before_training(tmp_path):
    write_task_run(tmp_path)
    argv = [str(tmp_path / 'tasks.py'), '--cfg-options',
            'model.detectors.b_instance.detector.bbox_head.num_classes=9']  # fmt: skip
    (code,), said = run_tool('train', argv, tmp_path / 'said', folder=tmp_path)
    assert code == 2
    assert (
        'model.detectors.b_instance.detector.bbox_head.num_classes=9, but train_dataloader has 4 '
        'classes of b; make them equal'
    ) in said
