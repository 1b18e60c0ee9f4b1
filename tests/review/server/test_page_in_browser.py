"""The review page in a real browser, by keys and clicks."""

import functools
import threading
import time

import numpy as np
import pytest
from browsing import resize, settle, wait
from reviewed import annotated

from samrs_mm.core import masks
from samrs_mm.formats.corrections.actions import Corrections
from samrs_mm.review.server import serving
from samrs_mm.review.server.prompting import Prompter
from samrs_mm.review.server.session import Session

pytestmark = pytest.mark.browser
uvicorn = pytest.importorskip('uvicorn', reason='needs uvicorn, see requirements/tests.txt')


@pytest.fixture(scope='module')
def prompter():
    found = Prompter('boxnet', dict(threads=1, device='cpu'))
    found.load()
    return found


@pytest.fixture
def reviewed(tmp_path, prompter):
    """A folder that is served; yields its session and the page's address."""
    session = Session(annotated(tmp_path), None, 'ann')
    servers, told = [], []

    class Server(uvicorn.Server):
        def __init__(self, config):
            super().__init__(config)
            servers.append(self)

    with serving.listen(0) as listening, pytest.MonkeyPatch.context() as patch:
        patch.setattr(uvicorn, 'Server', Server)
        serve = functools.partial(serving.serve, session, listening, told.append, prompter)
        thread = threading.Thread(target=serve)
        thread.start()
        while not servers or not servers[0].started:
            assert thread.is_alive()
            time.sleep(0.01)
        yield session, told[0]
        servers[0].should_exit = True
        thread.join(10)
        assert not thread.is_alive()


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

    settle(page)
    press(page, 'x')
    stem = shown(page)[0].removeprefix('images/').removesuffix('.png')
    boxes = [box for box in reviewed[0].record(stem).boxes if box.box_id != shown(page)[1]]
    x, y, width, height = boxes[0].bbox
    stage = page.find_element('id', 'stage').size
    scale = min(stage['width'] / 128, stage['height'] / 96)
    from_middle = round((x + width / 2 - 64) * scale), round((y + height / 2 - 48) * scale)
    canvas = page.find_element('id', 'canvas')
    ActionChains(page).move_to_element_with_offset(canvas, *from_middle).click().perform()
    wait(page, lambda page: shown(page)[1] == boxes[0].box_id)


class Pointer:
    """The mouse on the picture, in pixels of the image."""

    def __init__(self, page):
        from selenium.webdriver.common.action_chains import ActionChains

        self.page, self.chain = page, ActionChains(page, duration=20)
        self.canvas = page.find_element('id', 'canvas')
        settle(page)
        press(page, 'x')  # the whole picture: where its pixels lie is known
        stage = page.find_element('id', 'stage').size
        self.scale = min(stage['width'] / 128, stage['height'] / 96)

    def to(self, x, y):
        place = round((x - 64) * self.scale), round((y - 48) * self.scale)
        return self.chain.move_to_element_with_offset(self.canvas, *place)

    def click(self, x, y):
        self.to(x, y).click().perform()

    def drag(self, start, end):
        self.to(*start).click_and_hold()
        self.to((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
        self.to(*end).release().perform()


def drafted(page, before=''):
    """Wait for another answer of the segmentor; return what is said of it."""
    line = page.find_element('id', 'draft')
    wait(page, lambda _: 'mask in' in line.text and line.text != before)
    return line.text


def last_action(session, stem):
    return Corrections.load(session.out.corrections(stem)).actions[-1]


def stem_of(page):
    return shown(page)[0].removeprefix('images/').removesuffix('.png')


def test_a_mask_is_mended_by_three_clicks(page, reviewed):
    from selenium.webdriver.common.keys import Keys

    session, stem, box_id = reviewed[0], stem_of(page), shown(page)[1]
    pointer = Pointer(page)
    (box,) = (each for each in session.record(stem).boxes if each.box_id == box_id)
    x, y, width, height = box.bbox
    press(page, 'f')
    said = ''
    for place in ((x + width / 2, y + height / 2), (x + width / 2 + 2, y + height / 2)):
        pointer.click(*place)
        said = drafted(page, said)
        page.execute_script("document.getElementById('draft').textContent = ''")
    press(page, 'g')
    pointer.click(2 if x > 40 else 120, 2 if y > 40 else 90)
    drafted(page)
    press(page, Keys.ENTER)
    done(page, 1)
    action = last_action(session, stem)
    assert (action.action, action.box_id) == ('mask', box_id)
    assert action.seconds > 0
    assert 0.3 < masks.area(action.value) / box.area < 3
    assert shown(page)[1] != box_id


def test_an_object_is_added_by_a_box_and_its_class(page, reviewed):
    from selenium.webdriver.common.keys import Keys

    session, stem = reviewed[0], stem_of(page)
    pointer = Pointer(page)
    (x, y, width, height) = session.record(stem).boxes[0].bbox
    press(page, 'b')
    pointer.drag((x - 2, y - 2), (x + width + 2, y + height + 2))
    drafted(page)
    press(page, Keys.ENTER)
    field = page.find_element('name', 'wanted')
    wait(page, lambda _: field.is_displayed())
    field.send_keys('ship' + Keys.ENTER)
    wait(page, lambda page: page.find_element('id', 'status').text == 'added')
    action = last_action(session, stem)
    assert (action.action, action.value['category']) == ('add', 'ship')
    assert 0.3 < masks.area(action.value['segmentation']) / (width * height) < 2
    press(page, 'u')
    wait(page, lambda page: page.find_element('id', 'status').text == 'kept')
    assert last_action(session, stem).action == 'undo'


def test_brush_and_eraser_change_the_pixels_they_touch(page, reviewed):
    from selenium.webdriver.common.keys import Keys

    session, stem, box_id = reviewed[0], stem_of(page), shown(page)[1]
    pointer = Pointer(page)
    (box,) = (each for each in session.record(stem).boxes if each.box_id == box_id)
    before = masks.decode(box.mask)
    page.execute_script("""
        const radius = document.getElementById('radius');
        radius.value = 3;
        radius.dispatchEvent(new Event('input'));
    """)
    press(page, 'd')
    pointer.drag((30, 10), (60, 10))
    press(page, 'e')
    pointer.drag((50, 10), (70, 10))
    press(page, Keys.ENTER)
    done(page, 1)
    after = masks.decode(last_action(session, stem).value)
    row = np.zeros(128, bool)
    row[27:47] = True
    np.testing.assert_array_equal(after[10, :72] | before[10, :72], row[:72] | before[10, :72])
    changed = after != before
    assert not changed[:6].any()
    assert not changed[14:].any()


def test_a_step_is_taken_back_and_a_drawing_dropped(page, reviewed):
    from selenium.webdriver.common.keys import Keys

    pointer = Pointer(page)
    first = shown(page)[1]
    press(page, 'd')
    pointer.drag((30, 10), (60, 10))
    assert page.find_element('id', 'drafting').is_displayed()
    press(page, 'a')
    message = page.find_element('id', 'message')
    wait(page, lambda _: 'a mask is being drawn' in message.text)
    press(page, 'u')
    press(page, 'u')
    wait(page, lambda page: not page.find_element('id', 'drafting').is_displayed())
    pointer.drag((30, 10), (60, 10))
    press(page, Keys.ESCAPE)
    wait(page, lambda page: not page.find_element('id', 'drafting').is_displayed())
    assert actions_of(reviewed[0]) == {}
    press(page, 'a')
    done(page, 1)
    assert actions_of(reviewed[0]) == {first: 'accept'}


def test_masks_go_to_the_server_as_they_came(page, reviewed):
    """Saved as it is, after a stroke over nothing, a mask has not changed by a pixel."""
    for stem in ('P0000', 'P0001'):
        for box in reviewed[0].record(stem).boxes:
            runs = page.execute_async_script(
                """
                const [box, done] = arguments;
                import('/page/draft.js').then(({ Draft }) => {
                    done(new Draft({ width: 128, height: 96 }, box).runs());
                });
                """,
                dict(counts=box.mask['counts'], bbox=box.bbox),
            )
            assert masks.of_runs(runs, 96, 128) == box.mask


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
    settle(page)
    assert page.execute_script('return document.documentElement.scrollWidth') <= width
    assert page.execute_script('return document.documentElement.scrollHeight') <= 900
    for name in ('accept', 'reject', 'class', 'undo', 'next'):
        button = page.find_element('css selector', f'[data-do={name}]')
        box = button.rect
        assert button.is_displayed()
        assert box['x'] >= 0
        assert box['x'] + box['width'] <= width
        assert box['y'] + box['height'] <= 900
