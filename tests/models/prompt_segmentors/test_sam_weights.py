import importlib
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from sam_cases import SMALL

from samrs_mm.core.errors import RefusedError
from samrs_mm.models.prompt_segmentors import sam_weights, weights_files
from samrs_mm.models.prompt_segmentors.sam import SAMSegmentor

pytest.importorskip('segment_anything', reason='segment_anything is not installed')

ROOT = Path(__file__).resolve().parents[3]


def build(**changes):
    return sam_weights.build_sam(sam_weights.check_arch(SMALL | changes, None), None)[0]


def test_sizes_build_the_models_that_segment_anything_builds():
    ours = build(img_size=1024)
    torch.manual_seed(SMALL['seed'])
    theirs = importlib.import_module('segment_anything.build_sam')._build_sam(96, 2, 3, [1])
    assert str(ours) == str(theirs)
    assert theirs.state_dict().keys() == ours.state_dict().keys()
    for key, value in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[key], value), key


def test_random_weights_follow_the_seed_and_leave_the_global_generator_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first, again = build(), build()
    assert torch.rand(1) == expected
    key = 'mask_decoder.mask_tokens.weight'
    assert torch.equal(first.state_dict()[key], again.state_dict()[key])
    assert not torch.equal(first.state_dict()[key], build(seed=4).state_dict()[key])


def fake_weights(embed_dim, depth, side=1024):
    """What an architecture is recognised by, and nothing else."""
    state = {f'image_encoder.blocks.{i}.norm1.bias': torch.zeros(1) for i in range(depth)}
    state['image_encoder.patch_embed.proj.weight'] = torch.zeros(embed_dim, 1, 1, 1)
    state['image_encoder.pos_embed'] = torch.zeros(1, side // 16, 1, 1)
    return state


class Evil:
    def __reduce__(self):
        return os.system, ('touch ran_code',)


def refusal(arch, path):
    segmentor = SAMSegmentor(arch=arch, checkpoint=str(path), threads=1)
    with pytest.raises(RefusedError) as info:
        segmentor.load()
    assert '\n' not in str(info.value)
    return str(info.value)


def test_names_on_the_hub_are_not_looked_up():
    line = refusal('vit_b', Path('facebook/sam-vit-base'))
    assert 'facebook/sam-vit-base: no such file (names on the Hugging Face hub are not' in line
    assert 'looked up' not in refusal('vit_b', Path('weights/sam_vit_b.pth'))


@pytest.mark.parametrize('arch', ['vit_h', 'vit_l', 'vit_b'])
def test_missing_weights_are_answered_with_their_source(arch, tmp_path):
    published = sam_weights.PUBLISHED[arch]
    line = refusal(arch, tmp_path / 'sam.pth')
    with pytest.raises(RefusedError) as info:
        SAMSegmentor(arch=arch)
    for text in (line, str(info.value)):
        assert f'https://dl.fbaipublicfiles.com/segment_anything/{published.file}' in text
        assert published.sha256 in text
        assert f'{published.size:,} bytes' in text
    assert f'{tmp_path / "sam.pth"}: no such file' in line
    assert f'checkpoints/{published.file}' in str(info.value)


def test_a_truncated_checkpoint_is_told_with_both_sizes(tmp_path):
    path = tmp_path / 'sam.pth'
    torch.save(fake_weights(768, 12), path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    line = refusal('vit_b', path)
    assert str(path) in line
    assert 'truncated' in line
    assert f'{path.stat().st_size:,} bytes instead of 375,042,383' in line


def test_a_pickle_with_code_is_refused_and_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, save in (('torch.pth', torch.save), ('bare.pth', None)):
        path = tmp_path / name
        if save:
            save({'w': Evil()}, path)
        else:
            path.write_bytes(pickle.dumps(Evil(), protocol=2))
        line = refusal(SMALL, path)
        assert str(path) in line
        assert not (tmp_path / 'ran_code').exists()


@pytest.mark.parametrize(
    ('asked', 'held', 'expected'),
    [
        ('vit_h', (768, 12), 'holds vit_b, not vit_h'),
        ('vit_b', (1280, 32), 'holds vit_h, not vit_b'),
        ('vit_l', (96, 2, 128), 'holds a SAM of embed_dim=96, depth=2, img_size=128, not vit_l'),
        (SMALL, (1024, 24), 'holds vit_l, not a SAM of embed_dim=96, depth=2, img_size=128'),
    ],
)
def test_a_wrong_arch_is_answered_with_the_right_one(asked, held, expected, tmp_path):
    path = tmp_path / 'sam.pth'
    torch.save(fake_weights(*held), path)
    line = refusal(asked, path)
    assert expected in line
    assert 'set model.arch' in line


def test_weights_of_something_else_are_refused(tmp_path):
    path = tmp_path / 'other.pth'
    torch.save({'image_encoder.patch_embed.proj.weight': torch.zeros(96, 1, 1, 1)}, path)
    assert "holds a SAM without 'image_encoder.pos_embed'" in refusal(SMALL, path)
    assert 'its config.json is missing or names no member of the SAM family' in refusal(
        SMALL, tmp_path
    )
    for content in ({'conv.weight': torch.zeros(1)}, [1, 2], torch.zeros(3)):
        torch.save(content, path)
        assert 'holds no SAM' in refusal(SMALL, path)
    state = build().state_dict()
    del state['mask_decoder.iou_token.weight']
    torch.save(state, path)
    assert 'mask_decoder.iou_token.weight' in refusal(SMALL, path)


def test_official_weights_that_differ_from_the_published_are_noted(tmp_path, monkeypatch):
    path = tmp_path / 'tuned.pth'
    path.write_bytes(b'tuned')
    said = []
    monkeypatch.setattr(weights_files, 'print_log', lambda text, *_, **__: said.append(text))
    published = sam_weights.PUBLISHED['vit_b']
    assert len(weights_files.checked_sha256(str(path), published)) == 64
    assert 'is not the published sam_vit_b_01ec64.pth' in said[0]


def test_without_segment_anything_the_package_imports_and_load_says_what_to_install(monkeypatch):
    code = (
        'import sys; sys.modules["segment_anything"] = None\n'
        'from samrs_mm.models.prompt_segmentors.sam import SAMSegmentor\n'
        f'SAMSegmentor(arch={SMALL!r}).load()'
    )
    result = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True)
    assert 'RefusedError: SAMSegmentor needs segment_anything' in result.stderr
    assert 'pip install segment-anything==1.0' in result.stderr
