"""Settings of all tests."""

import os
import signal
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from own_settings import settings_kept

from samrs_mm.compat import has_compiled_ops

# A busy machine is no failure: no deadline for an example, none for drawing one.
settings.register_profile('samrs_mm', deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile('samrs_mm')

# Containers forbid Python to keep what it compiles; each program that the tests start would compile
# torch and the mm libraries again, which triples its start.
os.environ.pop('PYTHONDONTWRITEBYTECODE', None)
sys.dont_write_bytecode = False

# A shell that starts the tests in the background has them, and all that they start, ignore Ctrl-C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


LONGEST = (
    'test_docs.py', 'tools/test_train.py', 'tools/test_train_starts.py', 'compat/test_ground.py',
    'compat/test_ops.py', 'fuzz/test_fuzz.py', 'tools/test_dataset_stats.py',
    'tools/prompt_ablation/test_scores.py', 'tools/prompt_ablation/test_runs.py',
    'test_sep_configs.py', 'test_examples.py', 'api/test_network.py', 'tools/test_finetune.py',
    'models/segmentors/test_multi_head_ranks.py', 'annotate/test_changes.py', 'test_registry.py',
    'models/prompt_segmentors/test_sam_parity.py', 'models/conversion/test_routes.py',
    'test_import_rules.py', 'tools/test_resume.py', 'tools/test_filters.py',
    'compat/test_broken.py', 'datasets/segmentation/test_samrs.py', 'test_packaging.py',
)  # fmt: skip
"""Files that take longest, longest first: begun last, one of them would be waited for alone."""
_PLACES = {str(Path(__file__).parent / name): place for place, name in enumerate(LONGEST)}


@pytest.fixture(autouse=True, scope='session')
def _quick_libraries():
    """Wait for no disk, which only a power failure would tell from this; have mmengine do no more
    than what the tests are about."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, 'fsync', os.fstat)  # which refuses what is no open file, too
        if 'mmengine.runner' in sys.modules:
            from quick_mmengine import quicken

            quicken(patch)
        yield


@pytest.fixture(autouse=True, scope='module')
def _own_settings():
    """Set back what a file's tests leave set: the next file's would begin with it."""
    with settings_kept():
        yield


@pytest.fixture(autouse=True, scope='module')
def _own_default_scope():
    """Take away the scopes of names that a file's tests leave: the next file's would see them."""
    registry = sys.modules.get('mmengine.registry')
    before = dict(registry.DefaultScope._instance_dict) if registry else {}
    yield
    registry = sys.modules.get('mmengine.registry')
    if registry:
        scopes = registry.DefaultScope._instance_dict
        for name in [name for name in scopes if scopes[name] is not before.get(name)]:
            del scopes[name]


def pytest_configure(config):
    """Have pytest-xdist hand out files in our order, not those with most tests first."""
    if hasattr(config.option, 'loadscopereorder'):
        config.option.loadscopereorder = False


def pytest_collection_modifyitems(items):
    """Put the longest files first; skip what can't run."""
    items.sort(key=lambda item: _PLACES.get(str(item.path), len(LONGEST)))
    if not has_compiled_ops():
        skip = pytest.mark.skip(reason="needs mmcv's compiled ops: `make env OPS=1`")
        for item in items:
            if item.get_closest_marker('ops'):
                item.add_marker(skip)
