"""Keeps code in a checkpoint from running, whichever program reads the config."""

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from samrs_mm.compat import strict_loading


@HOOKS.register_module()
class StrictLoadingHook(Hook):
    """Has a runner load weights as data alone: ``init_cfg``, ``load_from`` and ``resume``.

    Our tools do so from the start, whatever they run. In other programs, such as mmsegmentation's
    ``tools/train.py``, this covers the runner that has the hook, and nothing else.
    """

    priority = 'VERY_HIGH'  # before a hook that may load something itself

    def before_run(self, runner: Runner) -> None:
        """Put both steps in which the runner loads into the context."""
        for name in ('_init_model_weights', 'load_or_resume'):
            if hasattr(runner, name):
                setattr(runner, name, strict_loading()(getattr(runner, name)))
