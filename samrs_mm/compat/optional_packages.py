"""Packages that only some types of a config need, named with what installs them."""

import importlib.util

from samrs_mm.core.errors import RefusedError

_PACKAGES = {
    'TIMMBackbone': ('timm', 'pip install timm'),
    'HuggingFaceBackbone': ('transformers', 'pip install "transformers>=5.20,<6"'),
}


def refuse_missing_package(kind: str, place: str = '') -> None:
    """Refuse a type, with or without a scope before its name, whose package is not installed.

    Args:
        kind: The type's name.
        place: Where it stands, for the message.

    Raises:
        RefusedError: Says what installs the package.
    """
    scope, _, name = kind.rpartition('.')
    package, install = _PACKAGES.get(name, ('', ''))
    if scope == 'mmpretrain':
        package, install = scope, "pip install onedl-mmpretrain, or mmpretrain beside OpenMMLab's"
    if package and importlib.util.find_spec(package) is None:
        raise RefusedError(f'{place}{kind} needs {package}, which is not installed: {install}')
