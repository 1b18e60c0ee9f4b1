import json
import os

import numpy as np
import pytest
from safetensors.numpy import save_file

from samrs_mm.core.errors import SamrsError
from samrs_mm.core.resumable import signature_of
from samrs_mm.formats import embeddings as files
from samrs_mm.formats.embeddings import Embedding, EmbeddingError, EmbeddingInfo, ForeignFileError


def made(dtype='fp32', **other):
    rng = np.random.default_rng(0)
    tensors = {
        name: rng.normal(size=(1, 4, side, side)).astype(files.DTYPES[dtype])
        for name, side in (('image', 8), ('high_res_0', 16))
    }
    encoder = dict(type='SAMSegmentor', arch='vit_b', checkpoint_sha256='0' * 64)
    facts = dict(
        format=1, encoder=encoder, encoder_signature=signature_of(encoder),
        rounding=dict(device='cpu', threads=1), image_sha256='1' * 64, original_size=[60, 80],
        input_size=[96, 128], dtype=dtype, notes=['one'],
        tensors_sha256=files.tensors_sha256(tensors),
    )  # fmt: skip
    return Embedding(EmbeddingInfo(**facts | other), tensors)


@pytest.mark.parametrize('dtype', ['fp16', 'fp32'])
def test_what_is_written_is_read(tmp_path, dtype):
    path, embedding = tmp_path / 'a.safetensors', made(dtype)
    files.write(path, embedding)
    found = files.read(path)
    assert found.info == embedding.info == files.read_info(path)
    assert found.tensors.keys() == embedding.tensors.keys()
    for name, array in embedding.tensors.items():
        np.testing.assert_array_equal(found.tensors[name], array)
        assert found.tensors[name].dtype == array.dtype
    assert os.listdir(tmp_path) == ['a.safetensors']


def test_equal_contents_are_equal_bytes_under_one_key_of_sorted_json(tmp_path):
    first, second = tmp_path / 'a.safetensors', tmp_path / 'b.safetensors'
    embedding = made()
    files.write(first, embedding)
    files.write(second, Embedding(embedding.info, dict(reversed(embedding.tensors.items()))))
    data = first.read_bytes()
    assert data == second.read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], 'little')])
    (line,) = header['__metadata__'].values()
    assert list(json.loads(line)) == sorted(json.loads(line))
    assert header['image']['shape'] == [1, 4, 8, 8]


def test_pixels_of_another_shape_or_value_have_another_hash():
    image = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    others = [image.reshape(4, 2, 3), image + 1, image[:, ::-1]]
    hashes = {files.pixels_sha256(each) for each in (image, image.copy(order='F'), *others)}
    assert len(hashes) == 4


def with_header(data: bytes, change) -> bytes:
    """Change the JSON of a safetensors file's header."""
    end = 8 + int.from_bytes(data[:8], 'little')
    header = json.loads(data[8:end])
    text = json.dumps(change(header) or header).encode()
    return len(text).to_bytes(8, 'little') + text + data[end:]


def with_info(**changes):
    def change(data: bytes) -> bytes:
        def enter(header):
            info = json.loads(header['__metadata__']['samrs_mm']) | changes
            info = {key: value for key, value in info.items() if value != 'gone'}
            header['__metadata__']['samrs_mm'] = json.dumps(info)

        return with_header(data, enter)

    return change


SPOILT = {
    'empty': lambda data: b'',
    'half of the header': lambda data: data[:100],
    'half of the tensors': lambda data: data[:-1000],
    'more than the tensors': lambda data: data + b'\0',
    'a header beyond the file': lambda data: (len(data) * 2).to_bytes(8, 'little') + data[8:],
    'a header of exabytes': lambda data: b'\xff' * 8 + b'\0' + data[9:],
    'no JSON': lambda data: data[:8] + b'[' + data[9:],
    'nested deeply': lambda data: (10**5).to_bytes(8, 'little') + b'[' * 10**5,
    'nested in the line': with_info(encoder=json.loads('[' * 90 + ']' * 90)),
    'no object': lambda data: (2).to_bytes(8, 'little') + b'[]',
    'a changed number': lambda data: data[:-5] + bytes([data[-5] ^ 1]) + data[-4:],
    'a changed name': lambda data: with_header(
        data, lambda header: {'imagE' if k == 'image' else k: v for k, v in header.items()}
    ),
    'another type': lambda data: with_header(
        data, lambda header: header['image'].update(dtype='I32')
    ),
    'a type without a numpy type': lambda data: with_header(
        data, lambda header: header['image'].update(dtype='BF16', shape=[1, 4, 16, 8])
    ),
    'a shape beyond the data': lambda data: with_header(
        data, lambda header: header['image'].update(shape=[2, 4, 8, 8])
    ),
    'a line that is no string': lambda data: with_header(
        data, lambda header: header['__metadata__'].update(samrs_mm=3)
    ),
    'a line that is no JSON': lambda data: with_header(
        data, lambda header: header['__metadata__'].update(samrs_mm='{')
    ),
    'a number that JSON has not': with_info(rounding=dict(threads=float('nan'))),
    'a later format': with_info(format=2),
    'an unknown dtype': with_info(dtype='int8'),
    'a dtype of other tensors': with_info(dtype='fp16'),
    'a size of three': with_info(original_size=[1, 2, 3]),
    'a note that is none': with_info(notes=[3]),
    'a size of nothing': with_info(input_size=[0, 5]),
    'a missing key': with_info(image_sha256='gone'),
    'one key more': with_info(mine=1),
    'a changed encoder': with_info(encoder=dict(type='SAMSegmentor', arch='vit_h')),
}  # fmt: skip


@pytest.mark.parametrize('what', SPOILT)
def test_a_spoilt_file_is_named_in_one_line(tmp_path, what):
    path = tmp_path / 'a.safetensors'
    files.write(path, made())
    path.write_bytes(SPOILT[what](path.read_bytes()))
    with pytest.raises(EmbeddingError) as found:
        files.read(path)
    assert not isinstance(found.value, ForeignFileError)
    assert str(found.value).startswith(f'{path}: ')
    assert '\n' not in str(found.value)
    assert len(str(found.value)) < len(str(path)) + 200


def test_files_of_others_are_told_from_damaged_ones(tmp_path):
    path = tmp_path / 'a.safetensors'
    save_file({'w': np.ones((2, 2))}, path)
    with pytest.raises(ForeignFileError, match="have no 'samrs_mm'"):
        files.read(path)
    save_file({f'layer.{i}.weight': np.ones(1) for i in range(2000)}, path)
    with pytest.raises(ForeignFileError, match='header is too long'):
        files.read(path)


def test_what_can_not_be_opened(tmp_path):
    with pytest.raises(FileNotFoundError):
        files.read(tmp_path / 'a.safetensors')
    (tmp_path / 'b.safetensors').mkdir()
    for read in (files.read, files.read_info):
        with pytest.raises(SamrsError, match='cannot read it: Is a directory'):
            read(tmp_path / 'b.safetensors')
