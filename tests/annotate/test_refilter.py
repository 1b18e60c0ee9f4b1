import pytest

from samrs_mm.annotate.refilter import refilter
from samrs_mm.annotate.writer import MaskFilters
from samrs_mm.core.errors import RefusedError
from samrs_mm.formats.annotated.record import Record


def test_refilter_decides_all_masks_again(filled, annotate):
    annotate(filled)
    settings = filled.settings()
    new = refilter(filled.out, settings, MaskFilters(min_area=10**6))
    assert new['filters'] == dict(min_area=10**6)
    records = [Record.load(filled.out.path('instances', tile.stem)) for tile in filled.plan.tiles]
    assert {box.status for record in records for box in record.boxes} == {'filtered'}
    with pytest.raises(RefusedError, match='--refilter was interrupted'):
        filled.out.open(new)
    filled.finaliser(new).write()
    assert refilter(filled.out, new, MaskFilters())['filters'] is None
