"""The report as its tools write it."""

import shutil

import pytest
from folders import load_tool, tree
from PIL import Image

BOX_FILL = ('--cfg-options', 'model.type=BoxFillSegmentor')


@pytest.fixture
def review():
    tool = load_tool('analysis_tools/review_report')
    return lambda *argv: tool.main([str(word) for word in argv])


def test_both_tools_write_the_same_page(annotate, review, tmp_path, capsys):
    assert annotate('--report', *BOX_FILL) == 0
    page = tmp_path / 'out/report/index.html'
    assert f'report: {page}' in capsys.readouterr().out
    first = page.read_bytes()
    page.unlink()
    assert review(tmp_path / 'out') == 0
    assert page.read_bytes() == first
    assert '(18 pictures, 18 rows' in capsys.readouterr().out


def test_a_report_disturbs_nothing(annotate, review, tmp_path):
    assert annotate('--limit', 2, *BOX_FILL) == 0
    assert review(tmp_path / 'out') == 0
    assert annotate(*BOX_FILL) == 0
    assert annotate('--verify', *BOX_FILL) == 0
    assert annotate('--restart', *BOX_FILL) == 0
    report = tmp_path / 'out/report'
    assert report.exists()
    shutil.rmtree(report)
    assert annotate(*BOX_FILL, out='whole') == 0
    assert tree(tmp_path / 'out') == tree(tmp_path / 'whole')


def test_tiles_need_no_data_root(annotate, review, dota, tmp_path):
    assert annotate(*BOX_FILL, 'tile.size=64', 'tile.overlap=16', 'tile.iof=0.5') == 0
    shutil.rmtree(dota)
    assert review(tmp_path / 'out') == 0


def test_images_that_moved(annotate, review, dota, tmp_path, capsys):
    assert annotate(*BOX_FILL) == 0
    dota.rename(tmp_path / 'moved')
    capsys.readouterr()
    assert review(tmp_path / 'out') == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    assert all('no picture: ' in line for line in lines)
    assert review(tmp_path / 'out', '--data-root', tmp_path / 'moved', '--pictures', 6) == 0


def test_an_image_of_another_size_is_not_cut(annotate, review, dota, tmp_path, capsys):
    assert annotate(*BOX_FILL) == 0
    Image.new('RGB', (50, 40)).save(dota / 'images/P0001.png')
    assert review(tmp_path / 'out') == 1
    assert 'P0001.png: is (50, 40) px, was (128, 96) px' in capsys.readouterr().err


def test_refusals_are_one_line(review, tmp_path, capsys):
    assert review(tmp_path) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert 'meta.json: no annotated folder there' in line
