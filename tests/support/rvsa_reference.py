"""RVSA from its formula: loops over windows, heads and tokens, in float64, for small maps."""

import math

import numpy as np

WINDOW = 7


def bilinear(plane, x, y):
    """Read a plane ``(H, W, D)`` at pixel coordinates; what lies outside counts as 0."""
    value = np.zeros(plane.shape[2])
    for row in (math.floor(y), math.floor(y) + 1):
        for column in (math.floor(x), math.floor(x) + 1):
            if 0 <= row < plane.shape[0] and 0 <= column < plane.shape[1]:
                value += (1 - abs(y - row)) * (1 - abs(x - column)) * plane[row, column]
    return value


def padded(maps):
    """Pad ``(H, W, D)`` to multiples of the window, the smaller half before."""
    missing = [-side % WINDOW for side in maps.shape[:2]]
    return np.pad(maps, [(m // 2, m - m // 2) for m in missing] + [(0, 0)])


def predicted(state, name, mean):
    """One of the three predictions from a window's mean feature."""
    feature = np.where(mean > 0, mean, 0.01 * mean)
    return state[f'{name}.2.weight'][:, :, 0, 0] @ feature + state[f'{name}.2.bias']


def window_attention(state, head, query, key, value):
    """Attend from one window's queries; all ``(49, D)``."""
    result = np.zeros_like(query)
    for i, vector in enumerate(query):
        logits = np.zeros(WINDOW**2)
        for j in range(WINDOW**2):
            down, right = i // WINDOW - j // WINDOW + 6, i % WINDOW - j % WINDOW + 6
            logits[j] = (
                vector @ key[j] / math.sqrt(len(vector))
                + vector @ state['rel_pos_h'][down]
                + vector @ state['rel_pos_w'][right]
                + state['relative_position_bias_table'][down * 13 + right, head]
            )
        weights = np.exp(logits - logits.max())
        result[i] = weights / weights.sum() @ value
    return result


def rvsa(state, tokens, grid, heads, divisors):
    """Return what RVSA makes of one map.

    Args:
        state: The layer's weights by name, as arrays.
        tokens: ``(h * w, C)``.
        grid: ``(h, w)``.
        heads: Number of heads.
        divisors: Of the offsets in x and in y.
    """
    (height, width), channels = grid, tokens.shape[1]
    features = padded(tokens.reshape(height, width, channels))
    qkv = tokens @ state['qkv.weight'].T + state['qkv.bias']
    qkv = padded(qkv.reshape(height, width, 3 * channels))
    rows, columns = qkv.shape[:2]
    result = np.zeros((rows, columns, channels))
    depth = channels // heads
    for top in range(0, rows, WINDOW):
        for left in range(0, columns, WINDOW):
            place = np.s_[top : top + WINDOW, left : left + WINDOW]
            mean = features[place].mean(axis=(0, 1))
            offsets, scales, angles = (
                predicted(state, f'sampling_{name}', mean)
                for name in ('offsets', 'scales', 'angles')
            )
            for head in range(heads):
                query, keys, values = (
                    qkv[..., k * channels + head * depth :][..., :depth] for k in range(3)
                )
                cosine, sine = math.cos(angles[head]), math.sin(angles[head])
                sampled = []
                for dy in range(-3, 4):
                    for dx in range(-3, 4):
                        u = dx * 2 / (columns - 1) * (1 + scales[2 * head])
                        v = dy * 2 / (rows - 1) * (1 + scales[2 * head + 1])
                        x = np.linspace(-1, 1, columns)[left : left + WINDOW].mean()
                        y = np.linspace(-1, 1, rows)[top : top + WINDOW].mean()
                        x += u * cosine - v * sine + offsets[2 * head] / divisors[0]
                        y += u * sine + v * cosine + offsets[2 * head + 1] / divisors[1]
                        pixel = (x + 1) / 2 * (columns - 1), (y + 1) / 2 * (rows - 1)
                        sampled.append((bilinear(keys, *pixel), bilinear(values, *pixel)))
                key, value = (np.array(part) for part in zip(*sampled, strict=True))
                attended = window_attention(
                    state, head, query[place].reshape(-1, depth), key, value
                )
                result[place][..., head * depth : (head + 1) * depth] = attended.reshape(
                    WINDOW, WINDOW, depth
                )
    top, left = -height % WINDOW // 2, -width % WINDOW // 2
    result = result[top : top + height, left : left + width].reshape(-1, channels)
    return result @ state['proj.weight'].T + state['proj.bias']
