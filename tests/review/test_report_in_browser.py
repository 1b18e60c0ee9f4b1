"""The review report in a real browser, opened from disk, by clicks and keys."""

import csv
import json
import random
import re
import shutil

import pytest
from browsing import resize, wait
from folders import CONFIG, load_tool, write_dota

from samrs_mm.review.report import write_report

pytestmark = pytest.mark.browser


@pytest.fixture(scope='module')
def report(tmp_path_factory):
    """A report of masks with all measures, some of them filtered."""
    base = tmp_path_factory.mktemp('report')
    data = write_dota(base / 'dota', scenes=9)
    argv = [CONFIG, '--data-root', str(data), '--out', str(base / 'out'), '--workers', '0']
    flags = ['--cfg-options', 'model.type=BoxFillSegmentor', 'filters.min_fill=0.6']
    assert load_tool('sam_annotate').main([*argv, *flags]) == 0
    scatter(base / 'out/ledger.csv')
    return write_report(base / 'out', max_pictures=36).path


def scatter(path):
    """Give a ledger's masks the measures that filled boxes have not."""
    rng = random.Random(0)
    with open(path, newline='') as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row.update(
            score=round(rng.random(), 6),
            leakage=round(rng.random(), 6),
            components=rng.randrange(1, 9),
            area=rng.choice([100, 1023, 1024, 9215, 9216]),
        )
    with open(path, 'w', newline='') as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def page(browser, report):
    """The report, freshly loaded, 1280 px wide."""
    resize(browser, 1280)
    browser.get(report.as_uri())
    return browser


def choose(page, name, text):
    """Choose an option by typing how it begins (a driver's click on it sends no input event)."""
    page.find_element('name', name).send_keys(text)


def cards(page):
    """The facts of the cards in view, in their order."""
    return page.execute_script("""
        return [...document.querySelectorAll('#cards > li')].map(
            card => JSON.parse(card.dataset.facts));
    """)


def table(page):
    """The rows of the list, as dicts of text by column."""
    return page.execute_script("""
        const names = [...document.querySelectorAll('#rows thead th')].map(h => h.textContent);
        return [...document.querySelectorAll('#rows tbody tr')].map(row => Object.fromEntries(
            [...row.cells].map((cell, i) => [names[i], cell.textContent])));
    """)


def test_it_opens_without_errors_and_asks_nobody(page):
    assert [entry for entry in page.get_log('browser') if entry['level'] == 'SEVERE'] == []
    events = [json.loads(entry['message'])['message'] for entry in page.get_log('performance')]
    asked = {
        event['params']['request']['url'].partition(':')[0]
        for event in events
        if event['method'] == 'Network.requestWillBeSent'
    }
    assert asked <= {'file', 'data', 'chrome'}
    assert 'file' in asked


def test_worst_first(page):
    doubts = [card['doubt'] for card in cards(page)]
    assert len(doubts) > 10
    assert doubts == sorted(doubts, reverse=True)
    listed = [float(row['doubt']) for row in table(page)]
    assert listed == sorted(listed, reverse=True)


@pytest.mark.parametrize(
    ('label', 'key', 'falling'),
    [('score', 'score', False), ('leakage', 'leakage', True), ('parts', 'components', True)],
)
def test_sorting_by_a_measure(page, label, key, falling):
    choose(page, 'sort', label)
    values = [card[key] for card in cards(page)]
    assert len(set(values)) > 3
    assert values == sorted(values, reverse=falling)
    page.find_element('name', 'reverse').click()
    values = [card[key] for card in cards(page)]
    assert values == sorted(values, reverse=not falling)


def test_sorting_by_a_click_on_a_column(page):
    head = page.find_element('css selector', 'th [data-sort=fill]')
    for falling, state in ((False, 'ascending'), (True, 'descending')):
        head.click()
        values = [float(row['fill']) for row in table(page) if row['fill']]
        assert values == sorted(values, reverse=falling)
        parent = head.find_element('xpath', '..')
        assert parent.get_attribute('aria-sort') == state


@pytest.mark.parametrize(
    ('name', 'text', 'keeps'),
    [
        ('category', 'plane', lambda box: box['category'] == 'plane'),
        ('status', 'filtered', lambda box: box['status'] == 'filtered'),
        ('size', 'small', lambda box: box['area'] < 1024),
        ('size', 'medium', lambda box: 1024 <= box['area'] < 9216),
        ('size', 'large', lambda box: box['area'] >= 9216),
        ('pick', 'random', lambda box: box['pick'] == 'random'),
    ],
)
def test_filters_by_choice(page, name, text, keeps):
    before = cards(page)
    choose(page, name, text)
    expected = [card['box_id'] for card in before if keeps(card)]
    assert 0 < len(expected) < len(before)
    assert [card['box_id'] for card in cards(page)] == expected
    shown = page.find_element('id', 'card-count').text
    assert shown == f'{len(expected)} of {len(before)}'
    page.find_element('css selector', 'button[type=reset]').click()
    # A form's reset event precedes the change of its controls: the page redraws a moment later.
    wait(page, lambda page: len(cards(page)) == len(before))
    assert cards(page) == before


def test_filters_by_range(page):
    before = cards(page)
    middle = sorted(card['score'] for card in before)[len(before) // 2]
    page.find_element('name', 'score_to').send_keys(str(middle))
    choose(page, 'measure', 'parts')
    page.find_element('name', 'measure_from').send_keys('3')
    expected = [c['box_id'] for c in before if c['score'] <= middle and c['components'] >= 3]
    assert 0 < len(expected) < len(before)
    assert [card['box_id'] for card in cards(page)] == expected
    assert all(float(row['score']) <= middle + 5e-4 for row in table(page))


def test_a_class_is_chosen_by_its_name_in_the_totals(page):
    page.find_element('css selector', '[data-choose=ship]').click()
    assert {card['category'] for card in cards(page)} == {'ship'}
    assert {row['class'] for row in table(page)} == {'ship'}


def test_enlarged_and_stepped_through_by_keys(page):
    from selenium.webdriver.common.keys import Keys

    first, second = (card['box_id'] for card in cards(page)[:2])
    page.find_element('css selector', '#cards button').send_keys(Keys.ENTER)
    dialog = page.find_element('id', 'large')
    assert first in dialog.text
    page.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    assert second in dialog.text
    page.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not dialog.is_displayed()


def test_outlines_can_be_hidden(page):
    outline = page.find_element('css selector', '#cards path.mask')
    assert outline.value_of_css_property('visibility') == 'visible'
    page.find_element('name', 'outlines').click()
    assert outline.value_of_css_property('visibility') == 'hidden'


def test_decisions_by_key_are_kept_and_saved_for_the_tool(page, report, tmp_path):
    from selenium.webdriver.common.keys import Keys

    first, second, third = cards(page)[:3]
    other = next(name for name in ('plane', 'ship') if name != third['category'])
    page.find_element('name', 'by').send_keys('ann')
    page.find_element('css selector', '#cards button').send_keys(Keys.ENTER)

    def press(*keys):
        for key in keys:
            page.switch_to.active_element.send_keys(key)

    press('a', Keys.ARROW_RIGHT, 'r', Keys.ARROW_RIGHT, 'c')
    chosen = page.find_element('css selector', '#large select[name=class]')
    assert page.switch_to.active_element == chosen
    chosen.send_keys(other)
    page.find_element('css selector', '#large [data-step="1"]').click()
    press('a', 'u')
    assert page.find_element('id', 'decided').get_attribute('textContent') == '3 decided'
    press(Keys.ESCAPE)
    page.get(report.as_uri())
    lines = page.find_elements('css selector', '.card.decided .decision')
    assert [line.text for line in lines] == ['accepted', 'rejected', f'class {other}']
    assert page.find_element('name', 'by').get_attribute('value') == 'ann'
    folder = dict(behavior='allow', downloadPath=str(tmp_path))
    page.execute_cdp_cmd('Browser.setDownloadBehavior', folder)
    page.find_element('css selector', '[data-save]').click()
    saved = tmp_path / 'decisions.json'
    wait(page, lambda _: saved.exists())
    page.execute_script('localStorage.clear()')
    data = json.loads(saved.read_text())
    assert data['by'] == 'ann'
    assert [(each['box_id'], each['action'], each['value']) for each in data['decisions']] == [
        (first['box_id'], 'accept', None),
        (second['box_id'], 'reject', None),
        (third['box_id'], 'class', other),
    ]
    assert all(each['seconds'] >= 0 for each in data['decisions'])
    out = report.parents[1]
    shutil.copytree(out, tmp_path / 'out')
    argv = [CONFIG, '--data-root', str(out.parent / 'dota'), '--out', str(tmp_path / 'out')]
    flags = ['--workers', '0', '--cfg-options', 'model.type=BoxFillSegmentor',
             'filters.min_fill=0.6']  # fmt: skip
    main = load_tool('sam_annotate').main
    assert main([*argv, '--decisions', str(saved), *flags]) == 0
    assert main([*argv, '--verify', *flags]) == 0
    with open(tmp_path / 'out/ledger.csv', newline='') as file:
        rows = {row['box_id']: row for row in csv.DictReader(file)}
    assert rows[first['box_id']]['edited'] == 'accept'
    assert rows[second['box_id']]['status'] == 'rejected'
    assert rows[third['box_id']]['category'] == other


@pytest.mark.parametrize('width', [360, 1280])
def test_nothing_is_wider_than_the_screen(page, width):
    resize(page, width)
    assert page.execute_script('return document.documentElement.scrollWidth') <= width
    small = page.execute_script("""
        return [...document.querySelectorAll('body *')].filter(element =>
            element.textContent.trim() && !element.closest('svg, script, style, template') &&
            element.offsetParent && parseFloat(getComputedStyle(element).fontSize) < 11
        ).length""")
    assert small == 0


def test_every_control_has_a_name(page):
    nameless = page.execute_script("""
        return [...document.querySelectorAll('button, select, input')].filter(element =>
            !element.textContent.trim() && !element.ariaLabel && !element.labels?.length
        ).map(element => element.outerHTML)""")
    assert nameless == []
    assert re.search('lang="en"', page.page_source)
