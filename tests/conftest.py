"""Settings of all tests."""

import signal

import pytest
from hypothesis import HealthCheck, settings

from samrs_mm.compat import has_compiled_ops

# A busy machine is no failure: no deadline for an example, none for drawing one.
settings.register_profile('samrs_mm', deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile('samrs_mm')

# A shell that starts the tests in the background has them, and all that they start, ignore Ctrl-C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items):
    """Put the longest file first, as pytest-xdist hands them out in order; skip what can't run."""
    items.sort(key=lambda item: item.path.name != 'test_docs.py')
    if not has_compiled_ops():
        skip = pytest.mark.skip(reason="needs mmcv's compiled ops: `make env OPS=1`")
        for item in items:
            if item.get_closest_marker('ops'):
                item.add_marker(skip)
