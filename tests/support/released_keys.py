"""The weights in the authors' files, by name, shape and dtype, as their code makes them.

One file per model in ``tests/data/released_keys``, a line for the weights of one kind::

    encoder.layers.0.RC.PCM.{3,6}.weight 64x64x3x3
    encoder.layers.{0,1}.NC.{0,1}.attn.relative_position_index 49x49 int64

Braces hold alternatives, a shape is ``2x3`` or ``scalar``, and float32 is left out.
"""

import itertools
import re
from pathlib import Path

FOLDER = Path(__file__).parents[1] / 'data/released_keys'
MODELS = sorted(path.stem for path in FOLDER.glob('*.txt'))


def released_keys(model: str) -> dict[str, tuple[tuple[int, ...], str]]:
    """Return ``{name: (shape, dtype)}`` of one of `MODELS`, such as ``vit_b_upernet``."""
    keys = {}
    for line in (FOLDER / f'{model}.txt').read_text(encoding='utf-8').splitlines():
        names, shape, *dtype = line.split()
        sizes = () if shape == 'scalar' else tuple(map(int, shape.split('x')))
        for name in alternatives(names):
            assert name not in keys, f'{model}: {name} is there twice'
            keys[name] = sizes, *(dtype or ['float32'])
    return keys


def alternatives(names: str) -> list[str]:
    """Return the names that ``a.{b,c}.d`` stands for."""
    parts = [part.split(',') for part in re.split(r'[{}]', names)]
    return [''.join(choice) for choice in itertools.product(*parts)]
