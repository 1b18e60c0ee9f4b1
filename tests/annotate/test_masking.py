"""The order in which images are encoded and decoded, and that it changes nothing."""

from types import SimpleNamespace

import numpy as np
import pytest

from samrs_mm.annotate.masking import segment_all
from samrs_mm.annotate.writer import Sample
from samrs_mm.core.prompts import PromptBatch, PromptSetting
from samrs_mm.models.prompt_segmentors.box_fill import BoxFillSegmentor


class Told(BoxFillSegmentor):
    """Says what it is asked; its device, if it has one, works when it is waited for."""

    def __init__(self, asynchronous, fail=()):
        self.told, self.fail, self._asynchronous = [], fail, asynchronous

    @property
    def asynchronous(self):
        return self._asynchronous

    def say(self, what, number):
        self.told.append(f'{what} {number}')
        if self.told[-1] in self.fail:
            raise RuntimeError(f'no {what}')

    def encode(self, images):
        for image in images:
            self.say('encode', image[0, 0, 0])
        return [(image[0, 0, 0], *image.shape[:2]) for image in images]

    def decode(self, encoded, prompts):
        number, *size = encoded
        if self.asynchronous:
            self.say('decode', number)
        return self._masks(number, size, prompts)

    def _masks(self, number, size, prompts):
        self.say('take', number)
        yield from super().decode(size, prompts)


def samples(count):
    for number in range(count):
        boxes = np.array([[1.0, 2, 5 + number, 9], [0, 0, 12, 10]])
        prompts = PromptBatch(PromptSetting('hbox'), boxes=boxes)
        image = SimpleNamespace(notes=[], height=10, width=12, path=f'{number}.png')
        yield Sample(
            SimpleNamespace(index=number), SimpleNamespace(image=image),
            np.full((10, 12, 3), number, np.uint8),
            [SimpleNamespace(prompts=prompts, chosen=[0, 1])] * (number != 1),
        )  # fmt: skip


def outcome(segmentor, count=4):
    batches = ([sample] for sample in samples(count))
    done = list(segment_all(segmentor, batches))
    assert [sample.tile.index for sample in done] == list(range(count))
    return [(sample.masks, sample.error) for sample in done]


def test_an_asynchronous_segmentor_is_given_the_next_before_it_is_asked():
    plain, ahead = Told(False), Told(True)
    assert outcome(ahead) == outcome(plain)
    assert plain.told == ['encode 0', 'take 0', 'encode 2', 'take 2', 'encode 3', 'take 3']
    assert ahead.told == [
        'encode 0', 'decode 0', 'encode 2', 'take 0', 'encode 3', 'decode 2', 'decode 3', 'take 2',
        'take 3',
    ]  # fmt: skip


@pytest.mark.parametrize('failing', ['encode 2', 'decode 2', 'take 2'])
def test_what_goes_wrong_ahead_stays_with_its_image(failing):
    found = outcome(Told(True, (failing,)))
    sound = outcome(Told(False))
    assert found[2] == ((), f'2.png: the segmentor failed: RuntimeError: no {failing[:-2]}')
    for number in (0, 1, 3):
        assert found[number] == sound[number]
    assert [len(each) for each in found[0][0]] == [2]
