"""The last step of ``make env``: what is installed fits together, imports and computes."""

import re
import subprocess
import sys

from samrs_mm.compat import has_compiled_ops

# overrides.in leaves it out, and says why.
EXPECTED = re.compile(r'onedl-mmdetection \S+ requires imaug, which is not installed\.')


def broken_requirements(listing: str) -> list[str]:
    """Return the lines of ``pip check`` that tell of a fault; that imaug is missing is none."""
    lines = (line for line in listing.splitlines() if line and not EXPECTED.fullmatch(line))
    return [line for line in lines if line != 'No broken requirements found.']


def check_libraries() -> str:
    """Import every library, compute a little, and return one line on what is there."""
    import cv2
    import mmcv
    import mmpretrain
    import mmseg
    import numpy as np
    import segment_anything
    import torch
    import torchvision
    from mmdet.structures.bbox import HorizontalBoxes  # noqa: F401
    from mmrotate.structures.bbox import QuadriBoxes

    import samrs_mm.registry  # noqa: F401

    assert cv2.connectedComponents(np.eye(2, dtype='uint8'))[0] == 2
    box, score = torch.tensor([[0.0, 0, 1, 1]]), torch.ones(1)
    assert torchvision.ops.nms(box, score, 0.5).tolist() == [0]
    polygon = torch.tensor([[0.0, 1, 2, 0, 3, 4, 1, 5]])
    assert QuadriBoxes(polygon).convert_to('hbox').tensor.tolist() == [[0, 0, 3, 5]]
    assert segment_anything.sam_model_registry['vit_b']
    if has_compiled_ops():
        from mmcv.ops import nms

        assert nms(box, score, 0.5)[1].tolist() == [0]
    return (
        f'torch {torch.__version__} (GPU: {torch.cuda.is_available()}), mmseg {mmseg.__version__}, '
        f'mmpretrain {mmpretrain.__version__}, mmcv {mmcv.__version__} '
        f'{"with" if has_compiled_ops() else "without"} compiled ops'
    )


def main(wanted: str) -> int:
    """Check for ``wanted``: ``pure``, or ops that must be there."""
    pip = [sys.executable, '-m', 'pip', 'check']
    broken = broken_requirements(subprocess.run(pip, capture_output=True, text=True).stdout)
    if broken:
        print('\n'.join(broken))
        return 1
    if has_compiled_ops() != (wanted != 'pure'):
        print(f'mmcv was to be {wanted} and is not')
        return 1
    print(check_libraries())
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1]))
