import re

import pytest
from line_runs import runner_of

from samrs_mm.engine.hooks import speed_hook


def test_images_a_second_are_logged_with_the_rest(tmp_path, monkeypatch):
    runner, lines = runner_of(tmp_path, 9, data=range(9), hooks=('SpeedHook',)), []
    monkeypatch.setattr(runner.logger, 'info', lines.append)
    runner.train()
    times = runner.message_hub.get_scalar('train/time').data[0]
    expected = len(times) / sum(times)
    assert runner.message_hub.get_scalar('train/images_s').current() == pytest.approx(expected)
    assert re.fullmatch(
        r'Trained on 9 images in \d+ s: [\d.]+ images a second while training, \d+ % of that '
        r'waiting for data; peak memory of a rank [\d,]{3,} MiB, of a process it started .*',
        lines[-1],
    )


@pytest.mark.parametrize('batch', [dict(inputs=[1, 2, 3]), [1, 2, 3], (1, 2, 3)])
def test_images_of_a_batch(batch):
    assert speed_hook._images(batch) == 3
