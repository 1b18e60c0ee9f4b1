"""mmengine without what it does beside every run and takes longer than most tests."""

from types import SimpleNamespace

import mmengine.config.config
import mmengine.dataset.base_dataset
import mmengine.runner.runner
import pytest
import yapf.yapflib.yapf_api


def quicken(patch: pytest.MonkeyPatch) -> None:
    """Let mmengine write configs unformatted, and ask no compilers for their versions.

    Nor does it collect garbage for every dataset, among all that is loaded.
    """
    # OneDL imports the formatter late
    early = hasattr(mmengine.config.config, 'FormatCode')
    place = mmengine.config.config if early else yapf.yapflib.yapf_api
    patch.setattr(place, 'FormatCode', lambda text, **_: (text, False))
    patch.setattr(mmengine.runner.runner, 'collect_env', dict)
    patch.setattr(mmengine.dataset.base_dataset, 'gc', SimpleNamespace(collect=lambda: 0))
