import numpy as np
import pytest
from folders import ROOT, load_tool
from mmengine.config import Config
from PIL import Image
from samrs_folders import STEMS, write_annotated

from samrs_mm.core.errors import RefusedError
from samrs_mm.engine.data_check import check_data, check_files, check_folders, refuse_together
from samrs_mm.registry import register_all

LOAD = [dict(type='LoadWindow'), dict(type='PackSegInputs')]
MMSEG = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
NAMES = ('ground', 'roof', 'road')


@pytest.fixture(scope='module', autouse=True)
def registered():
    register_all()


def write_folder(root, values, images=6, side=32):
    """Write pictures whose labels hold these values in turn."""
    for name in ('images', 'labels'):
        (root / name).mkdir(parents=True, exist_ok=True)
    which = (np.arange(side)[:, None] // 4 + np.arange(side)[None] // 4) % len(values)
    for number in range(images):
        Image.new('RGB', (side, side)).save(root / f'images/t{number}.png')
        Image.fromarray(np.array(values, np.uint8)[which]).save(root / f'labels/t{number}.png')
    return root


def folder(root, classes=NAMES[:2], **more):
    return dict(type='TileFolderDataset', data_root=str(root), metainfo=dict(classes=classes),
                pipeline=LOAD, **more)  # fmt: skip


def of_mmseg(root, classes=NAMES[:2], **more):
    prefix = dict(img_path='images', seg_map_path='labels')
    return dict(type='BaseSegDataset', data_root=str(root), metainfo=dict(classes=classes),
                pipeline=MMSEG, img_suffix='.png', data_prefix=prefix, **more)  # fmt: skip


KINDS = dict(
    ours=folder,
    mmseg=of_mmseg,
    by_ours=lambda *args, **more: dict(of_mmseg(*args, **more), pipeline=LOAD),
    joined=lambda *args, **more: dict(type='ConcatDataset', datasets=[folder(*args, **more)]),
    repeated=lambda *args, **more: dict(
        type='RepeatDataset', times=2, dataset=of_mmseg(*args, **more)
    ),
    source=lambda *args, **more: dict(type='MultiSourceDataset', datasets=[folder(*args, **more)]),
)  # fmt: skip


def config(train, val=None, head='UPerHead', **more):
    loaders = dict(train_dataloader=dict(dataset=train))
    if val:
        loaders['val_dataloader'] = dict(dataset=dict(val, test_mode=True))
    model = dict(type='EncoderDecoder', decode_head=dict(type=head))
    return Config(dict(default_scope='mmseg', model=model, **loaders, **more))


def refused(*args, **more):
    with pytest.raises(RefusedError) as caught:
        check_data(config(*args, **more), 'x.py')
    return str(caught.value)


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize(('values', 'message'), [
    ((0, 255), 'every labelled pixel of the 6 labels is class 0 (ground); no pixel of class 1 '
     '(roof), so there is nothing to learn; 255 (50.0% of the pixels) means unlabelled; are these '
     '0/255 masks'),
    ((1, 255), 'is class 1 (roof); no pixel of class 0 (ground)'),
    ((0,), 'is class 0 (ground); no pixel of class 1 (roof), so there is nothing to learn (check_'),
    ((255,), 'no pixel of any class in the 6 labels: all are 255, which is not trained on'),
    ((0, 1, 2), 'value 2 at x=8, y=0; allowed are 0..1 (the classes) and 255 (unlabelled); if '
     'classes begin at 1 and 0 means no data, set reduce_zero_label=True'),
    ((0, 128), '0..1 (the classes) and 255 (unlabelled); this label holds 0, 128: renumber its'),
])  # fmt: skip
def test_labels_that_cannot_teach_are_refused(tmp_path, kind, values, message):
    said = refused(KINDS[kind](write_folder(tmp_path, values)))
    assert message in said
    assert '(5 more of 6 labels looked at)' in said or 'allowed' not in said


@pytest.mark.parametrize('kind', ['ours', 'mmseg'])
def test_reduced_labels(tmp_path, kind):
    right = write_folder(tmp_path / 'right', (0, 1, 2))
    data = KINDS[kind](right, reduce_zero_label=True)
    rows = [line.split()[-2:] for line in check_data(config(data), 'x.py').lines[2:]]
    assert rows == [['ground', '34.38%'], ['roof', '32.81%'], ['labelled', '32.81%']]
    from_0 = KINDS[kind](write_folder(tmp_path / 'from_0', (0, 1)), reduce_zero_label=True)
    said = refused(from_0)
    assert 'every labelled pixel of the 6 labels is class 0 (ground)' in said
    assert (
        'with reduce_zero_label class 0 is value 1 and 0 is ignored: if classes begin at 0' in said
    )
    assert '0/255 masks' not in said
    three = KINDS[kind](right, NAMES, reduce_zero_label=True)
    (warning,) = check_data(config(three), 'x.py').warnings
    assert 'no pixel of class 2 (road) in the 6 labels: it cannot be learned' in warning
    assert 'if classes begin at 0, take it out' in warning


@pytest.mark.parametrize('kind', ['ours', 'mmseg'])
@pytest.mark.parametrize(('spoil', 'message'), [
    (lambda image: image.convert('RGB'), 'bands'),
    (lambda image: Image.fromarray(np.asarray(image).astype(np.uint16)), 'uint16|lowest 8 bits'),
    (lambda image: image.resize((16, 16)), 'the label is 16 x 16 px, its image .* 32 x 32'),
])  # fmt: skip
def test_labels_of_another_make_are_refused(tmp_path, kind, spoil, message):
    path = write_folder(tmp_path, (0, 1)) / 'labels/t3.png'
    spoil(Image.open(path)).save(path)
    with pytest.raises(RefusedError, match=f't3.png: .*({message})'):
        check_data(config(KINDS[kind](tmp_path)), 'x.py')


def test_palette_labels_are_right(tmp_path):
    for path in write_folder(tmp_path, (0, 1)).glob('labels/*'):
        image = Image.open(path).convert('P')
        image.putdata(np.asarray(Image.open(path)).ravel().tolist())
        image.save(path)
    lines = check_data(config(folder(tmp_path)), 'x.py').lines
    assert lines[0] == 'source tiles: train 6 images (6 labels looked at)'
    assert [line.split()[-2:] for line in lines[2:]] == [
        ['ground', '50.00%'],
        ['roof', '50.00%'],
        ['labelled', 'none'],
    ]


def test_one_class_is_refused_but_for_networks_that_predict_masks(tmp_path):
    root = write_folder(tmp_path, (0, 255))
    one = folder(root, ('ship',))
    assert 'one class (ship), so there is nothing to tell it from and the loss is 0' in refused(one)
    assert 'source ships: one class' in refused(
        dict(type='MultiSourceDataset', datasets=[dict(one, source='ships')])
    )
    assert check_data(config(one, head='Mask2FormerHead'), 'x.py').lines


def test_a_refusal_can_be_turned_into_a_warning(tmp_path):
    train = folder(write_folder(tmp_path, (0, 255)))
    check = check_data(config(train, check_data='warn'), 'x.py')
    assert 'no pixel of class 1 (roof)' in check.warnings[0]
    check = check_data(config(train, check_data='off'), 'x.py')
    assert (check.lines, check.warnings) == ([], [])
    assert check.datasets.keys() == {'train_dataloader'}
    with pytest.raises(RefusedError, match="check_data='of': allowed are refuse, warn, off"):
        check_data(config(train, check_data='of'), 'x.py')


def test_what_is_rare_is_looked_for_longer(tmp_path):
    root = write_folder(tmp_path, (0,), images=200)
    last = root / 'labels/t11.png'
    Image.fromarray(np.eye(32, dtype=np.uint8)).save(last)
    lines = check_data(config(folder(root)), 'x.py').lines
    looked = int(lines[0].split('(')[1].split()[0])
    assert 64 < looked <= 200


def test_most_is_not_labelled(tmp_path):
    root = write_folder(tmp_path, (255,))
    for path in root.glob('labels/*'):
        label = np.full((32, 32), 255, np.uint8)
        label[0, :2] = 0, 1
        Image.fromarray(label).save(path)
    (warning,) = check_data(config(folder(root)), 'x.py').warnings
    assert '99.8% of the pixels of the 6 labels are 255, which is not trained on' in warning


def test_validation_data(tmp_path):
    train = folder(write_folder(tmp_path / 'train', (0, 1, 2)), NAMES)
    val = folder(write_folder(tmp_path / 'val', (0, 2)), NAMES)
    check = check_data(config(train, val), 'x.py')
    assert check.warnings == [
        'val_dataloader: source tiles: no pixel of class 1 (roof) in the 6 labels: it is not scored'
    ]
    assert check.lines[1].split() == ['value', 'class', 'train', 'val']
    assert check.lines[3].split() == ['1', 'roof', '34.38%', 'none']
    Image.new('L', (32, 32), 9).save(tmp_path / 'val/labels/t0.png')
    assert 'val_dataloader: source tiles: ' in (said := refused(train, val))
    assert 'value 9' in said


def test_images_on_both_sides_are_named(tmp_path):
    root = write_folder(tmp_path, (0, 1))
    (root / 'train.txt').write_text('t0\nt1\nt2\n')
    (root / 'val.txt').write_text('t2\nt3\n')
    same = check_data(config(folder(root), folder(root)), 'x.py').warnings
    assert '6 of 6 images of source tiles are trained on, too' in same[0]
    lists = (folder(root, ann_file=f'{side}.txt') for side in ('train', 'val'))
    (some,) = check_data(config(*lists), 'x.py').warnings
    assert '1 of 2 images of source tiles are trained on, too, such as' in some
    assert 't2.png' in some


def test_scenes_on_both_sides_are_named(tmp_path):
    root = write_annotated(tmp_path / 'a')
    sides = []
    for name, stems in (('train', STEMS[:2]), ('val', STEMS[2:]), ('mixed', STEMS[1:])):
        (root / f'{name}.txt').write_text('\n'.join(stems))
        sides.append(dict(type='SAMRSDataset', source='a', data_root=str(root), pipeline=LOAD,
                          ann_file=f'{name}.txt'))  # fmt: skip
    (root / 'train.txt').write_text(STEMS[0])
    assert check_data(config(*sides[:2]), 'x.py').warnings == []
    (warning,) = check_data(config(sides[0], sides[2]), 'x.py').warnings
    assert '1 of 3 scenes of source a have images to train on, too, such as P0000' in warning


def test_values_of_mmsegs_datasets_that_begin_at_1(tmp_path):
    data = dict(of_mmseg(write_folder(tmp_path, (0, 1, 2)), reduce_zero_label=True), pipeline=LOAD)
    assert check_data(config(data), 'x.py').warnings == []
    write_folder(tmp_path, (0, 1, 3))
    with pytest.raises(RefusedError, match=r'value 3 .*allowed are 0\.\.2'):
        check_data(config(data), 'x.py')


def test_labels_loaded_by_other_transforms_are_not_guessed(tmp_path):
    data = dict(of_mmseg(write_folder(tmp_path, (0, 255))), pipeline=MMSEG[:1])
    assert check_data(config(data), 'x.py').lines == [
        'source data: train 6 images (labels not looked at)'
    ]


def test_missing_data_and_weights_are_told_together_before_anything_is_built(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert load_tool('train').main(['sep/upernet_vitae.py']) == 2
    captured = capsys.readouterr()
    (error,) = captured.err.splitlines()
    assert captured.out == ''
    for words in (
        'no such folder: data/samrs/sota, data/samrs/sior, data/samrs/fast; make it from boxes: ',
        'sam_annotate.py configs/annotate/sota_sam-vit-h_hbox.py --data-root DIR (likewise sior_',
        'import_samrs.py', 'make_splits.py', 'configs/examples/sep_demo.py',
        '--cfg-options train_dataloader.dataset.datasets.0.data_root=DIR',
        '; ALSO pretrain/imp_vitae.pth: no such file', 'model.backbone.init_cfg=None',
    ):  # fmt: skip
        assert words in error
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    ('leaf', 'words'),
    [
        ('mtp/upernet-rtmdet_vitae',
         ('sota_sam-vit-h_hbox.py --data-root DIR (likewise sior_sam-vit-h_hbox, fast_sam-vit-h_rh',
          'configs/examples/mtp_demo.py', 'docs/pretraining.md')),
        ('loveda/upernet_vitae_imp_loveda',
         ("data/loveDA; lay it out by mmsegmentation's loveda.py DIR -o data/loveDA; give",)),
        ('deepglobe/upernet_vitae_imp_deepglobe',
         ('data/deepglobe/train, data/deepglobe/val; cut it: python tools/dataset_converters/',
          'prepare_deepglobe.py DIR --out data/deepglobe; give yours')),
    ],
)  # fmt: skip
def test_missing_data_of_other_configs(tmp_path, monkeypatch, leaf, words):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RefusedError) as error:
        check_folders(Config.fromfile(ROOT / f'configs/{leaf}.py'))
    for each in words:
        assert each in str(error.value)


def test_folders_of_other_data(tmp_path):
    data = dict(type='ConcatDataset', datasets=[folder(tmp_path), folder('s3://x'), folder('none')])
    with pytest.raises(
        RefusedError, match=r'dataset.datasets.2.data_root: no such folder: none; giv'
    ):
        check_folders(config(data))
    check_folders(config(folder(tmp_path)))


def test_all_refusals_are_told():
    def refuse(text):
        raise RefusedError(text)

    assert refuse_together(lambda: 1, lambda: None) == [1, None]
    with pytest.raises(RefusedError, match='a; ALSO b'):
        refuse_together(lambda: refuse('a'), lambda: 1, lambda: refuse('b'))


def test_classes_of_a_checkpoint_in_another_order(tmp_path):
    data = folder(write_folder(tmp_path, (0, 1)))
    tested = Config(dict(config(data), test_dataloader=dict(dataset=data), load_from='a.pth'))
    loaders, other = ('test_dataloader',), {None: ('roof', 'ground')}
    with pytest.raises(RefusedError, match=r"a.pth: class 0 is 'roof', in test_dataloader it is '"):
        check_data(tested, 'x.py', loaders, other)
    tested.check_data = 'warn'
    (warning,) = check_data(tested, 'x.py', loaders, other).warnings
    assert "class 0 is 'roof'" in warning
    same = check_data(tested, 'x.py', loaders, {None: NAMES[:2]})
    assert (same.warnings, same.lines, [*same.datasets]) == ([], [], ['test_dataloader'])
    with pytest.raises(RefusedError, match="in train_dataloader it is 'ground'"):
        check_data(config(data), 'x.py', trained=other)


def test_a_head_of_another_number_of_classes_is_refused_before_it_is_built(tmp_path, capsys):
    data = folder(write_folder(tmp_path, (0, 1)))
    wrong = config(data, val=data)
    wrong.model.decode_head.num_classes = 5
    line = 'model.decode_head.num_classes=5, but train_dataloader has 2 classes (ground, roof)'
    with pytest.raises(RefusedError) as caught:
        check_data(wrong, 'x.py')
    assert line in str(caught.value)
    assert check_files(wrong, 'x.py', 0) == 1
    told = capsys.readouterr().err
    assert f'failed: {line}; make them equal\n' in told
    assert 'failed: model.decode_head.num_classes=5, but val_dataloader has' in told
    (tmp_path / 'images/t0.png').write_bytes(b'')
    assert check_files(wrong, 'x.py', 0) == 1
    told = capsys.readouterr().err
    assert 't0.png' in told
    assert line in told, 'beside a broken image, too'
