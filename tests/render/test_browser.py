"""The page in a real browser: what its script does, under the page's own policy, and that nothing is loaded."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from audit.render.html import render
from audit.report.schema import Report
from tests.report.factory import make_evidence, make_report, make_trajectories

pytestmark = pytest.mark.browser

HOSTILE = "</script><img src=x onerror=alert(1)>\"'&-"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    with api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture
def show(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """Opens a report; fails on console errors, on errors of the script and on requests of the page."""
    complaints: list[str] = []
    contexts = []

    def opened(report: Report, **options: Any) -> Any:
        path = tmp_path / "report.html"
        path.write_text(render(report, make_evidence(report), make_trajectories(report)), encoding="utf-8")
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.on(
            "request", lambda request: re.match("file:|data:", request.url) or complaints.append(request.url)
        )
        page.goto(path.as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


def names(page: Any) -> list[str]:
    """Members of the gallery that can be seen, in order."""
    found: list[str] = page.eval_on_selector_all(
        ".match:not([hidden])", "cards => cards.map(card => card.dataset.name)"
    )
    return found


def test_the_gallery_can_be_filtered_and_sorted(show: Any) -> None:
    page = show(make_report())
    assert names(page) == [f"face-{i}" for i in range(5)]
    page.click("text=Confirmed 3")
    assert names(page) == ["face-0", "face-1", "face-2"]
    assert page.get_attribute("text=Confirmed 3", "aria-pressed") == "true"
    assert page.get_attribute("text=All 5", "aria-pressed") == "false"
    page.click("text=Recovered 4")
    assert len(names(page)) == 4
    page.select_option("#gallery-tools select", "contribution")
    assert names(page) == [f"face-{i}" for i in range(4)]
    page.select_option("#gallery-tools select", "p")
    assert names(page)[-1] == "face-3"


def test_keys_move_enlarge_and_come_back(show: Any) -> None:
    page = show(make_report())
    page.focus("#c0 .enlarge")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.closest('li').id") == "c1"
    page.keyboard.press("Enter")
    assert page.inner_text("#enlarged-name") == "face-1"
    assert page.locator("#enlarged img").count() == 3
    assert {"SSIM", "p-value", "Contribution (rank)", "confirmed"} <= set(
        page.inner_text("#enlarged dl").split("\n")
    )
    page.keyboard.press("ArrowRight")
    assert page.inner_text("#enlarged-place") == "3 of 5"
    page.keyboard.press("Escape")
    page.wait_for_function("document.activeElement.closest('li')?.id === 'c2'")
    assert not page.is_visible("#enlarged")


def test_the_table_can_be_searched_and_sorted(show: Any) -> None:
    page = show(make_report())
    rows = "#members-table tbody tr:not([hidden]) th"
    page.fill("#members-search", "confirmed kkt")
    assert page.locator(rows).all_inner_texts() == ["face-0", "face-1", "face-2"]
    page.fill("#members-search", "")
    head = page.locator("#members-table thead th", has_text=re.compile("^SSIM$"))
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert page.locator(rows).first.inner_text() == "face-5"
    page.click("#members-table a >> text=face-4")
    assert page.inner_text("#enlarged-name") == "face-4"


def test_hostile_names_are_only_names(show: Any) -> None:
    page = show(make_report(prefix=HOSTILE, checkpoint=HOSTILE))
    page.click("#c0 .enlarge")
    assert page.inner_text("#enlarged-name") == f"{HOSTILE}0"
    assert page.locator("img[src=x]").count() == 0


def test_without_scripts_everything_is_there(show: Any) -> None:
    page = show(make_report(), java_script_enabled=False)
    assert page.locator(".match:visible").count() == 5
    assert page.locator("button:visible").count() == 0
    assert page.locator("#members-table tbody tr:visible").count() == 6


@pytest.mark.parametrize("width", [390, 740, 1200])
@pytest.mark.parametrize("redacted", [False, True], ids=["plain", "redacted"])
def test_nothing_is_wider_than_the_window(show: Any, width: int, redacted: bool) -> None:
    page = show(make_report(redacted=redacted), viewport={"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_print_opens_all_and_leaves_out_what_cannot_be_pressed(show: Any) -> None:
    page = show(make_report(), color_scheme="dark")
    page.emulate_media(media="print")
    assert page.locator("button:not(th *):visible, input:visible, select:visible").count() == 0
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.pdf().startswith(b"%PDF")
