"""Mask2Former for label maps of which only a part is labelled."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.config import ConfigDict
from mmengine.dist import all_reduce, get_world_size
from mmengine.structures import InstanceData
from mmseg.models.decode_heads import Mask2FormerHead
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor
from torch.nn import functional as F

from samrs_mm.compat import is_onedl
from samrs_mm.core.errors import RefusedError
from samrs_mm.models.layers.deformable_sampling import spare_compiled_op

# An unlabelled pixel in a target mask. Between pixels masks are interpolated, and with this a point
# is below 0 as soon as such a pixel has any part in it.
UNLABELLED = -(10**9)
# The logit of "certainly not in the mask": its sigmoid and its cross entropy with 0 are exactly 0
CERTAINLY_OUT = -1e4


@MODELS.register_module()
class PartialLabelMask2FormerHead(Mask2FormerHead):
    """mmsegmentation's ``Mask2FormerHead``, to which an unlabelled pixel is no evidence.

    The same parameters, initialisation, targets (a mask per class that is in the image) and
    predictions. In the loss:

    - Points at unlabelled pixels (``ignore_index``) take no part in the masks' losses nor in the
      costs of matching; the cross entropy of a mask is the mean over its labelled points.
      ``ignore_in_masks=False`` takes them as outside of every mask instead, as the authors do.
    - Losses are normalised over the batch of all ranks: the classes' by the weights of all
      queries' classes, the masks' by the number of masks. Points are drawn at random on each rank,
      so the loss is that of one process with the whole batch in expectation, not to the digit.
    - The weights of the classes follow from ``num_classes``; so ``loss_cls`` needs none.

    Without unlabelled pixels, on one rank, the losses are those of ``Mask2FormerHead``.

    As trunk of several sources it gives features instead of class scores, once ``cls_embed`` is
    taken out, and ``loss_by_feat`` accepts scores of fewer than ``num_classes`` classes.

    Source: Cheng et al. 2022, arXiv:2112.01527; mmdet's ``Mask2FormerHead`` (Apache-2.0).

    Args:
        num_classes: Number of classes, K.
        loss_cls: Config of the classes' loss, without ``class_weight``.
        no_object_weight: Weight of "no object" in it; classes have 1.
        ignore_in_masks: Whether unlabelled pixels are left out of the masks' losses.
        **kwargs: As for ``Mask2FormerHead``.

    Raises:
        RefusedError: mmdet, which has the decoder's parts, is not installed.
    """

    def __init__(
        self,
        num_classes: int,
        loss_cls: Mapping[str, Any],
        no_object_weight: float = 0.1,
        ignore_in_masks: bool = True,
        **kwargs: Any,
    ):
        try:
            import mmdet  # noqa: F401
        except ImportError as error:
            name = 'onedl-mmdetection' if is_onedl() else 'mmdet==3.3.0'
            raise RefusedError(
                f'PartialLabelMask2FormerHead needs mmdet ({error}): pip install {name}'
            ) from None
        weights = [1.0] * num_classes + [no_object_weight]
        super().__init__(
            num_classes, loss_cls=ConfigDict(loss_cls, class_weight=weights), **ConfigDict(kwargs)
        )
        self.no_object_weight = no_object_weight
        self.ignore_in_masks = ignore_in_masks
        if self.train_cfg:
            self.assigner = _LabelledPointAssigner(self.assigner)

    def forward(
        self, x: Sequence[Tensor], batch_data_samples: Sequence[SegDataSample] | None = None
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Decode levels ``(N, in_channels[i], H_i, W_i)``, finest first.

        Returns:
            Of the queries as they begin, and after each layer: class scores ``(N, Q, K + 1)``, or
            features ``(N, Q, C)`` where ``cls_embed`` is taken out; and logits of the masks
            ``(N, Q, H_0, W_0)``.
        """
        spare_compiled_op(x[0].device)
        return super().forward(x, batch_data_samples)

    def predict(
        self, x: Sequence[Tensor], batch_img_metas: Sequence[Mapping], test_cfg: Any
    ) -> Tensor:
        """Return scores of the classes ``(N, K, H, W)`` at the size of the input.

        Levels ``x`` are as for ``forward``; of the metainfos the first one's shapes count.
        """
        scores, masks = self(x)
        return self.predict_by_feat(scores[-1], masks[-1], batch_img_metas)

    def predict_by_feat(
        self,
        cls_scores: Tensor,
        mask_preds: Tensor,
        batch_img_metas: Sequence[Mapping] | None = None,
    ) -> Tensor:
        """Sum the queries' masks, each by the probabilities of its classes.

        Args:
            cls_scores: ``(N, Q, K + 1)`` logits, "no object" last.
            mask_preds: ``(N, Q, h, w)`` logits.
            batch_img_metas: N metainfos, which have the size of the input.

        Returns:
            Scores ``(N, K, H, W)`` from 0; without metainfos of the size of the masks.
        """
        classes = cls_scores.softmax(-1)[..., :-1]
        maps = []
        for weights, masks in zip(classes, mask_preds, strict=True):  # 100 masks of an image weigh
            if batch_img_metas is not None:
                # It knows mmsegmentation's sliding windows, which Mask2FormerHead doesn't.
                masks = BaseDecodeHead.predict_by_feat(self, masks[None], batch_img_metas)[0]
            maps.append(torch.einsum('qc,qhw->chw', weights, masks.sigmoid()))
        return torch.stack(maps)

    def _seg_data_to_instance_data(
        self, batch_data_samples: Sequence[SegDataSample]
    ) -> tuple[list[InstanceData], list[dict]]:
        """Return the masks of the classes in each image, unlabelled pixels marked, and metas."""
        instances, metas = super()._seg_data_to_instance_data(batch_data_samples)
        if self.ignore_in_masks:
            for sample, image in zip(batch_data_samples, instances, strict=True):
                unlabelled = sample.gt_sem_seg.data == self.ignore_index  # (1, H, W)
                image.masks = image.masks.masked_fill(unlabelled, UNLABELLED)
        return instances, metas

    def loss_by_feat(
        self,
        all_cls_scores: Sequence[Tensor],
        all_mask_preds: Sequence[Tensor],
        batch_gt_instances: Sequence[InstanceData],
        batch_img_metas: Sequence[dict],
    ) -> dict[str, Tensor]:
        """Return the losses of every prediction.

        On each of W ranks they are W times the rank's part of the loss of all ranks' images. A
        rank without any image has to call this too, with tensors of 0 images.

        Args:
            all_cls_scores: Per prediction ``(N, Q, k + 1)`` logits, k up to K, "no object" last.
            all_mask_preds: Per prediction ``(N, Q, h, w)`` logits.
            batch_gt_instances: N items with ``labels`` ``(G,)`` and ``masks`` ``(G, H, W)``.
            batch_img_metas: N metainfos.

        Returns:
            ``loss_cls``, ``loss_mask`` and ``loss_dice`` of the last prediction, and
            ``d0.loss_cls`` and so on of those before it.
        """
        avg_factors = self._avg_factors(batch_gt_instances, all_cls_scores[0].device)
        losses = {}
        for number, (scores, masks) in enumerate(zip(all_cls_scores, all_mask_preds, strict=True)):
            prefix = f'd{number}.' if number < len(all_cls_scores) - 1 else ''
            parts = self._loss_by_feat_single(
                self._pad_classes(scores), masks, batch_gt_instances, batch_img_metas, avg_factors
            )
            for name, loss in zip(('cls', 'mask', 'dice'), parts, strict=True):
                losses[f'{prefix}loss_{name}'] = loss
        return losses

    def _avg_factors(
        self, batch_gt_instances: Sequence[InstanceData], device: torch.device
    ) -> Tensor:
        """Return the weight of all queries and the number of masks: sums over ranks, over W.

        Matching finds a query for every mask while there are queries, so both are known before.
        """
        masks = sum(min(len(image), self.num_queries) for image in batch_gt_instances)
        others = len(batch_gt_instances) * self.num_queries - masks
        weight = masks + self.no_object_weight * others
        totals = torch.tensor([weight, masks], dtype=torch.float32, device=device)
        all_reduce(totals)
        return torch.stack([totals[0], totals[1].clamp(min=1)]) / get_world_size()

    def _pad_classes(self, scores: Tensor) -> Tensor:
        """Put classes of probability 0 before "no object", up to ``num_classes``."""
        missing = self.num_classes + 1 - scores.shape[-1]
        classes = F.pad(scores[..., :-1], (0, missing), value=-torch.inf)
        return torch.cat([classes, scores[..., -1:]], dim=-1)

    def _loss_by_feat_single(
        self,
        cls_scores: Tensor,
        mask_preds: Tensor,
        batch_gt_instances: Sequence[InstanceData],
        batch_img_metas: Sequence[dict],
        avg_factors: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return a prediction's losses of classes, of masks by cross entropy, and by dice.

        Arguments are as for ``loss_by_feat``, scores ``(N, Q, K + 1)``; ``avg_factors`` ``(2,)``
        are the weight of all queries and the number of masks.
        """
        if len(batch_gt_instances) == 0:
            return cls_scores.sum(), mask_preds.sum(), mask_preds.sum()
        labels, label_weights, targets, matched, _ = self.get_targets(
            list(cls_scores), list(mask_preds), batch_gt_instances, batch_img_metas
        )
        class_total, mask_total = avg_factors
        loss_cls = self.loss_cls(
            cls_scores.flatten(0, 1),
            torch.cat(labels),
            torch.cat(label_weights),
            avg_factor=class_total,
        )
        mask_preds = mask_preds[torch.stack(matched) > 0].unsqueeze(1)  # (M, 1, h, w)
        targets = torch.cat(targets).unsqueeze(1).float()  # (M, 1, H, W)
        if len(targets) == 0:
            return loss_cls, mask_preds.sum(), mask_preds.sum()
        points, targets = self._draw_points(mask_preds.detach(), targets)
        logits = _sample(mask_preds, points)  # (M, P), as targets
        unlabelled = targets < 0  # (M, P)
        logits = logits.masked_fill(unlabelled, CERTAINLY_OUT)
        targets = targets.clamp(min=0)
        labelled = (~unlabelled).sum(1, keepdim=True)
        weights = (self.num_points / labelled.clamp(min=1)).expand_as(logits)
        loss_mask = self.loss_mask(
            logits.flatten(),
            targets.flatten(),
            weights.flatten(),
            avg_factor=mask_total * self.num_points,
        )
        return loss_cls, loss_mask, self.loss_dice(logits, targets, avg_factor=mask_total)

    @torch.no_grad()
    def _draw_points(self, mask_preds: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Draw points for each of M masks, most where its logits are near 0.

        Unlike mmdet's ``get_uncertain_point_coords_with_randomness``, whose random numbers these
        are, an unlabelled point counts as certain: its logit decides nothing.

        Args:
            mask_preds: ``(M, 1, h, w)`` logits.
            targets: ``(M, 1, H, W)``: 1 in the mask, 0 outside, below 0 unlabelled.

        Returns:
            Points ``(M, P, 2)`` as (x, y) from 0 to 1, and the targets there ``(M, P)``.
        """
        count = int(self.num_points * self.importance_sample_ratio)
        candidates = int(self.num_points * self.oversample_ratio)
        points = torch.rand(len(targets), candidates, 2, device=targets.device)
        certain = _sample(mask_preds, points).abs()
        certain[_sample(targets, points) < 0] = torch.inf
        chosen = certain.topk(count, dim=1, largest=False).indices
        anywhere = torch.rand(len(targets), self.num_points - count, 2, device=targets.device)
        points = torch.cat([points.take_along_dim(chosen.unsqueeze(-1), dim=1), anywhere], dim=1)
        return points, _sample(targets, points)


def _sample(maps: Tensor, points: Tensor) -> Tensor:
    """Interpolate ``(M, 1, H, W)`` at ``(M, P, 2)``; returns ``(M, P)``."""
    from mmcv.ops import point_sample

    return point_sample(maps, points).squeeze(1)


class _LabelledPointAssigner:
    """Lets an assigner of mmdet compare masks at the labelled points only."""

    def __init__(self, assigner: Any):
        self.assigner = assigner

    def assign(
        self, pred_instances: InstanceData, gt_instances: InstanceData, **kwargs: Any
    ) -> Any:
        """Match queries with masks; all else, and the result, is the assigner's.

        Args:
            pred_instances: ``scores`` ``(Q, K + 1)`` and ``masks`` ``(Q, P)``, logits.
            gt_instances: ``labels`` ``(G,)`` and ``masks`` ``(G, P)``, below 0 unlabelled.
            **kwargs: ``img_meta`` and the like.
        """
        labelled = (gt_instances.masks >= 0).all(0)
        if labelled.any():
            predicted, true = pred_instances.masks[:, labelled], gt_instances.masks[:, labelled]
        else:  # the classes alone decide
            predicted, true = (
                item.masks.new_zeros(len(item), 1) for item in (pred_instances, gt_instances)
            )
        return self.assigner.assign(
            InstanceData(scores=pred_instances.scores, masks=predicted),
            InstanceData(labels=gt_instances.labels, masks=true),
            **kwargs,
        )
