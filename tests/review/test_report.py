"""The review report: what it chooses, draws and writes."""

import base64
import io
import json
import random
import re
import shutil
from collections import Counter
from dataclasses import astuple
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest
from folders import CONFIG, load_tool, write_dota
from PIL import Image

from samrs_mm.core import masks
from samrs_mm.core.errors import RefusedError
from samrs_mm.formats.annotated import ledger
from samrs_mm.formats.annotated.doubt import doubt
from samrs_mm.formats.annotated.entries import BoxEntry, ImageEntry
from samrs_mm.formats.annotated.ledger import LedgerRow
from samrs_mm.review.pictures import SIDE, picture
from samrs_mm.review.report import write_report
from samrs_mm.review.selection import BINS, FRACTIONS, select

EVIL = '<img/src=x>"\'&{{7*7}}</script>'
VOID = {'meta', 'input', 'br', 'img', 'link', 'hr'}


def rows(count=300, seed=0):
    rng = random.Random(seed)
    for number in range(count):
        status = rng.choices(['kept', 'filtered', 'empty', 'outside'], [6, 2, 1, 1])[0]
        masked = status in ('kept', 'filtered')
        yield LedgerRow(
            f'a.txt:{number}', status, '', rng.choice('abc'), 'a', f'tile{number % 7}', 'a.png',
            *([round(rng.random(), 6), None] if masked else [None, None]),
            area=rng.randrange(1, 9999) if masked else 0,
            **dict(fill=rng.random(), coverage=rng.random(), leakage=rng.random(),
                   components=rng.randrange(1, 5), at_border=rng.random() < 0.5) if masked else {},
        )  # fmt: skip


@pytest.fixture
def book(tmp_path):
    path = tmp_path / 'ledger.csv'
    with path.open('wb') as file:
        ledger.csv_writer(file).writerows([ledger.COLUMNS, *map(astuple, rows())])
    return path


def expected_doubt(row):
    if row.status == 'empty':
        return 1
    parts = [1 - row.score, 1 - row.coverage, row.leakage, 1 - 1 / row.components]
    return round(sum(parts) / len(parts), 4)


def test_the_worst_of_each_class_and_of_all(book):
    found = select(book, 'abc', pictures=30, rows=50)
    prompted = [row for row in rows() if row.status != 'outside']
    assert found.masks == len(prompted)
    for name in 'abc':
        ranked = [r for r in prompted if r.category == name and r.area]
        ranked.sort(key=lambda row: -expected_doubt(row))
        chosen = [mask.box_id for mask in found.worst if mask.category == name]
        assert chosen == [row.box_id for row in ranked[:7]]
        others = {mask.box_id for mask in found.random if mask.category == name}
        assert len(others) == 3
        assert others <= {row.box_id for row in ranked[7:]}
    doubts = [doubt(mask) for mask in found.worst]
    assert doubts == sorted(doubts, reverse=True)
    listed = sorted(map(expected_doubt, prompted), reverse=True)[:50]
    assert [doubt(mask) for mask in found.rows] == listed


def test_classes_that_do_not_occur_and_small_ones_leave_their_pictures_to_others(book):
    masks = Counter(row.category for row in rows() if row.area)
    names = [*'abc', *(f'no{number}' for number in range(12))]
    found = select(book, names, pictures=120, rows=0)
    assert len(found.worst) + len(found.random) == min(120, masks.total())
    shown = Counter(mask.category for mask in (*found.worst, *found.random))
    assert shown == {'a': 40, 'b': 40, 'c': 40}
    assert len(found.worst) == 3 * 27
    every = select(book, names, pictures=1000, rows=0)
    assert Counter(mask.category for mask in (*every.worst, *every.random)) == masks
    assert every.random, 'where all are shown, two thirds are the worst'
    few = select(book, 'abc', pictures=2, rows=0)
    assert len(few.worst) + len(few.random) == 2


def test_counts_and_histograms(book):
    found = select(book, 'abcd', pictures=9, rows=9)
    assert found.statuses.total() == 300
    assert found.classes['d'].total() == 0
    for name in 'abc':
        kept = [row for row in rows() if (row.category, row.status) == (name, 'kept')]
        assert found.classes[name]['kept'] == len(kept)
    for name in FRACTIONS:
        values = [getattr(row, name) for row in rows() if getattr(row, name) is not None]
        expected = np.histogram(values, BINS, (0, 1))[0].tolist()
        assert found.histograms[name] == expected
        assert found.means[name] == (pytest.approx(np.mean(values)) if values else None)


def test_random_masks_do_not_depend_on_the_order_of_the_ledger(book):
    first = select(book, 'abc', pictures=30, rows=0)
    lines = book.read_bytes().splitlines(keepends=True)
    book.write_bytes(lines[0] + b''.join(reversed(lines[1:])))
    again = select(book, 'abc', pictures=30, rows=0)
    assert {mask.box_id for mask in first.random} == {mask.box_id for mask in again.random}


@pytest.mark.parametrize(
    ('text', 'says'),
    [(None, 'no such file; give an annotated folder'), ('box_id,status\n', 'annotate anew')],
)
def test_what_is_no_ledger_is_refused(tmp_path, text, says):
    path = tmp_path / 'ledger.csv'
    if text is not None:
        path.write_text(text)
    with pytest.raises(RefusedError, match=says):
        select(path, 'abc', 9, 9)


class Pixels:
    """Stands for a scene whose pixels say where they are."""

    def crop(self, x, y, width, height):
        rows, columns = np.mgrid[y : y + height, x : x + width]
        return np.stack([columns, rows, 0 * rows], -1).astype(np.uint8)


def drawn(found):
    """The mask that the outline encloses."""
    mask = np.zeros((found.height, found.width), np.uint8)
    outlines = [
        np.array([point.split() for point in part.rstrip('Z').split('L')], int)
        for part in found.outline.split('M')[1:]
    ]
    return cv2.fillPoly(mask, outlines, 1).astype(bool)


def boxed(mask, polygon, prompt_box=None):
    """A kept box, and its image."""
    height, width = mask.shape
    seen = None if prompt_box is None else np.array(prompt_box, float)
    box = BoxEntry.new(1, 'a.txt:1', 0, 'ship', 'hbox', np.array(polygon, float), None, seen, 'ok')
    box.enter_mask(masks.Mask(masks.encode(mask)), '')
    return box, ImageEntry('a.png', 'a', None, [0, 0], width, height, None, [])


def test_a_picture_shows_mask_label_and_prompt_where_they_are():
    mask = np.zeros((200, 250), bool)
    mask[60:90, 100:120] = mask[80:100, 110:140] = True
    polygon = [[95, 70], [120, 55], [145, 95], [120, 110]]
    found = picture(*boxed(mask, polygon, [95, 55, 145, 110]), Pixels())
    x, y = 95 - 14, 55 - 14  # a quarter of the longer side, 55 px, around
    assert (found.width, found.height) == (145 + 14 - x, 110 + 14 - y)
    np.testing.assert_array_equal(drawn(found), mask[y:124, x:159])
    assert found.prompt == (14.0, 14.0, 50.0, 55.0)
    points = [list(map(float, point.split(','))) for point in found.polygon.split()]
    np.testing.assert_allclose(points, np.array(polygon) - [x, y])
    kind, data = found.jpeg.split(',')
    assert kind == 'data:image/jpeg;base64'
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
    assert pixels.shape == (found.height, found.width, 3)
    np.testing.assert_allclose(pixels[40, 30, :2], [x + 30, y + 40], atol=6)


def test_a_large_mask_is_scaled_down_and_a_missing_image_left_out():
    mask = np.zeros((900, 2000), bool)
    mask[100:500, 200:1200] = True
    polygon = [[200, 100], [1200, 100], [1200, 500], [200, 500]]
    found = picture(*boxed(mask, polygon), None)
    assert max(found.width, found.height) == SIDE
    assert (found.jpeg, found.prompt) == ('', None)
    assert drawn(found).mean() == pytest.approx(400_000 / (1450 * 750), abs=0.02)


def test_noise_gives_no_endless_outline():
    mask = np.random.default_rng(0).random((400, 400)) < 0.4
    found = picture(*boxed(mask, [[0, 0], [400, 0], [400, 400], [0, 400]]), None)
    assert 1000 < len(found.outline) < 30_000


@pytest.fixture(scope='module')
def annotated(tmp_path_factory):
    """A folder whose second class has a name that is markup."""
    base = tmp_path_factory.mktemp('report')
    data = write_dota(base / 'dota')
    for path in (data / 'labelTxt').iterdir():
        path.write_text(path.read_text().replace('ship', EVIL))
    flags = ['--cfg-options', 'model.type=BoxFillSegmentor', 'filters.min_fill=0.6']
    out = base / 'out'
    argv = [CONFIG, '--data-root', str(data), '--out', str(out), '--workers', '0', *flags]
    assert load_tool('sam_annotate').main(argv) == 0
    return out


class Checker(HTMLParser):
    """Checks that tags close, and collects what a browser would fetch."""

    def __init__(self):
        super().__init__()
        self.open, self.fetched, self.tags = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.fetched += [v for k, v in attrs if k in ('src', 'href', 'srcset', 'action', 'style')]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_one_file_and_escapes_what_labels_say(annotated):
    result = write_report(annotated)
    page = result.path.read_text()
    checker = Checker()
    checker.feed(page)
    assert checker.open == []
    assert 'img' not in checker.tags
    assert checker.tags.count('image') == result.pictures == 18
    for link in checker.fetched:
        assert link.startswith(('data:image/jpeg;base64,', '#'))
    assert not re.search(r'@import|url\(', page)
    assert EVIL not in page
    assert '49' not in re.findall(r'data-choose="([^"]*)"', page)[0]
    data = re.search(r'id="data">(.*?)</script>', page, re.DOTALL).group(1)
    table = json.loads(data)
    assert EVIL in table['classes']
    assert str(annotated.parent) not in page


def test_the_page_shows_what_the_folder_holds(annotated):
    page = write_report(annotated).path.read_text()
    data = json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL).group(1))
    listed = [dict(zip(data['keys'], row, strict=True)) for row in data['rows']]
    boxes = {
        box['box_id']: box
        for path in (annotated / 'instances').iterdir()
        for box in json.loads(path.read_bytes())['boxes']
    }
    assert {row['box_id'] for row in listed} == boxes.keys()
    for row in listed:
        box = boxes[row['box_id']]
        assert data['classes'][row['class']] == box['category']
        for key in ('status', 'reason', 'score', 'area', *masks.MEASURES):
            assert row[key] == box[key]
    assert 'filters min_fill 0.6' in page


def test_the_same_folder_gives_the_same_bytes(annotated):
    first = write_report(annotated).path.read_bytes()
    assert write_report(annotated, annotated.parent / 'dota').path.read_bytes() == first


def test_limits(annotated):
    result = write_report(annotated, max_pictures=5, max_rows=7)
    assert (result.pictures, result.rows) == (5, 7)
    page = result.path.read_text()
    assert page.count('<li class="card') == 5
    assert 'The 7 most doubtful of 18' in ' '.join(page.split())


def test_unreadable_images_are_reported_and_shown_without_picture(annotated, tmp_path):
    result = write_report(annotated, tmp_path)
    assert len(result.problems) == 4
    assert all('P000' in line for line in result.problems)
    assert result.path.read_text().count('image not readable') == 18


@pytest.mark.parametrize('content', [None, '{', '[]', '{"classes": []}'])
def test_what_is_no_annotated_folder_is_refused(tmp_path, content):
    if content:
        (tmp_path / 'meta.json').write_text(content)
    with pytest.raises(RefusedError, match=r'meta\.json: no annotated folder there'):
        write_report(tmp_path)


def test_a_ledger_of_other_records_is_refused(annotated, tmp_path):
    copy = tmp_path / 'out'
    shutil.copytree(annotated, copy)
    path = copy / 'instances/P0001.json'
    record = json.loads(path.read_bytes())
    record['boxes'] = record['boxes'][1:]
    path.write_text(json.dumps(record))
    with pytest.raises(RefusedError, match=r'has no mask of labelTxt/P0001\.txt:1'):
        write_report(copy, Path(annotated.parent / 'dota'))


def test_damaged_records_are_reported_and_left_out(annotated, tmp_path):
    copy = tmp_path / 'out'
    shutil.copytree(annotated, copy)
    (copy / 'instances/P0000.json').write_text('{')
    path = copy / 'instances/P0001.json'
    record = json.loads(path.read_bytes())
    record['boxes'][0]['segmentation']['counts'] = '0'
    path.write_text(json.dumps(record))
    whole = write_report(annotated)
    result = write_report(copy, Path(annotated.parent / 'dota'))
    assert len(result.problems) == 2
    assert 'P0000.json: not a JSON record' in result.problems[0]
    assert 'P0001.json: labelTxt/P0001.txt:1: a mask whose runs' in result.problems[1]
    assert 0 < result.pictures < whole.pictures - 1
    assert result.path.read_text().count('<li class="card') == result.pictures
    assert result.rows == whole.rows
