"""The search over the triplets that stand in the page: no network, no markup from data."""

from pathlib import Path

import polars as pl
import pytest

from stages.reporting.browsing import FIRST_ROWS
from tests.browser.chromium import Page
from tests.reporting.hostile_run import SENTINEL

pytestmark = pytest.mark.browser

COUNT = "document.getElementById('triplet-count').textContent"
CARDS = "document.querySelectorAll('#triplet-list li').length"


@pytest.fixture(name="triplets")
def those_of_the_run(reports: dict[str, Path]) -> pl.DataFrame:
    data = reports["finished"].parents[1] / "data"
    kept = pl.read_parquet(data / "curated.parquet").with_columns(reason=pl.lit("kept"))
    return pl.concat([kept, pl.read_parquet(data / "rejected.parquet")])


@pytest.fixture(name="shown")
def the_finished_report(page: Page, reports: dict[str, Path]) -> Page:
    page.open(reports["finished"], width=1280)
    return page


def choose(page: Page, *, words: str = "", fate: str = "", order: str = "") -> None:
    """Fill in the search as a person would and send it off."""
    for name, value in (("words", words), ("fate", fate), ("order", order)):
        page.evaluate(f"document.getElementById('triplet-{name}').value = {value!r}")
    page.evaluate("document.getElementById('triplet-search').requestSubmit()")


def test_words_are_found_in_any_sentence_whatever_their_case(
    shown: Page, triplets: pl.DataFrame
) -> None:
    choose(shown, words="FERRY  morning")
    both = pl.col("premise").str.contains("ferry") & pl.col("premise").str.contains("morning")
    wanted = triplets.filter(both)
    assert shown.evaluate(COUNT) == f"{len(wanted)} of {len(triplets)} triplets."
    texts = shown.evaluate("document.getElementById('triplet-list').textContent.toLowerCase()")
    assert texts.count("ferry") >= FIRST_ROWS


def test_the_filter_knows_every_reason_and_all_together(
    shown: Page, triplets: pl.DataFrame
) -> None:
    options = shown.evaluate(
        "[...document.querySelectorAll('#triplet-fate option')].map(o => [o.value, o.text])"
    )
    seen = {}
    for value, text in options:
        choose(shown, fate=value)
        seen[text.rpartition(" (")[0]] = int(shown.evaluate(COUNT).split(" of ")[0])
        assert text.endswith(f"({seen[text.rpartition(' (')[0]]})")
    kept = int((triplets["reason"] == "kept").sum())
    assert (seen["all"], seen["kept"]) == (len(triplets), kept)
    assert seen["rejected, any reason"] == len(triplets) - kept
    assert sum(seen.values()) == 2 * len(triplets) + len(triplets) - kept


def test_pages_hold_every_triplet_once(shown: Page, triplets: pl.DataFrame) -> None:
    choose(shown, fate="rejected")
    shown_premises, pages = [], 0
    while True:
        shown_premises += shown.evaluate(
            "[...document.querySelectorAll('[data-part=premise]')].map(each => each.textContent)"
        )
        pages += 1
        if shown.evaluate("document.getElementById('triplet-on').disabled"):
            break
        shown.evaluate("document.getElementById('triplet-on').click()")
    rejected = triplets.filter(pl.col("reason") != "kept").sort("id")
    assert shown_premises == rejected["premise"].to_list()
    assert pages == -(-len(rejected) // FIRST_ROWS)
    assert shown.evaluate("document.getElementById('triplet-back').disabled") is False


def test_the_order_is_by_the_gap_and_leaves_out_what_nobody_judged(
    shown: Page, triplets: pl.DataFrame
) -> None:
    choose(shown, order="up")
    gaps = (triplets["entailment_score"] - triplets["contradiction_score"]).drop_nulls()
    assert shown.evaluate(COUNT).startswith(f"{len(gaps)} of")
    first = shown.evaluate(
        "['a', 'b'].map(p => document.querySelector(`[data-part=${p}]`).textContent)"
    )
    assert float(first[0]) - float(first[1]) == pytest.approx(gaps.min(), abs=0.011)


def test_nothing_found_is_said(shown: Page) -> None:
    choose(shown, words="no such words anywhere")
    assert shown.evaluate(COUNT) == "No triplet fits."
    assert shown.evaluate(CARDS) == 0
    choose(shown)
    assert shown.evaluate(CARDS) == FIRST_ROWS


def test_typing_alone_searches(shown: Page) -> None:
    shown.evaluate("document.getElementById('triplet-words').focus()")
    shown.ask("Input.insertText", text="password")
    shown.evaluate("new Promise(done => setTimeout(done, 400))")
    assert " of 500 triplets." in shown.evaluate(COUNT)
    assert not shown.evaluate(COUNT).startswith("500")


def test_hostile_triplets_stay_text_on_every_page(page: Page, reports: dict[str, Path]) -> None:
    page.open(reports["hostile"], width=390)
    for _ in range(4):
        page.evaluate("document.getElementById('triplet-on').click()")
    choose(page, words="<script>")
    assert page.evaluate(CARDS) > 0
    assert (
        page.evaluate("document.querySelectorAll('#triplet-list script, #triplet-list img').length")
        == 0
    )
    assert page.evaluate(f"typeof window.{SENTINEL}") == "undefined"
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for kind in ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown"):
        assert page.happened(kind) == []


def test_without_scripts_the_first_triplets_are_there_and_no_dead_form(
    page: Page, reports: dict[str, Path]
) -> None:
    page.open(reports["finished"], width=1280, scripts=False)
    assert page.evaluate(CARDS) == FIRST_ROWS
    assert page.evaluate("document.getElementById('triplet-search').offsetHeight") == 0
    assert page.evaluate("document.getElementById('triplet-without-script').offsetHeight") > 0
    page.open(reports["finished"], width=1280)
    assert page.evaluate("document.getElementById('triplet-search').offsetHeight") > 0


def test_a_link_to_errors_opens_them(shown: Page) -> None:
    shown.evaluate("document.querySelector('a[href=\\'#errors-2\\']').click()")
    shown.evaluate("new Promise(done => setTimeout(done, 200))")
    assert shown.evaluate("document.getElementById('errors-2').closest('details').open")
    assert not shown.evaluate("document.getElementById('errors-1').closest('details').open")
