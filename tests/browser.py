"""A real browser on the studio's page: Debian's chromium, drawing without a graphics card."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

OUT = Path(__file__).parents[1] / "out" / "studio"
"""Pictures of the page, to be looked at."""
FLAGS = (
    "--use-gl=angle --use-angle=swiftshader --enable-unsafe-swiftshader --no-sandbox "
    "--disable-dev-shm-usage --disable-background-networking"
).split()
PATIENCE = 60.0


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser; skips where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("needs chromium (apt-get install chromium)")
    with playwright.sync_playwright() as runs:
        browser = runs.chromium.launch(executable_path=program, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


class Tab:
    """One page with the studio, what it said on its console, and whom it asked for anything."""

    def __init__(self, browser: Any, url: str, **context: Any):
        self.url = url
        settings = {"viewport": {"width": 1280, "height": 800}, "accept_downloads": True}
        self.context = browser.new_context(**{**settings, **context})
        self.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=url)
        self.asked: list[str] = []
        self.context.on("request", lambda request: self.asked.append(request.url))
        self.errors: list[str] = []
        self.page = self.context.new_page()
        self.page.set_default_timeout(1000 * PATIENCE)
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def __enter__(self) -> "Tab":
        self.open()
        return self

    def __exit__(self, failed: object, *_: object) -> None:
        self.context.close()
        if failed:
            return
        strangers = [one for one in self.asked if not one.startswith((self.url, "blob:", "data:"))]
        assert strangers == [], "the page asked others"
        # The browser's own word on what the server refused is no fault of the page.
        assert [one for one in self.errors if "responded with a status of 4" not in one] == []

    def open(self, path: str = "/") -> None:
        """Go to the page and wait until it can be used."""
        self.page.goto(self.url + path)
        self.page.wait_for_selector("body.ready")

    def until(self, condition: str, seconds: float = PATIENCE) -> None:
        """Wait for something in the page; what playwright has for it breaks the page's rules."""
        end = time.monotonic() + seconds
        while not self.page.evaluate(condition):
            assert time.monotonic() < end, f"{condition}; {self.page.inner_text('#notices')}"
            time.sleep(0.03)

    def free(self) -> None:
        """Wait until nothing is under way."""
        self.until("!studio.busy")

    def make(self, text: str, samples: int = 1) -> None:
        """Ask for motion as a person does, and wait for it."""
        self.page.fill("#prompt", text)
        self.page.click(f"#samples label:nth-child({samples})")
        self.page.click("#go")
        before = f"studio.motions.length === {samples} && studio.motions[0].text === {text!r}"
        self.until(f"!studio.busy && {before} && studio.figures === {samples}")

    def joint(self, name: str, frame: int) -> list[float]:
        """Where a joint is on the stage, metres."""
        place: list[float] = self.page.evaluate("([n, f]) => studio.joint(n, f)", [name, frame])
        return place

    def value(self, expression: str) -> Any:
        """Something of the page."""
        return self.page.evaluate(expression)

    def stand(self) -> None:
        """Stop playing, so that pictures of the stage can be compared."""
        if self.value("studio.playing"):
            self.page.click("#play")

    def shoot(self, name: str, **options: Any) -> Path:
        """A picture of the page, kept beside the tests' other output."""
        path = OUT / f"{name}.png"
        self.page.screenshot(path=path, **options)
        return path

    def _said(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(message.text)
