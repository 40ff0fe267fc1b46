"""Chromium or Google Chrome, driven by playwright, for tests of pages."""

import os
import shutil
from contextlib import contextmanager
from functools import partial

import pytest

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-software-rasterizer", "--disable-extensions", "--disable-site-isolation-trials",
    "--in-process-gpu", "--enable-features=NetworkServiceInProcess2",
]  # fmt: skip
HOSTILE = (
    '</text></script><script>window.hit=1</script><img src=x onerror="window.hit=1">"\\n|{}<>&'
)


def missing(what):
    """Skip the tests; in CI, except in `make test-oldest`, fail them."""
    needed = os.environ.get("CI") and not os.environ.get("PIP_CONSTRAINT")
    (pytest.fail if needed else pytest.skip)(what)


@contextmanager
def chromium():
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("playwright is not installed: pip install -e '.[browser]'")
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if not program:
        missing("no chromium: apt install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        for name in ("new_context", "new_page"):  # wait_for_function evaluates text, as no page may
            create = partial(getattr(browser, name), bypass_csp=True)
            setattr(browser, name, lambda create=create, **options: create(**options))
        yield browser
        browser.close()


def check_first_picture(page, file):
    """Assert that a page opens with the picture that it shows when all of it has been read."""
    other = page.context.browser.new_page(viewport={"width": 390, "height": 844})
    other.add_init_script("window.requestIdleCallback = () => {}")
    other.goto(file.as_uri())
    first, is_unread = other.screenshot(), other.evaluate("!!document.getElementById('steps')")
    other.evaluate("stepgrad.names()")
    is_read = other.evaluate("!document.getElementById('steps')")
    assert (is_unread, is_read, other.screenshot() == first) == (True, True, True)
    other.close()


@contextmanager
def watched(page):
    """Assert that a page reports no error, then forget what it stored.

    The tests of a file share a page: opening a new one takes longer than loading another file.
    """
    troubles = []
    listeners = {
        "console": lambda message: troubles.append(message.text),
        "pageerror": lambda error: troubles.append(str(error)),
        "dialog": lambda dialog: (troubles.append(dialog.message), dialog.dismiss()),
    }
    for event, listener in listeners.items():
        page.on(event, listener)
    yield page
    for event, listener in listeners.items():
        page.remove_listener(event, listener)
    if page.url.startswith("file:"):
        page.evaluate("localStorage.clear()")
        page.goto("about:blank")  # the next test may open the same file with another address
    assert troubles == []


def fields(page):
    """Return the texts in each value: {"v0": ["x", "data −0.5", "grad"]}."""
    return page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll("g[id]")]
            .filter((g) => /-v\\d+$/.test(g.id))
            .map((g) => [g.id.split("-")[1], [...g.querySelectorAll("text:not(.below)")].map((t) => t.textContent)]))"""
    )


def hot(page):
    """Return the ids of the marked elements, without their prefix."""
    return page.evaluate(
        """() => [...document.querySelectorAll(".hot")].map((g) => g.id.replace(/^[^-]*-/, "")).sort()"""
    )
