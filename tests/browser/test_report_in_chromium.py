from collections.abc import Iterator
from pathlib import Path

import pytest

from stages import report as stage
from stages.params import load_params
from tests.browser.chromium import Page, browsing, find_chromium
from tests.reporting.finished_run import write_finished_run
from tests.reporting.hostile_run import SENTINEL, write_hostile_run

pytestmark = pytest.mark.browser

PROJECT = Path(__file__).parents[2]
WIDTHS = (1280, 390)


@pytest.fixture(scope="module", name="page")
def a_browser() -> Iterator[Page]:
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("no Chromium or Chrome is on the PATH")
    with browsing(chromium) as page:
        yield page


@pytest.fixture(scope="module", params=["finished", "hostile", "almost nothing"], name="report")
def a_report(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    write = write_hostile_run if request.param == "hostile" else write_finished_run
    write(folder)
    if request.param == "almost nothing":
        for path in folder.rglob("*.*"):
            if path.name != "sentences.parquet":
                path.unlink()
    report = folder / "reports" / "report.html"
    stage.run(load_params(PROJECT / "params.yaml"), folder=folder, report=report)
    return report


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
    assert asked == [report.as_uri()]


def test_no_planted_script_runs(page: Page, report: Path) -> None:
    page.open(report, width=1280)
    assert page.evaluate(f"typeof window.{SENTINEL}") == "undefined"
    assert page.evaluate("document.scripts.length") == 0


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
