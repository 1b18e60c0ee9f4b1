"""The segmentor of the page: loaded beside it, encoding an image once, going on from answers."""

import queue
import threading
import time

import numpy as np
import pytest
from sam_cases import SMALL, scene

from samrs_mm.core.errors import RefusedError, SegmentorError
from samrs_mm.models.prompt_segmentors.base import PromptSegmentor
from samrs_mm.registry import PROMPT_SEGMENTORS
from samrs_mm.review.server.prompting import _HELD_ANSWERS, NotReadyError, Prompter

SAM = dict(type='SAMSegmentor', arch=SMALL, threads=1, device='cpu')


class Picture:
    """What a ``SceneView`` offers, and how often it was asked."""

    def __init__(self, seed=0):
        self.image, self.read = scene(96, 128, seed)[0], 0

    def pixels(self):
        self.read += 1
        return self.image

    def valid(self):
        return None


def ready(*args, **more):
    prompter = Prompter(*args, **more)
    prompter.load_beside()
    assert prompter.wait(60)
    assert prompter.problem is None
    return prompter


@pytest.fixture(scope='module')
def boxnet():
    return ready('boxnet', dict(threads=1, device='cpu'))


def test_an_answer_is_the_segmentors_own(boxnet):
    import samrs_mm

    picture = Picture()
    found = boxnet.click('a', picture, [[40, 52, 1]])
    own = samrs_mm.load_segmentor('boxnet', threads=1, device='cpu')
    first = own.click(picture.image, [[40, 52, 1]])
    np.testing.assert_array_equal(found.mask, first.mask)
    assert found.score == first.score
    assert 0 < found.seconds < 60


def test_the_next_step_goes_on_from_the_answer_before(boxnet):
    import samrs_mm

    picture = Picture()
    first = boxnet.click('a', picture, [[40, 52, 1]])
    second = boxnet.click('a', picture, [[40, 52, 1], [61, 50, 0]], None, first.name)
    own = samrs_mm.load_segmentor('boxnet', threads=1, device='cpu')
    before = own.click(picture.image, [[40, 52, 1]])
    expected = own.click(picture.image, [[40, 52, 1], [61, 50, 0]], None, before)
    np.testing.assert_array_equal(second.mask, expected.mask)
    alone = boxnet.click('a', picture, [[40, 52, 1], [61, 50, 0]])
    assert second.score != alone.score


def test_answers_on_other_images_and_forgotten_ones_are_none(boxnet):
    picture = Picture()
    first = boxnet.click('a', picture, [[40, 52, 1]])
    other = boxnet.click('b', picture, [[40, 52, 1]], None, first.name)
    np.testing.assert_array_equal(other.mask, first.mask)
    for _ in range(_HELD_ANSWERS):
        boxnet.click('a', picture, [], [30, 20, 60, 60])
    again = boxnet.click('a', picture, [[40, 52, 1]], None, first.name)
    np.testing.assert_array_equal(again.mask, first.mask)
    assert len(boxnet._answers) == _HELD_ANSWERS


def test_an_image_is_encoded_once_and_anew_when_it_is_another(tmp_path):
    prompter = ready(SAM)
    picture = Picture()
    first = prompter.click('a', picture, [[40, 52, 1]])
    prompter.click('a', picture, [[40, 52, 1], [61, 50, 0]], None, first.name)
    assert picture.read == 1
    other = Picture(seed=1)
    assert not np.array_equal(prompter.click('a', other, [[40, 52, 1]]).mask, first.mask)
    assert (picture.read, other.read) == (1, 1)


def test_embeddings_are_taken_from_a_folder_and_stored_there(tmp_path, monkeypatch):
    prompter = ready(SAM, embeddings=str(tmp_path / 'embeddings'))
    picture = Picture()
    first = prompter.click('a', picture, [[40, 52, 1], [20, 20, 0]])
    prompter.close()
    assert [path.name for path in (tmp_path / 'embeddings').iterdir()] == ['a.safetensors']
    again = ready(SAM, embeddings=str(tmp_path / 'embeddings'))
    monkeypatch.setattr(again._model, 'encode', None)
    found = again.click('a', picture, [[40, 52, 1], [20, 20, 0]])
    np.testing.assert_array_equal(found.mask, first.mask)


def test_until_it_is_loaded_clicks_are_told_to_come_again(monkeypatch):
    prompter, go = Prompter(SAM), threading.Event()
    load = prompter._load
    monkeypatch.setattr(prompter, '_load', lambda: go.wait(30) and load())
    prompter.load_beside()
    with pytest.raises(NotReadyError, match='SAMSegmentor is still being loaded; click again'):
        prompter.click('a', Picture(), [[40, 52, 1]])
    go.set()
    assert prompter.wait(60)
    assert prompter.click('a', Picture(), [[40, 52, 1]]).mask.shape == (96, 128)


def test_what_cannot_be_loaded_is_said_at_every_click(tmp_path):
    prompter = Prompter('sam-vit-b', dict(checkpoint=str(tmp_path / 'none.pth')))
    told: queue.Queue[str] = queue.Queue()
    prompter.load_beside(told.put)
    assert 'none.pth' in told.get(timeout=60)
    for _ in range(2):
        with pytest.raises(SegmentorError, match=r'no clicks: .*none\.pth'):
            prompter.click('a', Picture(), [[40, 52, 1]])


def test_segmentors_without_clicks_and_unknown_ones_are_named():
    prompter = Prompter('box-fill')
    prompter.load()
    assert prompter.problem == 'BoxFillSegmentor takes no clicks; boxnet, grabcut and SAM do'
    with pytest.raises(RefusedError, match="segmentor 'boxnot' is none of boxnet, grabcut"):
        Prompter('boxnot')


def test_one_works_at_a_time(monkeypatch):
    at_once = []

    class Slow(PromptSegmentor):
        settings = {}

        def unsupported(self, setting):
            return None

        def encode(self, images):
            return list(images)

        def decode(self, encoded, prompts):
            yield

        def click(self, encoded, *_):
            from samrs_mm.core.clicks import ClickedMask

            at_once.append(1)
            time.sleep(0.02)
            count = len(at_once)
            at_once.pop()
            return ClickedMask(np.full((2, 2), count > 1))

    PROMPT_SEGMENTORS.register_module(name='SlowOne', module=Slow)
    try:
        prompter, picture = ready(dict(type='SlowOne')), Picture()
        found = []
        threads = [
            threading.Thread(target=lambda: found.append(prompter.click('a', picture, [])))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 8
        assert not any(each.mask.any() for each in found)
        assert len({each.name for each in found}) == 8
    finally:
        PROMPT_SEGMENTORS._module_dict.pop('SlowOne')
