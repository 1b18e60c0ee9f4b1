"""``BoxNet`` as mmengine's Runner trains and validates it."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.model import BaseModel
from mmseg.registry import MODELS
from torch import Tensor

from samrs_mm.core.errors import RefusedError
from samrs_mm.models.boxnet.inputs import (
    BACKGROUND_CLICKS,
    OBJECT_CLICKS,
    PREVIOUS,
    click_discs,
)
from samrs_mm.models.boxnet.losses import box_losses, mask_iou
from samrs_mm.models.boxnet.network import BoxNet
from samrs_mm.models.boxnet.simulated_clicks import next_click
from samrs_mm.models.boxnet.weights import default_weights, load_weights

PACKAGED = 'boxnet_s'
"""Value of ``checkpoint`` for the weights that come with the package."""


@MODELS.register_module()
class BoxNetTrainer(BaseModel):
    """Teaches ``BoxNet`` boxes and clicks.

    In training a share of each batch first goes through the network once to three times without
    gradients; each time its mask so far and a click on its largest error become part of its input.
    In validation all crops get ``rounds`` clicks, at the middle of the largest error.

    Args:
        widths: Channels of the network's levels; None takes those of ``checkpoint``.
        checkpoint: Weights to start from: a safetensors file, ``'boxnet_s'`` for those of the
            package, or None for random ones.
        clicked: Share of a batch that is trained with simulated clicks, in [0, 1].
        rounds: Most clicks, at least 1.
        iou_weight: Of the score's loss.
        bf16: Compute in bfloat16 where that is exact enough (autocast; the weights stay float32):
            twice as fast on a CPU that has instructions for it, slower on others.
        seed: Of the simulated clicks.

    Raises:
        RefusedError: A value that can't be, or weights that can't be loaded.
    """

    def __init__(
        self,
        widths: Sequence[int] | None = (32, 48, 80, 112),
        checkpoint: str | None = None,
        clicked: float = 0.25,
        rounds: int = 3,
        iou_weight: float = 0.3,
        bf16: bool = False,
        seed: int = 0,
    ):
        super().__init__()
        if not 0 <= clicked <= 1 or rounds < 1:
            raise RefusedError(
                f'model: clicked={clicked!r}, rounds={rounds!r}; needed: a share from 0 to 1, and '
                'a whole number from 1'
            )
        self.clicked, self.rounds, self.iou_weight = clicked, rounds, iou_weight
        self.bf16, self.seed = bf16, seed
        if checkpoint is None:
            self.network = BoxNet(widths or (32, 48, 80, 112))
            return
        path = default_weights() if checkpoint == PACKAGED else Path(checkpoint)
        self.network, _ = load_weights(path)
        if widths is not None and tuple(widths) != self.network.widths:
            raise RefusedError(
                f'model.widths={tuple(widths)!r}, but {path} has {self.network.widths}; leave it '
                'None to take those of the weights'
            )

    def forward(
        self,
        inputs: Tensor,
        target: Tensor | None = None,
        prompt: Sequence[str] = (),
        kind: Sequence[str] = (),
        index: Tensor | None = None,
        mode: str = 'tensor',
    ) -> Any:
        """Return losses, predictions, or the network's output, as mmengine asks by ``mode``.

        Args:
            inputs: ``(N, 14, S, S)``, see ``network_input``.
            target: ``(N, S, S)`` share of each pixel that the object covers.
            prompt: What each crop shows: ``'box'``, ``'point'`` or ``'refine'``.
            kind: What each crop's object is.
            index: ``(N,)`` places in the dataset, from which the clicks follow.
            mode: ``'loss'``, ``'predict'`` or ``'tensor'``.
        """
        if mode == 'tensor':
            return self._run(inputs)
        assert target is not None
        assert index is not None
        if mode == 'loss':
            return self._loss(inputs, target, prompt, index)
        return self._predict(inputs, target, prompt, kind)

    def _run(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        context: Any = contextlib.nullcontext()
        if self.bf16:
            context = torch.autocast(inputs.device.type, torch.bfloat16)
        with context:
            logits, scores = self.network(inputs)
        return logits, scores.float()

    def _loss(
        self, inputs: Tensor, target: Tensor, prompt: Sequence[str], index: Tensor
    ) -> dict[str, Tensor]:
        rng = np.random.default_rng([self.seed, int(index[0])])
        clicks = np.where(
            rng.random(len(inputs)) < self.clicked, rng.integers(1, self.rounds + 1, len(inputs)), 0
        )
        for done in range(self.rounds):
            rows = np.flatnonzero(clicks > done)
            if len(rows):
                self._click(inputs, target, rows, rng)
        logits, scores = self._run(inputs)
        scored = torch.tensor([each != 'refine' for each in prompt], device=inputs.device)
        losses, ious = box_losses(logits, scores, target, scored, self.iou_weight)
        return losses | {'iou': ious.mean()}

    @torch.no_grad()
    def _click(
        self, inputs: Tensor, target: Tensor, rows: np.ndarray, rng: np.random.Generator
    ) -> None:
        """Enter the mask so far, half of them as no more than a mask, and a click of some rows."""
        chosen = torch.from_numpy(rows).to(inputs.device)
        logits, _ = self._run(inputs[chosen])
        hard = torch.from_numpy(rng.random(len(rows)) < 0.5).to(inputs.device)
        enter_step(inputs, chosen, logits, target, hard, rng)

    @torch.no_grad()
    def _predict(
        self, inputs: Tensor, target: Tensor, prompt: Sequence[str], kind: Sequence[str]
    ) -> list[dict[str, Any]]:
        """Return of each crop IoUs and score logits after 0 to ``rounds`` clicks."""
        inputs, rows = inputs.clone(), torch.arange(len(inputs), device=inputs.device)
        steps = []
        for done in range(self.rounds + 1):
            logits, scores = self._run(inputs)
            steps.append((mask_iou(logits > 0, target > 0.5).cpu(), scores.cpu()))
            if done < self.rounds:
                enter_step(inputs, rows, logits, target)
        ious, said = (torch.stack(part, 1).numpy() for part in zip(*steps, strict=True))
        return [
            dict(prompt=prompt[i], kind=kind[i], ious=ious[i], logits=said[i])
            for i in range(len(inputs))
        ]


def enter_step(
    inputs: Tensor,
    rows: Tensor,
    logits: Tensor,
    target: Tensor,
    hard: Tensor | None = None,
    rng: np.random.Generator | None = None,
) -> None:
    """Write masks so far and clicks on their errors into some rows of a batch, in place.

    Args:
        inputs: ``(N, 14, S, S)``.
        rows: ``(M,)`` int64.
        logits: ``(M, S, S)`` of the masks so far.
        target: ``(N, S, S)``, as for ``box_losses``.
        hard: ``(M,)`` bool, which masks are entered thresholded; None for none.
        rng: See ``next_click``.
    """
    chances = logits.sigmoid()
    if hard is not None:
        chances = torch.where(hard[:, None, None], (chances > 0.5).float(), chances)
    inputs[rows, PREVIOUS] = (2 * chances - 1).to(inputs.dtype)
    masks, truths = (logits > 0).cpu().numpy(), (target[rows] > 0.5).cpu().numpy()
    for row, mask, true in zip(rows.tolist(), masks, truths, strict=True):
        click = next_click(mask, true, rng)
        if click is not None:
            discs = torch.from_numpy(click_discs(np.array([click]), mask.shape[0]))
            planes = inputs[row, OBJECT_CLICKS : BACKGROUND_CLICKS + 1]
            planes.copy_(torch.maximum(planes, discs.to(planes)))
