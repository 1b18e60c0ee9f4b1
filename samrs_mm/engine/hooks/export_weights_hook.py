"""Writes what fine-tuning needs of a pre-trained model."""

import io
import math
import os
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import master_only
from mmengine.hooks import EMAHook, Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from samrs_mm.compat import safe_load
from samrs_mm.core.atomic import atomic_write
from samrs_mm.core.errors import RefusedError
from samrs_mm.engine.hooks.class_check_hook import network_of

RUN = 'run'  # key in the message hub, which every checkpoint holds


@HOOKS.register_module()
class ExportWeightsHook(Hook):
    """Writes weights and where they come from, without the optimizer, at the end of training.

    The file is a plain ``dict(state_dict=..., meta=...)``; ``meta`` holds ``config``, ``iter``,
    ``weights``, ``classes``, ``work_dir``, ``run``, which names the training, resumed or not,
    ``score``, its last validation's, and ``ema``. With an EMAHook the weights are the averaged
    ones, which validation and checkpoints have too. It appears under its name only when it is
    whole.

    One copy goes into the work dir as ``export_{config}.pth``. At ``path``, which work dirs share,
    a file of the same training is replaced; one of another training of this config that was
    neither longer nor better is kept as ``{path}.bak``; any other file, such as a converted one,
    stays, with a warning.

    Args:
        path: Where to; ``{config}`` stands for the config's name.
        drop: Beginnings of the names of weights that are not written.
        weights: ``'last'`` iteration or the ``'best'`` checkpoint by validation, the last if there
            is none, with a warning.

    Attributes:
        kept: Why ``path`` was not written, in a line, or None.

    Raises:
        RefusedError: ``weights`` is neither.
    """

    priority = 'LOWEST'

    def __init__(
        self,
        path: str = 'pretrain/sep/{config}.pth',
        drop: Sequence[str] = (),
        weights: str = 'last',
    ):
        if weights not in ('last', 'best'):
            raise RefusedError(f"ExportWeightsHook(weights={weights!r}): choose 'last' or 'best'")
        self.path, self.drop, self.weights = path, tuple(drop), weights
        self.kept: str | None = None
        self.score: float | None = None

    def before_train(self, runner: Runner) -> None:
        """Name the training, where it isn't resumed, and warn of a file that will stay."""
        hub = runner.message_hub
        if hub.get_info(RUN) is None:
            hub.update_info(RUN, f'{runner.experiment_name}-{uuid.uuid4().hex[:8]}')
        name = config_name(runner)
        planned = dict(config=name, iter=runner.max_iters, run=hub.get_info(RUN), score=math.inf)
        kept = why_kept(self.target(name), planned)
        if kept:
            runner.logger.warning(f'At the end: {kept}')

    def after_train_iter(self, *args: Any, **kwargs: Any) -> None:
        """Forget the score of weights that have changed."""
        self.score = None

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Remember the score by which checkpoints are compared: mIoU, where there is one."""
        self.score = (metrics or {}).get('mIoU')

    @master_only
    def after_train(self, runner: Runner) -> None:
        """Write the files."""
        name = config_name(runner)
        best = best_checkpoint(runner) if self.weights == 'best' else None
        state, about = _of_file(best) if best else self._last(runner)
        sources = getattr(runner.train_dataloader.dataset, 'metainfo', {}).get('sources', {})
        meta = dict(
            about,
            config=name,
            classes={source: list(info['classes']) for source, info in sources.items()},
            work_dir=str(runner.work_dir),
            run=runner.message_hub.get_info(RUN),
        )
        kept = {key: value for key, value in state.items() if not key.startswith(self.drop)}
        buffer = io.BytesIO()
        torch.save(dict(meta=meta, state_dict=kept), buffer)
        own = Path(runner.work_dir, f'export_{name}.pth')
        path = self.target(name)
        self.kept = why_kept(path, meta, own)
        backup = self.kept is None and is_of_another_run(path, meta)
        _write(own, buffer.getvalue())
        runner.logger.info(f'Wrote {len(kept)} tensors ({meta["weights"]}) to {own}')
        if self.kept is None:
            _write(path, buffer.getvalue(), backup)
            before = f'; the file of another training there before is {path}.bak' * backup
            runner.logger.info(f'Wrote {len(kept)} tensors ({meta["weights"]}) to {path}{before}')
        else:
            runner.logger.warning(self.kept)

    def target(self, config: str) -> Path:
        """Return where the weights of a config of this name go."""
        return Path(self.path.format(config=config))

    def _last(self, runner: Runner) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the weights as a checkpoint of now has them, and what they are."""
        checkpoint: dict[str, Any] = dict(state_dict=dict(network_of(runner.model).state_dict()))
        averaging = [hook for hook in getattr(runner, 'hooks', ()) if isinstance(hook, EMAHook)]
        for hook in averaging:
            hook.before_save_checkpoint(runner, checkpoint)
        score = None if self.score is None else float(self.score)
        about = dict(iter=runner.iter, weights='last', score=score, ema=bool(averaging))
        return {key: value.cpu() for key, value in checkpoint['state_dict'].items()}, about


def config_name(runner: Runner) -> str:
    """Return the name of a runner's config, without suffix."""
    return Path(runner.cfg.filename or runner.experiment_name).stem


def best_checkpoint(runner: Runner) -> str | None:
    """Return the best checkpoint by validation; None, with a warning, where there is none."""
    named = runner.message_hub.get_info('best_ckpt')
    for path in (named, named and os.path.join(runner.work_dir, os.path.basename(named))):
        if path and os.path.isfile(path):
            return path
    missing = f'the best checkpoint {named} is gone' if named else 'no validation chose a best'
    runner.logger.warning(f"default_hooks.export.weights='best': {missing}; the last is taken")
    return None


def why_kept(path: Path, meta: dict[str, Any], own: Path | None = None) -> str | None:
    """Say in a line why a file at ``path`` may not be replaced by weights of ``meta``, or None.

    Args:
        path: The place that work dirs share.
        meta: ``config``, ``iter`` and, where known, ``run`` and ``score`` of the new weights.
        own: Where they are besides.
    """
    if not path.exists():
        return None
    old = read_meta(path)
    if old.get('run') is not None and old['run'] == meta.get('run'):
        return None
    if 'iter' not in old or old.get('config') != meta['config']:
        what = f'was not written by a training of {meta["config"]}'
    elif old['iter'] > meta['iter']:
        what = f'is of iteration {old["iter"]}, this training of {meta["iter"]}'
    elif old['iter'] == meta['iter'] and (old.get('score') or 0) > (meta.get('score') or 0):
        what = f'has mIoU {old["score"]:.2f}, this training {meta.get("score") or 0:.2f}'
    else:
        return None
    where = f"; this training's weights are in {own}" if own else ''
    return (
        f'{path} {what}, so it is kept{where}; to have it replaced move it away, or give '
        '--cfg-options default_hooks.export.path=FILE'
    )


def is_of_another_run(path: Path, meta: dict[str, Any]) -> bool:
    """Return whether there is a file, and of another training."""
    return path.exists() and read_meta(path).get('run') != meta.get('run')


def read_meta(path: Path) -> dict[str, Any]:
    """Return a file's ``meta``; empty if there is none or the file can't be read."""
    try:
        content = safe_load(path)
    except (OSError, ValueError):
        return {}
    meta = content.get('meta') if isinstance(content, dict) else None
    return meta if isinstance(meta, dict) else {}


def _write(path: Path, data: bytes, backup: bool = False) -> None:
    """Write a file; with ``backup`` what is there is ``{path}.bak`` then, unless it fails."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if backup:
        os.replace(path, f'{path}.bak')
    try:
        atomic_write(path, data)
    except BaseException:
        if backup:
            os.replace(f'{path}.bak', path)
        raise


def _of_file(path: str) -> tuple[dict[str, Any], dict[str, Any]]:
    checkpoint = safe_load(path)
    hub = checkpoint.get('message_hub', {}).get('runtime_info', {})
    about = dict(iter=checkpoint['meta']['iter'], weights='best', score=hub.get('best_score'))
    return checkpoint['state_dict'], about | dict(ema='ema_state_dict' in checkpoint)
