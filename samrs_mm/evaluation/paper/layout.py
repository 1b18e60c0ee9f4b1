"""Our results in the layout of the paper's tables, beside the paper's numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass

from samrs_mm.evaluation.paper import tables as paper
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
POTSDAM_COLUMNS = ('Imper. surf.', 'Building', 'Low veg.', 'Tree', 'Car')
ISAID_COLUMNS = (
    'SH', 'ST', 'BD', 'TC', 'BC', 'GTF', 'BR', 'LV', 'SV', 'HC', 'SP', 'RA', 'SBF', 'PL', 'HA',
)  # fmt: skip
FEW = (5, 3, 1)
LABELS = ('Method', 'Pretrain', 'Backbone', 'Numbers')


@dataclass(frozen=True)
class Table:
    """One of the paper's tables, with a row of the paper's numbers and one of ours in turn.

    Args:
        number: Its number in the paper.
        title: What it shows.
        columns: Names of all columns; the last tells where a row of ours comes from.
        rows: Cells as text, empty where there is no number.
    """

    number: int
    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]

    def markdown(self) -> str:
        """Return title and table as Markdown."""
        lines = [self.columns, ('---',) * len(self.columns), *self.rows]
        body = '\n'.join(f'| {" | ".join(cells)} |' for cells in lines)
        return f'## Table {self.number}: {self.title}\n\n{body}\n'


def paper_layout(results: Mapping[str, Result]) -> list[Table]:
    """Return tables 3, 4, 5, 6 and 9.

    Args:
        results: What to show, by config.
    """
    few = [f'{percent}%' for percent in FEW]
    f1 = [f'F1/{name}' for name in paper.POTSDAM_CLASSES]
    iou = [f'IoU/{name}' for name in paper.ISAID_CLASSES]
    potsdam = {name: (*row.f1, row.oa, row.mf1) for name, row in paper.TABLE_3.items()}
    isaid = {name: (*row.iou, row.miou) for name, row in paper.TABLE_4.items()}
    sep = {name: astuple(row) for name, row in paper.TABLE_9.items()}
    sources = [f'{source}/mIoU' for source in ('sota', 'sior', 'fast')]
    table_9 = _plain(9, 'SAMRS validation sets, mIoU', ('SOTA', 'SIOR', 'FAST', 'Average'), sep,
                     [*sources, 'mIoU'], results)  # fmt: skip
    at_224 = next(place for place, row in enumerate(table_9.rows) if row[2] == 'InternImage-T') + 2
    printed = ('UperNet', 'IMP+SEP', 'InternImage-T at 224 px')
    table_9.rows.insert(at_224, (*printed, 'paper', *_texts(astuple(paper.INTERNIMAGE_AT_224)), ''))
    return [
        _plain(3, 'ISPRS Potsdam, F1, OA and mean F1', (*POTSDAM_COLUMNS, 'OA', 'mF1'), potsdam,
               [*f1, 'OA', 'mF1'], results),
        _plain(4, 'iSAID, IoU', (*ISAID_COLUMNS, 'mIoU'), isaid, [*iou, 'mIoU'], results),
        _few(5, 'ISPRS Potsdam with few samples, mean F1', few, paper.TABLE_5, 'mF1', results),
        _few(6, 'iSAID with few samples, mIoU', few, paper.TABLE_6, 'mIoU', results),
        table_9,
    ]  # fmt: skip


def listed_configs() -> set[str]:
    """Return the names of the configs that have a place in a table."""
    tables = paper.TABLE_3, paper.TABLE_4, paper.TABLE_5, paper.TABLE_6, paper.TABLE_9
    return {name for table in tables for name in table}


def labels(config: str) -> tuple[str, str, str]:
    """Return method, pre-training and backbone of a config in the paper's words.

    Example:
        >>> labels('unet_resnet50_imp-sep_potsdam-5pct'), labels('upernet_swin')
        (('UNet', 'IMP+SEP', 'ResNet-50'), ('UperNet', 'IMP+SEP', 'Swin-T'))
    """
    method, backbone, *rest = config.split('_')
    if len(rest) < 2:  # a config of pre-training: no suffix is ImageNet
        start = rest[0] if rest else 'imp'
        pretrain = 'sep' if start == 'scratch' else f'{start}-sep'
    else:
        pretrain = rest[0]
    base, plus = pretrain.removesuffix('-sep'), '+SEP' if pretrain.endswith('-sep') else ''
    base = 'BEiT' if base == 'beit' else base.upper()
    return METHODS[method], base + plus, BACKBONES[backbone]


def _plain(
    number: int,
    title: str,
    columns: Sequence[str],
    printed: Mapping[str, Sequence[float]],
    keys: Sequence[str],
    results: Mapping[str, Result],
) -> Table:
    """A model a row: ``printed`` by config, ours from the scores named ``keys``."""
    rows = []
    for config, values in printed.items():
        ours = results.get(config)
        found = [ours.scores.get(key) if ours else None for key in keys]
        rows += [
            (*labels(config), 'paper', *_texts(values), ''),
            (*labels(config), 'ours', *_texts(found), ours.origin if ours else ''),
        ]
    return Table(number, title, (*LABELS, *columns, 'from'), rows)


def _few(
    number: int,
    title: str,
    columns: Sequence[str],
    printed: Mapping[str, float],
    key: str,
    results: Mapping[str, Result],
) -> Table:
    """A model a row, its shares of the samples in columns; below each pair the gain of SEP."""
    stems = list(dict.fromkeys(config.rpartition('-')[0] for config in printed))
    rows = []
    for start, sep in zip(stems[::2], stems[1::2], strict=True):
        values: dict[str, list[list[float | None]]] = dict(paper=[], ours=[])
        for stem in (start, sep):
            configs = [f'{stem}-{percent}pct' for percent in FEW]
            found = [results.get(config) for config in configs]
            values['paper'].append([printed[config] for config in configs])
            values['ours'].append([ours.scores.get(key) if ours else None for ours in found])
            pairs = zip(columns, found, strict=True)
            origin = '; '.join(f'{column}: {ours.origin}' for column, ours in pairs if ours)
            rows += [
                (*labels(configs[0]), who, *_texts(values[who][-1]),
                 origin if who == 'ours' else '')
                for who in values
            ]  # fmt: skip
        for who, (before, after) in values.items():
            pairs = zip(before, after, strict=True)
            gains = [None if None in pair else pair[1] - pair[0] for pair in pairs]
            rows.append(('', '', 'Δ', who, *_texts(gains, '+'), ''))
    return Table(number, title, (*LABELS, *columns, 'from'), rows)


def _texts(values: Sequence[float | None], sign: str = '') -> list[str]:
    return ['' if value is None else f'{value:{sign}.2f}' for value in values]
