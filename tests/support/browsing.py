"""What tests in a browser share."""


def resize(browser, width):
    """Give the window a width in pixels; below 500 it is a phone's."""
    size = dict(width=width, height=900, deviceScaleFactor=1, mobile=width < 500)
    browser.execute_cdp_cmd('Emulation.setDeviceMetricsOverride', size)


def settle(page):
    """Wait until the page is laid out and drawn, with what follows from a change of its size."""
    page.execute_async_script(
        'const [done] = arguments; requestAnimationFrame(() => requestAnimationFrame(done));'
    )


def wait(page, condition):
    """Wait until a condition holds, 10 seconds at most; return what it returned."""
    from selenium.webdriver.support.wait import WebDriverWait

    return WebDriverWait(page, 10, poll_frequency=0.05).until(condition)
