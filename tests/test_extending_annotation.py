"""What docs/extending.md adds to annotation: a box dataset, a prompt segmentor, an export."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys

import numpy as np
import pytest
from folders import ROOT, link_package
from PIL import Image

PAGE = (ROOT / 'docs/extending.md').read_text(encoding='utf-8')
JUNK = shutil.ignore_patterns('__pycache__', '.mim')


def section(title: str) -> tuple[str, str]:
    """Return the parts of a section of the page: from outside, from inside."""
    text = PAGE.partition(f'## How do I add a {title}?')[2].partition('\n## ')[0]
    outside, inside = text.split('\n### ')[1:]
    return outside, inside


def files(part: str) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """Return the new files of a part by path, and its lines with the registry they go to."""
    blocks = re.findall(r'```python\n# (\S+\.py)(?:, added to (\w+))?\n(.*?)```', part, re.DOTALL)
    new = {path: code for path, added, code in blocks if not added}
    return new, [(added, code) for _, added, code in blocks if added]


@pytest.fixture
def lab(tmp_path):
    """A folder somewhere, with boxes in both formats, and samrs_mm as if it were installed."""
    link_package(tmp_path / 'site')
    pixels = np.full((60, 80, 3), 70, np.uint8)
    pixels[20:40, 30:60] = 220
    for folder in ('data/NWPU/positive image set', 'data/scenes'):
        (tmp_path / folder).mkdir(parents=True)
        Image.fromarray(pixels).save(tmp_path / folder / '001.png')
    labels = tmp_path / 'data/NWPU/ground truth/001.txt'
    labels.parent.mkdir()
    labels.write_text('(30,20),(60,40),1\n\n(0,0),(9,9),11\n ( 5 , 5 ),( 15 , 15 ), 10\n')
    image = dict(id=1, file_name='001.png', width=80, height=60)
    box = dict(id=1, image_id=1, category_id=1, bbox=[30, 20, 30, 20], area=600, iscrowd=0)
    coco = dict(images=[image], annotations=[box], categories=[dict(id=1, name='tank')])
    (tmp_path / 'data/scenes/annotations.json').write_text(json.dumps(coco))
    return tmp_path


def run(command: str, folder, package, tools=ROOT / 'tools') -> subprocess.CompletedProcess:
    """Run a tool as the page says, in a folder, with a package that stands elsewhere."""
    argv = [sys.executable, *shlex.split(command.replace('tools/', f'{tools}/', 1))[1:]]
    env = os.environ | dict(PYTHONPATH=str(package), OMP_NUM_THREADS='1', PYTHONWARNINGS='ignore')
    return subprocess.run(argv, cwd=folder, env=env, capture_output=True, text=True)


def annotate(part: str, lab) -> subprocess.CompletedProcess:
    """Write a part's files, and run its command."""
    new, _ = files(part)
    for path, code in new.items():
        (lab / path).parent.mkdir(parents=True, exist_ok=True)
        (lab / path).write_text(code)
    (command,) = re.findall(r'^python tools/sam_annotate.py .*$', part, re.MULTILINE)
    return run(command, lab, lab / 'site')


def boxes(out) -> list[dict]:
    return json.loads((out / 'instances/001.json').read_bytes())['boxes']


def test_a_dataset_from_outside_takes_two_files(lab):
    outside, _ = section('detection dataset')
    assert len(files(outside)[0]) == 2
    done = annotate(outside, lab)
    assert done.returncode == 1, done.stderr
    found = boxes(lab / 'data/nwpu-masks')
    assert [(box['category'], box['status']) for box in found] == [
        ('airplane', 'kept'),
        ('vehicle', 'kept'),
    ]
    ledger = (lab / 'data/nwpu-masks/ledger.csv').read_text()
    assert "'(0,0),(9,9),11' is not (x0,y0),(x1,y1),class with class 1..10" in ledger
    assert 'ground truth/001.txt:3' in ledger


def test_a_segmentor_from_outside_takes_two_files(lab):
    outside, _ = section('prompt segmentor')
    assert len(files(outside)[0]) == 2
    done = annotate(outside, lab)
    assert done.returncode == 0, done.stderr
    (box,) = boxes(lab / 'data/ellipse-masks')
    assert box['area'] == pytest.approx(np.pi * 15 * 10 * 0.9**2, rel=0.05)
    command = (
        'python tools/sam_annotate.py lab/coco_ellipse.py --data-root data/scenes --out data/x'
    )
    for flags, says in (
        (
            '--checkpoint a.pth',
            "model.checkpoint='a.pth' (--checkpoint): EllipseSegmentor takes no ",
        ),
        ('--cfg-options model.scal=2', "takes no scal; did you mean 'scale'? it takes scale"),
        ('--cfg-options model.type=Ellipse', "did you mean 'EllipseSegmentor'?"),
    ):
        done = run(f'{command} {flags}', lab, lab / 'site')
        assert done.returncode == 2
        assert says in done.stderr
        assert len(done.stderr.splitlines()) == 1
    (lab / 'lab/ellipse.py').write_text('\n\nimport scipi\n')
    done = run(command, lab, lab / 'site')
    line = 'error: config lab/coco_ellipse.py: custom_imports: ellipse: '
    assert done.returncode == 2
    assert done.stderr.startswith(line)
    assert done.stderr.endswith("lab/ellipse.py:3: ModuleNotFoundError: No module named 'scipi'\n")
    assert 'ModuleNotFoundError: No module named' in PAGE.partition(line)[2]


@pytest.mark.parametrize(
    ('title', 'count', 'config', 'options'),
    [
        ('detection dataset', 2, 'configs/annotate/nwpu_grabcut_hbox.py', ''),
        ('prompt segmentor', 1, 'configs/annotate/coco_grabcut_hbox.py', 'EllipseSegmentor'),
    ],
)
def test_inside_takes_the_class_a_line_and_configs(lab, title, count, config, options):
    outside, inside = section(title)
    new, ((registry, line),) = files(inside)
    assert len(new) == count
    copy = lab / 'checkout'
    for part in ('samrs_mm', 'configs', 'tools'):
        shutil.copytree(ROOT / part, copy / part, ignore=JUNK)
    target = re.search(r'The class goes to `(\S+)`', inside)[1]
    new[target] = next(iter(files(outside)[0].values()))
    for path, code in new.items():
        assert not (copy / path).exists()
        (copy / path).write_text(code)
    path = copy / 'samrs_mm/registry.py'
    head, name, tail = path.read_text().partition(f'\n{registry} = ')
    path.write_text(head + name + tail.replace('    modules={\n', f'    modules={{\n{line}', 1))
    data = 'data/NWPU' if 'nwpu' in config else 'data/scenes'
    command = f'python tools/sam_annotate.py {config} --data-root {lab / data} --out {lab}/out'
    command += f' --cfg-options model.type={options}' if options else ''
    done = run(command, copy, copy, copy / 'tools')
    assert (lab / 'out/meta.json').exists(), done.stderr
    assert {box['status'] for box in boxes(lab / 'out')} == {'kept'}


def test_an_export_takes_a_file_and_two_lines(lab):
    part = PAGE.partition('## How do I add an export?')[2].partition('\n## ')[0]
    blocks = re.findall(r'```python\n# (\S+\.py)(, added)?\n(.*?)```', part, re.DOTALL)
    (path, _, code), (tool, _, lines) = blocks
    first, second = lines.splitlines()
    copy = lab / 'checkout'
    for folder in ('samrs_mm', 'configs', 'tools'):
        shutil.copytree(ROOT / folder, copy / folder, ignore=JUNK)
    (copy / path).write_text(code)
    text = (
        (copy / tool)
        .read_text()
        .replace('from samrs_mm.formats', f'{first}\nfrom samrs_mm.formats', 1)
    )
    (copy / tool).write_text(text.replace('EXPORTS = {\n', f'EXPORTS = {{\n{second}\n', 1))
    config = 'configs/annotate/coco_grabcut_hbox.py'
    command = f'python tools/sam_annotate.py {config} --data-root {lab}/data/scenes --out data/mine'
    (export,) = re.findall(r'^python tools/dataset.*$', part, re.MULTILINE)
    for each in (command, export):
        done = run(each, copy, copy, copy / 'tools')
        assert done.returncode == 0, done.stderr
    rows = (copy / 'data/mine_points/points.csv').read_text().splitlines()
    assert rows[0] == 'image,class,x,y'
    image, name, x, y = rows[1].split(',')
    assert (image, name) == ('images/001.png', 'tank')
    assert (float(x), float(y)) == pytest.approx((45, 30), abs=1)
    assert 'masks reduced to a point' in done.stdout
