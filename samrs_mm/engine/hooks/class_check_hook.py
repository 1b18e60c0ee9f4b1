"""Refuses a run whose network and datasets have other classes."""

from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from samrs_mm.core.errors import RefusedError
from samrs_mm.core.wording import counted


@HOOKS.register_module()
class ClassCheckHook(Hook):
    """Compares the network's number of classes with its datasets' before the first batch.

    Otherwise a network of too many classes trains to the end and can't be validated then. Detectors
    don't say how many they have; ``check_data`` finds that in the config.
    """

    def before_train(self, runner: Runner) -> None:
        """Check the training data and, where there are any, the validation data."""
        self._check(runner, runner.train_dataloader, 'train_dataloader')
        if runner.val_loop is not None:
            self._check(runner, runner.val_dataloader, 'val_dataloader')
            loaders = runner.train_dataloader, runner.val_dataloader
            self._check_same(*(loader.dataset.metainfo for loader in loaders))

    def before_val(self, runner: Runner) -> None:
        """Check the validation data."""
        self._check(runner, runner.val_dataloader, 'val_dataloader')

    def before_test(self, runner: Runner) -> None:
        """Check the test data."""
        self._check(runner, runner.test_dataloader, 'test_dataloader')

    def _check(self, runner: Runner, dataloader: Any, name: str) -> None:
        classes = dataloader.dataset.metainfo.get('classes')
        count = getattr(network_of(runner.model), 'num_classes', None)
        if classes and count is not None and len(classes) != count:
            raise RefusedError(
                f'model.decode_head.num_classes={count}, but {name} has '
                f'{counted(len(classes), "class")} '
                f'({", ".join(classes)}); make them equal'
            )

    def _check_same(self, train: dict[str, Any], val: dict[str, Any]) -> None:
        """Refuse validation data whose metainfo has the classes of training in another order."""
        classes = [metainfo.get('classes') or () for metainfo in (train, val)]
        for value, (trained, validated) in enumerate(zip(*classes, strict=False)):
            if trained != validated:
                raise RefusedError(
                    f'val_dataloader: class {value} is {validated!r}, in train_dataloader it is '
                    f'{trained!r}; give both the same classes in the same order'
                )


def network_of(model: Any) -> Any:
    """Return the network itself, out of DDP and test-time augmentation."""
    while hasattr(model, 'module'):
        model = model.module
    return model
