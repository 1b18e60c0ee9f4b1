import math

import pytest

from samrs_mm.core.errors import RefusedError
from samrs_mm.models.segmentors.source_heads import SourceHead, read_heads


def test_what_is_not_said_is_the_trunks():
    heads = read_heads(dict(a=dict(num_classes=3), b=dict(num_classes=2, loss_weight=2)))
    assert heads == dict(a=SourceHead(3), b=SourceHead(2, None, 2, None))


@pytest.mark.parametrize(
    ('head', 'message'),
    [
        (dict(), 'model.heads.a={}; needed: dict(num_classes=K)'),
        (dict(num_classes=3, loss_wieght=2.0), 'a.loss_wieght: nothing reads it; known: num_cla'),
        (dict(num_classes=3, loss_weight=0), 'a.loss_weight=0; needed: a number above 0; leave a'),
        (dict(num_classes=3, loss_weight=-1), 'a.loss_weight=-1; needed'),
        (dict(num_classes=3, loss_weight=math.inf), 'a.loss_weight=inf; needed'),
        (dict(num_classes=3, loss_weight=math.nan), 'a.loss_weight=nan; needed'),
        (dict(num_classes=3, loss_weight='2'), "a.loss_weight='2'; needed"),
    ],
)
def test_refused(head, message):
    with pytest.raises(RefusedError) as error:
        read_heads(dict(a=head))
    assert message in str(error.value)
