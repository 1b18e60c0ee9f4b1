from line_runs import runner_of, validation

from samrs_mm.engine.hooks import learning_curves_hook

HOOKS = ('LearningCurvesHook',)


def run(folder, monkeypatch, **options):
    logger = dict(type='LoggerHook', interval=2, log_metric_by_epoch=False)
    runner = runner_of(folder, 9, data=range(9), hooks=HOOKS, own_hooks=[logger], **options)
    lines = []
    for level in ('info', 'warning'):
        monkeypatch.setattr(runner.logger, level, lines.append)
    runner.train()
    return ''.join(lines)


def test_curves_are_there_after_a_validation_and_at_the_end(tmp_path, monkeypatch):
    drawn = []
    draw = learning_curves_hook.draw
    monkeypatch.setattr(
        learning_curves_hook, 'draw', lambda *words: drawn.append(words) or draw(*words)
    )
    log = run(tmp_path, monkeypatch, **validation(interval=8))
    assert f'Learning curves: {tmp_path}/curves.png' in log
    assert (tmp_path / 'curves.png').stat().st_size > 10_000
    assert [len(series['loss']) for series, *_ in drawn] == [4, 4, 4], 'two validations, the end'


def test_a_picture_that_can_not_be_drawn_ends_no_run(tmp_path, monkeypatch):
    (tmp_path / 'curves.png').mkdir()
    assert 'curves.png: not drawn: ' in run(tmp_path, monkeypatch)
