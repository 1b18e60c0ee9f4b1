from samrs_mm.models.conversion.conversion import first_match
from samrs_mm.models.conversion.key_maps.samrs import DECODERS, whole_rules
from samrs_mm.models.conversion.rules import Rule


def renamed(name, rules):
    found = first_match(name, rules)
    return found[1].expand(found[0].target) if found and found[0].target else None


def test_names_of_whole_models_go_there_and_back():
    pairs = {
        'encoder.a.weight': 'backbone.b.weight',
        'encoder.other.bias': 'backbone.other.bias',
        'decoder.blocks.0.weight': 'decode_head.blocks.0.weight',
        'semseghead_1.1.weight': 'heads.sota.weight',
        'semseghead_3.1.bias': 'heads.fast.bias',
        'semseghead.1.bias': 'decode_head.conv_seg.bias',
    }
    there = whole_rules([Rule(r'a\.(\w+)', r'b.\1'), Rule('gone')], DECODERS['upernet'])
    back = whole_rules([Rule(r'b\.(\w+)', r'a.\1')], DECODERS['upernet'], back=True)
    assert {name: renamed(name, there) for name in pairs} == pairs
    assert {renamed(name, back): name for name in pairs.values()} == pairs


def test_what_has_no_place_gets_no_name():
    there = whole_rules([Rule('gone')], DECODERS['mask2former'])
    for name in ('encoder.gone', 'semseghead_4.cls_embed.bias', 'semseghead_1.cls_embed.odd', 'x'):
        assert renamed(name, there) is None
    assert renamed('heads.mine.bias', whole_rules([], DECODERS['unet'], back=True)) is None
