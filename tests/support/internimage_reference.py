"""InternImage and DCNv3 as loops over the released names, from the paper's formulas."""

import math

import torch
import torch.nn.functional as F


def part(weights, prefix):
    """Return the weights below a prefix, without it."""
    prefix = f'{prefix}.'
    return {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}


def bilinear(pixels, x, y):
    """Read nested lists ``[row][column] -> (c,)`` between pixel centres; 0 beyond them."""
    total = 0.0
    left, top = math.floor(x), math.floor(y)
    for row in (top, top + 1):
        for column in (left, left + 1):
            if 0 <= row < len(pixels) and 0 <= column < len(pixels[0]):
                share = (1 - abs(x - column)) * (1 - abs(y - row))
                total = total + share * pixels[row][column]
    return total


def dcnv3(weights, maps, groups):
    """Sum ``m_p v(position + regular step + offset)``, pixel by pixel.

    Args:
        weights: The module's state, by name.
        maps: ``(B, H, W, C)``.
        groups: Groups of channels.
    """
    batch, height, width, channels = maps.shape
    size = channels // groups
    guide = F.conv2d(
        maps.permute(0, 3, 1, 2), weights['dw_conv.0.weight'], weights['dw_conv.0.bias'],
        padding=1, groups=channels,
    ).permute(0, 2, 3, 1)  # fmt: skip
    guide = F.gelu(norm(part(weights, 'dw_conv.1.1'), guide))
    offset = linear(part(weights, 'offset'), guide)
    mask = linear(part(weights, 'mask'), guide)
    value = linear(part(weights, 'input_proj'), maps).numpy()
    steps = [(kx, ky) for kx in (-1, 0, 1) for ky in (-1, 0, 1)]  # columns first
    result = torch.zeros_like(maps)
    for image in range(batch):
        for group in range(groups):
            channel = slice(group * size, (group + 1) * size)
            pixels = [list(row) for row in value[image, :, :, channel]]
            for y in range(height):
                for x in range(width):
                    shares = mask[image, y, x, 9 * group : 9 * group + 9].softmax(0).tolist()
                    moves = offset[image, y, x, 18 * group : 18 * group + 18].tolist()
                    total = 0.0
                    for point, (kx, ky) in enumerate(steps):
                        dx, dy = moves[2 * point : 2 * point + 2]
                        total = total + shares[point] * bilinear(pixels, x + kx + dx, y + ky + dy)
                    result[image, y, x, channel] = torch.as_tensor(total)
    return linear(part(weights, 'output_proj'), result)


def linear(weights, values):
    return values @ weights['weight'].T + weights['bias']


def norm(weights, values):
    centred = values - values.mean(-1, keepdim=True)
    scale = (centred.square().mean(-1, keepdim=True) + 1e-6).sqrt()
    return centred / scale * weights['weight'] + weights['bias']


def downscale(weights, maps, conv, ln):
    """Convolve with stride 2, and normalise; ``(B, H, W, C)`` in and out."""
    conv = part(weights, conv)
    maps = F.conv2d(maps.permute(0, 3, 1, 2), conv['weight'], conv.get('bias'), stride=2, padding=1)
    return norm(part(weights, ln), maps.permute(0, 2, 3, 1))


@torch.no_grad()
def internimage(weights, images, depths, groups):
    """Return the four levels ``(B, C, h, w)`` in evaluation mode."""
    maps = F.gelu(
        downscale(weights, images.permute(0, 2, 3, 1), 'patch_embed.conv1', 'patch_embed.norm1.1')
    )
    maps = downscale(weights, maps, 'patch_embed.conv2', 'patch_embed.norm2.1')
    levels = []
    for number, depth in enumerate(depths):
        level = part(weights, f'levels.{number}')
        for index in range(depth):
            block = part(level, f'blocks.{index}')
            branch = dcnv3(part(block, 'dcn'), norm(part(block, 'norm1.0'), maps), groups[number])
            maps = maps + block['gamma1'] * branch
            branch = linear(part(block, 'mlp.fc1'), norm(part(block, 'norm2.0'), maps))
            maps = maps + block['gamma2'] * linear(part(block, 'mlp.fc2'), F.gelu(branch))
        maps = norm(part(level, 'norm.0'), maps)
        levels.append(maps.permute(0, 3, 1, 2))
        if number < len(depths) - 1:
            maps = downscale(level, maps, 'downsample.conv', 'downsample.norm.1')
    return levels
