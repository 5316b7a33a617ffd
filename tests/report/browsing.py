"""A real browser, and what a page does in it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_HANGS_AFTER_MS = 300_000  # a page that does not show what it should fails, not hangs
_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def chromium() -> Iterator[Any]:
    """A headless browser that asks nobody for anything; without one the test is skipped."""
    found = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if found is None:
        pytest.skip("no Chromium is installed: apt-get install chromium")
    api = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=found, args=_OPTIONS, timeout=_HANGS_AFTER_MS
        )
        yield browser
        browser.close()


class Seen:
    """A page, and what it did that it should not do."""

    def __init__(self, browser: Any, file: Path, **options: Any) -> None:
        self.page = browser.new_page(**options)
        self.page.set_default_timeout(_HANGS_AFTER_MS)
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.errors.append(message.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(file.as_uri())
        self.page.evaluate("ready")

    def names(self) -> list[str]:
        return list(self.page.locator("#table tbody th").all_inner_texts())

    def sort(self, head: str) -> None:
        self.page.locator("#table thead button").filter(has_text=re.compile(f"^{head}")).click()

    def choose(self, label: str, text: str) -> None:
        self.page.get_by_role("combobox", name=label, exact=True).select_option(label=text)

    def expect(self, selector: str, count: int) -> None:
        """Wait until so many elements are there: charts are drawn again in their own time."""
        from playwright.sync_api import expect

        expect(self.page.locator(selector)).to_have_count(count, timeout=_HANGS_AFTER_MS)
