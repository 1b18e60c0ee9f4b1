from pathlib import Path

import pytest

from samrs_mm.evaluation.paper.layout import labels, listed_configs, paper_layout
from samrs_mm.evaluation.paper.tables import paper_tables
from samrs_mm.evaluation.results import Result
from samrs_mm.formats.scenes import isaid, potsdam


def result(config, **scores):
    return Result(config, scores, Path('work/metrics.json'), 'iter_9.pth', 'flip')


def table(number, *results):
    tables = paper_layout({found.config: found for found in results})
    return next(found for found in tables if found.number == number)


def row(found, method, pretrain, backbone, numbers='ours'):
    (cells,) = [r for r in found.rows if r[:4] == (method, pretrain, backbone, numbers)]
    return dict(zip(found.columns[4:], cells[4:], strict=True))


def test_the_tables_of_the_paper_without_a_result():
    tables = paper_layout({})
    assert [found.number for found in tables] == [3, 4, 5, 6, 9]
    # two lines a row; tables 5 and 6 have 4 rows and 2 of differences, table 9 one we can't run
    assert [len(found.rows) for found in tables] == [56, 28, 12, 12, 29]
    for found in tables:
        assert all(len(cells) == len(found.columns) for cells in found.rows)
        for cells in found.rows:
            assert any(cells[4:]) == (cells[3] == 'paper')


@pytest.mark.parametrize(
    ('config', 'expected'),
    [
        ('unet_resnet50_sep_potsdam', ('UNet', 'SEP', 'ResNet-50')),
        ('unet_resnet50_rsp-sep_isaid-3pct', ('UNet', 'RSP+SEP', 'ResNet-50')),
        ('upernet_vit-rvsa_samrs-mae-sep_potsdam', ('UperNet', 'SAMRS-MAE+SEP', 'ViT-B + RVSA')),
        ('upernet_vit_beit_potsdam', ('UperNet', 'BEiT', 'ViT-B')),
        ('upernet_vit_beit', ('UperNet', 'BEiT+SEP', 'ViT-B')),
        ('upernet_resnet50_scratch', ('UperNet', 'SEP', 'ResNet-50')),
        ('upernet_vitae', ('UperNet', 'IMP+SEP', 'ViTAEv2-S')),
        ('upernet_swin at 224 px', ('UperNet', 'IMP+SEP', 'Swin-T at 224 px')),
        ('mask2former_resnet50_imp_potsdam', ('Mask2Former', 'IMP', 'ResNet-50')),
    ],
)
def test_labels_are_the_papers(config, expected):
    assert labels(config) == expected


def test_every_row_has_labels_of_its_own():
    for number in (3, 4, 9):
        rows = paper_tables()[number].rows
        assert len({labels(name) for name in rows}) == len(rows)
    assert len(listed_configs()) == 28 + 14 + 12 + 12 + 14


def test_potsdam():
    scores = {f'F1/{name}': 90 + place for place, name in enumerate(potsdam.CLASSES)}
    found = table(3, result('upernet_vitae_imp-sep_potsdam', OA=88.888, mF1=91, mIoU=70, **scores))
    assert row(found, 'UperNet', 'IMP+SEP', 'ViTAEv2-S') == {
        'Imper. surf.': '90.00', 'Building': '91.00', 'Low veg.': '92.00', 'Tree': '93.00',
        'Car': '94.00', 'OA': '88.89', 'mF1': '91.00',
        'from': 'iter_9.pth, TTA flip; work/metrics.json',
    }  # fmt: skip
    assert row(found, 'UperNet', 'IMP+SEP', 'ViTAEv2-S', 'paper')['mF1'] == '92.55'
    assert not any(row(found, 'UperNet', 'IMP', 'ViTAEv2-S').values())


def test_isaid_with_a_class_that_was_not_scored():
    scores = {f'IoU/{name}': place for place, name in enumerate(isaid.CLASSES[1:])}
    del scores['IoU/plane']
    found = table(4, result('unet_resnet50_imp_isaid', mIoU=33, **scores))
    ours = row(found, 'UNet', 'IMP', 'ResNet-50')
    assert (ours['SH'], ours['GTF'], ours['HA'], ours['mIoU']) == ('0.00', '5.00', '14.00', '33.00')
    assert ours['PL'] == ''
    assert row(found, 'UNet', 'IMP', 'ResNet-50', 'paper')['HC'] == '0.07'


def test_few_samples_and_the_gain_of_sep():
    found = table(
        5,
        result('unet_resnet50_imp_potsdam-5pct', mF1=50.5),
        result('unet_resnet50_imp-sep_potsdam-5pct', mF1=49.25),
        result('unet_resnet50_imp-sep_potsdam-1pct', mF1=40),
    )
    assert found.columns[4:7] == ('5%', '3%', '1%')
    assert found.rows[1][4:] == ('50.50', '', '', '5%: iter_9.pth, TTA flip; work/metrics.json')
    assert found.rows[3][4:7] == ('49.25', '', '40.00')
    assert [cells[2:7] for cells in found.rows[4:6]] == [
        ('Δ', 'paper', '+1.35', '+2.94', '+3.98'), ('Δ', 'ours', '-1.25', '', ''),
    ]  # fmt: skip


def test_pre_training():
    scores = {'sota/mIoU': 70, 'sior/mIoU': 80, 'fast/mIoU': 45, 'mIoU': 65}
    found = table(9, result('upernet_internimage', **scores))
    place = next(i for i, cells in enumerate(found.rows) if cells[2] == 'InternImage-T')
    lines = [cells[2:8] for cells in found.rows[place : place + 3]]
    assert lines == [
        ('InternImage-T', 'paper', '58.07', '72.04', '29.33', '53.15'),
        ('InternImage-T', 'ours', '70.00', '80.00', '45.00', '65.00'),
        ('InternImage-T at 224 px', 'paper', '78.06', '92.51', '45.70', '72.09'),
    ]


def test_markdown_is_a_table():
    lines = table(6).markdown().splitlines()
    assert lines[0] == '## Table 6: iSAID with few samples, mIoU'
    assert lines[2] == '| Method | Pretrain | Backbone | Numbers | 5% | 3% | 1% | from |'
    assert lines[3] == '| --- | --- | --- | --- | --- | --- | --- | --- |'
    assert len({line.count('|') for line in lines[2:]}) == 1
