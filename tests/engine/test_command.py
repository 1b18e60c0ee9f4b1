import pytest

from samrs_mm.annotation.errors import ImageReadError, RefusedError
from samrs_mm.engine.command import one_line, run_command


def fail(error):
    raise error


@pytest.mark.parametrize(
    ('error', 'code', 'said'),
    [
        (RefusedError('no such folder'), 2, 'error: no such folder\n'),
        (ImageReadError('a.png: empty'), 1, 'error: a.png: empty\n'),
        (OSError(28, 'No space left', 'out/x'), 1, 'error: out/x: No space left\n'),
        (
            RuntimeError('DataLoader worker (pid 7) is killed by signal: Killed. '),
            1,
            'error: a reading process died: DataLoader worker (pid 7) is killed by signal: Killed. '
            'the same command goes on from here; give it fewer workers if memory ran out\n',
        ),
        (KeyboardInterrupt(), 1, 'interrupted; the same command goes on from here\n'),
    ],
)
def test_errors_are_one_line(capsys, error, code, said):
    assert run_command(lambda: fail(error)) == code
    assert capsys.readouterr().err == said


@pytest.mark.parametrize(('result', 'code'), [(None, 0), (0, 0), (1, 1)])
def test_exit_code(result, code):
    assert run_command(lambda: result) == code


def test_a_mistake_of_ours_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        run_command(lambda: 1 / 0)
    with pytest.raises(RuntimeError, match='shapes'):
        run_command(lambda: fail(RuntimeError('shapes do not fit')))


def test_an_error_of_a_reading_process_is_its_last_line():
    text = 'Caught RefusedError in worker 0.\nTraceback\nsamrs_mm.errors.RefusedError: a.png: bad\n'
    assert one_line(RefusedError(text)) == 'a.png: bad'
    assert one_line(RefusedError('a.png: bad')) == 'a.png: bad'
