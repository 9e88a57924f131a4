"""The studio against those who mean harm, and for those who do not use a mouse; a stub's model."""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import node
import pytest
from browser import Tab, chromium
from served import Served

KEY = "0123456789abcdef-key"

PAYLOADS = """
<script>window.pwned=1</script>
<img src=x onerror=window.pwned=1>
<svg onload=window.pwned=1>
"><script>window.pwned=1</script>
'><img src=x onerror='window.pwned=1'>
<iframe srcdoc="<script>parent.pwned=1</script>">
<a href="javascript:window.pwned=1">x</a>
javascript:window.pwned=1
</textarea><script>window.pwned=1</script>
</p><style>*{display:none}</style>
<details open ontoggle=window.pwned=1>
<math><mtext></mtext><mglyph><svg><mtext><style><img src=x onerror=window.pwned=1>
<body onload=window.pwned=1>
<input autofocus onfocus=window.pwned=1>
<base href="http://elsewhere.test/">
<meta http-equiv="refresh" content="0;url=http://elsewhere.test/">
<link rel=stylesheet href=http://elsewhere.test/x.css>
<object data="data:text/html,<script>parent.pwned=1</script>"></object>
${window.pwned=1}{{constructor.constructor('window.pwned=1')()}}
%3Cscript%3Ewindow.pwned=1%3C/script%3E &lt;script&gt;window.pwned=1&lt;/script&gt;
""".strip().splitlines()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as runs:
        yield runs


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, browser: Any) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("store")) as served:
        yield served


@pytest.fixture
def tab(server: Served, browser: Any) -> Iterator[Tab]:
    with Tab(browser, server.url) as page:
        yield page


def test_what_others_wrote_stays_text(tab: Tab) -> None:
    assert len(PAYLOADS) == 20
    for payload in PAYLOADS:
        tab.page.fill("#prompt", payload)
        tab.page.click("#go")
        tab.until("!studio.busy && studio.history.length && studio.motions.length === 1")
        tab.until(f"document.querySelector('#text').textContent === {payload!r}")
    file = {
        "name": "<img src=x onerror=window.pwned=1>.bvh",
        "mimeType": "",
        "buffer": b"HIERARCHY",
    }
    tab.page.set_input_files("#file", files=[file])
    tab.page.wait_for_selector("[role=alert]")
    tab.page.reload()
    tab.page.wait_for_selector("body.ready")
    assert tab.page.locator("#history .text").all_inner_texts() == PAYLOADS[::-1]
    assert tab.page.locator("#history img, #history script, #what script, iframe").count() == 0
    assert tab.value("window.pwned") is None
    assert all("422" in error for error in tab.errors)


DRIVEN = """async ([url, name]) => {
    const post = (path, more) => fetch(url + path, { method: "POST", ...more });
    const text = JSON.stringify({ text: "walks" });
    const blind = { mode: "no-cors", body: text };
    const json = { body: text, headers: { "content-type": "application/json" } };
    const frame = document.createElement("iframe");
    const form = document.createElement("form");
    frame.name = "frame";
    const field = document.createElement("input");
    Object.assign(field, { name: '{"text":"', value: '"}' });
    Object.assign(form, { action: `${url}/v1/generate`, method: "post", target: "frame" });
    form.enctype = "text/plain";
    form.append(field);
    document.body.append(frame, form);
    form.submit();
    const picture = new Image();
    picture.src = `${url}/v1/search?text=walks`;
    const tried = await Promise.allSettled([
        post("/v1/generate", blind),
        post("/v1/generate", json),
        post("/v1/jobs", { ...blind, body: `{"generate": ${text}}` }),
        post("/v1/motions?format=bvh", blind),
        fetch(`${url}/v1/motions/${name}`, { method: "DELETE" }),
        fetch(`${url}/v1/motions/${name}/joints`),
        fetch(`${url}/v1/motions/${name}/joints`, { mode: "no-cors" }),
        fetch(`${url}/metrics`),
    ]);
    await new Promise((done) => setTimeout(done, 500));
    return tried.map(({ value }) => value?.status ?? 0);
}"""


def test_a_page_of_another_origin_cannot_drive_the_server(server: Served, browser: Any) -> None:
    name = server.kept()
    before = done(server)
    page = browser.new_page()
    # The same machine, another port: as near as a stranger's page gets.
    page.route("http://127.0.0.1:4321/**", lambda route: route.fulfill(body="<p>hello</p>"))
    page.goto("http://127.0.0.1:4321/")
    assert page.evaluate(DRIVEN, [server.url, name]) == [0] * 8  # and nothing can be read
    page.close()
    assert done(server) == before
    assert server.http.get(f"/v1/motions/{name}").status_code == 200


def done(server: Served) -> list[str]:
    """What a server says of motions it has made and kept, and of jobs it has begun."""
    counted = r"^motiongpt3_(?:store_motions|batch_requests_sum|.*\"POST\",route=\"/v1/jobs\").*$"
    told = re.findall(counted, server.http.get("/metrics").text, re.M)
    assert len(told) >= 2
    return told


def test_whoever_has_it_dark_never_sees_it_light(server: Served, browser: Any) -> None:
    page = browser.new_page(color_scheme="dark")
    page.route("**/studio.js", lambda route: route.abort())  # the first picture is before it
    page.goto(server.url)
    back = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(back) == "rgb(15, 18, 23)"
    page.close()
    with Tab(browser, server.url) as tab:
        tab.page.keyboard.press("d")
        assert tab.value(back) == "rgb(15, 18, 23)"
        assert tab.value("document.getAnimations().length") == 0  # no fading either


def test_progress_is_shown_and_work_is_cancelled(tab: Tab) -> None:
    tab.page.fill("#prompt", "slow")
    tab.page.press("#prompt", "Enter")
    tab.page.wait_for_selector("#busy", state="visible")
    tab.until("document.querySelector('#busy-bar').value > 2")
    assert tab.page.is_disabled("#go")
    tab.page.click("#cancel")
    tab.free()
    assert "Cancelled" in tab.page.inner_text("#notices")
    tab.make("walks")
    tab.page.fill("#prompt", "wrong")
    tab.page.press("#prompt", "Enter")
    tab.page.wait_for_selector("[role=alert]")
    assert "Say something else" in tab.page.inner_text("[role=alert]")
    assert tab.errors == []


def test_the_keyboard_alone_is_enough(tab: Tab) -> None:
    page = tab.page
    page.keyboard.press("/")
    page.keyboard.type("a person walks")
    page.keyboard.press("Enter")
    tab.until("studio.figures === 1 && studio.playing")
    page.keyboard.press("Escape")
    page.keyboard.press(" ")
    tab.until("!studio.playing")
    page.keyboard.press("Home")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("i")
    for _ in range(8):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("o")
    assert tab.value("studio.selection") == [3, 11]
    page.focus("#to")
    page.keyboard.press("ArrowRight")
    assert tab.value("studio.selection") == [3, 12]
    page.keyboard.press("?")
    page.wait_for_selector("#keys", state="visible")
    page.keyboard.press("Escape")
    page.wait_for_selector("#keys", state="hidden")
    page.focus("#canvas")
    before = page.locator("#canvas").screenshot()
    for _ in range(4):
        page.keyboard.press("ArrowLeft")
    time.sleep(0.3)
    assert page.locator("#canvas").screenshot() != before
    reached = set()
    page.focus("#undo")
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(tab.value("document.activeElement.id"))
    wanted = "open theme help prompt seed go canvas play scrub from to change trim describe get-glb"
    assert set(wanted.split()) <= reached
    assert tab.errors == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(
    scheme: str, server: Served, browser: Any, pytestconfig: pytest.Config
) -> None:
    axe = (node.modules(pytestconfig) / "axe-core/axe.min.js").read_text()
    with Tab(browser, server.url, color_scheme=scheme, bypass_csp=True) as tab:
        tab.page.add_script_tag(content=axe)
        check(tab, "empty")
        tab.make("walks", samples=3)
        check(tab, "variants")
        tab.page.keyboard.press("1")
        tab.until("studio.picked === 0")
        tab.page.click("#help")
        check(tab, "keys")
        tab.page.keyboard.press("Escape")
        tab.page.fill("#prompt", "wrong")
        tab.page.press("#prompt", "Enter")
        tab.page.wait_for_selector("[role=alert]")
        tab.page.keyboard.press("Escape")
        tab.page.keyboard.press("i")
        check(tab, "refused")
        tab.shoot(scheme)


def check(tab: Tab, state: str) -> None:
    """No serious or critical fault is found in what is shown, once it stands still."""
    tab.until("document.getAnimations().every((one) => one.playState !== 'running')")
    found = tab.value("axe.run().then((result) => result.violations)")
    grave = [
        (fault["id"], fault["help"], [one["target"] for one in fault["nodes"]])
        for fault in found
        if fault["impact"] in ("serious", "critical")
    ]
    assert grave == [], state


def test_a_phone_shows_all_of_it(server: Served, browser: Any) -> None:
    phone = {"viewport": {"width": 375, "height": 812}, "has_touch": True, "is_mobile": True}
    with Tab(browser, server.url, **phone) as tab:
        tab.page.click("#options summary")
        for samples in (4, 1):
            tab.make("a person walks forward and turns around and waves", samples)
            wide = tab.value(
                """[...document.querySelectorAll("body *")].filter((element) => {
                    const { left, right, width } = element.getBoundingClientRect();
                    const chips = element.closest(".chips"); // these may be pushed aside
                    return width && !chips && (left < 0 || right > 375.5);
                }).map((element) => element.id || element.className || element.tagName)"""
            )
            assert wide == []
            assert tab.value("document.documentElement.scrollWidth") == 375
            tab.shoot(f"phone-{samples}", full_page=True)
        assert tab.errors == []


def test_a_key_is_asked_for_and_kept_for_the_tab(browser: Any, tmp_path: Path) -> None:
    with Served(tmp_path / "store", access={"keys": [KEY]}) as server:
        page = browser.new_page()
        page.set_default_timeout(60_000)
        page.goto(server.url)
        page.fill("#key", "wrong-key-0123456789")
        page.press("#key", "Enter")
        page.get_by_text("not one of the server's").wait_for()
        page.fill("#key", KEY)
        page.press("#key", "Enter")
        page.wait_for_selector("body.ready")
        page.reload()
        page.wait_for_selector("body.ready")
        assert not page.is_visible("#asking")
        page.close()
