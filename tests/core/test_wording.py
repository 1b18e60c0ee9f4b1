import pytest

from samrs_mm.core.errors import RefusedError
from samrs_mm.core.wording import FewOfEach, counted, one_line, plural


@pytest.mark.parametrize(
    ('number', 'word', 'said'),
    [
        (0, 'image', '0 images'),
        (1, 'image', '1 image'),
        (2, 'label file', '2 label files'),
        (2, 'box', '2 boxes'),
        (1, 'class', '1 class'),
        (3, 'class', '3 classes'),
        (2, 'category', '2 categories'),
        (2, 'key', '2 keys'),
    ],
)
def test_counts_go_with_their_nouns(number, word, said):
    assert counted(number, word) == said


def test_a_plural_of_its_own():
    assert [plural(n, 'is', 'are') for n in (0, 1, 2)] == ['are', 'is', 'are']


def test_many_lines_of_one_kind_are_said_in_part():
    said = []
    few = FewOfEach(said.append, most=2)
    for number in range(7):
        few.add(f'a.txt:{number}: coordinate {number}.5 is not in 0..1')
    assert len(said) == 2
    few.close()
    assert said[2:] == ['... and 5 more such lines']


def test_a_line_of_another_kind_is_not_lost_among_them():
    said = []
    few = FewOfEach(said.append, most=1)
    for line in ("a: class '7'", "b: class '8'", 'c: no XML', "d: class '9'", 'e: no XML'):
        few.add(line)
    few.close()
    assert said == [
        "a: class '7'",
        'c: no XML',
        '... and 2 more such lines as that of a',
        '... and 1 more such line as that of c',
    ]


def test_lines_without_a_place():
    said = []
    few = FewOfEach(said.append, most=1)
    few.add('out of memory')
    few.add('no network')
    few.close()
    assert said == ['out of memory', 'no network']


@pytest.mark.parametrize(
    ('text', 'line'),
    [
        ('a.png: bad', 'a.png: bad'),
        (
            'Caught RefusedError in DataLoader worker process 0.\nOriginal Traceback (most recent '
            'call last):\n  File "x.py", line 3\nsamrs_mm.core.errors.RefusedError: a.png: bad\n',
            'a.png: bad',
        ),
        ('config a.py: RefusedError: tile 3', 'config a.py: RefusedError: tile 3'),
        ('a.py, line 3\n    x = (\nnever closed', 'a.py, line 3 x = ( never closed'),
        ('', 'RefusedError'),
    ],
)
def test_a_message_is_one_line_and_whole(text, line):
    assert one_line(RefusedError(text)) == line
