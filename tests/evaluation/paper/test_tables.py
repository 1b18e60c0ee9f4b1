from dataclasses import astuple

import numpy as np
import pytest
from folders import ROOT

from samrs_mm.core.prompts import PAPER_SETTINGS
from samrs_mm.evaluation.paper.tables import (
    INTERNIMAGE_AT_224,
    MISPRINTS,
    TABLE_1,
    TABLE_3,
    TABLE_4,
    TABLE_5,
    TABLE_6,
    TABLE_9,
)

# columns and means are both rounded to 0.01: half of that each
ROUNDING = 0.005 + 0.005 + 1e-9

MEANS = {
    **{name: (row.f1, row.mf1) for name, row in TABLE_3.items()},
    **{name: (row.iou, row.miou) for name, row in TABLE_4.items()},
    **{name: (astuple(row)[:3], row.average) for name, row in TABLE_9.items()},
    'InternImage at 224 px': (astuple(INTERNIMAGE_AT_224)[:3], INTERNIMAGE_AT_224.average),
}


def test_there_are_as_many_rows_as_in_the_paper():
    tables = TABLE_3, TABLE_4, TABLE_5, TABLE_6, TABLE_9
    assert [len(table) for table in tables] == [28, 14, 12, 12, 14]
    assert all(len(row.f1) == 5 for row in TABLE_3.values())
    assert all(len(row.iou) == 15 for row in TABLE_4.values())
    assert len(MEANS) == 28 + 14 + 14 + 1, 'names are unique over all tables'


@pytest.mark.parametrize('name', [name for name in MEANS if name not in MISPRINTS])
def test_a_row_agrees_with_itself(name):
    columns, mean = MEANS[name]
    assert abs(np.mean(columns) - mean) <= ROUNDING


@pytest.mark.parametrize('name', MISPRINTS)
def test_a_misprint_is_one(name):
    columns, mean = MEANS[name]
    assert abs(np.mean(columns) - mean) > ROUNDING
    assert f'{mean}, its columns give {np.mean(columns):.2f}' in MISPRINTS[name]


@pytest.mark.parametrize(
    ('table', 'dataset', 'gains'),
    [
        (TABLE_5, 'potsdam', {'imp': (1.35, 2.94, 3.98), 'rsp': (1.35, 2.05, 5.49)}),
        (TABLE_6, 'isaid', {'imp': (13.41, 7.79, 5.71), 'rsp': (17.79, 10.21, 6.34)}),
    ],
)
def test_the_printed_gains_of_sep_are_the_differences(table, dataset, gains):
    for pretrain, values in gains.items():
        for percent, gain in zip((5, 3, 1), values, strict=True):
            before, after = (table[f'unet_resnet50_{kind}_{dataset}-{percent}pct']
                             for kind in (pretrain, f'{pretrain}-sep'))  # fmt: skip
            assert after - before == pytest.approx(gain, abs=0.001)


def test_the_configs_of_pre_training_have_a_row():
    configs = {path.stem for path in (ROOT / 'configs/sep').glob('*.py')}
    assert configs - {'mask2former_resnet50'} <= set(TABLE_9)


def test_table_1_has_the_papers_settings_and_says_what_the_paper_says_of_it():
    assert tuple(TABLE_1) == PAPER_SETTINGS
    for column in (0, 1):
        means = {name: row[column] for name, row in TABLE_1.items()}
        assert max(means, key=means.get) == 'hbox'
        assert min(means, key=means.get) == 'cp'
        masks = [means[name] for name in ('hbox-m', 'rbox-m', 'rhbox-m')]
        assert 55 < max(masks) < 70  # "approximately 60%"
        assert all(means[f'cp+{name}'] < means[name] for name in means if f'cp+{name}' in means)
