"""The review page in a real browser, by keys and clicks."""

import threading
import time

import pytest
from browsing import resize, wait
from reviewed import annotated

from samrs_mm.formats.corrections.actions import Corrections
from samrs_mm.review.server import serving
from samrs_mm.review.server.session import Session

pytestmark = pytest.mark.browser
uvicorn = pytest.importorskip('uvicorn', reason='needs uvicorn, see requirements/tests.txt')


@pytest.fixture
def reviewed(tmp_path):
    """A folder that is served; yields its session and the page's address."""
    session = Session(annotated(tmp_path), None, 'ann')
    servers, told = [], []

    class Server(uvicorn.Server):
        def __init__(self, config):
            super().__init__(config)
            servers.append(self)

    with serving.listen(0) as listening, pytest.MonkeyPatch.context() as patch:
        patch.setattr(uvicorn, 'Server', Server)
        thread = threading.Thread(target=serving.serve, args=(session, listening, told.append))
        thread.start()
        while not servers or not servers[0].started:
            time.sleep(0.01)
        yield session, told[0]
        servers[0].should_exit = True
        thread.join(10)


@pytest.fixture
def page(browser, reviewed):
    """The page, freshly loaded, 1280 px wide, its first mask in view."""
    resize(browser, 1280)
    browser.get_log('browser')
    browser.get('about:blank')
    browser.get(reviewed[1])
    wait(browser, lambda page: page.find_element('id', 'place').text)
    yield browser
    severe = [each for each in browser.get_log('browser') if each['level'] == 'SEVERE']
    assert [each for each in severe if 'status of 4' not in each['message']] == []


def press(page, keys):
    page.find_element('tag name', 'body').send_keys(keys)


def shown(page):
    """The image and the box that are looked at."""
    return page.find_element('id', 'place').text.partition(' · ')[::2]


def done(page, count):
    """Wait until so many masks are decided; return the line that says so."""
    line = page.find_element('id', 'progress')
    wait(page, lambda _: line.text.startswith(f'{count} of 7 decided'))
    return line.text


def actions_of(session):
    stems = sorted(session.out.corrected())
    files = [Corrections.load(session.out.corrections(stem)) for stem in stems]
    return {each.box_id: each.action for file in files for each in file.actions}


def test_masks_are_decided_by_key_in_the_order_of_doubt(page, reviewed):
    session = reviewed[0]
    queue = [item.box_id for item in session.queue.items]
    seen = []
    for count, key in enumerate('arar', 1):
        seen.append(shown(page)[1])
        press(page, key)
        line = done(page, count)
        wait(page, lambda page, next=queue[count]: shown(page)[1] == next)
    assert seen == queue[:4]
    assert ' s a mask' in line
    expected = dict(zip(queue, ('accept', 'reject') * 2, strict=False))
    assert actions_of(session) == expected
    assert '#' not in page.current_url  # the token is not in view


def test_what_was_done_is_taken_back(page, reviewed):
    first = shown(page)
    press(page, 'r')
    done(page, 1)
    press(page, 'u')
    done(page, 0)
    wait(page, lambda page: shown(page) == first)
    assert page.find_element('id', 'status').text == 'kept'
    assert actions_of(reviewed[0]) == {first[1]: 'undo'}
    press(page, 'u')
    message = page.find_element('id', 'message')
    wait(page, lambda _: 'nothing to take back' in message.text)


def test_another_class_by_typing_how_it_begins(page, reviewed):
    from selenium.webdriver.common.keys import Keys

    now = page.find_element('id', 'class').text
    wanted = 'plane' if now != 'plane' else 'ship'
    box_id = shown(page)[1]
    press(page, 'c')
    field = page.find_element('name', 'wanted')
    wait(page, lambda _: field.is_displayed())
    field.send_keys(wanted[:2] + Keys.ENTER)
    done(page, 1)
    item = next(each for each in reviewed[0].queue.items if each.box_id == box_id)
    assert (item.category, item.status) == (wanted, 'corrected')


def test_arrows_go_on_and_back_and_the_end_is_said(page, reviewed):
    from selenium.webdriver.common.keys import Keys

    queue = [item.box_id for item in reviewed[0].queue.items]
    for box_id in queue[1:]:
        press(page, Keys.ARROW_RIGHT)
        wait(page, lambda page, wanted=box_id: shown(page)[1] == wanted)
    press(page, Keys.ARROW_RIGHT)
    wait(page, lambda page: page.find_element('id', 'end').is_displayed())
    press(page, Keys.ARROW_LEFT)
    wait(page, lambda page: shown(page)[1] == queue[-2])


def test_decided_masks_are_found_again(page, reviewed):
    first = shown(page)[1]
    press(page, 'a')
    done(page, 1)
    page.find_element('name', 'choice').send_keys('decided')
    wait(page, lambda page: shown(page)[1] == first)
    assert page.find_element('id', 'edited').text == 'accept'


def test_a_click_chooses_the_mask_that_it_hits(page, reviewed):
    from selenium.webdriver.common.action_chains import ActionChains

    press(page, 'x')
    time.sleep(0.3)
    stem = shown(page)[0].removeprefix('images/').removesuffix('.png')
    boxes = [box for box in reviewed[0].record(stem).boxes if box.box_id != shown(page)[1]]
    x, y, width, height = boxes[0].bbox
    stage = page.find_element('id', 'stage').size
    scale = min(stage['width'] / 128, stage['height'] / 96)
    from_middle = round((x + width / 2 - 64) * scale), round((y + height / 2 - 48) * scale)
    canvas = page.find_element('id', 'canvas')
    ActionChains(page).move_to_element_with_offset(canvas, *from_middle).click().perform()
    wait(page, lambda page: shown(page)[1] == boxes[0].box_id)


def test_the_picture_is_drawn_with_the_outline(page):
    def colours(page):
        return page.execute_script("""
            const canvas = document.getElementById('canvas');
            const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
            const found = new Set();
            for (let i = 0; i < data.length; i += 4) {
                found.add(data[i] << 16 | data[i + 1] << 8 | data[i + 2]);
            }
            return [found.size, found.has(0xffd500)];
        """)

    wait(page, lambda page: colours(page)[0] > 100)
    assert colours(page)[1]
    press(page, 'o')
    wait(page, lambda page: not colours(page)[1])


def test_a_mask_that_somebody_else_changed_is_shown_anew(page, reviewed):
    session, (_, box_id) = reviewed[0], shown(page)
    stem = next(item.stem for item in session.queue.items if item.box_id == box_id)
    path = session.out.path('instances', stem)
    record = session.record(stem)
    box = next(each for each in record.boxes if each.box_id == box_id)
    other = next(each for each in record.boxes if each.box_id != box_id)
    box.segmentation = other.segmentation
    box.bbox = other.bbox
    record.write(path)
    press(page, 'a')
    message = page.find_element('id', 'message')
    wait(page, lambda _: f'two edits of {box_id}' in message.text)
    press(page, 'a')  # it is the one in view now
    done(page, 1)


def test_a_server_that_was_stopped_is_said(page, monkeypatch):
    page.execute_script("window.fetch = () => Promise.reject(new TypeError('gone'));")
    press(page, 'a')
    message = page.find_element('id', 'message')
    wait(page, lambda _: 'the server does not answer' in message.text)


def test_another_token_is_said(page, reviewed):
    page.get(reviewed[1].partition('#')[0] + '#another')
    page.refresh()
    message = page.find_element('id', 'message')
    wait(page, lambda _: 'no token, or another' in message.text)


@pytest.mark.parametrize('width', [1280, 390])
def test_it_fits_the_window(page, width):
    resize(page, width)
    time.sleep(0.3)
    assert page.execute_script('return document.documentElement.scrollWidth') <= width
    assert page.execute_script('return document.documentElement.scrollHeight') <= 900
    for name in ('accept', 'reject', 'class', 'undo', 'next'):
        button = page.find_element('css selector', f'[data-do={name}]')
        box = button.rect
        assert button.is_displayed()
        assert box['x'] >= 0
        assert box['x'] + box['width'] <= width
        assert box['y'] + box['height'] <= 900
