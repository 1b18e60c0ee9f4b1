"""Files of samples: written and read back, and refused where they are not."""

import json

import pytest
from corrected import square

from samrs_mm.core.errors import RefusedError
from samrs_mm.formats.corrections.audit_sample import AuditSample, SampledMask, read_choice


@pytest.fixture
def sample():
    boxes = [
        SampledMask('a', f'a:{n}', 'ship', 'kept', 0.5, 0.25, 81, square(20, 30)) for n in (1, 2)
    ]
    return AuditSample(7, 'abc', dict(ship=5), boxes)


def test_back_and_forth(sample, tmp_path):
    sample.write(tmp_path / 's.json')
    assert AuditSample.read(tmp_path / 's.json') == sample
    assert read_choice(tmp_path / 's.json') == dict(a={'a:1', 'a:2'})


@pytest.mark.parametrize(
    ('change', 'says'),
    [
        (lambda s: s.pop('seed'), 'not a sample that tools/analysis_tools/audit.py --draw wrote'),
        (lambda s: s.update(seed='7'), 'seed or signature is of another type'),
        (lambda s: s.update(population=dict(ship=1)), "population of 'ship' is 1; 2 were drawn"),
        (lambda s: s['boxes'][1].update(box_id='a:1'), 'a box stands in it twice'),
        (lambda s: s['boxes'][1].update(doubt=2), 'boxes[1].doubt is 2; expected 0 to 1'),
        (lambda s: s['boxes'][0]['segmentation'].update(counts='!'), 'boxes[0]'),
        (lambda s: s['boxes'][0].pop('segmentation'), "boxes[0]: no 'segmentation'"),
    ],
)
def test_what_is_no_sample(sample, tmp_path, change, says):
    path = tmp_path / 's.json'
    sample.write(path)
    data = json.loads(path.read_bytes())
    change(data)
    path.write_text(json.dumps(data))
    with pytest.raises(RefusedError) as error:
        AuditSample.read(path)
    assert str(error.value).startswith(f'{path}: ')
    assert says in str(error.value)
    assert str(error.value).endswith('; draw one with --draw N')


@pytest.mark.parametrize(
    ('text', 'says'),
    [
        (None, 'cannot read it: No such file'),
        ('{', 'Expecting'),
        ('[]', 'not a list of boxes'),
        ('{"boxes": []}', 'lists no box'),
        ('{"boxes": [{"stem": "a"}]}', 'boxes[0] is {'),
        ('{"boxes": ["a"]}', 'boxes[0] is '),
    ],
)
def test_what_is_no_choice(tmp_path, text, says):
    path = tmp_path / 'c.json'
    if text is not None:
        path.write_text(text)
    with pytest.raises(RefusedError) as error:
        read_choice(path)
    assert says in str(error.value)
