import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from stages.reporting.sampling import drawn_rows, evenly_by_reason


def with_reasons(*reasons: str) -> pl.Series:
    return pl.Series("reason", reasons, dtype=pl.Categorical)


@given(rows=st.integers(0, 60), count=st.integers(0, 20), seed=st.integers(0, 9))
def test_a_sample_has_no_repetition_and_keeps_the_order(rows: int, count: int, seed: int) -> None:
    drawn = drawn_rows(rows, count, seed=seed)
    assert len(drawn) == min(rows, count)
    assert drawn == sorted(set(drawn))
    assert set(drawn) <= set(range(rows))


def test_equal_seeds_draw_equal_rows_and_other_seeds_others() -> None:
    assert drawn_rows(1000, 10, seed=1) == drawn_rows(1000, 10, seed=1)
    assert drawn_rows(1000, 10, seed=1) != drawn_rows(1000, 10, seed=2)


def test_a_rare_reason_is_seen_beside_a_common_one() -> None:
    table = with_reasons(*["common"] * 500, "rare", *["second"] * 40)
    drawn = table[evenly_by_reason(table, 9, seed=0)].to_list()
    assert drawn == ["common"] * 4 + ["second"] * 4 + ["rare"]


@given(st.lists(st.sampled_from("abcd"), max_size=40), st.integers(0, 12))
def test_the_draw_by_reason_is_as_large_as_it_can_be(reasons: list[str], count: int) -> None:
    drawn = evenly_by_reason(with_reasons(*reasons), count, seed=3)
    assert len(drawn) == len(set(drawn)) == min(len(reasons), count)
