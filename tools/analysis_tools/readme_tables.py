"""Write the tables of configs/*/README.md again, from the metafiles and the paper's numbers."""

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from samrs_mm.cli import ToolParser, run_command
from samrs_mm.core.atomic import atomic_write
from samrs_mm.core.errors import RefusedError
from samrs_mm.evaluation.paper.layout import markdown
from samrs_mm.evaluation.paper.tables import paper_tables

EPILOG = """\
Run it after a new entry in a metafile. A table is between <!-- paper table N --> and
<!-- end -->; N is its number in the paper. The paper's numbers are in
samrs_mm/evaluation/paper/paper.yml; a model without a row there gets dashes, one without Results in
its metafile "not run".
examples
  tools/analysis_tools/readme_tables.py configs/sep configs/potsdam configs/isaid
exit codes: 0 done; 1 a file could not be read or written; 2 refused"""

Model = Mapping[str, Any]
"""An entry of ``Models`` in a metafile."""
BLOCK = re.compile(r'(<!-- paper table (\d) -->\n).*?(\n<!-- end -->)', re.DOTALL)


def with_tables(readme: str, models: Sequence[Model]) -> str:
    """Write the tables of a README's text anew, between their ``BLOCK`` marks.

    A model with ``Training Tiles`` has its row in the table of few samples, any other one in the
    other table.

    Raises:
        RefusedError: The number of a table that isn't one of trained models.
    """

    def filled(match: re.Match[str]) -> str:
        number = int(match[2])
        if number not in _TABLES:
            raise RefusedError(f'paper table {number}: allowed are {", ".join(map(str, _TABLES))}')
        columns, printed = _TABLES[number]
        few = _tiles in columns.values()
        chosen = [model for model in models if ('Training Tiles' in model['Metadata']) == few]
        header = [*columns, *printed.values(), 'here']
        rows = [[*_cells(number, model)] for model in chosen]
        return f'{match[1]}{markdown([header, *rows])}{match[3]}'

    return BLOCK.sub(filled, readme)


def read_models(metafile: Path) -> list[Model]:
    """Return the entries of a metafile."""
    return yaml.safe_load(metafile.read_text(encoding='utf-8'))['Models']


def sep_config(name: str) -> str:
    """Return the config of pre-training that a fine-tuning config starts from; empty if none.

    Args:
        name: ``{decoder}_{backbone}_{pretrain}_{dataset}``; of another name none is known.

    Example:
        >>> sep_config('unet_resnet50_rsp-sep_isaid-3pct'), sep_config('unet_resnet50_sep_potsdam')
        ('unet_resnet50_rsp', 'unet_resnet50_scratch')
    """
    decoder, backbone, pretrain, *_ = [*name.split('_'), '', '']
    before, _, last = pretrain.rpartition('-')
    if last != 'sep':
        return ''
    start = before or 'scratch'
    return f'{decoder}_{backbone}' + ('' if start == 'imp' else f'_{start}')


def _cells(number: int, model: Model) -> Iterator[str]:
    columns, printed = _TABLES[number]
    yield from (cell(model) for cell in columns.values())
    table = paper_tables()[number]
    known = table.values(model['Name']) if model['Name'] in table.rows else {}
    yield from (f'{known[column]:.2f}' if known else '-' for column in printed)
    yield _own_scores(model)


def _own_scores(model: Model) -> str:
    scores = [
        f'{name} {value:.2f}'
        for result in model.get('Results', ())
        for name, value in result['Metrics'].items()
    ]
    return ', '.join(scores) or 'not run'


def _link(model: Model) -> str:
    return f'[{model["Name"]}]({model["Name"]}.py)'


def _sep_link(model: Model) -> str:
    start = sep_config(model['Name'])
    return f'[{start}](../sep/{start}.py)' if start else '-'


def _tiles(model: Model) -> str:
    return model['Metadata']['Training Tiles']


def _parameters(model: Model) -> str:
    count = model['Metadata'].get('Parameters')
    return '-' if count is None else f'{count:,}'


_Columns = Mapping[str, Callable[[Model], str]]
_MODEL: _Columns = {
    'config': _link,
    'decoder': lambda model: model['Metadata']['Architecture'][0],
    'backbone': lambda model: ' + '.join(model['Metadata']['Architecture'][1:]),
    'starts from': lambda model: model['Metadata'].get('Initial Weights', '-'),
}
_WHOLE: _Columns = {**_MODEL, 'SEP weights': _sep_link}
_FEW: _Columns = {'config': _link, 'tiles': _tiles, 'starts from': _MODEL['starts from']}
_SEP: _Columns = {**_MODEL, 'parameters': _parameters}
_TABLES: dict[int, tuple[_Columns, Mapping[str, str]]] = {
    # number: (what the metafile says, printed columns and what they are called)
    3: (_WHOLE, {'OA': 'OA (paper)', 'mF1': 'mF1 (paper)'}),
    4: (_WHOLE, {'mIoU': 'mIoU (paper)'}),
    5: (_FEW, {'mF1': 'mF1 (paper)'}),
    6: (_FEW, {'mIoU': 'mIoU (paper)'}),
    9: (_SEP, {'SOTA': 'SOTA', 'SIOR': 'SIOR', 'FAST': 'FAST', 'Average': 'average'}),
}


def main(argv: list[str] | None = None) -> int:
    """Run the tool and return its exit code."""
    parser = ToolParser(__doc__, EPILOG)
    parser.add_argument('folders', nargs='+', type=Path, metavar='DIR',
                        help='folders of configs with README.md and metafile.yml')  # fmt: skip
    args = parser.parse_args(argv)
    return run_command(lambda: run(args.folders), 'run it again')


def run(folders: list[Path]) -> None:
    """Rewrite the READMEs whose tables are out of date."""
    for folder in folders:
        path = folder / 'README.md'
        text = path.read_text(encoding='utf-8')
        current = with_tables(text, read_models(folder / 'metafile.yml'))
        if current != text:
            atomic_write(path, current.encode())
        print(f'{path}: {"up to date" if current == text else "written"}')


if __name__ == '__main__':
    sys.exit(main())
