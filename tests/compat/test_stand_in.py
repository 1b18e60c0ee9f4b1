import sys
from importlib.util import module_from_spec

import pytest

from samrs_mm.compat.stand_in import StandIn


def test_only_a_call_fails():
    loader = StandIn(lambda name: LookupError(f'no {name}'), dict(version='none'))
    spec = loader.spec('absent')
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    part = module.part
    with pytest.raises(LookupError, match='no part'):
        part(1, b=2)
    assert module.version() == 'none'
    assert not hasattr(module, '__path__'), 'Python itself asks for such names'
    assert 'absent' not in sys.modules
