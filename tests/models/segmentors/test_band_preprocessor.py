import pytest
import torch
from mmseg.structures import SegDataSample

from samrs_mm.core.errors import RefusedError
from samrs_mm.models.segmentors.band_preprocessor import BandPreProcessor


def prepared(bands, mean, **options):
    made = BandPreProcessor(mean, [2.0] * len(mean), **options)
    images = [torch.full((bands, 4, 4), 10, dtype=torch.uint8)]
    return made(dict(inputs=images, data_samples=[SegDataSample()]), False)['inputs']


@pytest.mark.parametrize('bands', [1, 3, 4, 7])
def test_each_band_is_normalised_by_its_own(bands):
    mean = [float(band) for band in range(bands)]
    found = prepared(bands, mean)
    assert found[0, :, 0, 0].tolist() == [(10 - value) / 2 for value in mean]


def test_other_bands_are_refused():
    with pytest.raises(RefusedError, match=r'an image of 1 band, where .* has 4 values'):
        prepared(1, [0.0] * 4)
    with pytest.raises(RefusedError, match='2 values of mean, 1 of std'):
        BandPreProcessor([1.0, 2.0], [1.0])
