"""Our results in the layout of the paper's tables, beside the paper's numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from samrs_mm.evaluation.paper.tables import OPTION, PaperTable, paper_tables
from samrs_mm.evaluation.results import Result

METHODS = dict(unet='UNet', upernet='UperNet', mask2former='Mask2Former')
BACKBONES = {
    'resnet50': 'ResNet-50',
    'swin': 'Swin-T',
    'vitae': 'ViTAEv2-S',
    'internimage': 'InternImage-T',
    'vit': 'ViT-B',
    'vit-adapter': 'ViT-Adapter-B',
    'vit-rvsa': 'ViT-B + RVSA',
}
WHOLE, FEW_SAMPLES = (3, 4, 9), (5, 6)
"""Numbers of the tables of trained models."""
PERCENTS = (5, 3, 1)
PERCENT_COLUMNS = tuple(f'{percent}%' for percent in PERCENTS)
LABELS = ('Method', 'Pretrain', 'Backbone', 'Numbers')


@dataclass(frozen=True)
class Table:
    """One of the paper's tables, with a row of the paper's numbers and one of ours in turn.

    Cells are empty where there is no number; the last says where a row of ours comes from.
    """

    number: int
    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]

    def markdown(self) -> str:
        """Return title and table as Markdown."""
        return f'## Table {self.number}: {self.title}\n\n{markdown([self.columns, *self.rows])}\n'


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of cells, the first one the header, as a Markdown table."""
    header, *others = rows
    lines = [header, ('---',) * len(header), *others]
    return '\n'.join(f'| {" | ".join(cells)} |' for cells in lines)


def paper_layout(results: Mapping[str, Result]) -> list[Table]:
    """Return tables 3, 4, 5, 6 and 9 with these results, by config."""
    tables = []
    for number in sorted((*WHOLE, *FEW_SAMPLES)):
        printed = paper_tables()[number]
        if number in WHOLE:
            columns, rows = (*printed.columns,), _whole_rows(printed, results)
        else:
            columns, rows = PERCENT_COLUMNS, _few_samples_rows(printed, results)
        tables.append(Table(number, printed.title, (*LABELS, *columns, 'from'), rows))
    return tables


def listed_configs() -> set[str]:
    """Return the names of the configs that have a place in a table."""
    return {name for number in (*WHOLE, *FEW_SAMPLES) for name in paper_tables()[number].configs}


def labels(row: str) -> tuple[str, str, str]:
    """Return method, pre-training and backbone of a config in the paper's words.

    Example:
        >>> labels('unet_resnet50_imp-sep_potsdam-5pct'), labels('upernet_swin')
        (('UNet', 'IMP+SEP', 'ResNet-50'), ('UperNet', 'IMP+SEP', 'Swin-T'))
    """
    config, *option = row.partition(OPTION)
    method, backbone, *rest = config.split('_')
    if len(rest) < 2:  # a config of pre-training: no suffix is ImageNet
        start = rest[0] if rest else 'imp'
        pretrain = 'sep' if start == 'scratch' else f'{start}-sep'
    else:
        pretrain = rest[0]
    base, plus = pretrain.removesuffix('-sep'), '+SEP' if pretrain.endswith('-sep') else ''
    base = 'BEiT' if base == 'beit' else base.upper()
    return METHODS[method], base + plus, BACKBONES[backbone] + ''.join(option)


def _whole_rows(printed: PaperTable, results: Mapping[str, Result]) -> list[tuple[str, ...]]:
    """A model a row."""
    rows = []
    for name, values in printed.rows.items():
        rows.append((*labels(name), 'paper', *_texts(values), ''))
        if name in printed.configs:
            ours = results.get(name)
            found = [ours.scores.get(key) if ours else None for key in printed.columns.values()]
            rows.append((*labels(name), 'ours', *_texts(found), ours.origin if ours else ''))
    return rows


def _few_samples_rows(printed: PaperTable, results: Mapping[str, Result]) -> list[tuple[str, ...]]:
    """A model a row, its fractions of the samples in columns; below each pair the gain of SEP."""
    (key,) = printed.columns.values()
    stems = list(dict.fromkeys(config.rpartition('-')[0] for config in printed.rows))
    rows = []
    for pair in zip(stems[::2], stems[1::2], strict=True):
        values: dict[str, list[list[float | None]]] = dict(paper=[], ours=[])
        for stem in pair:
            configs = [f'{stem}-{percent}pct' for percent in PERCENTS]
            found = [results.get(config) for config in configs]
            values['paper'].append([printed.rows[config][0] for config in configs])
            values['ours'].append([ours.scores.get(key) if ours else None for ours in found])
            columns = zip(PERCENT_COLUMNS, found, strict=True)
            origin = '; '.join(f'{column}: {ours.origin}' for column, ours in columns if ours)
            rows += [
                (*labels(stem), 'paper', *_texts(values['paper'][-1]), ''),
                (*labels(stem), 'ours', *_texts(values['ours'][-1]), origin),
            ]
        for who, (before, after) in values.items():
            both = zip(before, after, strict=True)
            gains = [None if old is None or new is None else new - old for old, new in both]
            rows.append(('', '', 'Δ', who, *_texts(gains, '+'), ''))
    return rows


def _texts(values: Sequence[float | None], sign: str = '') -> list[str]:
    return ['' if value is None else f'{value:{sign}.2f}' for value in values]
