"""MultiHeadEncoderDecoder on several ranks."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from segmentor_cases import batch_of, freeze_batch_norm, gradients, share_totals, small_model

from samrs_mm.core.errors import RefusedError
from samrs_mm.models.segmentors import multi_head_encoder_decoder

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ('first', 'second'),
    [
        (['sota', 'sior'], ['fast', 'fast', 'sota']),
        (['sota'], ['sior', 'sior', 'fast']),
    ],
)
def test_ranks_together_equal_one_process(monkeypatch, first, second):
    """Two simulated ranks: gradients averaged as DDP does, losses as logged."""
    model = freeze_batch_norm(small_model())
    parts = [batch_of(first, seed=1, valid=0.9), batch_of(second, seed=2, valid=0.1)]
    whole, expected = gradients(
        model, torch.cat([images for images, _ in parts]), parts[0][1] + parts[1][1]
    )
    share_totals(monkeypatch, model, parts)
    ranks = [gradients(model, *part) for part in parts]
    for name, value in whole.items():
        mean = (ranks[0][0][name] + ranks[1][0][name]) / 2
        torch.testing.assert_close(mean, value, rtol=1e-9, atol=1e-12)
    for name, value in expected.items():
        mean = (ranks[0][1][name] + ranks[1][1][name]) / 2
        # mmseg adds 1.2e-7 to the number of pixels, here to half of it on each rank
        assert (mean - value).abs().max() <= 1e-9 * value.abs().max(), name


RANK = """
import sys, torch
torch.set_num_threads(1)
from mmengine.dist import get_rank
from torch.nn.parallel import DistributedDataParallel
from segmentor_cases import batch_of, freeze_batch_norm, gradients, small_model

torch.distributed.init_process_group(
    'gloo', init_method=sys.argv[1], world_size=2, rank=int(sys.argv[2])
)
parts = [
    batch_of(['sota', 'sior'], 1, valid=0.9),
    batch_of(['fast', 'fast', 'sota'], 2, valid=0.1),
]
model = freeze_batch_norm(small_model())
images, samples = parts[get_rank()]
ddp = DistributedDataParallel(model, find_unused_parameters=False)
for _ in range(2):  # DDP complains of an unused parameter only in the second pass
    ddp.zero_grad()
    loss, logged = model.parse_losses(ddp(images, samples, mode='loss'))
    loss.backward()
grads = {name: weight.grad.clone() for name, weight in model.named_parameters()}
torch.distributed.destroy_process_group()
whole, expected = gradients(model, torch.cat([parts[0][0], parts[1][0]]), parts[0][1] + parts[1][1])
print('gradient', max(
    ((grads[name] - expected[name]).abs().max() / expected[name].abs().max()).item()
    for name in expected
))
print('logged', max(abs(logged[name].item() - whole[name].item()) for name in whole))
"""


def test_two_gloo_ranks_equal_one_process_without_unused_parameters(tmp_path):
    """Rank 0 lacks fast, rank 1 lacks sior."""
    ranks = [
        subprocess.Popen(
            [sys.executable, '-W', 'ignore', '-c', RANK, f'file://{tmp_path}/group', str(rank)],
            cwd=ROOT / 'tests/support',
            env=os.environ | dict(PYTHONPATH=f'{ROOT}:{ROOT}/tests/support', OMP_NUM_THREADS='1'),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    for process in ranks:
        output, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        difference = dict(line.rsplit(' ', 1) for line in output.splitlines()[-2:])
        assert float(difference['gradient']) < 1e-9
        assert float(difference['logged']) < 1e-4  # accuracies in percent, logged in float32


def test_sequential_mode_on_ranks_refuses_an_absent_source(monkeypatch):
    monkeypatch.setattr(multi_head_encoder_decoder, 'get_world_size', lambda: 2)
    model = small_model(forward_mode='sequential')
    with pytest.raises(RefusedError, match=r"no sample of fast on this rank.*'joint'"):
        model.loss(*batch_of(['sota', 'sior']))
