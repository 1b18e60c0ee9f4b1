import pytest
from folders import load_tool

TOOL = load_tool('run_ranks')


@pytest.fixture
def started(monkeypatch):
    calls = []
    monkeypatch.setattr(TOOL, 'run_ranks', lambda *words: calls.append(words) or 7)
    return calls


def test_the_tool_and_its_arguments(started):
    argv = ['8', '--nodes', '2', '--node', '1', '--address', 'h', '--port', '5', 'train', 'CONFIG',
            '--resume']  # fmt: skip
    assert TOOL.main(argv) == 7
    [(command, place)] = started
    assert command[2].endswith('tools/train.py')
    assert command[3:] == ['CONFIG', '--resume', '--launcher', 'pytorch']
    assert (place.ranks, place.nodes, place.node, place.address, place.port) == (8, 2, 1, 'h', 5)


def test_by_name_where_no_tools_are_beside(started, monkeypatch):
    monkeypatch.setattr('sys.argv', ['samrs-mm ranks'])
    assert TOOL.main(['2', 'test', 'CONFIG', 'FILE']) == 7
    assert started[0][0][1:5] == ['-u', '-m', 'samrs_mm', 'test']


@pytest.mark.parametrize(
    ('argv', 'said'),
    [
        (['2', '--nodes', '2', 'train', 'C'], '--nodes needs --port'),
        (
            ['2', '--nodes', '2', '--node', '1', '--port', '5', 'train', 'C'],
            '--node 1 needs --address: the host of rank 0',
        ),
        (['2', '--node', '1', 'train', 'C'], '--node 1 of --nodes 1: they count from 0'),
        (['0', 'train', 'C'], "'0' is not a whole number of at least 1"),
        (['2', 'annotate', 'C'], "invalid choice: 'annotate'"),
    ],
)
def test_refused(capsys, argv, said):
    with pytest.raises(SystemExit):
        TOOL.main(argv)
    assert said in capsys.readouterr().err
