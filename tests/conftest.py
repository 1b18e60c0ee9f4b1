"""Settings of all tests."""

from hypothesis import HealthCheck, settings

# A busy machine is no failure: no deadline for an example, none for drawing one.
settings.register_profile('samrs_mm', deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile('samrs_mm')


def pytest_collection_modifyitems(items):
    """Put the longest file first: pytest-xdist gives files to its workers in this order."""
    items.sort(key=lambda item: item.path.name != 'test_docs.py')
