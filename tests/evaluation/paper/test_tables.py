import numpy as np
import pytest
from folders import ROOT

from samrs_mm.core.prompts import PAPER_SETTINGS
from samrs_mm.evaluation.paper.tables import misprints, paper_tables
from samrs_mm.formats.scenes import isaid, potsdam

TABLES = paper_tables()
# columns and means are both rounded to 0.01: half of that each
ROUNDING = 0.005 + 0.005 + 1e-9
# the numbers of a row that its last one is the mean of
AVERAGED = {3: 5, 4: 15, 9: 3}
MEANS = {
    name: (values[: AVERAGED[number]], values[-1])
    for number in AVERAGED
    for name, values in TABLES[number].rows.items()
}


def test_there_are_as_many_rows_as_in_the_paper():
    rows = {number: len(table.configs) for number, table in TABLES.items()}
    assert rows == {1: 15, 3: 28, 4: 14, 5: 12, 6: 12, 9: 14}
    assert len(MEANS) == 28 + 14 + 14 + 1, 'names are unique over all tables'


@pytest.mark.parametrize('number', TABLES)
def test_rows_have_a_number_for_each_column(number):
    table = TABLES[number]
    assert {len(values) for values in table.rows.values()} == {len(table.columns)}
    name = next(iter(table.rows))
    assert [*table.values(name).items()] == [*zip(table.columns, table.rows[name], strict=True)]


def test_columns_are_named_as_our_scores():
    assert [*TABLES[3].columns.values()] == [*(f'F1/{n}' for n in potsdam.CLASSES), 'OA', 'mF1']
    assert [*TABLES[4].columns.values()] == [*(f'IoU/{n}' for n in isaid.CLASSES[1:]), 'mIoU']
    assert [*TABLES[9].columns.values()] == ['sota/mIoU', 'sior/mIoU', 'fast/mIoU', 'mIoU']


@pytest.mark.parametrize('name', [name for name in MEANS if name not in misprints()])
def test_a_row_agrees_with_itself(name):
    columns, mean = MEANS[name]
    assert abs(np.mean(columns) - mean) <= ROUNDING


@pytest.mark.parametrize('name', misprints())
def test_a_misprint_is_one(name):
    columns, mean = MEANS[name]
    assert abs(np.mean(columns) - mean) > ROUNDING
    assert f'{mean}, its columns give {np.mean(columns):.2f}' in misprints()[name]


@pytest.mark.parametrize(
    ('number', 'dataset', 'gains'),
    [
        (5, 'potsdam', {'imp': (1.35, 2.94, 3.98), 'rsp': (1.35, 2.05, 5.49)}),
        (6, 'isaid', {'imp': (13.41, 7.79, 5.71), 'rsp': (17.79, 10.21, 6.34)}),
    ],
)
def test_the_printed_gains_of_sep_are_the_differences(number, dataset, gains):
    for pretrain, values in gains.items():
        for percent, gain in zip((5, 3, 1), values, strict=True):
            (before,), (after,) = (
                TABLES[number].rows[f'unet_resnet50_{kind}_{dataset}-{percent}pct']
                for kind in (pretrain, f'{pretrain}-sep')
            )
            assert after - before == pytest.approx(gain, abs=0.001)


def test_table_1_has_the_papers_settings_and_agrees_with_its_text():
    assert tuple(TABLES[1].rows) == PAPER_SETTINGS
    for column in (0, 1):
        means = {name: row[column] for name, row in TABLES[1].rows.items()}
        assert max(means, key=means.get) == 'hbox'
        assert min(means, key=means.get) == 'cp'
        masks = [means[name] for name in ('hbox-m', 'rbox-m', 'rhbox-m')]
        assert 55 < max(masks) < 70  # "approximately 60%"
        assert all(means[f'cp+{name}'] < means[name] for name in means if f'cp+{name}' in means)


@pytest.mark.parametrize(
    ('number', 'folder'), [(3, 'potsdam'), (4, 'isaid'), (5, 'potsdam'), (6, 'isaid'), (9, 'sep')]
)
def test_every_row_is_a_config(number, folder):
    files = {path.stem for path in (ROOT / 'configs' / folder).glob('*.py')}
    assert set(TABLES[number].configs) <= files
