"""In which precision a run computes, as its config or command says."""

import torch
from mmengine.config import Config
from mmengine.device import get_device

from samrs_mm.core.errors import RefusedError

KEY = 'precision'
"""Top-level key of a config; None leaves everything as torch has it."""
PRECISIONS = dict(
    fp32='matrix products and convolutions in float32, without TF32',
    tf32='float32, with products of matrices and in convolutions rounded to TF32',
    bf16='mixed: bfloat16 where that is safe, float32 elsewhere; no scaling of the loss',
    fp16='mixed: float16 where that is safe, float32 elsewhere; the loss is scaled',
)
_MIXED = dict(bf16='bfloat16', fp16='float16')
_UNSAID = 'float32; on GPUs matrix products without TF32, convolutions with it'


def set_precision(config: Config, wanted: str | None, amp: bool = False) -> str:
    """Set the precision of a run, and return what it is, in words.

    Args:
        config: The run's config, whose ``optim_wrapper`` is changed.
        wanted: One of ``PRECISIONS``; None for that of the config.
        amp: ``'fp16'`` by its other name.

    Raises:
        RefusedError: There is no such precision, no GPU for it, ``amp`` says another one, or the
            config has an optimizer wrapper of another kind.
    """
    if amp and wanted not in (None, 'fp16'):
        raise RefusedError(f'--amp is --precision fp16; leave it out, or --precision {wanted}')
    if amp and wanted is None:
        wanted = 'bf16' if config.optim_wrapper.get('dtype') == 'bfloat16' else 'fp16'
    wanted = wanted or config.get(KEY)
    if wanted is not None and wanted not in PRECISIONS:
        raise RefusedError(f'{KEY}={wanted!r}: allowed are {", ".join(PRECISIONS)}')
    _set_wrapper(config, wanted)
    if wanted in ('fp32', 'tf32'):
        torch.backends.cuda.matmul.allow_tf32 = wanted == 'tf32'
        torch.backends.cudnn.allow_tf32 = wanted == 'tf32'
    return f'Precision: {wanted or "as torch has it"} ({PRECISIONS.get(wanted or "", _UNSAID)})'


def _set_wrapper(config: Config, wanted: str | None) -> None:
    """Give the run an optimizer wrapper that computes so, and refuse what can't."""
    wrapper = config.optim_wrapper
    kind = wrapper.get('type', 'OptimWrapper')
    if wanted in _MIXED:
        if kind not in ('OptimWrapper', 'AmpOptimWrapper'):
            raise RefusedError(
                f"--precision {wanted}: optim_wrapper.type is {kind!r}, it must be 'OptimWrapper'"
            )
        if wrapper.get('dtype', 'float16') != _MIXED[wanted]:
            wrapper.pop('loss_scale', None)  # that of the other type
        wrapper.type = 'AmpOptimWrapper'
        wrapper.dtype = _MIXED[wanted]
        wrapper.setdefault('loss_scale', 'dynamic' if wanted == 'fp16' else 1.0)
    elif wanted is not None and kind == 'AmpOptimWrapper':
        raise RefusedError(
            f'--precision {wanted}: the config has optim_wrapper.type={kind!r}, which is mixed '
            'precision; give fp16 or bf16'
        )
    if wrapper.get('type') == 'AmpOptimWrapper' and get_device() == 'cpu':
        raise RefusedError(
            'mixed precision needs a GPU and none is visible; leave out --amp, --precision (and '
            "optim_wrapper.type='AmpOptimWrapper' of the config)"
        )
    if wrapper.get('dtype') == 'bfloat16' and not _has_bf16():
        raise RefusedError(
            '--precision bf16: this GPU has no bfloat16, and would only imitate it; give fp16'
        )


def _has_bf16() -> bool:
    cuda = torch.cuda
    return not cuda.is_available() or cuda.is_bf16_supported(including_emulation=False)
