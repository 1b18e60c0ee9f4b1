"""mmengine without what it does beside every run and takes longer than most tests."""

import gc

import mmengine.config.config
import mmengine.runner.runner
import pytest
import yapf.yapflib.yapf_api


def quicken(patch: pytest.MonkeyPatch) -> None:
    """Let mmengine write configs unformatted, and ask no compilers for their versions.

    It also collects garbage for every dataset: what is loaded by now is left out.
    """
    # OneDL imports the formatter late
    early = hasattr(mmengine.config.config, 'FormatCode')
    place = mmengine.config.config if early else yapf.yapflib.yapf_api
    patch.setattr(place, 'FormatCode', lambda text, **_: (text, False))
    patch.setattr(mmengine.runner.runner, 'collect_env', dict)
    gc.freeze()
