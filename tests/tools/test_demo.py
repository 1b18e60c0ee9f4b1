"""What the demo prints and lists; tests/test_docs.py runs the whole of it."""

import pytest
from folders import load_tool

DEMO = load_tool('demo')
TRAIN = (
    '11/26 20:32:08 - mmengine - INFO - Iter(train) [10/80]  lr: 9.6910e-04  eta: 0:07:04  time: '
    '6.0689  grad_norm: 31.9384  loss: 4.4747  loss_city: 2.4835  acc_city: 45.0309'
)
VAL = '11/26 20:30:58 - mmengine - INFO - Iter(val) [ 10/130]    eta: 0:00:08  time: 2.7337'
SCORES = '11/26 20:31:07 - mmengine - INFO - Iter(val) [13/13]    city/aAcc: 17.0100  mIoU: 2.43'


@pytest.mark.parametrize(
    ('line', 'said'),
    [
        (TRAIN, 'iteration 10 of 80, loss 4.4747, 0:07:04 to go'),
        (VAL, 'validating, image 10 of 130'),
        (SCORES, ''),
        ('custom_hooks = [', ''),
    ],
)
def test_progress(line, said):
    assert DEMO.progress(line) == said


def test_a_training_that_fails_shows_the_end_of_its_log(tmp_path, monkeypatch, capsys):
    tool = "import sys; print('a line of the log'); sys.exit('error: no such thing')"
    (tmp_path / 'train.py').write_text(tool)
    monkeypatch.setattr(DEMO, 'TOOLS', tmp_path)
    monkeypatch.setattr(DEMO.Demo, 'first_picture', lambda demo: demo.train('train'))
    assert DEMO.main([]) == 1
    said = capsys.readouterr()
    assert '$ python tools/train.py\n' in said.out
    assert 'a line of the log\n' in said.err
    assert said.err.endswith('no such thing\nerror: the step above ended with exit code 1\n')


def test_a_tool_that_fails_ends_the_demo(tmp_path, monkeypatch, capsys):
    (tmp_path / 'dataset_converters').mkdir()
    tool = tmp_path / 'dataset_converters/make_demo_data.py'
    tool.write_text('import sys; sys.exit(2)')
    monkeypatch.setattr(DEMO, 'TOOLS', tmp_path)
    assert DEMO.main([]) == 1
    assert capsys.readouterr().err == 'error: the step above ended with exit code 2\n'


def test_every_second_drawing_is_held_out(tmp_path):
    (tmp_path / 'semantic').mkdir()
    for stem in ('harbour_000', 'harbour_001', 'tanks_000', 'tanks_001'):
        (tmp_path / 'semantic' / f'{stem}.png').touch()
    DEMO.hold_out(tmp_path)
    assert (tmp_path / 'train.txt').read_text() == 'harbour_000\ntanks_000\n'
    assert (tmp_path / 'val.txt').read_text() == 'harbour_001\ntanks_001\n'


def test_ctrl_c_ends_the_demo_in_a_line(monkeypatch, capsys):
    def interrupted(demo):
        raise KeyboardInterrupt

    monkeypatch.setattr(DEMO.Demo, 'first_picture', interrupted)
    assert DEMO.main([]) == 1
    assert capsys.readouterr().err == 'interrupted; run it again to start over\n'


def test_no_iterations_are_refused_before_anything_is_drawn(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match='2'):
        DEMO.main(['--iterations', '0'])
    assert "'0' is not a whole number of at least 1" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_scenes_may_be_smaller(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(DEMO.Demo, 'run_tool', lambda self, title, *words: made.append(words))
    for size in (DEMO.SIZE, 288):
        demo = DEMO.Demo(tmp_path, 4, size)
        (demo.masks / 'show').mkdir(parents=True, exist_ok=True)
        monkeypatch.setattr(demo, 'show', lambda *words, **options: None)
        demo.first_picture()
    drawn = [words for words in made if words[0].endswith('make_demo_data.py')]
    assert ['--size' in words for words in drawn] == [False, True]
    assert drawn[1][-2:] == ('--size', 288)
