"""What tests in a browser share."""


def resize(browser, width):
    """Give the window a width in pixels; below 500 it is a phone's."""
    size = dict(width=width, height=900, deviceScaleFactor=1, mobile=width < 500)
    browser.execute_cdp_cmd('Emulation.setDeviceMetricsOverride', size)


def wait(page, condition):
    """Wait until a condition holds, 10 seconds at most; return what it returned."""
    from selenium.webdriver.support.wait import WebDriverWait

    return WebDriverWait(page, 10, poll_frequency=0.05).until(condition)
