"""Several ranks on a machine without accelerator, which mmengine's Runner can't do as it is.

It calls ``torch.cuda.set_device`` for every launcher, and gives its DDP wrapper device ids, which
CPU modules refuse. Where there is an accelerator nothing here does anything.
"""

import datetime
import logging
import os
import subprocess

import torch.distributed as torch_dist
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.logging import print_log

from samrs_mm.core.errors import RefusedError

# gloo gives up after half an hour by default; a rank may wait longer for a slow validation
TIMEOUT = datetime.timedelta(hours=12)

_TORCHRUN = ('RANK', 'WORLD_SIZE', 'LOCAL_RANK')
# launcher: what it calls those, and what it is
_LAUNCHERS = {
    'pytorch': (_TORCHRUN, 'torchrun, such as tools/dist_train.sh CONFIG 2'),
    'slurm': (
        ('SLURM_PROCID', 'SLURM_NTASKS', 'SLURM_LOCALID'),
        'srun, such as tools/slurm_train.sh PARTITION JOB CONFIG',
    ),
    'mpi': (tuple(f'OMPI_COMM_WORLD_{name}' for name in ('RANK', 'SIZE', 'LOCAL_RANK')), 'mpirun'),
}


def rank_of(launcher: str) -> int:
    """Return the rank of this process as its launcher says; 0 where it doesn't."""
    names, _ = _LAUNCHERS.get(launcher, (('',), ''))
    return int(os.environ.get(names[0]) or 0)


def prepare_cpu_ranks(config: Config, launcher: str) -> None:
    """Start the process group over gloo and adapt the config, if this is a CPU rank.

    Call it before the Runner is built; the Runner then finds its group started. Synchronised batch
    norm exists on accelerators only, so each CPU rank has batch norm of its own.

    Raises:
        RefusedError: The launcher didn't start this process.
    """
    if launcher == 'none':
        return
    names, tool = _LAUNCHERS[launcher]
    missing = [name for name in names[:2] if name not in os.environ]
    if missing:
        raise RefusedError(
            f'--launcher {launcher}: {missing[0]} is not set in the environment; start it with '
            f'{tool}'
        )
    if get_device() != 'cpu':
        return
    # torch and mmengine read those of torchrun
    os.environ.update(
        {ours: os.environ.get(name, '0') for ours, name in zip(_TORCHRUN, names, strict=True)}
    )
    if 'MASTER_ADDR' not in os.environ:
        nodes = os.environ.get('SLURM_NODELIST') if launcher == 'slurm' else None
        os.environ['MASTER_ADDR'] = _first_host(nodes) if nodes else '127.0.0.1'
    os.environ.setdefault('MASTER_PORT', '29500')
    if not torch_dist.is_initialized():
        torch_dist.init_process_group('gloo', timeout=TIMEOUT)
    wrapper = dict(type='MMDistributedDataParallel', broadcast_buffers=False)
    config.model_wrapper_cfg = wrapper | config.get('model_wrapper_cfg', {}) | dict(device_ids=None)
    if any([config.pop('sync_bn', None), _unsynchronise(config.get('model'))]):
        print_log(
            'Synchronised batch norm needs GPUs: on CPU ranks each rank normalises by its own '
            'batch, so results depend on the number of ranks',
            logger='current',
            level=logging.WARNING,
        )


def leave_ranks() -> None:
    """Wait for the other ranks and leave the process group, if there is one.

    A rank that exits while rank 0 still writes its last checkpoint makes torchrun end rank 0 too.
    """
    if torch_dist.is_initialized():
        torch_dist.barrier()
        torch_dist.destroy_process_group()


def _first_host(nodes: str) -> str:
    names = subprocess.run(
        ['scontrol', 'show', 'hostnames', nodes], capture_output=True, text=True, check=True
    )
    return names.stdout.split()[0]


def _unsynchronise(part: object) -> bool:
    """Turn SyncBN into BN wherever a model config names it; return whether it did."""
    if isinstance(part, dict):
        found = part.get('type') == 'SyncBN'
        if found:
            part['type'] = 'BN'
        return any([found, *map(_unsynchronise, part.values())])
    return isinstance(part, list | tuple) and any([_unsynchronise(item) for item in part])
