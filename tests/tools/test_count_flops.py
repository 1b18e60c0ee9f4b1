import re

import pytest
from folders import ROOT, load_tool

TOOL = load_tool('analysis_tools/count_flops')


def test_the_parts_of_a_config(capsys):
    config = str(ROOT / 'configs/sep/upernet_resnet50_scratch.py')
    assert TOOL.main([config, '--shape', '64', '--cfg-options', 'model.backbone.depth=18',
                      'model.decode_head.in_channels=[64,128,256,512]']) == 0  # fmt: skip
    said = capsys.readouterr().out
    rows = dict(re.findall(r'^(\w+) +([\d.]+) ', said, re.M))
    assert said.startswith('one image of 3 x 64 x 64\n')
    assert {'whole', 'backbone', 'decode_head', 'heads'} <= rows.keys()
    assert float(rows['backbone']) == pytest.approx(11.18, abs=0.02), 'ResNet-18'


@pytest.mark.parametrize(
    ('argv', 'said'),
    [
        (['no.py'], 'no such file'),
        (
            ['{sep}', '--bands', '5', '--shape', '64'],
            'counted on an image of 5 x 64 x 64',
        ),
    ],
)
def test_refused(capsys, argv, said):
    sep = str(ROOT / 'configs/sep/upernet_resnet50_scratch.py')
    assert TOOL.main([word.format(sep=sep) for word in argv]) == 2
    assert said in capsys.readouterr().err


def test_three_sizes_are_one_too_many(capsys):
    with pytest.raises(SystemExit):
        TOOL.main(['c.py', '--shape', '1', '2', '3'])
    assert '--shape takes height and width' in capsys.readouterr().err
