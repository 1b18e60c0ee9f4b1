"""Masks without boxes, by the rules of SAM's automatic mask generator."""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from samrs_mm.core import masks as mask_ops
from samrs_mm.core.errors import SegmentorError
from samrs_mm.core.grid import GridPrompts
from samrs_mm.models.prompt_segmentors.encoded_image import EncodedImage, SquarePrompts
from samrs_mm.models.prompt_segmentors.frame import Frame
from samrs_mm.models.prompt_segmentors.in_parts import in_parts
from samrs_mm.models.prompt_segmentors.scale_up import ScaledMask, scale_up
from samrs_mm.models.prompt_segmentors.torch_device import to_device

if TYPE_CHECKING:
    from samrs_mm.models.prompt_segmentors.sam_base import SAMFamilySegmentor


@dataclass(frozen=True)
class Proposal:
    """A mask that a point of a grid gave.

    Args:
        point: The point, row by row from 0.
        choice: Which of its masks, from 0.
        place: Of the point, x and y in pixels of the image.
        mask: COCO RLE of the image's size, predicted IoU and stability score, as computed.
    """

    point: int
    choice: int
    place: tuple[float, float]
    mask: mask_ops.Mask


class GridProposer:
    """What lets a member of the SAM family propose masks.

    Attributes:
        proposes: Whether the member can: ``_predict_three`` is there.
    """

    proposes = False

    @abstractmethod
    def _predict_three(
        self, encoded: EncodedImage, prompts: SquarePrompts
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits ``(n, 3, S / 4, S / 4)`` and predicted IoUs ``(n, 3)``, on the device."""

    @torch.no_grad()
    def propose(
        self, encoded: EncodedImage, prompts: GridPrompts, notes: list[str]
    ) -> list[Proposal]:
        """Return the masks of a grid of points, the best first.

        Without padding and pixels without data they are those of ``SamAutomaticMaskGenerator`` of
        one crop and as many points at once. What the predicted IoU rejects is not scaled up.

        Args:
            encoded: What ``encode`` returned for the image.
            prompts: The points. Masks are cut to their window, and to what has data.
            notes: Gets what the record should say, each line once.

        Raises:
            SegmentorError: Memory ran out for a single point, or the weights give no numbers.
        """
        from torchvision.ops.boxes import batched_nms

        found = list(_candidates(self, encoded, prompts, notes))  # type: ignore[arg-type]
        if not found:
            return []
        boxes = torch.tensor([box for _, box, _ in found], dtype=torch.float32)
        scores = torch.stack([score for *_, score in found])
        kept = batched_nms(boxes, scores, torch.zeros(len(found)), prompts.spec.nms)
        return [found[i][0] for i in kept.tolist()]


def _candidates(
    segmentor: 'SAMFamilySegmentor', encoded: EncodedImage, prompts: GridPrompts, notes: list[str]
) -> Iterator[tuple[Proposal, list[int], torch.Tensor]]:
    """Yield what passes both limits, with its box x0, y0, x1, y1 and predicted IoU ``()``.

    As there, the corners of a box are those of its first and last pixel.
    """
    from segment_anything.utils.amg import build_point_grid

    points = build_point_grid(prompts.side) * np.array(prompts.size)
    prompted = prompts.on_data(points)
    encoded = segmentor.settled(encoded)
    lines = list(encoded.notes)
    predict = partial(_predicted, segmentor, encoded, points[prompted])
    for part, (low_res, scores) in in_parts(predict, len(prompted), segmentor.chunk, lines):
        which = _above(scores, prompts.spec.min_score)
        made = scale_up(low_res[which.to(low_res.device)], encoded.frame, segmentor.mask_threshold)
        for place, mask in zip(which.tolist(), made, strict=True):
            box = None
            if mask.stability[0] >= prompts.spec.min_stability:
                box, coded = _coded(mask, encoded.frame, prompts)
            if box is None:
                continue
            number, choice = divmod(place, scores.shape[1])
            point = int(prompted[part.start + number])
            score = scores.flatten()[place]
            taken = mask_ops.Mask(coded, float(score), float(mask.stability[0]))
            yield Proposal(point, choice, tuple(points[point].tolist()), taken), box, score
    notes += [line for line in lines if line not in notes]


def _predicted(
    segmentor: 'SAMFamilySegmentor', encoded: EncodedImage, points: np.ndarray, part: slice
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return logits ``(3 n, S / 4, S / 4)`` on the device, and predicted IoUs ``(n, 3)``, not."""
    # SAM's generator prompts its points in float64, SAM 2's in float32: as they are scaled.
    scaled = segmentor._scaled(points[part, None], encoded.frame)
    labels = torch.ones((len(scaled), 1), dtype=torch.int, device=segmentor.device)
    prompts = SquarePrompts(to_device(scaled, segmentor.device), labels)
    low_res, scores = segmentor._predict_three(encoded, prompts)
    if not scores.isfinite().all():
        raise SegmentorError('the predicted IoU is NaN; are the weights whole?')
    return low_res.flatten(0, 1), scores.cpu()


def _above(scores: torch.Tensor, limit: float) -> torch.Tensor:
    """Return the places of scores above a limit, ascending; 0 is no limit."""
    flat = scores.flatten()
    return torch.nonzero(flat > limit)[:, 0] if limit > 0 else torch.arange(len(flat))


def _coded(
    made: ScaledMask, frame: Frame, prompts: GridPrompts
) -> tuple[list[int] | None, dict[str, Any]]:
    """Return the box of a mask, cut to what is there, and its RLE; None without a pixel."""
    width, height = prompts.size
    mask = made.mask[: max(height - made.y, 0), : max(width - made.x, 0)]
    if prompts.valid is not None:
        h, w = mask.shape
        mask = mask & prompts.valid[made.y : made.y + h, made.x : made.x + w]
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None, {}
    box = [made.x + int(columns[0]), made.y + int(rows[0])]
    box += [made.x + int(columns[-1]), made.y + int(rows[-1])]
    return box, mask_ops.encode_window(mask, made.y, made.x, *frame.original_size)
