"""Keeps the best weights of the mask maker as the file that annotation takes."""

from pathlib import Path

from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from samrs_mm.engine.hooks.class_check_hook import network_of
from samrs_mm.engine.hooks.export_weights_hook import config_name
from samrs_mm.models.boxnet.weights import WeightsInfo, save_weights
from samrs_mm.version import __version__

BEST, FIRST, LAST = 'boxnet_best', 'boxnet_first', 'boxnet_last'
"""Keys in the message hub, which every checkpoint holds."""
_TABLE = ('mIoU', 'above75', 'mIoU+1', 'mIoU+2', 'mIoU+3', 'point/mIoU', 'refine/mIoU', 'rank')


@HOOKS.register_module()
class BoxNetWeightsHook(Hook):
    """Writes ``{config}.safetensors`` into the work dir whenever validation is better than before.

    With an EMAHook the weights are the averaged ones, which validation has, too. The file says how
    its score is to be read (``temperature``, ``shift``), as fitted on the validation crops.

    Args:
        side: Of the crops in pixels that the weights are for, a multiple of 16.
        beat_start: Write only what is better than the weights that training started from, by a
            validation before the first step (``ValidateFirstHook``). At the end a table of before
            and after is logged.
        half: Write float16, half the bytes of float32.

    Attributes:
        kept: Why no weights were written, in a line, or None.
    """

    priority = 'ABOVE_NORMAL'  # EMAHook takes the averaged weights away after validation

    def __init__(self, side: int = 96, beat_start: bool = False, half: bool = True):
        self.side, self.beat_start, self.half = side, beat_start, half
        self.kept: str | None = None

    def path(self, runner: Runner) -> Path:
        """Return where the weights go."""
        return Path(runner.work_dir, f'{config_name(runner)}.safetensors')

    @master_only
    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Write the weights if they are the best so far."""
        hub, metrics = runner.message_hub, dict(metrics or {})
        hub.update_info(FIRST if runner.iter == 0 else LAST, metrics)
        best = hub.get_info(BEST)
        bar = best if best is not None or not self.beat_start else hub.get_info(FIRST)
        if runner.iter == 0 or 'mIoU' not in metrics:
            return
        if bar is not None and metrics['mIoU'] <= bar['mIoU']:
            return
        hub.update_info(BEST, metrics)
        network = network_of(runner.model).network
        info = WeightsInfo(
            widths=network.widths,
            side=self.side,
            temperature=metrics['temperature'],
            shift=metrics['shift'],
            recipe=dict(
                config=config_name(runner),
                iterations=runner.iter,
                seed=runner.seed,
                samrs_mm=__version__,
                validation=metrics,
            ),
        )
        save_weights(self.path(runner), network, info, self.half)
        runner.logger.info(
            f'Wrote {self.path(runner)}: mIoU {metrics["mIoU"]:.2f} on validation crops; its score '
            f'is read with temperature {info.temperature:.3f}, shift {info.shift:+.3f}'
        )

    @master_only
    def after_train(self, runner: Runner) -> None:
        """Say what training brought."""
        first, last, best = (runner.message_hub.get_info(key) for key in (FIRST, LAST, BEST))
        if not self.beat_start or first is None:
            return
        runner.logger.info(_before_after(first, best or last or {}))
        if best is None:
            self.kept = (
                f'no weights were written: none of them beat mIoU {first["mIoU"]:.2f} of the start '
                'on what was held out; go on with the old ones, or give more masks, other '
                'augmentation, or a lower optim_wrapper.optimizer.lr'
            )
            runner.logger.warning(self.kept)


def _before_after(first: dict[str, float], after_of: dict[str, float]) -> str:
    lines = [f'{"held out":12}{"before":>9}{"after":>9}']
    for name in _TABLE:
        if name in first:
            after = after_of.get(name, float('nan'))
            lines.append(f'{name:12}{first[name]:9.2f}{after:9.2f}')
    return '\n'.join(['before and after:', *lines])
