"""The validation that a run was stopped before, or in."""

from mmengine.hooks import Hook
from mmengine.runner import IterBasedTrainLoop, Runner
from mmseg.registry import HOOKS


@HOOKS.register_module()
class OwedValidationHook(Hook):
    """Validates first, where a run is resumed at an iteration that ends with a validation.

    A checkpoint is saved before the validation of its iteration: it knows neither that score nor
    whether it was the best so far, so that a resumed run might keep another best checkpoint than
    an uninterrupted one.
    """

    priority = 'LOWEST'  # the others, such as the checkpoint hook, are ready by then

    def before_train(self, runner: Runner) -> None:
        """Run the validation loop, if the run goes on from such an iteration."""
        loop, done = runner.train_loop, runner.iter
        if not isinstance(loop, IterBasedTrainLoop) or runner.val_loop is None or not done:
            return
        loop._decide_current_val_interval()
        at_one = done % loop.val_interval == 0 or done == runner.max_iters
        if runner._resume and at_one and done >= loop.val_begin:
            runner.logger.info(f'Iteration {done} is validated first, which its checkpoint was not')
            runner.val_loop.run()
            runner.model.train()
