"""A scene of 144 megapixels in bounded memory."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest
import rasterio
from folders import ROOT
from image_cases import save_tiff
from PIL import Image
from predicting import PLACE
from scene_cases import scene

PEAK = """
import re, sys
from pathlib import Path
sys.path[:0] = sys.argv[1:3]
from folders import load_tool
code = load_tool('predict').main(sys.argv[3:])
# not getrusage, which begins with the memory of the process that started this one
status = Path('/proc/self/status').read_text()
print('peak', int(re.search(r'VmHWM:\\s+(\\d+)', status)[1]) / 1e6)
sys.exit(code)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ('suffix', 'blend', 'limit'), [('.png', 'centre', 3.0), ('.tif', 'average', 2.0)]
)
def test_a_scene_of_144_megapixels_in_bounded_memory(trained, tmp_path, suffix, blend, limit):
    side = 12_000
    path = tmp_path / f'huge{suffix}'
    pattern = np.tile(scene(1000, 1000), (12, 12, 1))
    if suffix == '.tif':
        blocks = dict(tiled=True, blockxsize=512, blockysize=512, compress='deflate')
        save_tiff(path, pattern.transpose(2, 0, 1), **blocks, **PLACE)
    else:
        Image.fromarray(pattern).save(path, compress_level=1)
    del pattern
    argv = [trained / 'config.py', trained / 'weights.pth', path, '--out', tmp_path / 'out',
            '--window', 512, '--blend', blend,
            '--save', 'labels,probabilities,overlays']  # fmt: skip
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, '-c', PEAK, str(ROOT), str(ROOT / 'tests/support'), *map(str, argv)],
        capture_output=True, text=True, env={**os.environ, 'OMP_NUM_THREADS': '2'},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    peak = float(done.stdout.split()[-1])
    print(f'{path.name} {blend}: {time.perf_counter() - begun:.0f} s, peak {peak:.2f} GB')
    assert peak < limit
    with rasterio.open(next((tmp_path / 'out/labels').iterdir())) as file:
        assert (file.height, file.width) == (side, side)
        corner = file.read(1, window=((0, 960), (0, 960)))
        far = file.read(1, window=((3000, 3960), (5000, 5960)))
    # the scene repeats after 1000 px, windows don't: seams would show
    differing = (corner[20:, 20:] != far[20:, 20:]).mean()
    assert differing < (1e-4 if blend == 'centre' else 0.02)
    assert max(Image.open(tmp_path / 'out/overlays/huge.jpg').size) == 2048
