import io
from dataclasses import astuple

from hypothesis import given
from hypothesis import strategies as st

from samrs_mm.formats.annotated import ledger
from samrs_mm.formats.annotated.ledger import LedgerRow

text = st.text(st.characters(blacklist_categories=['Cs'], blacklist_characters='\r\0'), max_size=20)
rows = st.builds(
    LedgerRow,
    *[text] * 7,
    score=st.none() | st.floats(0, 1),
    stability=st.none() | st.floats(0, 1),
    area=st.integers(0, 10**9),
    visible_area=st.integers(0, 10**9),
    fill=st.none() | st.floats(0, 1),
    coverage=st.none() | st.floats(0, 1),
    leakage=st.none() | st.floats(0, 1),
    components=st.none() | st.integers(1, 10**6),
    at_border=st.none() | st.booleans(),
)


def test_columns():
    assert ','.join(ledger.COLUMNS).startswith(
        'box_id,status,reason,category,scene,tile,image,score,'
    )


@given(st.lists(rows, max_size=4))
def test_rows_are_read_as_they_were_written(tmp_path_factory, written):
    path = tmp_path_factory.mktemp('ledger') / 'ledger.csv'
    with path.open('wb') as file:
        ledger.csv_writer(file).writerows([ledger.COLUMNS, *map(astuple, written)])
    assert list(ledger.read_ledger(path)) == written


def test_some_columns_as_text_and_empty_where_the_ledger_lacks_them(tmp_path):
    names = [name for name in ledger.COLUMNS if name not in ledger.HAND_COLUMNS]
    rows = [[f'{name} {number}' for name in names] for number in range(2)]
    with open(tmp_path / 'ledger.csv', 'wb') as file:
        ledger.csv_writer(file).writerows([names, *rows])
    found = list(ledger.read_columns(tmp_path / 'ledger.csv', ('edited', 'tile', 'score')))
    assert [tuple(row) for row in found] == [('', 'tile 0', 'score 0'), ('', 'tile 1', 'score 1')]


def test_a_reason_with_commas_and_quotes_stays_one_column():
    row = LedgerRow('a.txt:1', ledger.MALFORMED, 'coordinate "x", not a number')
    file = io.BytesIO()
    ledger.csv_writer(file).writerow(astuple(row)[: -len(ledger.HAND_COLUMNS)])
    line = b'a.txt:1,malformed,"coordinate ""x"", not a number",,,,,,,0,0,,,,,,,\n'
    assert file.getvalue() == line


def test_errors_are_those_that_make_the_exit_code_one():
    assert set(ledger.ERRORS) == {'failed', 'malformed', 'misfit', 'no_image', 'unreadable'}
