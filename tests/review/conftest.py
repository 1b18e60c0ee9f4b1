"""The browser of the tests."""

import shutil

import pytest


@pytest.fixture(scope='module')
def browser(tmp_path_factory):
    pytest.importorskip('selenium', reason='needs selenium, see requirements/tests.txt')
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    programs = shutil.which('chromium'), shutil.which('chromedriver')
    if None in programs:
        pytest.skip('needs a browser: apt-get install chromium chromium-driver')
    options = ChromeOptions()
    options.binary_location = programs[0]
    profile = tmp_path_factory.mktemp('profile')
    for flag in ('headless', 'no-sandbox', 'disable-gpu', 'disable-background-networking',
                 f'user-data-dir={profile}'):  # fmt: skip
        options.add_argument(f'--{flag}')
    options.set_capability('goog:loggingPrefs', {'browser': 'ALL', 'performance': 'ALL'})
    driver = Chrome(options, Service(programs[1]))
    yield driver
    driver.quit()
