"""Encodings as tensors, and decoders without their image encoder."""

import os

import numpy as np
import pytest
import torch
from sam_cases import SMALL, gathered, loaded, prompts_of, scene

from samrs_mm.core.errors import RefusedError, SegmentorError
from samrs_mm.models.prompt_segmentors.sam import SAMSegmentor
from samrs_mm.models.prompt_segmentors.storable import versions_of

pytest.importorskip('segment_anything', reason='segment_anything is not installed')
IMAGE, POLYGONS = scene(60, 90)
PROMPTS = prompts_of('cp+hbox-m', POLYGONS, 60, 90)
SIZES = {key: value for key, value in SMALL.items() if key != 'seed'}


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp('weights') / 'small.pth'
    torch.save(loaded().model.state_dict(), path)
    return path


def built(checkpoint, **options):
    return SAMSegmentor(
        **dict(arch=SIZES, checkpoint=str(checkpoint), threads=1, device='cpu') | options
    )


def assert_same(first, second):
    for one, other in zip(gathered(first), gathered(second), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize('kernels', ['exact', 'fast'])
@pytest.mark.parametrize('zipped', [True, False])
def test_a_decoder_without_its_encoder_gives_the_same_masks(tmp_path, kernels, zipped):
    path = tmp_path / 'small.pth'
    torch.save(loaded().model.state_dict(), path, _use_new_zipfile_serialization=zipped)
    whole, part = built(path, kernels=kernels), built(path, kernels=kernels)
    whole.load()
    part.load_decoder()
    assert part.settings == whole.settings
    assert part.checkpoint_sha256 == whole.checkpoint_sha256
    assert part.encoder_settings == whole.encoder_settings
    code = whole.encode([IMAGE])[0]
    given = part.from_tensors(whole.to_tensors(code), (60, 90))
    assert_same(part.decode(given, PROMPTS), whole.decode(code, PROMPTS))
    own = part.encode([IMAGE])[0]
    assert torch.equal(own.features[0], code.features[0])
    assert_same(part.decode(own, PROMPTS), whole.decode(code, PROMPTS))


def test_weights_in_half_precision_are_taken_as_float32(tmp_path, checkpoint):
    state = torch.load(checkpoint, weights_only=True)
    torch.save({key: value.half() for key, value in state.items()}, tmp_path / 'half.pth')
    whole, part = built(tmp_path / 'half.pth'), built(tmp_path / 'half.pth')
    whole.load()
    part.load_decoder()
    code = part.encode([IMAGE])[0]
    assert torch.equal(code.features[0], whole.encode([IMAGE])[0].features[0])
    assert_same(part.decode(code, PROMPTS), whole.decode(code, PROMPTS))


def test_the_encoder_takes_no_memory_before_it_is_needed(checkpoint):
    part = built(checkpoint)
    part.load_decoder()
    weights = part.model.image_encoder.blocks[0].mlp.lin1.weight
    mapped = weights.untyped_storage().data_ptr()
    assert str(checkpoint) in maps_at(mapped)
    part.encode([IMAGE])
    assert part.model.image_encoder.blocks[0].mlp.lin1.weight is weights
    assert weights.untyped_storage().data_ptr() != mapped


def maps_at(address: int) -> str:
    """Return the line of the process's memory that holds an address."""
    if not os.path.exists('/proc/self/maps'):
        pytest.skip('no /proc')
    with open('/proc/self/maps') as lines:
        for line in lines:
            low, high = (int(part, 16) for part in line.split()[0].split('-'))
            if low <= address < high:
                return line
    raise AssertionError(address)


def test_a_file_that_is_written_to_before_the_encoder_is_read(tmp_path, checkpoint):
    path = tmp_path / 'small.pth'
    path.write_bytes(checkpoint.read_bytes())
    part = built(path)
    part.load_decoder()
    with open(path, 'r+b') as file:
        file.write(b'other')
    with pytest.raises(SegmentorError, match='written to while it was in use; start again'):
        part.encode([IMAGE])


@pytest.mark.parametrize('way', ['removed', 'replaced'])
def test_what_is_mapped_stays_when_the_file_goes(tmp_path, checkpoint, way):
    path = tmp_path / 'small.pth'
    path.write_bytes(checkpoint.read_bytes())
    whole, part = built(checkpoint), built(path)
    whole.load()
    part.load_decoder()
    if way == 'removed':
        path.unlink()
    else:
        (tmp_path / 'new').write_bytes(b'other')
        os.replace(tmp_path / 'new', path)
    code = part.encode([IMAGE])[0]
    assert torch.equal(code.features[0], whole.encode([IMAGE])[0].features[0])


def test_weights_are_checked_though_they_are_not_read(tmp_path, checkpoint):
    with pytest.raises(RefusedError, match='holds a SAM of embed_dim=96, depth=2'):
        built(checkpoint, arch=SIZES | dict(depth=3)).load_decoder()
    state = torch.load(checkpoint, weights_only=True)
    state.pop('image_encoder.blocks.1.attn.qkv.bias')
    torch.save(state, tmp_path / 'less.pth')
    with pytest.raises(RefusedError, match=r'does not fit .*blocks\.1\.attn\.qkv\.bias'):
        built(tmp_path / 'less.pth').load_decoder()
    (tmp_path / 'cut.pth').write_bytes(checkpoint.read_bytes()[:5000])
    with pytest.raises(RefusedError, match='truncated, corrupt'):
        built(tmp_path / 'cut.pth').load_decoder()
    with pytest.raises(RefusedError, match='no such file'):
        built(tmp_path / 'none.pth').load_decoder()


def test_three_levels_of_sam_2_come_back_as_they_were():
    pytest.importorskip('transformers', reason='transformers is not installed')
    from samrs_mm.models.prompt_segmentors.sam2 import SAM2Segmentor

    arch = dict(embed_dim=24, stages=[1, 1, 2, 1], num_heads=1, global_attn_indexes=[3])
    segmentor = SAM2Segmentor(arch=arch | dict(img_size=128, seed=0), threads=1, device='cpu')
    segmentor.load()
    code = segmentor.encode([IMAGE])[0]
    assert all(level.is_contiguous() for level in code.features)
    tensors = segmentor.to_tensors(code)
    assert tensors.keys() == {'image', 'high_res_0', 'high_res_1'}
    back = segmentor.from_tensors({k: v.clone() for k, v in tensors.items()}, (60, 90))
    assert_same(segmentor.decode(back, PROMPTS), segmentor.decode(code, PROMPTS))
    assert segmentor.input_size((60, 90)) == (128, 128)
    assert segmentor.encoder_settings['versions'].keys() == {'transformers'}


def test_tensors_of_another_kind_are_refused(checkpoint):
    segmentor = loaded()
    with pytest.raises(KeyError):
        segmentor.from_tensors({}, (60, 90))
    with pytest.raises(ValueError, match=r'image is \[2, 3\] instead of \[1, C, h, w\]'):
        segmentor.from_tensors(dict(image=torch.zeros(2, 3)), (60, 90))


def test_settings_of_the_encoder_are_not_those_of_the_decoder(checkpoint):
    first = built(checkpoint, chunk=3, kernels='fast', unchecked=True)
    second = built(checkpoint, precision='bf16')
    for each in (first, second):
        each.load_decoder()
    assert first.encoder_settings == second.encoder_settings | dict(precision='fp32')
    assert not {'chunk', 'threads', 'device'} & first.encoder_settings.keys()
    assert first.encoder_settings['versions'].keys() == {'segment-anything'}
    assert versions_of(['no-such-package-here']) == {'no-such-package-here': None}
