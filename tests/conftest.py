"""The longest file comes first: pytest-xdist deals files to its workers in this order."""


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.path.name != 'test_docs.py')
