import pytest
from folders import ROOT, load_tool

from samrs_mm.core.errors import RefusedError

TOOL = load_tool('analysis_tools/readme_tables')
read_models, sep_config, with_tables = TOOL.read_models, TOOL.sep_config, TOOL.with_tables
METADATA = dict(Architecture=['UNet', 'ViT-B', 'RVSA'], Parameters=1234567)
BLOCK = '<!-- paper table {} -->\nold\n<!-- end -->\n'


def model(name, start='IMP', **more):
    return dict(Name=name, Metadata=METADATA | {'Initial Weights': start}) | more


def table(number, *models):
    return with_tables(BLOCK.format(number), models).splitlines()[1:-1]


def test_a_row_has_the_papers_numbers_and_a_foreign_model_dashes():
    assert table(9, model('upernet_vitae'), model('unet_toynet', 'none')) == [
        '| config | decoder | backbone | starts from | parameters '
        '| SOTA | SIOR | FAST | average | here |',
        '| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |',
        '| [upernet_vitae](upernet_vitae.py) | UNet | ViT-B + RVSA | IMP | 1,234,567 '
        '| 81.13 | 94.06 | 57.90 | 77.70 | not run |',
        '| [unet_toynet](unet_toynet.py) | UNet | ViT-B + RVSA | none | 1,234,567 '
        '| - | - | - | - | not run |',
    ]  # fmt: skip


def test_what_a_metafile_leaves_out_is_a_dash():
    entry = dict(Name='mine', Metadata=dict(Architecture=['UNet', 'ToyNet']))
    assert (
        table(9, entry)[2]
        == '| [mine](mine.py) | UNet | ToyNet | - | - | - | - | - | - | not run |'
    )


def test_results_of_the_metafile_are_ours():
    results = [dict(Task='Semantic Segmentation', Dataset='SOTA', Metrics=dict(mIoU=41.5))]
    assert table(9, model('upernet_vitae', Results=results))[2].endswith('| 77.70 | mIoU 41.50 |')


def test_models_of_few_tiles_have_a_table_of_their_own():
    few = model('unet_resnet50_imp_isaid-5pct')
    few['Metadata']['Training Tiles'] = '5 %'
    models = few, model('unet_resnet50_imp-sep_isaid', 'IMP + SEP')
    assert table(6, *models)[2:] == [
        '| [unet_resnet50_imp_isaid-5pct](unet_resnet50_imp_isaid-5pct.py) | 5 % | IMP '
        '| 5.33 | not run |'
    ]
    assert table(4, *models)[2:] == [
        '| [unet_resnet50_imp-sep_isaid](unet_resnet50_imp-sep_isaid.py) | UNet | ViT-B + RVSA '
        '| IMP + SEP | [unet_resnet50](../sep/unet_resnet50.py) | 54.00 | not run |'
    ]


def test_text_around_tables_stays_and_an_unknown_table_is_refused():
    text = f'before\n{BLOCK.format(5)}between\n{BLOCK.format(3)}after\n'
    lines = with_tables(text, []).splitlines()
    assert [lines[place] for place in (0, 5, 10)] == ['before', 'between', 'after']
    assert 'old' not in lines
    with pytest.raises(RefusedError, match='paper table 7: allowed are 3, 4, 5, 6, 9'):
        with_tables(BLOCK.format(7), [])


@pytest.mark.parametrize(
    ('name', 'start'),
    [
        ('upernet_vit_beit-sep_potsdam', 'upernet_vit_beit'),
        ('upernet_vit_imp-sep_potsdam', 'upernet_vit'),
        ('upernet_vit-rvsa_samrs-mae-sep_potsdam', 'upernet_vit-rvsa_samrs-mae'),
        ('upernet_vit-rvsa_samrs-mae_potsdam', ''),
        ('unet_resnet50_sep_potsdam', 'unet_resnet50_scratch'),
        ('mine_potsdam', ''),
    ],
)
def test_what_a_config_starts_from(name, start):
    assert sep_config(name) == start


@pytest.mark.parametrize('folder', ['sep', 'potsdam', 'isaid'])
def test_the_readmes_are_up_to_date(folder):
    """Else: tools/analysis_tools/readme_tables.py configs/FOLDER."""
    path = ROOT / 'configs' / folder
    text = (path / 'README.md').read_text()
    assert with_tables(text, read_models(path / 'metafile.yml')) == text


def test_the_tool_writes_what_is_out_of_date(tmp_path, capsys):
    (tmp_path / 'README.md').write_text(BLOCK.format(9))
    (tmp_path / 'metafile.yml').write_text('Models: []')
    for state in ('written', 'up to date'):
        assert TOOL.main([str(tmp_path)]) == 0
        assert capsys.readouterr().out == f'{tmp_path}/README.md: {state}\n'
    assert '| config | decoder |' in (tmp_path / 'README.md').read_text()
    assert TOOL.main([str(tmp_path / 'gone')]) == 1
    assert 'No such file' in capsys.readouterr().err
