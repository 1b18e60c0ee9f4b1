"""ViT-Adapter by its formulas, over a state dict, in the slow and plain way."""

import math

import torch
import torch.nn.functional as F


def hats(centres, count):
    """Shares of each of `count` pixels in a bilinear sample at 0..1: 1 - distance, if above 0."""
    return (1 - (centres[..., None] * count - 0.5 - torch.arange(count)).abs()).clamp(min=0)


def deformable_attention(w, prefix, query, where, value, shapes, heads, points=4):
    """Softmax-weighted values at learnt offsets, in pixels of each level, from (x, y) in 0..1."""

    def linear(x, name):
        return x @ w[f'{prefix}.{name}.weight'].T + w[f'{prefix}.{name}.bias']

    batch, count, _ = query.shape
    offsets = linear(query, 'sampling_offsets').view(batch, count, heads, len(shapes), points, 2)
    weights = linear(query, 'attention_weights').view(batch, count, heads, -1).softmax(-1)
    weights = weights.view(batch, count, heads, len(shapes), points)
    values = linear(value, 'value_proj')
    result, start = 0, 0
    for level, (height, width) in enumerate(shapes):
        maps = values[:, start : start + height * width].view(batch, height, width, heads, -1)
        start += height * width
        x = where[:, None, None, 0] + offsets[..., level, :, 0] / width
        y = where[:, None, None, 1] + offsets[..., level, :, 1] / height
        result = result + torch.einsum(
            'bqnp,bqnpy,bqnpx,byxnc->bqnc',
            weights[..., level, :],
            hats(y, height),
            hats(x, width),
            maps,
        )
    return linear(result.flatten(2), 'output_proj')


def centres(shapes):
    return torch.tensor(
        [
            ((column + 0.5) / width, (row + 0.5) / height)
            for height, width in shapes
            for row in range(height)
            for column in range(width)
        ],
        dtype=torch.float64,
    )


def vit_adapter(w, images, heads, deform_heads, depth):
    """Levels of images whose sides are multiples of 32, in evaluation mode."""
    batch, _, height, width = images.shape

    def linear(x, name):
        return x @ w[f'{name}.weight'].flatten(1).T + w[f'{name}.bias']

    def layer_norm(x, name):
        x = (x - x.mean(-1, keepdim=True)) / (x.var(-1, correction=0, keepdim=True) + 1e-6).sqrt()
        return x * w[f'{name}.weight'] + w[f'{name}.bias']

    def batch_norm(x, name):
        mean, var, weight, bias = (
            w[f'{name}.{part}'].view(-1, 1, 1)
            for part in ('running_mean', 'running_var', 'weight', 'bias')
        )
        return (x - mean) / (var + 1e-5).sqrt() * weight + bias

    def conv(x, name, norm, stride):
        x = F.conv2d(x, w[f'{name}.weight'], stride=stride, padding=1)
        return batch_norm(x, norm).relu()

    def gelu(x):
        return x * (1 + torch.erf(x / math.sqrt(2))) / 2

    def flat(maps):
        return maps.flatten(2).transpose(1, 2)

    def maps_of(tokens, shape):
        return tokens.transpose(1, 2).reshape(batch, -1, *shape)

    def vit_block(x, name):
        qkv = linear(layer_norm(x, f'{name}.norm1'), f'{name}.attn.qkv')
        q, k, v = qkv.view(batch, x.shape[1], 3, heads, -1).permute(2, 0, 3, 1, 4)
        attention = (q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])).softmax(-1)
        attended = (attention @ v).transpose(1, 2).flatten(2)
        x = x + w[f'{name}.gamma1'] * linear(attended, f'{name}.attn.proj')
        hidden = gelu(linear(layer_norm(x, f'{name}.norm2'), f'{name}.mlp.fc1'))
        return x + w[f'{name}.gamma2'] * linear(hidden, f'{name}.mlp.fc2')

    def attend(query, value, name, where, shapes):
        return deformable_attention(
            w,
            f'{name}.attn',
            layer_norm(query, f'{name}.query_norm'),
            where,
            layer_norm(value, f'{name}.feat_norm'),
            shapes,
            deform_heads,
        )

    def ffn(c, name):
        hidden = linear(c, f'{name}.fc1')
        kernel = w[f'{name}.dwconv.dwconv.weight']
        parts = hidden.split([h * v for h, v in levels], dim=1)
        hidden = torch.cat(
            [
                flat(F.conv2d(maps_of(part, shape), kernel, padding=1, groups=len(kernel)))
                for part, shape in zip(parts, levels, strict=True)
            ],
            dim=1,
        )
        return linear(gelu(hidden + w[f'{name}.dwconv.dwconv.bias']), f'{name}.fc2')

    grid = (height // 16, width // 16)
    levels = [(height // s, width // s) for s in (8, 16, 32)]

    first = conv(images, 'spm.stem.0', 'spm.stem.1', 2)
    first = conv(first, 'spm.stem.3', 'spm.stem.4', 1)
    first = conv(first, 'spm.stem.6', 'spm.stem.7', 1)
    first = F.max_pool2d(first, 3, stride=2, padding=1)
    priors = [first]
    for name in ('spm.conv2', 'spm.conv3', 'spm.conv4'):
        priors.append(conv(priors[-1], f'{name}.0', f'{name}.1', 2))
    priors = [linear(flat(prior), f'spm.fc{i}') for i, prior in enumerate(priors, 1)]
    c = torch.cat([prior + w['level_embed'][i] for i, prior in enumerate(priors[1:])], dim=1)

    x = F.conv2d(images, w['patch_embed.proj.weight'], w['patch_embed.proj.bias'], stride=16)
    side = math.isqrt(w['pos_embed'].shape[1] - 1)
    positions = w['pos_embed'][:, 1:].transpose(1, 2).reshape(1, -1, side, side)
    x = flat(x + F.interpolate(positions, grid, mode='bicubic', align_corners=False))

    outputs = []
    for i in range(4):
        name = f'interactions.{i}.injector'
        x = x + w[f'{name}.gamma'] * attend(x, c, name, centres([grid]), levels)
        for block in range(i * depth // 4, (i + 1) * depth // 4):
            x = vit_block(x, f'blocks.{block}')
        extractors = [f'interactions.{i}.extractor']
        if i == 3:
            extractors += [f'interactions.3.extra_extractors.{k}' for k in (0, 1)]
        for name in extractors:
            c = c + attend(c, x, name, centres(levels), [grid])
            c = c + ffn(layer_norm(c, f'{name}.ffn_norm'), f'{name}.ffn')
        outputs.append(maps_of(x, grid))

    pyramid = [
        maps_of(part, shape)
        for part, shape in zip(c.split([h * v for h, v in levels], dim=1), levels, strict=True)
    ]
    up = F.conv_transpose2d(pyramid[0], w['up.weight'], w['up.bias'], stride=2)
    pyramid.insert(0, up + maps_of(priors[0], (height // 4, width // 4)))
    return [
        batch_norm(
            level + F.interpolate(x, scale_factor=scale, mode='bilinear', align_corners=False),
            f'norm{i}',
        )
        for i, (level, x, scale) in enumerate(zip(pyramid, outputs, (4, 2, 1, 0.5), strict=True), 1)
    ]
