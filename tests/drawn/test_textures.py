import cv2
import numpy as np
import pytest

from samrs_mm.core.errors import RefusedError
from samrs_mm.drawn.dice import Dice
from samrs_mm.drawn.textures import TextureBank, noise


@pytest.fixture(scope='module')
def bank():
    return TextureBank(seed=1)


def test_noise_has_unit_deviation_and_bumps_of_its_size():
    rng = np.random.default_rng(0)
    fields = [noise(rng, (300, 300), 4), noise(rng, (300, 300), 4, stretch=5)]
    for field in fields:
        assert field.shape == (300, 300)
        assert 0.7 < field.std() < 1.3
    across = [np.abs(np.diff(field, axis=1)).mean() for field in fields]
    assert across[1] < across[0] / 3


def test_textures_are_a_function_of_the_seed(bank):
    again, other = TextureBank(seed=1), TextureBank(seed=2)
    assert len(bank.textures) == len(again.textures) == 40
    assert all(map(np.array_equal, bank.textures, again.textures))
    assert not np.array_equal(bank.textures[0], other.textures[0])


def test_drawn_textures_are_in_the_middle_of_the_range(bank):
    for texture in bank.textures:
        assert (texture.shape, texture.dtype) == ((256, 256, 3), np.uint8)
        assert 110 < texture.mean() < 145
        assert 15 < texture.std() < 50


@pytest.mark.parametrize('side', [32, 96, 128])
def test_patches_have_their_size_and_mean_0(bank, side):
    dice = Dice(np.random.default_rng(0))
    for _ in range(20):
        patch, mean = bank.patch(dice, side)
        assert (patch.shape, patch.dtype, mean.shape) == ((side, side, 3), np.float32, (3,))
        assert np.abs(patch.mean(axis=(0, 1))).max() < 1e-2
        assert patch.std() > 3
        assert 60 < mean.min() <= mean.max() < 200


def test_pictures_of_a_folder_are_used_at_several_sizes(tmp_path):
    red = np.zeros((700, 400, 3), np.uint8)
    red[..., 2] = 200  # BGR
    cv2.imwrite(str(tmp_path / 'a.png'), red)
    cv2.imwrite(str(tmp_path / 'tiny.png'), red[:20, :20])
    (tmp_path / 'LICENSE.txt').write_text('public domain')
    bank = TextureBank(0, tmp_path)
    found = bank.textures[40:]
    assert sorted({texture.shape[:2] for texture in found}) == [(350, 200), (700, 400)]
    assert found[0][0, 0].tolist() == [200, 0, 0]


@pytest.mark.parametrize('made', [True, False])
def test_a_folder_without_pictures_is_refused(tmp_path, made):
    folder = tmp_path / 'none'
    if made:
        folder.mkdir()
        (folder / 'broken.png').write_bytes(b'no picture')
    with pytest.raises(RefusedError, match='no picture of more than 150 px a side'):
        TextureBank(0, folder)
