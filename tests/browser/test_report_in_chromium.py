"""The report as a browser shows it: at every size, in both colours, on paper, without scripts."""

import base64
from pathlib import Path

import pytest

from tests.browser.chromium import Page
from tests.reporting.hostile_run import SENTINEL

pytestmark = pytest.mark.browser

PROJECT = Path(__file__).parents[2]
SCRIPT = (PROJECT / "stages/reporting/page.js").read_text(encoding="utf-8")
WIDTHS = (1280, 390)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_report_opens_without_a_word_on_the_console(
    page: Page, report: Path, width: int
) -> None:
    page.open(report, width=width)
    assert page.evaluate("document.title").endswith("multicsr")
    for kind in ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown"):
        assert page.happened(kind) == []


def test_the_report_asks_nothing_of_the_network(page: Page, report: Path) -> None:
    page.open(report, width=1280)
    asked = [event["request"]["url"] for event in page.happened("Network.requestWillBeSent")]
    assert [url for url in asked if not url.startswith("data:")] == [report.as_uri()]


def test_no_planted_script_runs(page: Page, report: Path) -> None:
    page.open(report, width=1280)
    assert page.evaluate(f"typeof window.{SENTINEL}") == "undefined"
    scripts = page.evaluate("[...document.scripts].map(each => each.id || each.textContent)")
    assert set(scripts) <= {"triplet-data", SCRIPT}


def test_the_probe_sees_a_script_that_does_run(page: Page, tmp_path: Path) -> None:
    trap = tmp_path / "trap.html"
    trap.write_text(f"<script>window.{SENTINEL} = 1; console.error('x')</script><img src=no.png>")
    page.open(trap, width=1280)
    assert page.evaluate(f"typeof window.{SENTINEL}") == "number"
    assert page.happened("Runtime.consoleAPICalled")
    assert len(page.happened("Network.requestWillBeSent")) == 2


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_never_scrolls_sideways(page: Page, report: Path, width: int) -> None:
    page.open(report, width=width)
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(("width", "shown"), [(1280, "laptop"), (390, "phone")])
def test_each_screen_gets_the_drawing_made_for_it(
    page: Page, report: Path, width: int, shown: str
) -> None:
    page.open(report, width=width)
    visible = (
        "[...new Set([...document.querySelectorAll('.laptop, .phone')]"
        ".filter(each => each.offsetWidth > 0).map(each => each.className))]"
    )
    assert page.evaluate(visible) in ([shown], [])


def test_light_and_dark_follow_the_system_until_the_reader_chooses(
    page: Page, report: Path
) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    page.open(report, width=1280, dark=False)
    light = page.evaluate(paper)
    page.evaluate("document.getElementById('theme-dark').click()")
    chosen = page.evaluate(paper)
    page.open(report, width=1280, dark=True)
    dark = page.evaluate(paper)
    assert light != dark
    assert chosen == dark


OPEN_ALL = "document.querySelectorAll('details').forEach(each => each.open = true)"


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, False), (1280, True)])
def test_axe_finds_nothing_serious(
    page: Page, report: Path, axe: str, width: int, dark: bool
) -> None:
    page.open(report, width=width, dark=dark)
    page.evaluate(OPEN_ALL)
    page.evaluate(axe)
    found = page.evaluate(
        "axe.run({resultTypes: ['violations', 'passes']}).then(r => ({passes: r.passes.length,"
        " violations: r.violations.map(v => [v.impact, v.id, v.nodes.slice(0, 3).map(n => n.html)])"
        "}))"
    )
    assert found["passes"] > 15
    assert [v for v in found["violations"] if v[0] in {"serious", "critical"}] == []


def test_axe_sees_what_is_wrong(page: Page, axe: str, tmp_path: Path) -> None:
    bad = tmp_path / "bad.html"
    bad.write_text("<p style='color:#eee;background:#fff'>faint</p><img src='data:,'><input>")
    page.open(bad, width=1280)
    page.evaluate(axe)
    found = page.evaluate("axe.run().then(r => r.violations.map(v => v.id))")
    assert {"color-contrast", "image-alt", "label", "html-has-lang"} <= set(found)


def test_on_paper_all_details_are_open_and_nothing_is_cut_off(page: Page, report: Path) -> None:
    page.open(report, width=794, media="print", dark=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 794
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("document.querySelector('nav').offsetHeight") == 0
    closed = (
        "[...document.querySelectorAll('details > :not(summary)')]"
        ".filter(each => !each.closest('figure') && !each.offsetHeight).length"
    )
    assert page.evaluate(closed) == 0
    pdf = base64.b64decode(page.ask("Page.printToPDF", printBackground=True)["data"])
    assert pdf.startswith(b"%PDF")


def test_the_keyboard_reaches_the_result_first_and_the_focus_is_seen(
    page: Page, report: Path
) -> None:
    page.open(report, width=1280)
    page.press("Tab", 9)
    focused = page.evaluate(
        "[document.activeElement.getAttribute('href'),"
        " getComputedStyle(document.activeElement).outlineStyle,"
        " document.activeElement.getBoundingClientRect().left >= 0]"
    )
    assert focused == ["#result", "solid", True]


def test_the_page_stays_below_ten_megabytes(report: Path) -> None:
    assert report.stat().st_size < 10_000_000
