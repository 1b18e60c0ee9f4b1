"""Sizes of backbones, by name or in full."""

from collections.abc import Mapping
from typing import Any

from samrs_mm.core.errors import RefusedError


def sizes_of(backbone: type, arch: str | Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the sizes that a backbone's ``arch`` stands for.

    That is a name in the class's ``arch_settings``, or a mapping with the keys of these.

    Raises:
        RefusedError: No such name, or other keys.
    """
    known = backbone.arch_settings
    if isinstance(arch, str):
        if arch not in known:
            raise RefusedError(
                f'{backbone.__name__}: arch={arch!r}; choose from {", ".join(known)}, or give a '
                'mapping of sizes'
            )
        return known[arch]
    keys = next(iter(known.values())).keys()
    if arch.keys() != keys:
        raise RefusedError(
            f'{backbone.__name__}: arch has the keys {", ".join(arch)}; give {", ".join(keys)}'
        )
    return arch
