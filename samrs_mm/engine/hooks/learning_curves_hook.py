"""Draws how a run learns."""

from pathlib import Path
from typing import Any

from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from samrs_mm.engine.learning_curves import NAME, draw, read_scalars


@HOOKS.register_module()
class LearningCurvesHook(Hook):
    """Writes ``curves.png`` into the work dir after each validation and at the end of a run.

    Losses, scores, learning rate and speed of the whole run, whatever its interruptions; each
    source by itself. A picture that can't be drawn ends no run.
    """

    priority = 'LOWEST'  # after the logger

    def after_val_epoch(self, runner: Runner, metrics: Any = None) -> None:
        """Draw what there is so far."""
        self._draw(runner)

    def after_train(self, runner: Runner) -> None:
        """Draw the whole, and say where."""
        if self._draw(runner):
            runner.logger.info(f'Learning curves: {Path(runner.work_dir, NAME)}')

    @master_only
    def _draw(self, runner: Runner) -> bool:
        path = Path(runner.work_dir, NAME)
        try:
            return draw(read_scalars(path.parent), path, runner.experiment_name)
        except (OSError, ValueError, RuntimeError) as error:
            runner.logger.warning(f'{path}: not drawn: {error}')
            return False
