"""Every row of the paper's tables 3 to 6 and 9 is a config, with the paper's settings and sizes."""

import pytest
from config_rules import count_parameters, load, read_entry, shapes
from folders import ROOT
from mmseg.registry import DATASETS

from samrs_mm.evaluation.paper.tables import paper_tables

SEP = {name: ROOT / f'configs/sep/{name}.py' for name in paper_tables()[9].configs}
# tables 3 and 9 have Mask2Former only after fine-tuning
SEP['mask2former_resnet50'] = ROOT / 'configs/sep/mask2former_resnet50.py'
FINE_TUNED = [
    ROOT / f'configs/{data}/{name}.py'
    for number, data in ((3, 'potsdam'), (4, 'isaid'), (5, 'potsdam'), (6, 'isaid'))
    for name in paper_tables()[number].configs
]
# Released files that need no conversion; all others are converted to pretrain/PRETRAIN_BACKBONE.pth
AS_RELEASED = dict(
    imp_resnet50='pretrain/resnet50-19c8e357.pth',
    imp_swin='pretrain/swin_tiny_patch4_window7_224_20220317-1cdeb081.pth',
)
# Counted on the authors' own models: parameters for SEP, for fine-tuning on 5 classes; all keys;
# and of these parameters what nothing ever reads, which is left out here
SIZES = {
    'unet_resnet50': (43_867_211, 43_867_211 - 577 * 70, 372, 0),
    'upernet_resnet50': (64_060_043, 64_024_133, 396, 0),
    'upernet_swin': (33_235_269, 33_221_759, None, 0),
    # six tables of relative positions, four norms
    'upernet_vitae': (21_390_035, 21_381_005, None, 1_352 + 1_920),
    'upernet_internimage': (31_313_595, 31_304_565, 763, 0),
    'upernet_vit': (160_784_715, 160_730_885, 235, 0),
    'upernet_vit-adapter': (167_401_259, 167_347_429, 488, 0),
    # the final norm
    'upernet_vit-rvsa_mae': (161_032_843, 160_979_013, None, 1_536),
    'mask2former_resnet50': (44_022_606, 44_004_102, 614, 0),
}
TABLE_7 = {
    'resnet50': (1e-3, 5e-2, 1e-4),
    'swin': (6e-5, 1e-2, 0),
    'vitae': (6e-5, 1e-2, 0),
    'internimage': (6e-5, 5e-2, 0),
    'vit': (6e-5, 5e-2, 0),
    'vit-adapter': (6e-5, 1e-2, 0),
    'vit-rvsa': (6e-5, 5e-2, 0),
}
# of fine-tuning: classes, side and stride of windows, and what is held out
DATA = dict(potsdam=(5, 512, 342, 'test'), isaid=(16, 896, 598, 'val'))


def test_every_row_has_its_config_and_an_entry_in_the_metafile():
    assert (len(SEP), len(FINE_TUNED)) == (15, 28 + 14 + 12 + 12)
    for leaf in (*SEP.values(), *FINE_TUNED):
        entry = read_entry(leaf)
        assert entry is not None, leaf
        assert 'Results' not in entry, "nothing was run; the paper's numbers are the authors'"


@pytest.mark.parametrize('name', SEP)
def test_pre_training(name):
    cfg = load(SEP[name])
    [cosine] = cfg.param_scheduler
    assert cfg.train_cfg.max_iters == cosine.T_max == cosine.end == 80_000
    assert cfg.optim_wrapper.clip_grad == dict(max_norm=5, norm_type=2)
    optimizer = cfg.optim_wrapper.optimizer
    table_7 = TABLE_7[name.split('_')[1]]
    assert (optimizer.lr, optimizer.weight_decay, cosine.eta_min) == table_7
    assert optimizer.type == 'AdamW'
    assert tuple(optimizer.betas) == (0.9, 0.999)
    assert cfg.auto_scale_lr.base_batch_size == 8 * cfg.train_dataloader.batch_size == 96
    assert cfg.model.heads == {
        source: dict(num_classes=count) for source, count in dict(sota=18, sior=20, fast=37).items()
    }
    assert cfg.val_evaluator.nan_to_num == 0
    assert read_entry(SEP[name])['Metadata']['Parameters'] == count_parameters(cfg.model)


@pytest.mark.parametrize('name', SEP)
def test_the_weights_that_pre_training_starts_from(name):
    cfg = load(SEP[name])
    _, backbone, pretrain, *_ = [*name.split('_'), 'imp']
    if pretrain == 'scratch':
        assert cfg.pretrain_source is None
        return
    axis = f'{pretrain}_{backbone}'
    assert cfg.pretrain_source.path == AS_RELEASED.get(axis, f'pretrain/{axis}.pth')
    assert (axis in AS_RELEASED) != ('file' in cfg.pretrain_source)
    assert cfg.pretrain_source.url.startswith('https://')


@pytest.mark.parametrize('leaf', FINE_TUNED, ids=lambda path: path.stem)
def test_fine_tuning(leaf):
    classes, side, stride, held_out = DATA[leaf.parent.name]
    cfg = load(leaf)
    dataset = cfg.train_dataloader.dataset
    assert dataset.data_root == f'data/{leaf.parent.name}/train'
    for loader in (cfg.val_dataloader, cfg.test_dataloader):
        assert loader.dataset.data_root == f'data/{leaf.parent.name}/{held_out}'
        assert loader.dataset.ann_file == ''
    assert len(DATASETS.get(dataset.type).METAINFO['classes']) == classes
    assert dataset.pipeline[0].crop.crop_size == (side, side)
    slide = dict(mode='slide', crop_size=(side, side), stride=(stride, stride))
    assert cfg.model.test_cfg == slide
    if cfg.model.backbone.type == 'ViT':
        assert cfg.model.backbone.img_size == side
    assert cfg.train_dataloader.batch_size == cfg.auto_scale_lr.base_batch_size == 8
    # the test tiles are read once, when training is over
    assert cfg.train_cfg.max_iters == cfg.train_cfg.val_interval == 80_000
    [cosine] = cfg.param_scheduler
    assert cosine.T_max == cosine.end == 80_000


def fine_tuning(model, classes=5):
    """Return the model of pre-training with a plain head."""
    model = model | dict(type='EncoderDecoder')
    model.decode_head = model.decode_head | dict(num_classes=classes)
    del model['heads'], model['forward_mode']
    return model


@pytest.mark.parametrize('name', SIZES)
def test_parameters_equal_the_authors_to_the_unit(name):
    sep, tuned, keys, unread = SIZES[name]
    model = load(SEP[name]).model
    assert count_parameters(model) == sep - unread
    assert keys is None or len(shapes(model)) == keys
    assert count_parameters(fine_tuning(model)) == tuned - unread


# trainable parameters of UNet models for SEP; the paper's tables have only ResNet-50's
@pytest.mark.parametrize(
    ('upernet', 'expected'),
    [
        ('upernet_resnet50', 43_867_211),
        ('upernet_swin', 38_110_917),
        ('upernet_vitae', 27_482_387),
        ('upernet_internimage', 37_405_947),
        ('upernet_vit', 107_339_787),
        ('upernet_vit-adapter', 113_956_331),
        ('upernet_vit-rvsa_mae', 107_587_915),
    ],
)
def test_unet_on_every_backbone_equals_the_authors_to_the_unit(upernet, expected):
    cfg = load(SEP[upernet])
    unet = load(SEP['unet_resnet50']).model.decode_head
    model = cfg.model.copy()
    model.decode_head = unet | dict(in_channels=cfg.backbone_channels)
    assert count_parameters(model) == expected - SIZES[upernet][3]


@pytest.mark.parametrize(
    ('backbone', 'width'), dict(resnet50=512, swin=192, vitae=128, vit=768).items()
)
def test_upernet_is_as_wide_as_the_second_level(backbone, width):
    assert load(SEP[f'upernet_{backbone}']).model.decode_head.channels == width
