"""A score from before the first training step."""

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS


@HOOKS.register_module()
class ValidateFirstHook(Hook):
    """Validates before training, so that the log shows what training brought.

    A resumed run is not validated again.
    """

    priority = 'LOWEST'  # the others, such as the checkpoint hook, are ready by then

    def before_train(self, runner: Runner) -> None:
        """Run the validation loop, unless the run goes on from a checkpoint."""
        if runner.iter == 0 and runner.val_loop is not None:
            runner.val_loop.run()
            runner.model.train()
