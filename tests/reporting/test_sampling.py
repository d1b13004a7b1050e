import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from stages.reporting.sampling import evenly_by_reason, sample_rows


def numbered(rows: int) -> pl.DataFrame:
    return pl.DataFrame({"row": range(rows)}, schema={"row": pl.Int64})


def with_reasons(*reasons: str) -> pl.DataFrame:
    return pl.DataFrame({"row": range(len(reasons)), "reason": reasons})


@given(rows=st.integers(0, 60), count=st.integers(0, 20), seed=st.integers(0, 9))
def test_a_sample_has_no_repetition_and_keeps_the_order(rows: int, count: int, seed: int) -> None:
    drawn = sample_rows(numbered(rows), count, seed=seed)["row"].to_list()
    assert len(drawn) == min(rows, count)
    assert drawn == sorted(set(drawn))


def test_equal_seeds_draw_equal_rows_and_other_seeds_others() -> None:
    table = numbered(1000)
    assert sample_rows(table, 10, seed=1).equals(sample_rows(table, 10, seed=1))
    assert not sample_rows(table, 10, seed=1).equals(sample_rows(table, 10, seed=2))


def test_a_rare_reason_is_seen_beside_a_common_one() -> None:
    table = with_reasons(*["common"] * 500, "rare", *["second"] * 40)
    drawn = evenly_by_reason(table, 9, seed=0)["reason"].to_list()
    assert drawn == ["common"] * 4 + ["second"] * 4 + ["rare"]


@given(st.lists(st.sampled_from("abcd"), max_size=40), st.integers(0, 12))
def test_the_draw_by_reason_is_as_large_as_it_can_be(reasons: list[str], count: int) -> None:
    table = with_reasons(*reasons) if reasons else with_reasons("a").clear()
    drawn = evenly_by_reason(table, count, seed=3)["row"].to_list()
    assert len(drawn) == len(set(drawn)) == min(len(reasons), count)
