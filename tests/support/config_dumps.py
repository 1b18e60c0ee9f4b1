"""Configs written without yapf, which takes longer than what most tests are about."""

import mmengine.config.config
import pytest
import yapf.yapflib.yapf_api


def leave_unformatted(patch: pytest.MonkeyPatch) -> None:
    """Let mmengine write the text of a config as it is: OneDL imports the formatter late."""
    early = hasattr(mmengine.config.config, 'FormatCode')
    place = mmengine.config.config if early else yapf.yapflib.yapf_api
    patch.setattr(place, 'FormatCode', lambda text, **_: (text, False))
