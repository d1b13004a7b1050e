"""Answers about some triplets find their places among all."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from stages.judges.partly import spread
from stages.tables.rows import RowsInMemory, SomeRows
from stages.tables.schemas import SCORED, TRIPLETS
from tests.curation.tables_at_hand import curated


@given(st.lists(st.booleans(), max_size=30), st.integers(1, 12), st.integers(1, 12))
def test_who_was_asked_about_has_the_answer_and_nobody_else(
    asked: list[bool], cut: int, at_once: int
) -> None:
    whole = curated(len(asked)).with_columns(
        pl.int_range(pl.len()).cast(pl.Float64).alias("entailment_score")
    )
    mask = pl.Series(asked, dtype=pl.Boolean)
    rows = RowsInMemory(whole.select(TRIPLETS.keys()))
    said = RowsInMemory(whole.filter(mask)).parts(cut)
    parts = list(spread(said, rows, mask, at_once=at_once))
    assert all(len(part) == at_once for part in parts[:-1])
    together = pl.concat([pl.DataFrame(schema=SCORED), *parts])
    assert together.filter(mask).equals(whole.filter(mask).select(SCORED.keys()))
    others = together.filter(~mask)
    assert others.select(TRIPLETS.keys()).equals(whole.filter(~mask).select(TRIPLETS.keys()))
    assert others["entailment_score"].null_count() == len(others)
    assert set(others["contradiction_answer"]) <= {""}
    assert others["entailment_scores"].to_list() == [[None]] * len(others)


@given(st.lists(st.booleans(), max_size=30), st.integers(1, 12), st.integers(0, 31))
def test_some_rows_are_those_of_the_table_that_are_chosen(
    chosen: list[bool], cut: int, start: int
) -> None:
    table = curated(len(chosen))
    mask = pl.Series(chosen, dtype=pl.Boolean)
    some = SomeRows(RowsInMemory(table), mask)
    wanted = table.filter(mask)
    assert (len(some), some.columns) == (len(wanted), wanted.columns)
    assert pl.concat([table.clear(), *some.parts(cut)]).equals(wanted)
    assert some.part(start, cut).equals(wanted.slice(start, cut))
    assert some.digest == RowsInMemory(wanted).digest
