import pytest
import torch
import torch.nn.functional as F

from samrs_mm.core.errors import RefusedError
from samrs_mm.models.conversion.conversion import (
    convert,
    find_weights,
    fit_pos_embed,
    new_name,
    without_module,
)
from samrs_mm.models.conversion.key_maps import Rule


def weights(*names, size=(2,)):
    return {name: torch.full(size, float(number)) for number, name in enumerate(names)}


def account(conversion):
    return [(row.status, row.source, row.target, row.expected) for row in conversion.rows]


def test_each_key_gets_one_row():
    state = weights('a', 'old.b', 'head.c', 'what')
    rules = (Rule(r'old\.(\w)', r'new.\1'), Rule(r'head\..', reason='useless'))
    wanted = {'a': (2,), 'new.b': (2,), 'extra.d': (5,), 'lost': (1,)}
    result = convert(state, rules, wanted, {r'extra\..': 'new'})
    assert account(result) == [
        ('kept', 'a', 'a', True),
        ('renamed', 'old.b', 'new.b', True),
        ('dropped', 'head.c', '', True),
        ('left over', 'what', '', False),
        ('missing', '', 'extra.d', True),
        ('missing', '', 'lost', False),
    ]
    assert {name: value[0].item() for name, value in result.state.items()} == {'a': 0, 'new.b': 1}
    assert [row.source or row.target for row in result.failures] == ['what', 'lost']
    assert result.rows[2].reason == 'useless'
    assert (result.rows[4].shape, result.rows[4].reason) == ((5,), 'new')


def test_rules_apply_in_order():
    rules = (
        Rule('b', 'wrong'),
        Rule('a', 'b'),
        Rule('b', 'c', 'doubled', lambda value, name, state: 2 * value),
        Rule('x', 'y'),
    )
    assert [new_name(name, rules) for name in 'zab'] == ['z', 'c', 'wrong']
    result = convert(weights('z', 'a'), rules)
    assert account(result) == [('left over', 'z', '', False), ('renamed', 'a', 'c', True)]
    assert result.state['c'].tolist() == [2, 2]
    assert result.rows[1].reason == 'doubled'


def test_a_rule_matches_whole_names():
    result = convert(weights('head', 'heads', 'my.head'), [Rule('head', reason='x')])
    assert [row.status for row in result.rows] == ['dropped', 'left over', 'left over']


def test_weights_can_be_joined():
    def join(value, name, state):
        return torch.cat([value, state[name.replace('q', 'v')]])

    rules = [Rule('q', 'qv', 'joined', join), Rule('v', 'qv', 'joined', lambda *_: None)]
    result = convert(weights('v', 'q'), rules, {'qv': (4,)})
    assert account(result) == [('renamed', 'v', 'qv', True), ('renamed', 'q', 'qv', True)]
    assert result.state['qv'].tolist() == [1, 1, 0, 0]


def test_another_shape_is_left_over_and_missing():
    result = convert(weights('a'), [], {'a': (2, 3)})
    assert account(result) == [('left over', 'a', '', False), ('missing', '', 'a', False)]
    assert result.rows[0].reason == 'of another shape than 2x3 in the model'
    assert result.state == {}


def test_a_part_that_is_there_in_part_is_no_fresh_part():
    fresh = {r'fpn\..': 'new'}
    assert convert({}, [], {'fpn.a': (2,), 'fpn.b': (2,)}, fresh).failures == []
    result = convert(weights('fpn.a'), [], {'fpn.a': (2,), 'fpn.b': (2,)}, fresh)
    assert [row.target for row in result.failures] == ['fpn.b']


def test_what_is_allowed_is_listed_and_does_not_fail():
    result = convert(weights('head.a', 'other'), [], {'lost.b': (1,)}, allowed=['head.*', '*.b'])
    assert [row.source for row in result.failures] == ['other']
    assert [row.reason for row in result.rows if row.expected] == [
        'not of this model; allowed', 'not in the file; allowed',
    ]  # fmt: skip


def test_module_is_taken_out_wherever_it_is():
    names = ('module.encoder.a', 'encoder.module.b', 'module.encoder.module.c', 'modules.d')
    assert [*without_module(weights(*names))] == ['encoder.a', 'encoder.b', 'encoder.c',
                                                  'modules.d']  # fmt: skip
    result = convert(weights('module.a', 'b'), [], {'a': (2,), 'b': (2,)})
    assert account(result) == [('renamed', 'module.a', 'a', True), ('kept', 'b', 'b', True)]
    with pytest.raises(RefusedError, match=r'module\.a: the file holds a twice'):
        without_module(weights('a', 'module.a'))


def test_two_weights_cannot_become_one():
    with pytest.raises(RefusedError, match='b: a second weight that becomes c'):
        convert(weights('a', 'b'), [Rule('a|b', 'c')])


@pytest.mark.parametrize(
    ('given', 'wanted', 'expected'),
    [
        (197, 196, 'cut'),
        (197, 197, 'same'),
        (196, 49, 'resized'),
        (197, 49, 'cut and resized'),
        (197, 50, 'kept token and resized'),
        (196, 197, None),
        (198, 196, None),  # DeiT's distilled models have two extra tokens
        (12 * 15, 196, None),
        (197, 12 * 15, None),
    ],
)
def test_position_embeddings(given, wanted, expected):
    embedding = torch.randn(1, given, 6, generator=torch.Generator().manual_seed(0))
    result = fit_pos_embed(embedding, (1, wanted, 6))
    if expected is None:
        assert result is None
        return
    assert result.shape == (1, wanted, 6)
    if expected in ('cut', 'same'):
        assert result.equal(embedding[:, given - wanted :])
        return
    side, grid = 7, embedding[:, -196:].reshape(14, 14, 6).permute(2, 0, 1)[None]
    maps = F.interpolate(grid, (side, side), mode='bicubic', align_corners=False)
    assert result[:, -49:].allclose(maps[0].permute(1, 2, 0).reshape(1, 49, 6))
    if 'token' in expected:
        assert result[:, 0].equal(embedding[:, 0])


def test_a_position_embedding_of_other_channels_does_not_fit():
    assert fit_pos_embed(torch.zeros(1, 197, 6), (1, 196, 8)) is None


def test_a_position_embedding_is_resized_by_its_name_alone():
    state = dict(pos_embed=torch.ones(1, 17, 2), other=torch.ones(1, 17, 2))
    result = convert(state, [], dict(pos_embed=(1, 16, 2), other=(1, 16, 2)))
    assert [row.status for row in result.rows] == ['resized', 'left over', 'missing']
    assert result.rows[0].reason == 'from 1x17x2 to 1x16x2'


def entries(*names):
    return {name: {name: torch.zeros(1)} for name in names}


@pytest.mark.parametrize(
    ('checkpoint', 'ema', 'entry'),
    [
        (entries('state_dict_ema', 'state_dict', 'model'), None, 'state_dict'),
        (entries('state_dict_ema', 'model'), None, 'model'),
        (entries('state_dict_ema', 'optimizer'), None, 'state_dict_ema'),
        (entries('state_dict_ema', 'state_dict'), True, 'state_dict_ema'),
        (entries('model_ema', 'model'), True, 'model_ema'),
        (entries('state_dict_ema', 'state_dict'), False, 'state_dict'),
    ],
)
def test_where_weights_lie(checkpoint, ema, entry):
    found, state = find_weights(checkpoint, ema)
    assert found == entry
    assert [*state] == [entry]


def test_weights_without_an_entry():
    assert find_weights(weights('a'))[0] == ''
    assert [*find_weights(weights('a'), ema=False)[1]] == ['a']


@pytest.mark.parametrize(
    ('checkpoint', 'ema', 'message'),
    [
        ([1], None, 'no weights by name'),
        ({}, None, 'no weights by name'),
        (entries('state_dict'), True, 'no entry state_dict_ema or model_ema; its entries: state_d'),
        (
            entries('state_dict_ema'),
            False,
            'no entry state_dict or model; its entries: state_dict_',
        ),
        (entries('optimizer') | dict(epoch=3), None, 'its entries: optimizer, epoch'),
        (weights('a'), True, 'no entry state_dict_ema'),
        (dict(state_dict={}), None, 'its state_dict is empty'),
        (dict(state_dict=dict(a=3)), None, 'a: int where a tensor should be'),
        (dict(epoch=3), None, 'epoch: int where a tensor should be'),
    ],
)
def test_no_weights(checkpoint, ema, message):
    with pytest.raises(RefusedError, match=message):
        find_weights(checkpoint, ema)
