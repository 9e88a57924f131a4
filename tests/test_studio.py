"""The studio in a real browser with the model that ships: from a sentence to a file."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import imageio_ffmpeg
import node
import numpy as np
import pytest
from browser import OUT, Tab, chromium
from people import person
from served import Real
from test_glb import validate, validator

from motiongpt3.motion.motion import Motion

__all__ = ["validator"]  # a fixture
WAVE = "a person waves the left hand"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, browser: Any) -> Iterator[Real]:
    begun = time.perf_counter()
    with Real(tmp_path_factory.mktemp("store")) as served:
        print(f"ready after {time.perf_counter() - begun:.1f} s")
        yield served


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as runs:
        yield runs


@pytest.fixture
def tab(server: Real, browser: Any) -> Iterator[Tab]:
    with Tab(browser, server.url) as page:
        yield page


def rise(tab: Tab, joint: str) -> float:
    """How far a joint of the motion on stage goes above where it begins, metres."""
    heights = tab.value(
        f"Array.from({{length: studio.frames}}, (_, f) => studio.joint('{joint}', f)[1])"
    )
    return float(max(heights) - heights[0])


def positions(tab: Tab, first: int, last: int) -> np.ndarray:
    """Where hands and feet are from one frame to another."""
    joints = ["left_wrist", "right_wrist", "left_ankle", "right_ankle", "head"]
    return np.array([[tab.joint(name, frame) for name in joints] for frame in range(first, last)])


def select(tab: Tab, first: float, last: float) -> None:
    """Drag over a part of the timeline, as shares of it."""
    box = tab.page.locator("#lane").bounding_box()
    assert box is not None
    y, (left, right) = box["y"] + 20, (box["x"] + 8, box["x"] + box["width"] - 8)
    tab.page.mouse.move(left + first * (right - left), y)
    tab.page.mouse.down()
    tab.page.mouse.move(left + (first + last) / 2 * (right - left), y)
    tab.page.mouse.move(left + last * (right - left), y)
    tab.page.mouse.up()


def test_a_sentence_moves_a_figure(server: Real, browser: Any) -> None:
    begun = time.perf_counter()
    with Tab(browser, server.url) as tab:
        usable = time.perf_counter() - begun
        tab.shoot("1-empty")
        tab.page.fill("#prompt", WAVE)
        begun = time.perf_counter()
        tab.page.press("#prompt", "Enter")
        tab.until("studio.playing && studio.frame > 0")
        print(f"usable after {usable:.2f} s, moving after {time.perf_counter() - begun:.2f} s")
        tab.free()
        assert rise(tab, "left_wrist") >= 0.25
        assert rise(tab, "right_wrist") < 0.25
        drawn, begun = tab.value("studio.drawn"), time.perf_counter()
        tab.until(f"studio.drawn > {drawn + 5}")
        rate = 6 / (time.perf_counter() - begun)
        print(f"{rate:.1f} pictures/s, {tab.value('studio.ratio'):.2f} of the pixels")
        tab.stand()
        scrub, stage = tab.page.locator("#scrub"), tab.page.locator("#canvas")
        pictures = []
        for frame in ("0", "20"):
            scrub.fill(frame)
            tab.until(f"studio.frame === {frame}")
            pictures.append(stage.screenshot())
        assert pictures[0] != pictures[1]
        tab.shoot("2-sentence")
        assert tab.page.inner_text("#text") == WAVE
        tab.page.click("#describe")
        tab.until("document.querySelector('#said').textContent.length > 20")
        assert tab.errors == []


def test_a_variant_is_picked_and_steps_are_undone(tab: Tab) -> None:
    tab.page.keyboard.press("d")
    tab.make("a person jumps", samples=4)
    tab.until("studio.frame > 25")
    tab.stand()
    tab.shoot("variants")
    assert tab.page.is_disabled("#continue")
    tab.page.click("#panes button:nth-child(3)")
    tab.until("studio.picked === 2 && studio.figures === 1")
    tab.page.click("#undo")
    tab.until("studio.picked === null && studio.figures === 4")
    tab.page.click("#redo")
    tab.until("studio.picked === 2 && studio.figures === 1")
    assert not tab.page.is_disabled("#continue")
    assert tab.errors == []


def test_the_middle_second_is_made_anew_and_the_rest_stays(tab: Tab) -> None:
    tab.page.uncheck("#auto")
    tab.page.fill("#length", "3")
    tab.make("a person walks")
    tab.stand()
    tab.page.locator("#scrub").fill("30")
    frames = tab.value("studio.frames")
    assert frames == 60
    before = positions(tab, 0, frames)
    select(tab, 1 / 3, 2 / 3)
    first, last = tab.value("studio.selection")
    assert abs(first - 20) <= 1 and abs(last - 39) <= 1
    tab.page.fill("#change", "a person waves the left hand")
    tab.shoot("3-middle")
    tab.page.click("#fill")
    tab.until("!studio.busy && studio.history[0].how === 'filled'")
    tab.until("studio.figures === 1 && studio.frame > 0")
    after = positions(tab, 0, frames)
    np.testing.assert_allclose(after[:first], before[:first], atol=1e-5)
    assert np.abs(after[first:last] - before[first:last]).max() > 0.1
    tab.page.keyboard.press("Escape")
    tab.page.click("#undo")
    tab.until("studio.history[0].id !== studio.motions[0].id")
    tab.until(f"Math.abs(studio.joint('head', 25)[0] - {before[25, 4, 0]}) < 1e-4")
    assert tab.errors == []


def test_a_motion_goes_on_is_cut_and_joined(tab: Tab) -> None:
    tab.make("a person walks")
    frames = tab.value("studio.frames")
    tab.page.click("#continue")
    tab.until(f"!studio.busy && studio.frames === {frames + 40}")
    tab.stand()
    select(tab, 0.25, 0.5)
    first, last = tab.value("studio.selection")
    tab.page.click("#remove")
    tab.until(f"!studio.busy && studio.frames === {frames + 40 - (last - first)}")
    select(tab, 0.25, 0.5)
    first, last = tab.value("studio.selection")
    tab.page.click("#trim")
    tab.until(f"!studio.busy && studio.frames === {last - first}")
    for way, more in (("0", 0), ("1", 20)):
        tab.page.click("#join")
        tab.page.select_option("#way", way)
        other = tab.value("Math.round(studio.history[0].seconds * 20)")
        now = tab.value("studio.frames")
        tab.page.click("#joining button[value=join]")
        tab.until(f"!studio.busy && studio.frames === {now + other + more}")
    assert tab.errors == []


def test_downloads_are_what_they_say(tab: Tab, tmp_path: Path, validator: Path) -> None:
    tab.make(WAVE)
    paths = {}
    for suffix in ("bvh", "npz", "glb", "mp4"):
        with tab.page.expect_download() as waits:
            tab.page.click(f"#get-{suffix}")
        assert waits.value.suggested_filename == f"a-person-waves-the-left-hand.{suffix}"
        paths[suffix] = tmp_path / f"a.{suffix}"
        waits.value.save_as(paths[suffix])
        tab.free()
    wrist = tab.joint("left_wrist", 10)
    for suffix, close in (("bvh", 0.06), ("npz", 1e-4)):  # a BVH's bones are rigid
        motion = Motion.read(paths[suffix])
        assert len(motion) == tab.value("studio.frames")
        placed = motion.joints[10, 20] - motion.joints[0, 0] * [1, 0, 1]
        np.testing.assert_allclose(placed[[0, 2]], np.array(wrist)[[0, 2]], atol=close)
    assert validate(paths["glb"], validator)["issues"]["numErrors"] == 0
    frames, seconds = imageio_ffmpeg.count_frames_and_secs(str(paths["mp4"]))
    assert frames > 20 and seconds == pytest.approx(
        tab.value("studio.frames / studio.fps"), abs=0.2
    )
    assert tab.errors == []


def test_the_glb_opens_in_another_viewer(
    server: Real, browser: Any, pytestconfig: pytest.Config
) -> None:
    dist = node.modules(pytestconfig) / "@google/model-viewer/dist"
    name = server.kept(text=WAVE, seconds=None)
    glb = server.http.get(f"/v1/motions/{name}/file", params={"format": "glb"}).content
    page = browser.new_page(viewport={"width": 640, "height": 420})
    files = {
        "/": ("text/html", (Path(__file__).parent / "viewer.html").read_bytes()),
        "/viewer.js": ("text/javascript", (dist / "model-viewer.min.js").read_bytes()),
        "/wave.glb": ("model/gltf-binary", glb),
    }

    def answer(route: Any) -> None:
        kind, body = files[httpx.URL(route.request.url).path]
        route.fulfill(content_type=kind, body=body)

    page.route("http://viewer.test/**", answer)
    page.goto("http://viewer.test/")
    page.wait_for_function("document.querySelector('model-viewer').loaded", timeout=60_000)
    assert page.evaluate("document.querySelector('model-viewer').availableAnimations.length") == 1
    page.evaluate(
        """() => {
            const viewer = document.querySelector("model-viewer");
            viewer.play();
            viewer.pause();
            viewer.currentTime = 1.2;
        }"""
    )
    page.wait_for_timeout(1500)
    page.screenshot(path=OUT / "4-viewer.png", timeout=60_000)
    page.close()


def test_history_survives_and_links_lead_back(server: Real, tab: Tab) -> None:
    tab.make("a person bows")
    tab.make(WAVE)
    first, second = (entry["id"] for entry in tab.value("studio.history"))
    tab.page.click("#link")
    link = tab.value("navigator.clipboard.readText()")
    assert link == f"{server.url}/#{first}"
    server.http.delete(f"/v1/motions/{second}")
    tab.page.reload()
    tab.page.wait_for_selector("body.ready")
    tab.until(f"studio.figures === 1 && studio.motions[0].id === '{first}'")
    rows = tab.page.locator("#history li")
    assert [rows.nth(i).locator(".text").inner_text() for i in (0, 1)] == [WAVE, "a person bows"]
    assert "gone from the server" in rows.nth(1).inner_text()
    assert rows.nth(1).locator("button").is_disabled()
    assert tab.errors == []


def test_files_come_in_and_bad_ones_are_told(tab: Tab, tmp_path: Path) -> None:
    bad = {"name": "bad.bvh", "mimeType": "text/plain", "buffer": b"root:x:0:0"}
    tab.page.set_input_files("#file", files=[bad])
    tab.page.wait_for_selector("[role=alert]")
    assert "HIERARCHY" in tab.page.inner_text("[role=alert]")
    path = person(3, 50).write(tmp_path / "mine.bvh")
    tab.page.evaluate(
        """([name, text]) => {
            const files = new DataTransfer();
            files.items.add(new File([text], name));
            const how = { dataTransfer: files, bubbles: true };
            document.body.dispatchEvent(new DragEvent("drop", how));
        }""",
        ["mine.bvh", path.read_text()],
    )
    tab.until("studio.figures === 1 && studio.frames === 50")
    assert tab.page.inner_text("#text") == "mine.bvh"
    assert tab.page.locator("[role=alert]").count() == 0  # what is over is taken away
    assert all("422" in error for error in tab.errors)  # the browser's own word on the bad file
