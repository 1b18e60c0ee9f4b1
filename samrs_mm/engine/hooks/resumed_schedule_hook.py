"""Lets a resumed run follow its config: another length, learning rate or weight decay."""

import copy
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapperDict
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from samrs_mm.core.errors import RefusedError

# what changes in a scheduler while it runs; the rest is how it was configured
_STATE = ('last_step', '_global_step', '_last_value', 'base_values', 'verbose', 'optimizer')


@HOOKS.register_module()
class ResumedScheduleHook(Hook):
    """Compares a resumed run's schedule and optimizer with the config's, and takes the config's.

    mmengine restores both from the checkpoint, so a run that is resumed to be longer would stay at
    the end of its old schedule. Here the learning rate goes on as in a run that had the new config
    from the start, and what has changed is logged. Where nothing has, nothing is touched.

    Raises:
        RefusedError: The optimizer has other groups of parameters than the checkpoint's.
    """

    planned: list[dict[str, Any]] | None = None
    before: list[dict[str, Any]]

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Keep what the config plans before the checkpoint's state replaces it."""
        several = isinstance(runner.optim_wrapper, OptimWrapperDict)
        if not runner._resume or several or 'optimizer' not in checkpoint:
            return
        groups = [
            {key: copy.copy(value) for key, value in group.items() if key != 'params'}
            for group in runner.optim_wrapper.param_groups
        ]
        found = checkpoint['optimizer'].get('param_groups', groups)
        if len(found) != len(groups):
            raise RefusedError(
                f"the checkpoint's optimizer has {len(found)} groups of parameters, the config's "
                f'{len(groups)}: optim_wrapper.paramwise_cfg has changed; resume with the same, or '
                'begin with the weights, by load_from'
            )
        self.planned = groups
        self.before = checkpoint.get('param_schedulers') or []

    def before_train(self, runner: Runner) -> None:
        """Take over what has changed, and say what."""
        if self.planned is None:
            return
        changes = self._optimizer_changes(runner)
        fresh = _build(runner, self.planned)
        if fresh is not None:
            changes += self._schedule_changes(runner, fresh)
        if not changes:
            return
        if fresh is not None:
            _catch_up(runner, fresh)
        rate = runner.optim_wrapper.param_groups[0]['lr']
        runner.logger.warning(
            f'Resumed at iteration {runner.iter} with another config: {", ".join(changes)}; it is '
            f'followed as if it had been so from the start (learning rate {rate:.4g})'
        )

    def _optimizer_changes(self, runner: Runner) -> list[str]:
        """Give the optimizer the config's settings; return what was otherwise."""
        assert self.planned is not None
        changes: dict[str, str] = {}
        scheduled = {scheduler.param_name for scheduler in runner.param_schedulers or []}
        for group, planned in zip(runner.optim_wrapper.param_groups, self.planned, strict=True):
            for key, value in planned.items():
                if key in scheduled or key not in group or _same(group[key], value):
                    continue
                name = key.removeprefix('initial_')
                changes.setdefault(name, f'{name}={value} ({group[key]} before)')
                group[key] = value
        return [*changes.values()]

    def _schedule_changes(self, runner: Runner, fresh: list[Any]) -> list[str]:
        if len(fresh) != len(self.before):
            return [f'{len(fresh)} param_scheduler ({len(self.before)} before)']
        changes = []
        for number, (scheduler, old) in enumerate(zip(fresh, self.before, strict=True)):
            for key, value in scheduler.__dict__.items():
                if key not in _STATE and key in old and not _same(old[key], value):
                    changes.append(f'param_scheduler.{number}.{key}={value} ({old[key]} before)')
        return changes


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return list(one) == list(other)
    return bool(one == other)


def _build(runner: Runner, planned: list[dict[str, Any]]) -> list[Any] | None:
    """Return the config's schedulers at their start, over an optimizer of their own.

    None where there are none, or one that depends on scores.
    """
    wanted = runner.cfg.get('param_scheduler')
    if not wanted or not isinstance(runner.param_schedulers, list):
        return None
    groups = [
        {
            key: group.get(f'initial_{key}', value)
            for key, value in copy.deepcopy(group).items()
            if not key.startswith('initial_')
        }
        | dict(params=[torch.nn.Parameter(torch.zeros(1))])
        for group in planned
    ]
    optimizer = torch.optim.SGD(groups, lr=0.1)
    fresh = runner._build_param_scheduler(copy.deepcopy(wanted), optimizer)
    optimizer.step()  # else the first step of a scheduler warns
    return None if any(hasattr(scheduler, 'need_val_args') for scheduler in fresh) else fresh


def _catch_up(runner: Runner, fresh: list[Any]) -> None:
    """Take new schedulers to the run's iteration, and give the run their state and values."""
    for scheduler in fresh:
        for _ in range(runner.epoch if scheduler.by_epoch else runner.iter):
            scheduler.step()
    names = {scheduler.param_name for scheduler in fresh}
    own = runner.optim_wrapper.param_groups
    for group, new in zip(own, fresh[0].optimizer.param_groups, strict=True):
        group.update({name: new[name] for name in names})
    runner.param_schedulers = runner._build_param_scheduler(
        copy.deepcopy(runner.cfg.param_scheduler), runner.optim_wrapper
    )
    for group, new in zip(own, fresh[0].optimizer.param_groups, strict=True):
        group.update({key: new[key] for name in names for key in (name, f'initial_{name}')})
    for scheduler, new in zip(runner.param_schedulers, fresh, strict=True):
        state = {key: value for key, value in new.__dict__.items() if key != 'optimizer'}
        scheduler.__dict__.update(copy.deepcopy(state))
