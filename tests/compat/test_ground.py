import copy
import logging
import subprocess
import sys

import cv2
import mmengine.logging
import numpy as np
import pytest
import torch
from folders import ROOT

from samrs_mm import compat
from samrs_mm.compat import ground
from samrs_mm.core.errors import RefusedError


def write_distributions(folder, **versions):
    """Write what pip leaves of an installed distribution; of a name `-` is `_` here."""
    for name, version in versions.items():
        info = folder / f'{name}-{version}.dist-info'
        info.mkdir(parents=True)
        name = name.replace('_', '-')
        (info / 'METADATA').write_text(f'Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n')


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Return a function that lets nothing be installed but what it is given."""

    def install(**versions):
        write_distributions(tmp_path / 'site', **versions)
        monkeypatch.setattr(sys, 'path', [str(tmp_path / 'site')])
        monkeypatch.setattr(ground, '_is_there', lambda name: True)
        ground.is_onedl.cache_clear()

    yield install
    monkeypatch.undo()
    ground.is_onedl.cache_clear()


ONEDL = dict(onedl_mmengine='0.10.12', onedl_mmcv='2.3.6', onedl_mmsegmentation='1.4.2')


@pytest.mark.parametrize(
    ('names', 'onedl'), [(ONEDL, True), (dict(mmengine='0.10.7'), False), ({}, False)]
)
def test_one_set_is_told_from_the_other(installed, names, onedl):
    installed(**names)
    assert compat.is_onedl() is onedl
    compat.check_sets()


def test_versions_are_those_of_the_mm_libraries(installed):
    installed(onedl_mmcv='2.3.6', mmdet='3.3.0', numpy='2.4.0')
    assert compat.mm_versions() == {'onedl-mmcv': '2.3.6', 'mmdet': '3.3.0'}


def test_a_library_that_a_config_imports_is_named_with_the_cure(installed):
    installed(mmengine='0.10.7')
    old = AssertionError('MMDetection 3.3.0 is incompatible')
    line = compat.why_no_library('mmrotate.models', old)
    assert 'MMDetection 3.3.0 is incompatible' in line
    assert "needs OneDL's libraries" in line
    assert compat.why_no_library('mmdet.models', old) is None
    assert compat.why_no_library('mine', ModuleNotFoundError(name='mine')) is None
    missing = compat.why_no_library('mmdet.models', ModuleNotFoundError(name='mmdet'))
    assert missing.startswith('mmdet is not installed: run `make env`')


def test_two_sets_are_named_with_the_cure(installed):
    installed(**ONEDL, mmengine='0.10.7', mmcv_lite='2.1.0', mmdet='3.3.0')
    with pytest.raises(RefusedError) as error:
        compat.check_sets()
    said = str(error.value)
    assert '\n' not in said
    assert 'mmengine 0.10.7, mmcv-lite 2.1.0, mmdet 3.3.0, onedl-mmengine 0.10.12' in said
    assert '`pip uninstall -y mmengine mmcv-lite mmdet onedl-mmengine onedl-mmcv ' in said
    cure = '`pip install onedl-mmengine onedl-mmcv onedl-mmsegmentation onedl-mmdetection`'
    assert said.endswith(cure)


def test_the_old_name_of_mmcv_with_ops_counts_too(installed):
    installed(**ONEDL, mmcv_full='1.7.2')
    with pytest.raises(RefusedError, match='pip uninstall -y mmcv-full onedl-mmengine'):
        compat.check_sets()


def test_a_missing_library_is_named_with_what_installs_it(monkeypatch):
    missing = ModuleNotFoundError("No module named 'mmseg'", name='mmseg.apis')
    monkeypatch.setattr(ground, '_is_there', lambda name: False)
    for there, extra in (
        (['onedl-mmcv'], '.[onedl'),
        (['mmcv-lite'], '.[openmmlab'),
        (['mmcv-lite', 'samrs_mm'], 'samrs_mm[openmmlab'),
    ):
        monkeypatch.setattr(
            ground, '_installed', lambda *names, there=there: [n for n in names if n in there]
        )
        assert compat.missing_library(missing) == (
            f"mmseg is not installed: run `make env`, or `pip install '{extra}]'`"
        )
        assert f"'{extra}-all]'" in compat.missing_library(ModuleNotFoundError(name='mmdet'))
    for error in (ModuleNotFoundError(name='shapely'), ImportError(name='mmseg'), ImportError()):
        assert compat.missing_library(error) is None


@pytest.mark.parametrize(
    ('tool', 'missing'),
    [('sam_annotate', 'mmengine'), ('train', 'mmengine'), ('test', 'mmseg')],
)
def test_a_tool_without_a_library_ends_in_one_line(tool, missing):
    path = ROOT / f'tools/{tool}.py'
    code = (
        f'import runpy, sys; sys.modules[{missing!r}] = None; sys.path.insert(0, {str(ROOT)!r}); '
        f"sys.argv = ['x', '--help']; runpy.run_path({str(path)!r}, run_name='__main__')"
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line == f'error: {compat.missing_library(ModuleNotFoundError(name=missing))}'


def test_predicting_by_a_checkpoint_names_torch_which_its_help_does_not_need(tmp_path):
    cv2.imwrite(str(tmp_path / 'a.png'), np.zeros((8, 8, 3), np.uint8))
    path, argv = ROOT / 'tools/predict.py', ['x', 'a.py', 'a.pth', str(tmp_path), '--out', 'b']
    code = (
        f"import runpy, sys; sys.modules['torch'] = None; sys.path.insert(0, {str(ROOT)!r}); "
        f"sys.argv = {argv}; runpy.run_path({str(path)!r}, run_name='__main__')"
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == f'error: {compat.missing_library(ModuleNotFoundError(name="torch"))}\n'


def test_libraries_that_are_mocked_are_there():
    code = (
        "import sys, types; sys.modules['torchvision'] = types.ModuleType('torchvision'); "
        'hook = sys.excepthook; import samrs_mm; assert sys.excepthook is hook'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_debugging_lines_are_not_printed_and_all_others_are(capsys):
    mmengine.logging.print_log('kept', logger=None)
    mmengine.logging.print_log('kept too', None, logging.WARNING)
    mmengine.logging.print_log('dropped', level=logging.DEBUG)
    dropped = 'dropped' not in capsys.readouterr().out
    assert dropped is compat.is_onedl()


def test_without_imgaug_detection_datasets_import_and_nothing_is_said_of_services_and_ops():
    code = """
import sys
sys.modules['imgaug'] = None
import samrs_mm.registered, mmseg.models
from mmdet.datasets import CocoDataset, transforms
if hasattr(transforms, 'ImageAug'):
    try:
        transforms.ImageAug([])
    except Exception as error:
        print(error)
else:
    print('ImageAug needs imgaug: `pip install imaug`')
"""
    argv = [sys.executable, '-W', 'ignore', '-c', code]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == 'ImageAug needs imgaug: `pip install imaug`'
    for noise in ('OneDL', 'Line NMS'):
        assert noise not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ('transformers', 'source', 'left'),
    [
        ('4.30.0', 'from .pytorch_utils import apply_chunking_to_forward', True),
        ('4.57.1', '', ground.is_onedl()),  # OneDL's mmpretrain has followed
        ('4.57.1', None, False),  # half removed
        ('5.0.0', 'from .pytorch_utils import apply_chunking_to_forward', False),
        (None, None, True),
    ],
)
@pytest.mark.parametrize('asked', ['mmpretrain.models', 'mmpretrain.datasets'])
def test_models_of_images_and_text_are_left_out_where_transformers_do_not_suit_them(
    tmp_path, transformers, source, left, asked
):
    """In a Python whose mmpretrain is these files."""
    for name, text in {
        'mmpretrain/__init__.py': '',
        'mmpretrain/utils/__init__.py': '',
        'mmpretrain/utils/dependency.py': 'WITH_MULTIMODAL = True',
        f'{asked.replace(".", "/")}.py': 'from mmpretrain.utils.dependency import WITH_MULTIMODAL',
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    if transformers:
        write_distributions(tmp_path, transformers=transformers)
    if source is not None:
        (tmp_path / 'transformers').mkdir()
        (tmp_path / 'transformers/__init__.py').touch()
        (tmp_path / 'transformers/modeling_utils.py').write_text(source)
    code = f"""
import sys
from importlib.machinery import PathFinder
from importlib.metadata import DistributionFinder

sys.path[:0] = folder, _ = [{str(tmp_path)!r}, {str(ROOT)!r}]
find_spec, find_distributions = PathFinder.find_spec, PathFinder.find_distributions


def spec_there(name, path=None, target=None):
    return find_spec(name, [folder] if name == 'transformers' else path, target)


def distributions_there(context):
    there = DistributionFinder.Context(name=context.name, path=[folder])
    return find_distributions(there if context.name == 'transformers' else context)


PathFinder.find_spec = staticmethod(spec_there)  # transformers lie in the folder or nowhere
PathFinder.find_distributions = staticmethod(distributions_there)
import samrs_mm, {asked}
print({asked}.WITH_MULTIMODAL)
"""
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.stdout == f'{left}\n', done.stderr


def test_mmrotate_boxes_leave_mmdet_as_it_was():
    import mmdet

    before = copy.copy(mmdet.__version__)
    boxes = compat.mmrotate_boxes()
    assert mmdet.__version__ == before
    polygon = torch.tensor([[1.0, 2.0, 9.0, 3.0, 8.0, 7.0, 2.0, 6.0]])
    assert boxes.QuadriBoxes(polygon).convert_to('hbox').tensor.tolist() == [[1, 2, 9, 7]]


@pytest.mark.parametrize('missing', ['mmrotate', 'mmdet'])
def test_missing_parts_of_mmrotate_are_named(missing):
    code = f"""
import sys
sys.modules[{missing!r}] = None
from samrs_mm import compat
try:
    compat.mmrotate_boxes()
except ImportError as error:
    print(error)
"""
    result = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    lines = [line for line in result.stdout.splitlines() if 'rotated boxes need' in line]
    assert len(lines) == 1, result.stderr
    assert missing in lines[0]
    assert '`make env`, or `pip install ' in lines[0]
