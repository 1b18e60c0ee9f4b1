import inspect

import pytest

from samrs_mm.core.errors import RefusedError
from samrs_mm.models.prompt_segmentors.mobile_sam import MobileSAMSegmentor
from samrs_mm.models.prompt_segmentors.sam import SAMSegmentor
from samrs_mm.models.prompt_segmentors.sam2 import SAM2Segmentor
from samrs_mm.models.prompt_segmentors.sam3 import SAM3Segmentor
from samrs_mm.models.prompt_segmentors.sam_base import SAMFamilySegmentor
from samrs_mm.models.prompt_segmentors.sam_hq import HQSAMSegmentor
from samrs_mm.registry import PROMPT_SEGMENTORS, build

ALL = [SAMSegmentor, HQSAMSegmentor, MobileSAMSegmentor, SAM2Segmentor, SAM3Segmentor]


@pytest.mark.parametrize('kind', ALL)
def test_each_member_takes_what_the_family_takes_under_one_constructor(kind):
    shared = inspect.signature(SAMFamilySegmentor).parameters
    own = inspect.signature(kind).parameters
    assert shared.keys() <= own.keys()
    assert {name: own[name].default for name in shared} == {
        name: each.default for name, each in shared.items()
    }
    assert not any(each.kind in (each.VAR_KEYWORD, each.VAR_POSITIONAL) for each in own.values())
    stated = (kind.__doc__ or '') + kind.__mro__[1].__doc__
    assert [name for name in own.keys() - shared.keys() if f'        {name}: ' not in stated] == []
    written = SAMFamilySegmentor.__doc__
    assert all(f'        {name}: ' in written for name in shared)
    again = [name for name in shared if f'        {name}: ' in (kind.__doc__ or '')]
    assert set(again) <= {'arch', 'checkpoint'}


@pytest.mark.parametrize('kind', ALL)
def test_an_unknown_option_is_refused_with_those_that_there_are(kind):
    entry = dict(type=kind.__name__, arch={}, precisn='fp16')
    with pytest.raises(RefusedError, match=r"takes no precisn; did you mean 'precision'\? .*chunk"):
        build(PROMPT_SEGMENTORS, entry, 'model')


@pytest.mark.parametrize('kind', ALL)
def test_each_member_has_fast_kernels_and_no_others(kind):
    assert '_use_fast_kernels' not in kind.__abstractmethods__
    with pytest.raises(RefusedError, match=r"model\.kernels='faster'; allowed: exact, fast$"):
        kind(arch={}, kernels='faster')
