"""The numbers of a dataset as tables: by class, over all, and the row of the paper's Table 2."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from samrs_mm.core.classes import FAST_CLASSES, abbreviations
from samrs_mm.formats.annotated.entries import HELD
from samrs_mm.statistics.dataset_stats import SMALL, DatasetStats, box_fractions, size_stats

TABLE_2 = (
    'Dataset', '#Images', '#Category', '#Channels', 'Resolution (m)', 'Image size', 'Instance',
    'Fine-grained',
)  # fmt: skip
"""Columns of Table 2 of arXiv:2305.02034."""

FRACTIONS = (0.05, 0.5, 0.95)
"""Quantiles of mask size / box size."""


def class_rows(stats: DatasetStats) -> list[dict[str, Any]]:
    """Return the numbers of each class, in the order of the classes.

    ``boxes`` are all boxes, ``instances`` those with a valid mask; then the other boxes by
    status, the images with an instance, ``pixels`` of the label maps, ``mask_pixels`` of the
    masks before overlap, sizes of the masks (see ``size_stats``) and quantiles of mask size / box
    size.
    """
    columns = dict(
        boxes=stats.count(),
        instances=stats.count_instances(),
        **{status: stats.count(status) for status in _lost(stats)},
        images=stats.counts.present,
        pixels=stats.counts.pixels,
    )
    total = max(1, int(stats.counts.pixels.sum()))
    short = abbreviations(stats.classes)
    rows = []
    for label, name in enumerate(stats.classes):
        instances = stats.of_class(label)
        numbers = {key: int(column[label]) for key, column in columns.items()}
        rows.append(
            dict(label=label, category=name, abbreviation=short[label], **numbers)
            | dict(pixel_share=round(numbers['pixels'] / total, 6))
            | _instance_numbers(instances)
        )
    return rows


def _lost(stats: DatasetStats) -> list[str]:
    """Return the statuses of boxes that are told beside the instances."""
    return [status for status in stats.statuses if status not in HELD]


def _instance_numbers(instances: np.ndarray) -> dict[str, Any]:
    fractions = box_fractions(instances)
    values = np.quantile(fractions, FRACTIONS).round(4).tolist() if len(fractions) else [None] * 3
    names = [f'box_share_q{round(100 * q):02}' for q in FRACTIONS]
    mask_pixels = int(instances['area'].sum(dtype=np.int64))
    numbers = dict(mask_pixels=mask_pixels, **size_stats(instances))
    return numbers | dict(zip(names, values, strict=True))


def summary(stats: DatasetStats) -> dict[str, Any]:
    """Return the numbers of the whole dataset, and all that the figures show."""
    images, counts = stats.counts.images, stats.counts
    masks, sizes = images['masks'], stats.size_histogram()
    area = (images['width'].astype(np.int64) * images['height']).sum()
    boxes = stats.count()
    return dict(
        name=stats.name,
        images=len(images),
        images_with_instances=int(np.count_nonzero(masks)),
        images_with_labels=int(np.count_nonzero(images['labelled'])),
        boxes=int(boxes.sum()),
        instances=len(stats.instances),
        statuses={status: int(stats.count(status).sum()) for status in stats.statuses},
        classes_without_instances=[
            stats.classes[label] for label in np.flatnonzero(stats.count_instances() == 0)
        ],
        pixels_of=stats.pixels_of,
        pixels=int(counts.pixels.sum()),
        image_pixels=int(area),
        **_instance_numbers(stats.instances),
        masks_per_image=_per_image(masks),
        size_edges=stats.size_edges().round(3).tolist(),
        size_histogram=sizes.sum(0).tolist(),
        size_histogram_by_class=dict(zip(stats.classes, sizes.tolist(), strict=True)),
        table_2=[dict(zip(TABLE_2, row, strict=True)) for row in table_2(stats)],
        skipped=counts.problems,
    )


def _per_image(masks: np.ndarray) -> dict[str, Any]:
    if not len(masks):
        return dict(mean=None, median=None, most=None, counts={})
    counts = {str(count): number for count, number in sorted(Counter(masks.tolist()).items())}
    mean, median = round(float(masks.mean()), 4), float(np.median(masks))
    return dict(mean=mean, median=median, most=int(masks.max()), counts=counts)


def table_2(stats: DatasetStats) -> list[tuple[str, ...]]:
    """Return the row of Table 2 for all images, and for those with a label.

    The paper's own counts are the second: SAMRS has no images without boxes. Channels are those
    that images are read with; the ground sampling distance is in no label file.
    """
    images = stats.counts.images
    instance = '✓' if len(stats.instances) else ''
    fine = '✓' if stats.classes == FAST_CLASSES else ''
    rows: list[tuple[str, ...]] = []
    for name, chosen in (
        (stats.name, images),
        (f'{stats.name}, images with labels', images[images['labelled']]),
    ):
        size = image_sizes(chosen)
        count, classes = f'{len(chosen):,}', str(len(stats.classes))
        rows.append((name, count, classes, 'RGB', '-', size, instance, fine))
    return rows


def image_sizes(images: np.ndarray) -> str:
    """Return width × height of images, of the smallest and the largest where they differ.

    An image of a released folder without label map and instances has no known size.
    """
    sizes = np.unique(images[images['width'] > 0][['width', 'height']])
    if not len(sizes):
        return '-'
    texts = [f'{width:,} × {height:,}' for width, height in sorted(sizes.tolist(), key=np.prod)]
    return texts[0] if len(texts) == 1 else f'{texts[0]} ~ {texts[-1]}'


def markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table with aligned columns, those of numbers to the right."""
    padded = []
    for name, *cells in zip(columns, *rows, strict=True):
        width = max(map(len, (name, *cells)))
        number = all(cell[:1].isdigit() or cell == '-' for cell in cells)
        pad = str.rjust if number else str.ljust
        line = '-' * (width - 1) + (':' if number else '-')
        padded.append([pad(name, width), line, *(pad(cell, width) for cell in cells)])
    return '\n'.join(f'| {" | ".join(line)} |' for line in zip(*padded, strict=True))


def report(stats: DatasetStats) -> str:
    """Return the short table for the screen, and the rows of Table 2."""
    facts = summary(stats)
    lost = ', '.join(f'{facts["statuses"][status]:,} {status}' for status in _lost(stats))
    per_image, labelled = facts['masks_per_image'], facts['pixels'] / max(1, facts['image_pixels'])
    classes = [
        (
            row['abbreviation'], row['category'], f'{row["boxes"]:,}', f'{row["instances"]:,}',
            f'{row["pixels"]:,}', f'{row["pixel_share"]:.1%}', _cell(row['q50'], ',.0f'),
            _cell(row[f'share_below_{SMALL}'], '.1%'), _cell(row['box_share_q50'], '.2f'),
        )
        for row in class_rows(stats)
    ]  # fmt: skip
    header = (
        '', 'class', 'boxes', 'instances', 'pixels', 'share', 'median px', f'< {SMALL} px',
        'mask/box',
    )  # fmt: skip
    lines = [
        f'images      {facts["images"]:,}; {facts["images_with_instances"]:,} with a mask, '
        f'{facts["images_with_labels"]:,} with labels',
        f'boxes       {facts["boxes"]:,} (per image or tile; {lost})',
        f'instances   {facts["instances"]:,} with a valid mask; per image mean '
        f'{_cell(per_image["mean"], ".1f")}, median {_cell(per_image["median"], ".0f")}, most '
        f'{_cell(per_image["most"], ",")}',
        f'mask size   median {_cell(facts["q50"], ",.0f")} px, 5 % below '
        f'{_cell(facts["q05"], ",.0f")}, 5 % above {_cell(facts["q95"], ",.0f")}; below {SMALL} px '
        f'{_cell(facts[f"share_below_{SMALL}"], ".1%")}',
        f'pixels      {facts["pixels"]:,} of the {stats.pixels_of}; {labelled:.1%} of the images',
        '',
        markdown(header, classes),
        '',
        markdown(TABLE_2, table_2(stats)),
    ]
    return '\n'.join(lines)


def _cell(value: float | None, form: str) -> str:
    return '-' if value is None else format(value, form)
