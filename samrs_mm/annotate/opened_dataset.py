"""The dataset of an annotate config, opened for boxes, or for masks of its labels, too."""

from pathlib import Path
from typing import Any

from mmengine.config import Config

from samrs_mm.core.errors import RefusedError
from samrs_mm.core.prompts import PromptSetting
from samrs_mm.datasets.boxes.base import BoxDataset, build_dataset
from samrs_mm.datasets.boxes.geo import GeoBoxDataset
from samrs_mm.datasets.boxes.true_masks import refuse_without_masks, truth_options


def open_dataset(
    config: Config, options: dict[str, Any] | None = None
) -> tuple[BoxDataset, dict[str, Any]]:
    """Build the dataset of an annotate config, with more arguments as ``options``.

    Returns:
        The dataset, and its entry in a folder's settings, but for the classes.

    Raises:
        RefusedError: The output goes into the data, or they are not where the config says.
    """
    if Path(config.data_root).resolve() == Path(config.out).resolve():
        raise RefusedError(f'out {config.out} is the data root itself; choose another --out')
    if not isinstance(config.dataset, dict):
        raise RefusedError(f'config: dataset={config.dataset!r}: expected dict(type=..., ...)')
    dataset = build_dataset(config, options)
    entry = dataset.entry or config.dataset
    settings = {key: value for key, value in entry.items() if key != 'classes'}
    if isinstance(dataset, GeoBoxDataset):
        settings['boxes'] = dataset.layer.source  # box ids have it; where it lies is no matter
        settings.pop('list_outside', None)  # decides nothing about a mask
    return dataset, settings


def open_masked(config: Config, setting: PromptSetting) -> tuple[BoxDataset, dict[str, Any]]:
    """Build the dataset of a config, with the masks of its labels if a setting prompts them.

    Returns:
        As ``open_dataset``.

    Raises:
        RefusedError: As there, or it has no masks.
    """
    if not setting.of_labels:
        return open_dataset(config)
    what = f'masks for the prompt {setting.name!r}'
    opened = open_dataset(config, truth_options(config.dataset, what))
    refuse_without_masks(opened[0], what)
    return opened
