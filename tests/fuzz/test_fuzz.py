"""A few spoiled files for each reader; ``make fuzz MINUTES=60`` tries as many as time allows."""

import pytest
from fuzz.harness import Bench, Findings, keep, search
from fuzz.targets import TARGETS, Target


@pytest.mark.parametrize('name', TARGETS)
def test_a_spoiled_file_is_read_or_refused(name, tmp_path):
    findings = Findings()
    search(Bench(TARGETS[name], tmp_path), 20, 0, findings)
    assert findings.inputs == 20
    assert not findings.faults, '\n'.join(trace for _, _, trace in findings.smallest.values())


def test_a_fault_is_found_and_its_shortest_input_kept(tmp_path):
    def build(root):
        root.mkdir()
        (root / 'a.txt').write_bytes(b'1 2 3')

    def read(root):
        [int(word) for word in (root / 'a.txt').read_bytes().split()]

    findings = Findings()
    search(Bench(Target(build, ('a.txt',), read), tmp_path), 100, 0, findings)
    assert len(findings.faults) == 1
    (place,) = findings.faults
    assert place.startswith('ValueError at test_fuzz.py:')
    keep(findings, 'numbers', tmp_path / 'found')
    (data,) = (path.read_bytes() for path in (tmp_path / 'found').glob('*.input'))
    assert len(data) <= 6
    with pytest.raises(ValueError, match='invalid literal'):
        [int(word) for word in data.split()]
    assert (tmp_path / 'data/a.txt').read_bytes() == b'1 2 3'
