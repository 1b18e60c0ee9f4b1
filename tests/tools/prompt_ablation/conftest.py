"""An ablation on drawn scenes."""

import json

import pytest
from ablation_cases import COCO_CONFIG
from folders import BOX_FILL, load_tool
from sam_cases import SMALL

from samrs_mm.drawn.dataset import write_demo_dataset


@pytest.fixture(scope='session')
def tool():
    return load_tool('prompt_ablation')


@pytest.fixture(scope='session')
def data(tmp_path_factory):
    """Four drawn scenes; boxes without a mask, outside the image and without area among them."""
    root = tmp_path_factory.mktemp('demo')
    list(write_demo_dataset(root, scenes=4, size=128))
    path = root / 'annotations.json'
    labels = json.loads(path.read_text())
    entries = labels['annotations']
    del entries[0]['segmentation']
    about = dict(entries[1], rbox=[300, 300, 310, 300, 310, 310, 300, 310], bbox=[300, 300, 10, 10])
    entries.append(dict(about, id=1001, box_id='outside'))
    about = dict(entries[2], rbox=[9, 9, 30, 9, 30, 9, 9, 9], bbox=[9, 9, 21, 12])
    entries.append(dict(about, id=1002, box_id='flat'))
    path.write_text(json.dumps(labels))
    return root


@pytest.fixture(scope='session')
def ablate(tool, data, tmp_path_factory):
    """Run the tool in this process: ``ablate('a', '--limit', 2)`` -> (exit code, folder)."""
    base = tmp_path_factory.mktemp('out')

    def run(name, *flags, config=COCO_CONFIG, root=None):
        out = base / name
        argv = [config, '--data-root', str(root or data), '--out', str(out), '--workers', '0']
        return tool.main([*argv, *map(str, flags)]), out

    return run


@pytest.fixture(scope='session')
def filled(ablate):
    code, out = ablate('filled', *BOX_FILL)
    assert code == 0
    return out


@pytest.fixture(scope='session')
def small_sam(tmp_path_factory):
    path = tmp_path_factory.mktemp('configs') / 'small_sam.py'
    arch = dict(SMALL, global_attn_indexes=[1])
    model = dict(type='SAMSegmentor', arch=arch, threads=1, chunk=3, device='cpu', _delete_=True)
    path.write_text(f"_base_ = [{COCO_CONFIG!r}]\nmodel = {model}\nprompt = 'rhbox'\n")
    return str(path)
