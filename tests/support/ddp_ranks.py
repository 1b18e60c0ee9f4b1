"""Two ranks of DistributedDataParallel over gloo, compared with one process."""

import json

import torch
from mmengine.dist import get_rank
from segmentor_cases import batch_of, freeze_batch_norm, gradients, small_model
from torch.nn.parallel import DistributedDataParallel


def compare(init: str, rank: int, target: str) -> None:
    """Write the largest differences of gradients (relative) and logged values of a rank, as JSON.

    Rank 0 lacks fast, rank 1 lacks sior.
    """
    torch.set_num_threads(1)
    torch.distributed.init_process_group('gloo', init_method=init, world_size=2, rank=rank)
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
    whole, expected = gradients(
        model, torch.cat([images for images, _ in parts]), parts[0][1] + parts[1][1]
    )
    gradient = max(
        ((grads[name] - expected[name]).abs().max() / expected[name].abs().max()).item()
        for name in expected
    )
    difference = max(abs(logged[name].item() - whole[name].item()) for name in whole)
    with open(target, 'w') as file:
        json.dump(dict(gradient=gradient, logged=difference), file)
