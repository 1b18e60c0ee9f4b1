import pytest
from mmengine.config import Config

from samrs_mm.core.errors import RefusedError
from samrs_mm.engine import cpu_dist


@pytest.fixture
def started(monkeypatch):
    """Records how the process group would be started."""
    calls = []
    for name in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_ADDR', 'MASTER_PORT'):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv(name, '')  # so that what is set below is undone
        monkeypatch.delenv(name)
    monkeypatch.setattr(cpu_dist, 'get_device', lambda: 'cpu')
    monkeypatch.setattr(cpu_dist.torch_dist, 'is_initialized', lambda: False)
    monkeypatch.setattr(
        cpu_dist.torch_dist, 'init_process_group', lambda *a, **k: calls.append((a, k))
    )
    return calls


def config(**changes):
    head = dict(type='Head', norm_cfg=dict(type='SyncBN'))
    model = dict(backbone=dict(norm_cfg=dict(type='BN')), decode_head=[head, head])
    return Config(dict(model=model) | changes)


def test_one_process_needs_nothing(started):
    before = config()
    cpu_dist.prepare_cpu_ranks(before, 'none')
    assert not started
    assert before.to_dict() == config().to_dict()


def test_nothing_changes_on_gpus(started, monkeypatch):
    monkeypatch.setattr(cpu_dist, 'get_device', lambda: 'cuda')
    for name, value in dict(RANK='1', WORLD_SIZE='2').items():
        monkeypatch.setenv(name, value)
    before = config()
    cpu_dist.prepare_cpu_ranks(before, 'pytorch')
    assert not started
    assert before.to_dict() == config().to_dict()


@pytest.mark.parametrize(
    ('launcher', 'names'),
    [
        ('pytorch', ('RANK', 'WORLD_SIZE', 'LOCAL_RANK')),
        ('slurm', ('SLURM_PROCID', 'SLURM_NTASKS', 'SLURM_LOCALID')),
        ('mpi', ('OMPI_COMM_WORLD_RANK', 'OMPI_COMM_WORLD_SIZE', 'OMPI_COMM_WORLD_LOCAL_RANK')),
    ],
)
def test_ranks_of_every_launcher(started, monkeypatch, launcher, names):
    for name, value in zip(names, '341', strict=True):
        monkeypatch.setenv(name, value)
    changed = config(model_wrapper_cfg=dict(find_unused_parameters=True))
    cpu_dist.prepare_cpu_ranks(changed, launcher)
    ((backend,), options) = started[0]
    assert backend == 'gloo'
    assert options['timeout'].total_seconds() > 3600
    read = [cpu_dist.os.environ[name] for name in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK')]
    assert read == ['3', '4', '1']
    assert cpu_dist.os.environ['MASTER_ADDR'] == '127.0.0.1'
    wrapper = dict(type='MMDistributedDataParallel', broadcast_buffers=False, device_ids=None)
    assert changed.model_wrapper_cfg == wrapper | dict(find_unused_parameters=True)


def test_slurm_asks_for_the_first_host(started, monkeypatch):
    for name, value in dict(SLURM_PROCID='0', SLURM_NTASKS='2', SLURM_NODELIST='n[1-2]').items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(cpu_dist, '_first_host', lambda nodes: f'first of {nodes}')
    cpu_dist.prepare_cpu_ranks(config(), 'slurm')
    assert cpu_dist.os.environ['MASTER_ADDR'] == 'first of n[1-2]'


def test_synchronised_batch_norm_becomes_each_ranks_own(started, monkeypatch):
    for name, value in dict(RANK='0', WORLD_SIZE='2').items():
        monkeypatch.setenv(name, value)
    changed = config(sync_bn='torch')
    cpu_dist.prepare_cpu_ranks(changed, 'pytorch')
    assert 'sync_bn' not in changed
    assert [head.norm_cfg.type for head in changed.model.decode_head] == ['BN', 'BN']


@pytest.mark.parametrize(
    ('launcher', 'message'),
    [('pytorch', 'RANK is not set .* torchrun'), ('slurm', 'SLURM_PROCID .* srun'),
     ('mpi', 'OMPI_COMM_WORLD_RANK .* mpirun')],
)  # fmt: skip
def test_not_started_by_the_launcher(started, monkeypatch, launcher, message):
    for name in ('SLURM_PROCID', 'SLURM_NTASKS', 'OMPI_COMM_WORLD_RANK'):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(RefusedError, match=message):
        cpu_dist.prepare_cpu_ranks(config(), launcher)
