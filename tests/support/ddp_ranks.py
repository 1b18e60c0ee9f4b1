"""Two ranks of DistributedDataParallel over gloo, compared with one process."""

import json
from pathlib import Path

import torch
from mmengine.dist import get_rank
from segmentor_cases import CASCADE, batch_of, freeze_batch_norm, gradients, small_model
from torch import distributed, nn
from torch.distributed.nn.functional import all_reduce
from torch.nn.parallel import DistributedDataParallel


class SummedBatchNorm(nn.SyncBatchNorm):
    """Batch norm over all ranks on a CPU; torch's own needs a GPU, and waits for all ranks, too."""

    def forward(self, maps):
        dims = [0, *range(2, maps.ndim)]
        count = maps.new_tensor([maps.numel() / maps.shape[1]])
        sums = torch.cat([maps.sum(dims), maps.square().sum(dims), count])
        if distributed.is_initialized():
            sums = all_reduce(sums)
        shape = (1, -1, *[1] * (maps.ndim - 2))
        mean, square = (sums[:-1] / sums[-1]).view(2, *shape)
        normed = (maps - mean) / (square - mean**2 + self.eps).sqrt()
        return normed * self.weight.view(shape) + self.bias.view(shape)


def synchronise(model):
    """Let batch norms be over all ranks; DDP, which refuses that on a CPU, must be there before."""
    for module in [*model.modules()]:
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d):
                norm = SummedBatchNorm(child.num_features)
                norm.weight, norm.bias = child.weight, child.bias
                setattr(module, name, norm)
    model.train()


# What is built, and what then becomes of its batch norm
MODELS = dict(plain=({}, freeze_batch_norm), cascade=(CASCADE, synchronise))


def compare(init: str, rank: int, folder: str) -> None:
    """Write the largest differences of gradients (relative) and logged values of a rank, as JSON.

    Of each of ``MODELS``. Rank 0 lacks fast, rank 1 lacks sior.
    """
    torch.set_num_threads(1)
    torch.distributed.init_process_group('gloo', init_method=init, world_size=2, rank=rank)
    parts = [
        batch_of(['sota', 'sior'], 1, valid=0.9),
        batch_of(['fast', 'fast', 'sota'], 2, valid=0.1),
    ]
    models = {name: small_model(**options) for name, (options, _) in MODELS.items()}
    found = {name: _on_ranks(name, models[name], *parts[get_rank()]) for name in models}
    torch.distributed.destroy_process_group()
    images, samples = torch.cat([images for images, _ in parts]), parts[0][1] + parts[1][1]
    differences = {}
    for name, (grads, logged) in found.items():
        whole, expected = gradients(models[name], images, samples)
        gradient = max(
            ((grads[key] - expected[key]).abs().max() / expected[key].abs().max()).item()
            for key in expected
        )
        difference = max(abs(logged[key].item() - whole[key].item()) for key in whole)
        differences[name] = dict(gradient=gradient, logged=difference)
    Path(folder, f'rank{rank}.json').write_text(json.dumps(differences))


def _on_ranks(name, model, images, samples):
    """Return the gradients that all ranks have, and what is logged."""
    ddp = DistributedDataParallel(model, find_unused_parameters=False)
    MODELS[name][1](model)
    for _ in range(2):  # DDP complains of an unused parameter only in the second pass
        ddp.zero_grad()
        loss, logged = model.parse_losses(ddp(images, samples, mode='loss'))
        loss.backward()
    return {name: weight.grad.clone() for name, weight in model.named_parameters()}, logged
