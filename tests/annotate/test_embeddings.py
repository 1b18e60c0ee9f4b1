import errno
import os
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from sam_cases import SMALL, gathered, loaded, prompts_of, results, scene

from samrs_mm.annotate.embeddings import EmbeddingStore, check_place
from samrs_mm.annotate.masking import segment
from samrs_mm.annotate.plan import Tile
from samrs_mm.annotate.writer import Sample
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.prompts import PromptedBoxes
from samrs_mm.formats import embeddings as files
from samrs_mm.formats.annotated.record import Record
from samrs_mm.models.prompt_segmentors.box_fill import BoxFillSegmentor
from samrs_mm.models.prompt_segmentors.precision import OVERFLOW
from samrs_mm.models.prompt_segmentors.sam import SAMSegmentor

IMAGE, POLYGONS = scene(60, 90)
PROMPTS = prompts_of('cp+hbox', POLYGONS, 60, 90)


@pytest.fixture(scope='module')
def sam():
    return loaded()


@pytest.fixture
def store_of(tmp_path, sam):
    """Stores in one folder that are closed, so that all is written; ``lines`` is what they said."""
    lines = []

    @contextmanager
    def build(dtype='fp32', segmentor=sam, root=tmp_path / 'store'):
        store = EmbeddingStore(root, segmentor, dtype, lines.append)
        store.open()
        with store:
            yield store

    build.lines, build.root = lines, tmp_path / 'store'
    return build


def filled(store_of, dtype='fp32', stem='a', image=IMAGE, **options):
    """Encode an image, store it, and return what is decoded."""
    with store_of(dtype, **options) as store:
        code = store.segmentor.encode([image])[0]
        asked = store.ask(stem, image)
        assert asked.code is None
        return store.keep(asked, code)


def masks(segmentor, code):
    chunks = list(segmentor.decode(code, PROMPTS))
    return [part for chunk in chunks for part in (*chunk.encoded(), chunk.scores, chunk.stability)]


def assert_same(first, second):
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize('dtype', ['fp16', 'fp32'])
def test_what_is_found_decodes_as_what_was_stored(store_of, sam, dtype):
    kept = filled(store_of, dtype)
    with store_of(dtype) as store:
        found = store.ask('a', IMAGE)
        assert (store.read, store.stored) == (1, 0)
    assert torch.equal(found.code.features[0], kept.features[0])
    assert found.code.frame == kept.frame
    assert_same(masks(sam, found.code), masks(sam, kept))
    same = torch.equal(kept.features[0], sam.encode([IMAGE])[0].features[0])
    assert same == (dtype == 'fp32')
    info = files.read_info(store_of.root / 'a.safetensors')
    assert (info.dtype, info.original_size, info.input_size) == (dtype, [60, 90], [85, 128])
    assert not store_of.lines


def test_fp16_serves_itself_from_fp32_but_not_the_other_way(store_of):
    filled(store_of, 'fp32')
    half = filled(store_of, 'fp16', 'b')
    with store_of('fp16') as store:
        assert torch.equal(store.ask('a', IMAGE).code.features[0], half.features[0])
        assert store.read == 1
    with store_of('fp32') as store:
        assert store.ask('b', IMAGE).code is None
    (line,) = store_of.lines
    assert 'b.safetensors: stored as fp16: encoded anew' in line


def rounded_by(threads, per_pass=1):
    segmentor = SAMSegmentor(
        arch=SMALL, threads=threads, images_per_pass=per_pass, device='cpu', chunk=3
    )
    segmentor.side, segmentor.checkpoint_sha256 = 128, None  # as after load
    return segmentor


@pytest.mark.parametrize('dtype', ['fp16', 'fp32'])
@pytest.mark.parametrize('other', [dict(threads=2), dict(threads=1, per_pass=2)])
def test_a_run_that_rounds_otherwise(store_of, other, dtype):
    """Only fp32 promises masks that are bit for bit those of a run without a store."""
    filled(store_of)
    with store_of(dtype, rounded_by(**other)) as store:
        assert (store.ask('a', IMAGE).code is None) == (dtype == 'fp32')
    if dtype == 'fp32':
        (line,) = store_of.lines
        assert 'rounded otherwise (' in line
        assert '1 -> 2' in line


@pytest.mark.parametrize('dtype', ['fp16', 'fp32'])
def test_what_the_record_says_of_an_encoding_is_kept(store_of, dtype):
    segmentor = loaded(precision='fp16')
    segmentor.model.image_encoder.blocks[0].mlp.lin1.weight.mul_(1e5)
    kept = filled(store_of, dtype, segmentor=segmentor)
    with store_of(dtype, segmentor) as store:
        found = store.ask('a', IMAGE).code
    notes = [[c.notes for c in segmentor.decode(code, PROMPTS)] for code in (kept, found)]
    assert notes[0] == notes[1]
    assert notes[0][0] == (OVERFLOW,)


def test_the_decoder_s_settings_do_not_matter(store_of):
    filled(store_of)
    with store_of('fp32', rounded_by(1)) as store:
        assert store.segmentor.settings['chunk'] == 3
        assert store.ask('a', IMAGE).code is not None


def other_weights():
    return loaded(arch=SMALL | dict(seed=4))


def cut(store_of, stem, to):
    filled(store_of, stem=stem)
    path = store_of.root / f'{stem}.safetensors'
    path.write_bytes(path.read_bytes()[:to])


SPOIL = {
    'of another picture': lambda to, stem: filled(to, stem=stem, image=IMAGE[:, ::-1]),
    'of another encoder': lambda to, stem: filled(to, stem=stem, segmentor=other_weights()),
    'stored as fp16': lambda to, stem: filled(to, 'fp16', stem),
    'truncated or damaged': lambda to, stem: cut(to, stem, -9),
    'truncated, or no safetensors file': lambda to, stem: cut(to, stem, 5),
}


@pytest.mark.parametrize('problem', SPOIL)
def test_what_does_not_fit_is_encoded_anew_replaced_and_said_once(store_of, sam, problem):
    direct = masks(sam, sam.encode([IMAGE])[0])
    for stem in 'ac':
        SPOIL[problem](store_of, stem)
    with store_of() as store:
        asked = [store.ask(stem, IMAGE) for stem in 'ac']
        assert [each.code for each in asked] == [None, None]
        codes = [store.keep(each, sam.encode([IMAGE])[0]) for each in asked]
    assert store.stored == 2
    (line,) = store_of.lines
    assert line.startswith(f'embeddings {store_of.root}/a.safetensors: {problem}')
    assert '\n' not in line
    assert f'encoded anew: 2 {problem}' in '\n'.join(store.lines())
    with store_of() as store:
        codes += [store.ask(stem, IMAGE).code for stem in 'ac']
    for code in codes:
        assert_same(masks(sam, code), direct)


def test_a_file_of_others_is_never_replaced(store_of, sam):
    store_of.root.mkdir()
    path = store_of.root / 'a.safetensors'
    save_file({'precious': np.ones(3)}, path)
    before = path.read_bytes()
    filled(store_of)
    assert path.read_bytes() == before
    (line,) = store_of.lines
    assert 'of another tool: its image is not stored' in line


def test_numbers_that_fp16_has_not_are_decoded_as_they_are(store_of, sam):
    large, broken = sam.encode([IMAGE])[0], sam.encode([IMAGE])[0]
    large.features[0][0, 0, 0, 0] = 1e5
    broken.features[0][0, 0, 0, 0] = float('nan')
    with store_of('fp16') as store:
        assert store.keep(store.ask('a', IMAGE), large) is large
    assert not os.listdir(store_of.root)
    assert 'not stored: 1 beyond fp16' in '\n'.join(store.lines())
    with store_of('fp16') as store:
        assert store.keep(store.ask('a', IMAGE), broken) is broken
    assert 'not stored: 1 not finite' in '\n'.join(store.lines())
    with store_of() as store:
        store.keep(store.ask('a', IMAGE), large)
        store.keep(store.ask('b', IMAGE), broken)
    assert os.listdir(store_of.root) == ['a.safetensors']
    assert 'not finite: its image is not stored' in store_of.lines[-1]


@pytest.mark.parametrize(
    ('number', 'says'),
    [
        (errno.ENOSPC, 'no space left'),
        (errno.EROFS, 'cannot write there (Read-only file system)'),
        (errno.EACCES, 'cannot write there (Permission denied)'),
    ],
)
def test_a_folder_that_can_not_be_written_to_is_used_as_it_is(
    store_of, sam, monkeypatch, number, says
):
    direct = filled(store_of)

    def refuse(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(files, 'atomic_write', refuse)
    with store_of() as store:
        assert store.ask('a', IMAGE).code is not None
        code = sam.encode([IMAGE])[0]
        for stem in 'bcdefgh':
            kept = store.keep(store.ask(stem, IMAGE), code)
            assert_same(masks(sam, kept), masks(sam, direct))
    (line,) = store_of.lines
    assert (
        line == f'embeddings {store_of.root}: {says}; it is used as it is, nothing more is stored'
    )
    assert os.listdir(store_of.root) == ['a.safetensors']


def test_what_killed_processes_left_is_removed_once_it_is_old(store_of):
    store_of.root.mkdir()
    names = ('.a.safetensors.0123abcd.tmp', '.b.safetensors.0123abcd.tmp', '.mine.tmp')
    for name in names:
        (store_of.root / name).write_bytes(b'half')
    hours = time.time() - 7200
    for name in (names[0], names[2]):
        os.utime(store_of.root / name, (hours, hours))
    with store_of():
        assert sorted(os.listdir(store_of.root)) == sorted(names[1:])


def test_many_writers_of_one_file_leave_one_whole_file(store_of, sam):
    code = sam.encode([IMAGE])[0]

    def work(dtype):
        for _ in range(10):
            with store_of(dtype) as store:
                store.keep(store.ask('a', IMAGE), code)

    threads = [threading.Thread(target=work, args=(dtype,)) for dtype in ('fp16', 'fp32') * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert os.listdir(store_of.root) == ['a.safetensors']
    files.read(store_of.root / 'a.safetensors')


def sample_of(index, image):
    record = Record.of_image(
        path=f'{index}.png', scene=str(index), split=None, offset=[0, 0], width=image.shape[1],
        height=image.shape[0], sha256=None, notes=[],
    )  # fmt: skip
    found = PromptedBoxes(PROMPTS.setting, [], [], list(range(len(POLYGONS))), PROMPTS)
    return Sample(Tile(index, f'P{index}', index), record, image, [found])


def batch():
    """Four pictures of which the second is never stored beforehand, and its neighbours are."""
    return [sample_of(i, np.roll(IMAGE, 7 * i, 1)) for i in range(4)]


def count_encoded(monkeypatch, segmentor):
    """Return a list that gets the number of images of each call of ``encode``."""
    counts, encode = [], segmentor.encode

    def counting(images):
        counts.append(len(images))
        return encode(images)

    monkeypatch.setattr(segmentor, 'encode', counting)
    return counts


@pytest.mark.parametrize('dtype', ['fp16', 'fp32'])
def test_passes_of_several_images_encode_only_what_is_missing(store_of, monkeypatch, dtype):
    several = loaded(images_per_pass=4)
    with store_of(dtype, several, store_of.root / 'whole') as store:
        direct = [sample.masks for sample in segment(several, batch(), store)]
    with store_of(dtype, several) as store:
        list(segment(several, batch()[2:], store))
        list(segment(several, batch()[:1], store))
    asked = []
    encode = several.encode
    monkeypatch.setattr(
        several, 'encode', lambda images: asked.append(len(images)) or encode(images)
    )
    with store_of(dtype, several) as store:
        found = [sample.masks for sample in segment(several, batch(), store)]
        assert (store.read, asked) == (3, [1])
    assert found == direct
    if dtype == 'fp32':
        assert found == [sample.masks for sample in segment(several, batch())]


def test_an_encoder_that_fails_blames_only_what_it_was_given(store_of, monkeypatch):
    several = loaded(images_per_pass=4)
    with store_of('fp32', several) as store:
        list(segment(several, batch()[2:], store))

        def fail(images):
            raise RuntimeError('no encoder today')

        monkeypatch.setattr(several, 'encode', fail)
        found = list(segment(several, batch(), store))
    assert [bool(sample.error) for sample in found] == [True, True, False, False]
    assert all(sample.masks for sample in found[2:])


def test_a_segmentor_without_an_image_encoder_is_refused(tmp_path):
    with pytest.raises(RefusedError, match='BoxFillSegmentor has no image encoder'):
        check_place(tmp_path, BoxFillSegmentor(), tmp_path / 'out')
    with pytest.raises(RefusedError, match='BoxFillSegmentor has no image encoder'):
        EmbeddingStore(tmp_path, BoxFillSegmentor())


def test_places_that_are_none(tmp_path, sam):
    out = tmp_path / 'out'
    for inside in (out, out / 'embeddings'):
        with pytest.raises(RefusedError, match='choose a folder outside'):
            check_place(inside, sam, out)
    (tmp_path / 'file').write_bytes(b'')
    with pytest.raises(RefusedError, match='not a folder'):
        check_place(tmp_path / 'file', sam, out)
    check_place(tmp_path / 'outside', sam, out)
    with pytest.raises(RefusedError, match='Not a directory; choose another folder'):
        EmbeddingStore(tmp_path / 'file/below', sam).open()


def test_masks_equal_those_of_a_run_without_a_store(store_of, sam):
    direct = results(sam, IMAGE, PROMPTS)
    filled(store_of)
    with store_of() as store:
        code = store.ask('a', IMAGE).code
    for one, other in zip(direct, gathered(sam.decode(code, PROMPTS)), strict=True):
        np.testing.assert_array_equal(one, other)
