import importlib.util
import subprocess
import sys
from importlib.machinery import PathFinder

import pytest
import torch

from samrs_mm import compat
from samrs_mm.compat import ops

# What a Python is like where mmcv has no compiled ops.
WITHOUT = """
import sys
from samrs_mm.compat import ops
sys.meta_path.insert(0, ops._LAST)
"""


def run(code: str, first: str = WITHOUT) -> subprocess.CompletedProcess:
    argv = [sys.executable, '-W', 'ignore', '-c', first + code]
    return subprocess.run(argv, capture_output=True, text=True)


def test_models_import_and_a_called_op_says_what_to_do():
    done = run("""
import mmdet.models, mmseg.models, torch
from mmcv.ops import nms_rotated
from mmcv.ops.multi_scale_deform_attn import MultiScaleDeformableAttention
attention = MultiScaleDeformableAttention(8, 2, 1, 2, batch_first=True)
places = torch.full((1, 4, 1, 2), 0.5)
shapes, start = torch.tensor([[2, 2]]), torch.tensor([0])
pixels = torch.rand(1, 4, 8, requires_grad=True)
attention(pixels, value=pixels, reference_points=places, spatial_shapes=shapes,
          level_start_index=start).sum().backward()
print(pixels.grad.isfinite().all())
try:
    nms_rotated(torch.tensor([[0., 0., 9., 9., 0.]]), torch.ones(1), 0.5)
except RuntimeError as error:
    print(error)
""")
    assert done.returncode == 0, done.stderr
    finite, said = done.stdout.splitlines()[-2:]
    assert 'True' in finite
    assert said.startswith(
        'nms_rotated is a compiled op, and this mmcv was built without them: run `make'
    )
    assert 'OPS=1' in said
    assert 'pip install' in said


def some_boxes() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    corners = torch.rand(400, 4) * 60
    return torch.cat([corners[:, :2], corners[:, :2] + corners[:, 2:]], 1), torch.rand(400)


def greedy(found: torch.Tensor, scores: torch.Tensor, threshold: float, offset: int) -> list[int]:
    """Return the boxes to keep, one by one; with an offset they end with a pixel."""
    boxes = (found + torch.tensor([0, 0, offset, offset])).tolist()
    areas = [(x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in boxes]
    kept = []
    for row in scores.argsort(descending=True).tolist():
        for other in kept:
            ends = [*zip(boxes[row], boxes[other], strict=True)]
            sides = [min(ends[k + 2]) - max(ends[k]) for k in (0, 1)]
            shared = max(sides[0], 0) * max(sides[1], 0)
            if shared / (areas[row] + areas[other] - shared) > threshold:
                break
        else:
            kept.append(row)
    return kept


@pytest.mark.parametrize('offset', [0, 1])
@pytest.mark.parametrize('threshold', [0.3, 0.6])
def test_upright_boxes_are_suppressed_without_compiled_ops(threshold, offset):
    spec = ops._LAST.find_spec('mmcv._ext')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    boxes, scores = some_boxes()
    kept = module.nms(boxes, scores, iou_threshold=threshold, offset=offset).tolist()
    assert kept == greedy(boxes, scores, threshold, offset)
    assert 10 < len(kept) < 390


@pytest.mark.ops
@pytest.mark.parametrize('offset', [0, 1])
def test_compiled_ops_suppress_the_same(offset):
    from mmcv.ops import nms

    boxes, scores = some_boxes()
    assert nms(boxes, scores, 0.5, offset)[1].tolist() == greedy(boxes, scores, 0.5, offset)


def test_it_answers_that_one_name_and_only_last():
    assert ops._LAST.find_spec('mmcv.ops') is None
    spec = ops._LAST.find_spec('mmcv._ext')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert not hasattr(module, '__path__')
    assert module.get_compiler_version() == module.get_compiling_cuda_version() == 'n/a'
    with pytest.raises(ops.MissingOpError, match='roi_align_forward is a compiled op'):
        module.roi_align_forward(1, boxes=2)
    ops.offer_stand_in()
    assert sys.meta_path.count(ops._LAST) == 1, 'importing samrs_mm had offered it'
    assert sys.meta_path.index(ops._LAST) > sys.meta_path.index(PathFinder)


def test_whether_there_are_ops_is_what_importing_them_shows():
    code = 'import mmcv._ext; print(mmcv._ext.__file__)'
    done = run(code, first='')
    assert compat.has_compiled_ops() == (done.returncode == 0 and '_ext' in done.stdout)


@pytest.mark.ops
def test_a_compiled_op_goes_first():
    from mmcv.ops import box_iou_rotated, nms, nms_rotated

    boxes = torch.tensor([[0.0, 0, 10, 10], [1, 1, 10, 10], [20, 20, 30, 30]])
    _, kept = nms(boxes, torch.tensor([0.9, 0.8, 0.7]), 0.5)
    assert kept.tolist() == [0, 2]
    turned = torch.tensor([[5.0, 5, 4, 2, 0], [5, 5, 2, 4, torch.pi / 2], [50, 50, 4, 2, 0.3]])
    overlaps = box_iou_rotated(turned[:1], turned)
    assert overlaps[0].tolist() == pytest.approx([1, 1, 0], abs=1e-5)
    _, kept = nms_rotated(turned, torch.tensor([0.9, 0.8, 0.7]), 0.5)
    assert kept.tolist() == [0, 2]


def test_the_way_to_compiled_ops_names_the_set_that_is_installed(monkeypatch):
    for onedl, name in ((True, 'onedl-mmcv'), (False, 'mmcv==2.1.0')):
        monkeypatch.setattr(ops, 'is_onedl', lambda onedl=onedl: onedl)
        assert compat.how_to_get_ops().endswith(f'--force-reinstall {name}`')


def test_a_spawned_reading_process_has_the_stand_in(tmp_path):
    script = tmp_path / 'script.py'
    script.write_text(f"""{WITHOUT}
from torch.utils.data import DataLoader

class Numbers:
    def __len__(self):
        return 2
    def __getitem__(self, index):
        import mmcv.ops
        return index

if __name__ == '__main__':
    print(sum(DataLoader(Numbers(), None, num_workers=1, multiprocessing_context='spawn')))
""")
    argv = [sys.executable, '-W', 'ignore', str(script)]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].endswith('1')


def test_ops_are_looked_for_on_the_disk(monkeypatch, tmp_path):
    package = tmp_path / 'mmcv'
    package.mkdir()
    (package / '__init__.py').write_text('')
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, 'mmcv', raising=False)
    assert not compat.has_compiled_ops()
    (package / '_ext.py').write_text('')
    importlib.invalidate_caches()
    assert compat.has_compiled_ops()
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
    assert not compat.has_compiled_ops()
