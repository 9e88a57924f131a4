"""How soon is the studio there, how soon does a prompt move, and what does each picture cost?

python bench/studio.py [--model DIR] [--seconds 6] [--card] [--width 1280 --height 800]

Starts a real server and a real browser (needs playwright and chromium). Without --card the browser
draws with the processor, as it does where there is no graphics card: then pictures a second are
what such a machine shows, and the time of the page's own thread is what the script would leave to
a graphics card. Times of threads and processes are their processor time, whatever else runs.
"""

import math
import shutil
import time
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import common
from serving import ready, serving

from motiongpt3.errors import ResourceError

PROMPT = "a person waves the left hand"
SOFTWARE = ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
ALWAYS = ("--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking")
_PATIENCE = 60.0


@dataclass(frozen=True)
class Count:
    """What had been drawn and used at one time; times in seconds of a processor."""

    clock: float
    pictures: int
    script: float
    page: float
    browser: float

    def since(self, before: "Count") -> dict[str, float]:
        """Pictures a second, and milliseconds of each, from one count to another."""
        pictures = max(1, self.pictures - before.pictures)
        each = {name: 1000 * (getattr(self, name) - getattr(before, name)) / pictures
                for name in ("script", "page", "browser")}  # fmt: skip
        return {"pictures/s": pictures / (self.clock - before.clock), **each}


class Tab:
    """The studio in a browser, and what it costs."""

    def __init__(self, browser: Any, options: Namespace, url: str):
        size = {"width": options.width, "height": options.height}
        self.page = browser.new_page(viewport=size)
        self.page.goto(url)
        self.page.wait_for_selector("body.ready")
        self.whole = browser.new_browser_cdp_session()
        self.own = self.page.context.new_cdp_session(self.page)
        self.own.send("Performance.enable", {"timeDomain": "threadTicks"})

    def value(self, expression: str) -> Any:
        """Something of the page."""
        return self.page.evaluate(expression)

    def until(self, condition: str) -> None:
        """Wait for something in the page."""
        end = time.monotonic() + _PATIENCE
        while not self.value(condition):
            if time.monotonic() > end:
                raise ResourceError(f"not within {_PATIENCE:.0f} s: {condition}", where="the page")
            time.sleep(0.01)

    def count(self) -> Count:
        """What has been drawn and used so far."""
        told = self.own.send("Performance.getMetrics")["metrics"]
        used = {one["name"]: one["value"] for one in told}
        processes = self.whole.send("SystemInfo.getProcessInfo")["processInfo"]
        return Count(
            time.perf_counter(),
            self.value("studio.drawn"),
            used["ScriptDuration"],
            used["TaskDuration"],
            sum(one["cpuTime"] for one in processes),
        )

    def during(self, seconds: float, act: Callable[[float], None]) -> dict[str, float]:
        """What each picture costs while something is done again and again.

        Args:
            act: is told the seconds since it began.
        """
        self.page.wait_for_timeout(2500)  # the quality has found its place
        before = self.count()
        while (now := time.perf_counter() - before.clock) < seconds:
            act(now)
        return self.count().since(before)


def main() -> None:
    """Measure and print."""
    parser = common.arguments("the studio in a browser")
    parser.add_argument("--seconds", type=float, default=6.0, help="of playing, and of turning")
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, default=800)
    parser.add_argument("--card", action="store_true", help="let the graphics card draw")
    options = parser.parse_args()
    folder = common.open_set(options)
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium") or shutil.which("chromium-browser")
    flags = [*ALWAYS, *(() if options.card else SOFTWARE)]
    with sync_playwright() as runs:
        browser = runs.chromium.launch(executable_path=program, args=flags)
        figures, rows = measured(browser, options)
        browser.close()
    least = 30.0 if options.card else 8.0
    slowest = min(figures[name]["pictures/s"] for name in ("playing", "turning"))
    longest = max(figures[name]["page"] for name in ("playing", "turning"))
    targets = [
        common.Target("first usable page within s", figures["usable s"], 6.0, digits=2),
        common.Target("prompt to moving figure within s", figures["moving s"], 1.5, digits=2),
        common.Target("pictures a second", slowest, least, True, 1),
        common.Target("the page's own ms, of the 33 at 30/s", longest, 1000 / 30, digits=1),
    ]
    header = ["", "pictures/s", "script ms", "page ms", "browser ms", "pixels drawn"]
    common.report(options, folder, [common.table(header, rows)], targets, figures)


def measured(browser: Any, options: Namespace) -> tuple[dict[str, Any], list[list[str]]]:
    """All figures, and those of each picture as rows of a table."""
    figures: dict[str, Any] = {}
    with serving(options) as (log, begun):
        tab = Tab(browser, options, ready(log))
        figures["usable s"] = time.perf_counter() - begun
        tab.page.fill("#prompt", PROMPT)
        asked = time.perf_counter()
        tab.page.press("#prompt", "Enter")
        tab.until("studio.playing && studio.frame > 0")
        figures["moving s"] = time.perf_counter() - asked
        tab.until("!studio.busy")
        box = tab.page.locator("#canvas").bounding_box()
        middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)

        def turn(now: float) -> None:
            x, y = (120 * wave(2 * now) for wave in (math.cos, math.sin))
            tab.page.mouse.move(middle[0] + x, middle[1] + y / 4)

        rows = []
        for name, act in (("playing", lambda now: time.sleep(0.1)), ("turning", turn)):
            if name == "turning":
                tab.page.click("#play")
                tab.page.mouse.move(*middle)
                tab.page.mouse.down()
                turn(0)
            figures[name] = each = tab.during(options.seconds, act)
            pixels = "x".join(f"{tab.value(f'canvas.{side}')}" for side in ("width", "height"))
            each_of = [f"{each[key]:.1f}" for key in ("pictures/s", "script", "page", "browser")]
            rows.append([name, *each_of, pixels])
        tab.page.mouse.up()
    return figures, rows


if __name__ == "__main__":
    common.run(main)
