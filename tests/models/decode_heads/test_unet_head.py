import mmseg.models  # noqa: F401  (registers)
import pytest
import torch
import torch.nn.functional as F
from mmseg.registry import MODELS

import samrs_mm.models.decode_heads  # noqa: F401  (registers)
from samrs_mm.core.errors import RefusedError

WIDTHS = (32, 16, 8, 4)


def small_head(**options):
    torch.manual_seed(0)
    cfg = dict(
        type='UNetHead',
        in_channels=[8, 12, 20, 28],
        in_index=[0, 1, 2, 3],
        decoder_channels=WIDTHS,
        num_classes=5,
        loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True),
    )
    return MODELS.build(cfg | options)


def levels_of(*sizes, batch=2):
    generator = torch.Generator().manual_seed(1)
    return [
        torch.randn(batch, channels, *size, generator=generator)
        for channels, size in zip([8, 12, 20, 28], sizes, strict=True)
    ]


def test_names_are_those_of_the_released_weights():
    names = {f'blocks.{block}.conv{conv}.0.weight' for block in range(4) for conv in (1, 2)}
    norm = ('weight', 'bias', 'running_mean', 'running_var', 'num_batches_tracked')
    names |= {
        f'blocks.{block}.conv{conv}.1.{part}'
        for block in range(4)
        for conv in (1, 2)
        for part in norm
    }
    assert set(small_head().state_dict()) == names | {'conv_seg.weight', 'conv_seg.bias'}


@pytest.mark.parametrize(
    ('in_channels', 'block_inputs', 'parameters'),
    [
        ([256, 512, 1024, 2048], [3072, 1024, 512, 128], 20_315_904),
        ([96, 192, 384, 768], [1152, 704, 352, 128], 10_546_944),
        ([64, 128, 256, 512], [768, 640, 320, 128], 8_593_152),
        ([768, 768, 768, 768], [1536, 1280, 1024, 128], 14_417_664),
    ],
)
def test_sizes_of_the_authors_decoders(in_channels, block_inputs, parameters):
    with torch.device('meta'):
        head = small_head(in_channels=in_channels, decoder_channels=(512, 256, 128, 64))
    assert [block.conv1[0].in_channels for block in head.blocks] == block_inputs
    assert sum(weight.numel() for weight in head.blocks.parameters()) == parameters
    assert sum(weight.numel() for weight in head.conv_seg.parameters()) == 577 * 5


@pytest.mark.parametrize(
    ('sizes', 'expected'),
    [
        ([(16, 16), (8, 8), (4, 4), (2, 2)], (64, 64)),
        ([(25, 19), (13, 10), (7, 5), (4, 3)], (128, 96)),
    ],
)
def test_equals_the_specification_in_plain_functions(sizes, expected):
    head, levels = small_head().eval(), levels_of(*sizes)
    weights = head.state_dict()

    def convolve(x, name):
        x = F.conv2d(x, weights[f'{name}.0.weight'], padding=1)
        x = F.batch_norm(
            x,
            *(
                weights[f'{name}.1.{key}']
                for key in ('running_mean', 'running_var', 'weight', 'bias')
            ),
        )
        return x.relu()

    x = levels[3]
    for number, skip in enumerate([levels[2], levels[1], levels[0], None]):
        x = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
        if skip is not None:
            skip = F.interpolate(skip, x.shape[2:], mode='bilinear', align_corners=False)
            x = torch.cat([x, skip], 1)
        x = convolve(convolve(x, f'blocks.{number}.conv1'), f'blocks.{number}.conv2')
    x = F.interpolate(x, scale_factor=2, mode='bilinear', align_corners=False)
    x = F.conv2d(x, weights['conv_seg.weight'], weights['conv_seg.bias'], padding=1)
    logits = head(levels)
    assert logits.shape == (2, 5, *expected)
    torch.testing.assert_close(logits, x)


def test_dropout_is_a_choice():
    assert small_head().dropout is None
    assert small_head(dropout_ratio=0.1).dropout.p == 0.1


def test_one_width_per_level_is_needed():
    with pytest.raises(RefusedError, match=r'decoder_channels=\(32, 16\) .* one decoder width'):
        small_head(decoder_channels=(32, 16))
