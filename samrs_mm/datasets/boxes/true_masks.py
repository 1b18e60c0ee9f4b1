"""The masks that a dataset's labels have beside boxes: true ones, or prompts."""

import json
from pathlib import Path
from typing import Any

from samrs_mm.core import masks as mask_ops
from samrs_mm.core import segmentations
from samrs_mm.core.errors import LabelReadError, RefusedError, SamrsError
from samrs_mm.core.input_notes import facts_of
from samrs_mm.datasets.boxes.base import BoxDataset
from samrs_mm.registry import BOX_DATASETS


def truth_options(entry: Any, what: str = 'true masks to compare with') -> dict[str, Any]:
    """Return the arguments with which the dataset of a config's entry offers its masks.

    Args:
        entry: ``dict(type=..., ...)``.
        what: What is wanted of it, for the message.

    Raises:
        RefusedError: It has none to offer.
    """
    name = str(entry.get('type'))
    kind = BOX_DATASETS.get(name)
    options = getattr(kind, 'truth_options', None)
    if kind is not None and options is None:
        raise _no_masks(name, what)
    return options or {}


def refuse_without_masks(dataset: BoxDataset, what: str = 'true masks to compare with') -> None:
    """Raise RefusedError where a dataset, whose format was found out, has no masks to offer."""
    if dataset.truth_options is None:
        raise _no_masks(type(dataset).__name__, what)


def _no_masks(name: str, what: str) -> RefusedError:
    able = sorted(
        other
        for other, each in BOX_DATASETS.load_all().items()
        if getattr(each, 'truth_options', None) is not None
    )
    return RefusedError(f'dataset {name} has no {what}; datasets that have: {", ".join(able)}')


class TrueMasks:
    """The masks of the scenes of a dataset that was opened with ``truth_options``."""

    def __init__(self, dataset: BoxDataset):
        self.dataset = dataset

    def facts(self, scene: int) -> str:
        """Return a digest of the masks that stand in the label file of a scene; '' of none."""
        if self.files(scene):
            return ''
        try:
            return facts_of(json.dumps(self.dataset.ground_truth_of(scene), sort_keys=True))
        except SamrsError:
            return ''

    def files(self, scene: int) -> list[Path]:
        """Return the files beside the label file that hold masks of a scene."""
        return self.dataset.truth_files(scene)

    def of_scene(
        self, scene: int, width: int, height: int, broken: dict[str, str] | None = None
    ) -> dict[str, dict]:
        """Return the masks of a scene of this size as COCO RLE, by box id.

        Args:
            scene: Its number in the dataset.
            width: In pixels.
            height: In pixels.
            broken: Takes why polygons are none, by box id; None raises.

        Raises:
            LabelReadError: A mask is none, or of another size.
        """
        found = {}
        for box_id, segmentation in self.dataset.ground_truth_of(scene).items():
            try:
                mask = segmentations.from_coco(segmentation, height, width)
            except mask_ops.MaskError as error:
                if broken is not None and isinstance(segmentation, list):
                    broken[box_id] = str(error)
                    continue
                raise LabelReadError(f'{box_id}: the true mask: {error}') from error
            if mask is not None:
                found[box_id] = mask
        return found
