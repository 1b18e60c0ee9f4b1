"""Which part of the work, and which GPU, is this process's."""

import os
import re
import sys

from samrs_mm.core.errors import RefusedError

_LAUNCHERS = (('RANK', 'WORLD_SIZE'), ('SLURM_PROCID', 'SLURM_NTASKS'))


def find_shard(flag: str | None) -> tuple[int, int]:
    """Return ``(shard, number of shards)``, the shard from 0, of ``--shard I/N``.

    Without the flag it is what torchrun or Slurm's srun set in the environment.

    Raises:
        RefusedError: Not of the form, or I not in 0..N-1.
    """
    if flag is None:
        for rank, world in _LAUNCHERS:
            if rank in os.environ and world in os.environ:
                flag = f'{os.environ[rank]}/{os.environ[world]}'
                break
        else:
            return 0, 1
    match = re.fullmatch(r'(\d+)/(\d+)', flag)
    if not match or int(match[1]) >= int(match[2]):
        raise RefusedError(f'shard {flag!r} is not I/N with I from 0 to N-1, such as 0/4')
    return int(match[1]), int(match[2])


def choose_gpu() -> None:
    """Make the GPU of this local rank the current one, where torch has been imported."""
    torch = sys.modules.get('torch')
    if torch and torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get('LOCAL_RANK', 0)) % torch.cuda.device_count())
