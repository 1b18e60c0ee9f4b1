"""The tool that makes COCO files of boxes, and parts of what it reads."""

from pathlib import Path

import numpy as np
from folders import load_tool
from PIL import Image

TOOL = load_tool('dataset_converters/boxes_to_coco')
VOC = """<annotation><filename>x.jpg</filename><size><width>64</width><height>48</height></size>
{}</annotation>"""
OBJECT = """<object><name>{}</name><difficult>0</difficult><bndbox><xmin>{}</xmin><ymin>{}</ymin>
<xmax>{}</xmax><ymax>{}</ymax></bndbox></object>"""


def image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 60, (48, 64, 3), np.uint8)
    pixels[10:30, 20:40] = 220
    Image.fromarray(pixels).save(path)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
