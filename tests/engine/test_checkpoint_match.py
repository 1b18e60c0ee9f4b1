import pytest
import torch
from mmengine.runner import load_checkpoint
from torch import nn

from samrs_mm.core.errors import RefusedError
from samrs_mm.engine.checkpoint_match import (
    check_match,
    class_layer_note,
    read_checkpoint,
    weight_shapes,
)
from samrs_mm.models.backbones.vit import ViT


class Wrapper(nn.Module):
    def __init__(self, module):
        super().__init__()
        self.module = module


def net(width=3, extra=False):
    layers = dict(first=nn.Linear(2, width), second=nn.Linear(width, 1))
    if extra:
        layers['third'] = nn.Linear(1, 1)
    return nn.ModuleDict(layers)


def segmentor(width=3, classes=None, heads=(), **more):
    """The names of mmsegmentation's: a classifier of the trunk's, or heads of sources."""
    trunk = dict(conv=nn.Linear(width, 4))
    if classes:
        trunk['conv_seg'] = nn.Linear(4, classes)
    heads = nn.ModuleDict({name: nn.Linear(4, 7) for name in heads})
    parts = dict(backbone=nn.Linear(2, width), decode_head=nn.ModuleDict(trunk), heads=heads)
    return nn.ModuleDict(parts | more)


def save(path, model):
    torch.save(dict(state_dict=model.state_dict(), meta={}), path)
    return str(path)


def match(tmp_path, model, saved, whole=True, resume=False):
    path = save(tmp_path / 'c.pth', saved)
    line = check_match(model, weight_shapes(path), path, whole, resume)
    return line.replace(f'{tmp_path}/', '')


def test_the_same_architecture_wrapped_or_not(tmp_path):
    twice = Wrapper(Wrapper(net()))
    for model, saved in ((net(), net()), (Wrapper(net()), net()), (twice, Wrapper(net()))):
        assert match(tmp_path, model, saved) == 'c.pth: 4 of 4 weights match'


@pytest.mark.parametrize(
    ('model', 'saved', 'message'),
    [
        (net(), net(5), r'1 of 4 weights match; 3 of another shape \(first.weight \(5, 2\) instead '
            r'of \(3, 2\), .*\); it is of another architecture'),
        (net(extra=True), net(), r'4 of 6 .*; 2 missing \(third.weight, third.bias\)'),
        (net(), net(extra=True), r'4 of 4 .*; 2 not of this model \(third.weight, third.bias\)'),
        (segmentor(classes=5), segmentor(classes=6), '4 of 6 .*; 2 of another shape'),
    ],
)  # fmt: skip
def test_another_architecture(tmp_path, model, saved, message):
    with pytest.raises(RefusedError, match=message):
        match(tmp_path, model, saved)


def test_a_start_takes_over_backbone_and_trunk(tmp_path):
    line = match(tmp_path, segmentor(classes=5), segmentor(heads=['sota', 'fast']), whole=False)
    assert line == (
        'c.pth: 4 of 6 weights match (backbone 2 of 2, trunk 2 of 2); '
        'new: decode_head.conv_seg; not used: heads.fast, heads.sota'
    )
    line = match(tmp_path, segmentor(heads=['a']), segmentor(heads=['b']), whole=False)
    assert line.endswith('(backbone 2 of 2, trunk 2 of 2); new: heads.a; not used: heads.b')
    other = segmentor(classes=150, auxiliary_head=nn.Linear(1, 1))
    line = match(tmp_path, segmentor(classes=5), other, whole=False)
    assert line.endswith('; new: decode_head.conv_seg; not used: auxiliary_head')


@pytest.mark.parametrize(
    ('model', 'saved', 'message'),
    [
        (segmentor(classes=5), segmentor(width=6), '1 of 6 .*; 3 of another shape'),
        # more than half would do no longer
        (segmentor(more=nn.Linear(1, 1)), segmentor(), r'4 of 6 .*; 2 missing \(more.weight'),
        (segmentor(), segmentor(more=nn.Linear(1, 1)), '2 not of this model .*"What is loaded"'),
    ],
)
def test_a_start_that_lacks_part_of_backbone_or_trunk_is_refused(tmp_path, model, saved, message):
    with pytest.raises(RefusedError, match=message):
        match(tmp_path, model, saved, whole=False)


def auxiliary(width=4, classes=5):
    return nn.ModuleDict(dict(convs=nn.Linear(3, width), conv_seg=nn.Linear(4, classes)))


def test_auxiliary_heads_are_taken_over_but_for_their_classifiers(tmp_path):
    plain, one = segmentor(classes=5), segmentor(classes=5, auxiliary_head=auxiliary())
    other = segmentor(classes=6, auxiliary_head=auxiliary(classes=6))
    line = match(tmp_path, one, other, whole=False)
    assert 'c.pth: 6 of 10 weights match (backbone 2 of 2, trunk 2 of 2, auxiliary_head 2' in line
    assert line.endswith('; new: auxiliary_head.conv_seg, decode_head.conv_seg')
    line = match(tmp_path, one, plain, whole=False)
    assert line.endswith('trunk 2 of 2); new: auxiliary_head.conv_seg, auxiliary_head.convs')
    for saved in (auxiliary(width=7), nn.ModuleList([auxiliary()])):
        with pytest.raises(RefusedError, match=r'auxiliary_head\..*; it is of another .*; without'):
            match(tmp_path, one, segmentor(classes=5, auxiliary_head=saved), whole=False)
        line = match(tmp_path, plain, segmentor(classes=5, auxiliary_head=saved), whole=False)
        assert 'trunk 2 of 2); not used: auxiliary_head.' in line, 'as the refusal says'
    wider = segmentor(width=6, classes=5, auxiliary_head=auxiliary(width=7))
    with pytest.raises(RefusedError, match=r'; for its backbone alone see .*"What is loaded"$'):
        match(tmp_path, one, wider, whole=False)


def vit(img_size, variant='plain', width=8):
    arch = dict(embed_dims=width, depth=1, num_heads=2, mlp_ratio=1)
    backbone = ViT(arch=arch, img_size=img_size, variant=variant)
    return nn.ModuleDict(dict(backbone=backbone))


@pytest.mark.parametrize('variant', ['plain', 'beit'])
def test_what_a_module_resizes_matches_and_is_loaded(tmp_path, variant):
    small, large = vit(64, variant), vit(96, variant)
    name = dict(
        plain='backbone.pos_embed', beit='backbone.blocks.0.attn.relative_position_bias_table'
    )[variant]
    with torch.no_grad():
        small.get_parameter(name).fill_(3)
    for whole in (True, False):
        line = match(tmp_path, large, small, whole)
        assert f'1 resized ({name} ' in line
    load_checkpoint(large, str(tmp_path / 'c.pth'), strict=True)
    assert torch.allclose(large.get_parameter(name), torch.tensor(3.0))
    with pytest.raises(RefusedError, match=f'1 of another shape \\({name}'):
        match(tmp_path, large, small, resume=True)


@pytest.mark.parametrize(
    ('model', 'saved'),
    [(vit((64, 96)), vit((96, 160))), (vit(64, width=8), vit(96, width=16)),
     (vit(64, 'beit'), vit(96)), (vit((64, 96), 'beit'), vit((96, 160), 'beit'))],
)  # fmt: skip
def test_what_a_module_cannot_resize_is_refused(tmp_path, model, saved):
    """A grid that isn't square has no known shape; other widths and variants are other networks."""
    for whole in (True, False):
        with pytest.raises(RefusedError, match=r'pos_embed|relative_position_bias_table'):
            match(tmp_path, model, saved, whole)


def test_no_checkpoint(tmp_path):
    with pytest.raises(RefusedError, match=r'checkpoint no\.pth: No such file[^;]*$'):
        weight_shapes('no.pth')
    path = tmp_path / 'bad.pth'
    path.write_text('<html>')
    with pytest.raises(RefusedError, match=r'checkpoint .*bad\.pth: not loaded, it is truncated'):
        weight_shapes(str(path))


def test_weights_of_pre_training_that_are_missing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RefusedError) as error:
        weight_shapes('pretrain/sep/upernet_vitae.pth')
    [line] = str(error.value).splitlines()
    assert 'python tools/train.py configs/sep/upernet_vitae.py writes it' in line
    assert line.endswith('convert_checkpoint.py RELEASED.pth pretrain/sep/upernet_vitae.pth')


@pytest.mark.parametrize(
    ('path', 'end'),
    [
        ('mtp/upernet-rtmdet_vitae', 'train.py configs/mtp/upernet-rtmdet_vitae.py writes it'),
        ('mtp/mtp_demo', 'train.py configs/examples/mtp_demo.py writes it'),
        ('sep/sep_demo', 'train.py configs/examples/sep_demo.py writes it'),
        ('mtp/mine', 'train.py CONFIG, of a config that is called mine.py, writes it'),
        ('sep/mine', 'RELEASED.pth pretrain/sep/mine.pth'),
    ],
)
def test_the_config_that_writes_missing_weights_is_named_where_it_is(
    path, end, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)  # where the demo ran, its weights are there
    with pytest.raises(RefusedError) as error:
        weight_shapes(f'pretrain/{path}.pth')
    assert str(error.value).endswith(end)


def begin(tmp_path, model, saved, trained, classes):
    path = tmp_path / 'c.pth'
    torch.save(dict(state_dict=saved.state_dict(), meta=dict(classes=trained)), path)
    note = class_layer_note(model, read_checkpoint(str(path)), str(path), classes)
    return note and note.replace(f'{tmp_path}/', '')


def test_a_layer_of_other_classes_is_told(tmp_path):
    abc, renamed, two = ('a', 'b', 'c'), ('a', 'b', 'd'), ('a', 'b')
    three, other = segmentor(classes=3), segmentor(classes=2)
    assert begin(tmp_path, three, three, abc, {None: abc}) is None
    assert begin(tmp_path, three, other, two, {None: abc}) == (
        'c.pth: its layer of classes, decode_head.conv_seg, has 2 outputs, that of the config 3: '
        'it is dropped and begins with random weights; all else is taken over'
    )
    assert begin(tmp_path, three, three, abc, {None: renamed}) == (
        "c.pth: class 2 was 'c' there, in the data it is 'd': its layer of classes is taken over "
        'as it is, and has to learn the new ones'
    )
    heads = segmentor(heads=['x'])
    told = begin(tmp_path, heads, heads, dict(x=abc), dict(x=renamed))
    assert told.startswith("c.pth: class 2 of source x was 'c' there")
    assert begin(tmp_path, three, heads, dict(x=abc), {None: renamed}) is None, 'as pre-training'
