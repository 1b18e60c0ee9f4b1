"""MultiHeadEncoderDecoder, and its cascade, on several ranks."""

import pytest
import torch
from ddp_ranks import compare
from processes import on_two_ranks
from segmentor_cases import batch_of, freeze_batch_norm, gradients, share_totals, small_model

from samrs_mm.core.errors import RefusedError
from samrs_mm.models.segmentors import multi_head_encoder_decoder


@pytest.mark.parametrize(
    ('first', 'second'),
    [
        (['sota', 'sior'], ['fast', 'fast', 'sota']),
        (['sota'], ['sior', 'sior', 'fast']),
    ],
)
def test_ranks_together_equal_one_process(monkeypatch, first, second):
    """Two simulated ranks: gradients averaged as DDP does, losses as logged."""
    model = freeze_batch_norm(small_model())
    parts = [batch_of(first, seed=1, valid=0.9), batch_of(second, seed=2, valid=0.1)]
    whole, expected = gradients(
        model, torch.cat([images for images, _ in parts]), parts[0][1] + parts[1][1]
    )
    share_totals(monkeypatch, model, parts)
    ranks = [gradients(model, *part) for part in parts]
    for name, value in whole.items():
        mean = (ranks[0][0][name] + ranks[1][0][name]) / 2
        torch.testing.assert_close(mean, value, rtol=1e-9, atol=1e-12)
    for name, value in expected.items():
        mean = (ranks[0][1][name] + ranks[1][1][name]) / 2
        # mmseg adds 1.2e-7 to the number of pixels, here to half of it on each rank
        assert (mean - value).abs().max() <= 1e-9 * value.abs().max(), name


def test_two_gloo_ranks_equal_one_process_without_unused_parameters(tmp_path):
    """In processes of their own, forked from one that has the imports done.

    Batch norm of the cascade is over both ranks, each of which lacks a source.
    """
    for differences in on_two_ranks(compare, tmp_path):
        assert differences.keys() == {'plain', 'cascade'}
        for difference in differences.values():
            assert difference['gradient'] < 1e-9
            assert difference['logged'] < 1e-4  # accuracies in percent, logged in float32


def test_sequential_mode_on_ranks_refuses_an_absent_source(monkeypatch):
    monkeypatch.setattr(multi_head_encoder_decoder, 'get_world_size', lambda: 2)
    model = small_model(forward_mode='sequential')
    with pytest.raises(RefusedError, match=r"no sample of fast on this rank.*'joint'"):
        model.loss(*batch_of(['sota', 'sior']))
