"""Whole detectors of mmdet and mmrotate on the feature maps of another network."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.config import ConfigDict
from mmengine.dist import get_world_size
from mmengine.logging import print_log
from mmengine.structures import InstanceData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from samrs_mm.compat import mmrotate_boxes
from samrs_mm.compat.global_counts import divided_by_sums
from samrs_mm.core.errors import RefusedError

BOXES = dict(instance='bboxes', oriented='rboxes')
"""The boxes of a sample that a task's detector learns."""
_KEYS = {'source', 'task', 'detector', 'levels', 'weight'}


@MODELS.register_module()
class PassThrough(nn.Module):
    """Stands for a detector's backbone: takes feature maps and returns some of them.

    Args:
        levels: Places of the maps to return; None returns all.
    """

    def __init__(self, levels: Sequence[int] | None = None):
        super().__init__()
        self.levels = None if levels is None else tuple(levels)

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Return the chosen levels."""
        return tuple(maps if self.levels is None else [maps[level] for level in self.levels])


@dataclass(frozen=True)
class DetectorTask:
    """What one of several detectors learns, and from which samples.

    Args:
        name: The detector's.
        source: Whose samples it sees.
        task: One of ``BOXES``.
        weight: Of its losses.
    """

    name: str
    source: str
    task: str
    weight: float = 1.0

    def rows(self, samples: Sequence[SegDataSample]) -> list[int]:
        """Return the rows of a batch that are of its source."""
        return [row for row, sample in enumerate(samples) if sample.source == self.source]

    def losses(
        self, detector: nn.Module, maps: Sequence[Tensor], samples: Sequence[SegDataSample],
        size: tuple[int, int],
    ) -> dict[str, Tensor]:  # fmt: skip
        """Return ``loss_NAME_TERM`` and what else the detector tells, as ``NAME_TERM``.

        Without a sample of its source the detector sees the first image as one without objects, and
        the losses are 0: so every rank takes part in the same collectives, and DDP finds a gradient
        for every parameter.

        Args:
            detector: As of ``build_detector``.
            maps: Feature maps of the batch, each ``(N, C, h, w)``.
            samples: N, with ``gt_instances``.
            size: Height and width of the batch's images in pixels.

        Raises:
            RefusedError: A sample of its source lacks the boxes of its task.
        """
        rows, weight = self.rows(samples), self.weight
        views = [self._truth(samples[row], size) for row in rows]
        if not rows:
            rows, weight = [0], 0.0
            views = [self._without_objects(samples[0], size, maps[0].device)]
        with divided_by_sums(getattr(detector, 'bbox_head', None)) as factor:
            found = detector.loss(_rows(maps, rows), views)
        # some parts of a head get no gradient where no object was matched
        touched = 0 * sum(value.sum() for value in detector.parameters() if value.requires_grad)
        losses = {}
        for key, value in found.items():
            value = sum(value) if isinstance(value, list | tuple) else value
            if 'loss' in key:
                name = f'loss_{self.name}_{key.removeprefix("loss_")}'
                losses[name], touched = value * (weight * factor) + touched, 0
            else:
                losses[f'{self.name}_{key}'] = value
        return losses

    def predict(
        self, detector: nn.Module, maps: Sequence[Tensor], samples: Sequence[SegDataSample],
        size: tuple[int, int],
    ) -> None:  # fmt: skip
        """Add ``pred_NAME`` (InstanceData, in pixels of ``ori_shape``) to samples of its source.

        Args:
            detector: As in ``losses``.
            maps: As in ``losses``.
            samples: N.
            size: As in ``losses``.
        """
        rows = self.rows(samples)
        if rows:
            views = [_view(samples[row], size) for row in rows]
            for row, view in zip(rows, detector.predict(_rows(maps, rows), views), strict=True):
                samples[row].set_field(view.pred_instances, f'pred_{self.name}')

    def _truth(self, sample: SegDataSample, size: tuple[int, int]) -> Any:
        """Return what a detector takes for a sample; an InstanceData of its own, as they change it.

        Raises:
            RefusedError: Without the boxes of the task.
        """
        truth, kind = sample.get('gt_instances'), BOXES[self.task]
        if truth is None or kind not in truth:
            raise RefusedError(
                f'model.detectors.{self.name}: samples of source {self.source!r} have no {kind}: '
                f'give their PackMultiTaskInputs tasks=[{self.task!r}], or leave this detector out'
            )
        view = _view(sample, size)
        view.gt_instances = self._chosen(truth, size)
        view.ignored_instances = self._chosen(sample.get('ignored_instances', truth[:0]), size)
        return view

    def _chosen(self, objects: InstanceData, size: tuple[int, int]) -> InstanceData:
        chosen = InstanceData(labels=objects.labels, bboxes=objects.get(BOXES[self.task]))
        if self.task == 'instance':
            chosen.masks = objects.masks.pad(size)
        return chosen

    def _without_objects(
        self, sample: SegDataSample, size: tuple[int, int], device: torch.device
    ) -> Any:
        from mmdet.structures.mask import BitmapMasks

        none = InstanceData(labels=torch.zeros(0, dtype=torch.long, device=device))
        none.bboxes = torch.zeros(0, 4, device=device)
        if self.task == 'oriented':
            none.bboxes = mmrotate_boxes().RotatedBoxes(torch.zeros(0, 5, device=device))
        else:
            none.masks = BitmapMasks([], *size)
        view = _view(sample, size)
        view.gt_instances, view.ignored_instances = none, none[:0]
        return view


def read_tasks(detectors: Mapping[str, Any], sources: Mapping[str, Any]) -> list[DetectorTask]:
    """Return what the detectors of a config learn.

    Args:
        detectors: By name, as ``MultiTaskPretrainer`` takes them.
        sources: Names of the sources.

    Raises:
        RefusedError: A name, source, task or key that can't be.
    """
    tasks = []
    for name, about in detectors.items():
        key = f'model.detectors.{name}'
        if not name or '.' in name or 'loss' in name or hasattr(nn.ModuleDict(), name):
            raise RefusedError(
                f'model.detectors: {name!r} cannot name a detector: no dots, no "loss", no name '
                'that torch modules use themselves; rename it'
            )
        if name in sources:
            raise RefusedError(f'{key} has the name of a source; rename it, to {name}_instance')
        needed = {'source', 'task', 'detector'}
        if not isinstance(about, Mapping) or not needed <= {*about} <= _KEYS:
            raise RefusedError(
                f'{key}: needed are {", ".join(sorted(needed))}, and there may be levels, weight; '
                f'found {", ".join(sorted(about)) if isinstance(about, Mapping) else about!r}'
            )
        for what, known in (('source', sources), ('task', BOXES)):
            if about[what] not in known:
                raise RefusedError(f'{key}.{what}={about[what]!r}: choose from {", ".join(known)}')
        tasks.append(DetectorTask(name, about['source'], about['task'], about.get('weight', 1.0)))
    return tasks


def build_detector(name: str, about: Mapping[str, Any]) -> nn.Module:
    """Build a detector whose backbone is a ``PassThrough``.

    On several ranks batch norm in it is warned of: a rank that lacks the source would show it an
    image of another.

    Args:
        name: Its name.
        about: ``detector``, the config of a detector of mmdet or mmrotate without a backbone, which
            names its library by ``_scope_``; ``levels``, places of the feature maps that its neck
            or heads take.

    Raises:
        RefusedError: No such config.
    """
    key, config = f'model.detectors.{name}.detector', about['detector']
    if not isinstance(config, Mapping) or '_scope_' not in config or 'backbone' in config:
        raise RefusedError(
            f"{key}: needed is the config of a detector with _scope_='mmdet' or 'mmrotate' and "
            'without a backbone, as its backbone is the one of the model'
        )
    config = ConfigDict(copy.deepcopy(dict(config)))
    config.update(
        backbone=dict(type='mmseg.PassThrough', levels=about.get('levels')), data_preprocessor=None
    )
    detector = MODELS.build(config)
    normed = [
        part for part in detector.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)
    ]
    if normed and get_world_size() > 1:
        print_log(
            f'{key} has batch norm: where a rank lacks source {about["source"]!r} it sees an image '
            'of another, so that several ranks train it otherwise than one; take GN',
            logger='current', level=30,
        )  # fmt: skip
    return detector


def _view(sample: SegDataSample, size: tuple[int, int]) -> Any:
    """Return a sample of mmdet with what a detector wants to know of the image."""
    from mmdet.structures import DetDataSample

    given = dict(scale_factor=(1.0, 1.0)) | sample.metainfo
    return DetDataSample(metainfo=given | dict(batch_input_shape=size, pad_shape=size))


def _rows(maps: Sequence[Tensor], rows: Sequence[int]) -> list[Tensor]:
    """Return some rows of a batch's feature maps; the maps themselves if these are all."""
    if list(rows) == list(range(len(maps[0]))):
        return list(maps)
    index = torch.tensor(rows, device=maps[0].device)
    return [level.index_select(0, index) for level in maps]
