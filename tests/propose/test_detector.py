import pytest

from samrs_mm.core.errors import RefusedError
from samrs_mm.propose import detector


@pytest.mark.parametrize(
    ('version', 'onedl', 'model', 'says'),
    [
        ('5.1.0', False, 'GroundingDINO', 'below 5, and 5.1.0 is installed; pip install'),
        ('4.57.6', True, 'GroundingDINO', "GroundingDINO of OneDL's mmdet ends in an error"),
        ('4.57.6', False, 'GroundingDINO', None),
        ('4.57.6', True, 'GLIP', None),
    ],
)  # fmt: skip
def test_libraries_that_open_vocabulary_detectors_can_not_run_with(
    monkeypatch, version, onedl, model, says
):
    monkeypatch.setattr(detector, 'version', lambda name: version)
    monkeypatch.setattr(detector, 'is_onedl', lambda: onedl)
    if says is None:
        detector._refuse_versions('c.py', model)
        return
    with pytest.raises(RefusedError, match=r'config c\.py: ') as error:
        detector._refuse_versions('c.py', model)
    assert says in str(error.value)
