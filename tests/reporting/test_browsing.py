"""The triplets in the page: all, or a fair part that fits; never more bytes than promised."""

import json
import random

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.reporting.browsing import FIRST_ROWS, KEPT, Browsable, browsable
from stages.tables.schemas import CURATED, REJECTED
from tests.reporting.finished_run import triplet
from tests.reporting.hostile_run import ATTACKS


def tables(kept: int, rejected: int, *, reason: str = "unfinished") -> list[pl.DataFrame]:
    rows = [triplet(random.Random(n), n) for n in range(kept + rejected)]
    random.Random(1).shuffle(rows)
    wrong = [{**row, "reason": reason} for row in rows[kept:]]
    return [
        pl.DataFrame([{name: row[name] for name in schema} for row in some], schema=schema)
        for some, schema in ((rows[:kept], CURATED), (wrong, REJECTED))
    ]


def parts(kept: pl.DataFrame | None, rejected: pl.DataFrame | None) -> list[pl.DataFrame]:
    """Give both tables a few rows at a time."""
    known = [] if kept is None else [kept.with_columns(reason=pl.lit(KEPT))]
    known += [] if rejected is None else [rejected]
    return [part for table in known for part in table.iter_slices(7)]


def found(kept: pl.DataFrame | None, rejected: pl.DataFrame | None, **rest: int) -> Browsable:
    result = browsable(parts(kept, rejected), **rest)
    assert result is not None
    return result


def test_every_triplet_is_there_once_by_id_with_what_became_of_it() -> None:
    kept, rejected = tables(20, 30)
    result = found(kept, rejected)
    data = json.loads(result.data)
    assert (result.total, result.shown, len(data["rows"])) == (50, 50, 50)
    assert [row[0] for row in data["rows"]].count(0) == 20
    everything = pl.concat([kept.select("id", "premise"), rejected.select("id", "premise")])
    assert [row[1] for row in data["rows"]] == everything.sort("id")["premise"].to_list()
    assert [(fate.name, fate.count) for fate in result.fates] == [(KEPT, 20), ("unfinished", 30)]
    assert len(result.first) == FIRST_ROWS


def test_when_not_all_fit_those_with_the_least_ids_are_taken_and_the_same_every_time() -> None:
    kept, rejected = tables(200, 200)
    result = found(kept, rejected, most_bytes=20_000)
    assert 0 < result.shown < result.total == 400
    everything = pl.concat([kept.select("id", "premise"), rejected.select("id", "premise")])
    least = everything.sort("id")["premise"].to_list()[: result.shown]
    assert [row[1] for row in json.loads(result.data)["rows"]] == least
    shuffled = kept.sample(fraction=1, shuffle=True, seed=3)
    assert found(shuffled, rejected, most_bytes=20_000) == result


@pytest.mark.slow
@settings(max_examples=12)
@given(texts=st.lists(st.text(max_size=80), min_size=1, max_size=12), most=st.integers(300, 4000))
def test_the_data_has_no_more_bytes_than_allowed_and_cannot_end_its_element(
    texts: list[str], most: int
) -> None:
    kept, rejected = tables(len(texts), 2)
    kept = kept.with_columns(entailment=pl.Series(texts + ["x"] * (len(kept) - len(texts))))
    result = found(kept, rejected, most_bytes=most)
    assert len(result.data.encode()) < most + 400  # 400 for the names of what may become of them
    assert not set("<>&\x00") & set(result.data)
    json.loads(result.data)


def test_hostile_texts_survive_as_they_are_but_for_what_cannot_be_shown() -> None:
    kept, rejected = tables(len(ATTACKS), 0)
    kept = kept.with_columns(premise=pl.Series(ATTACKS))
    result = found(kept, rejected)
    shown = {row[1] for row in json.loads(result.data)["rows"]}
    assert ATTACKS[0] in shown
    assert any(text.endswith("… [10,000 characters]") for text in shown)
    assert not any("\x00" in text for text in shown)


def test_without_any_triplet_there_is_nothing_to_search() -> None:
    assert browsable([]) is None
    assert browsable(parts(*tables(0, 0))) is None
    assert found(tables(3, 0)[0], None).total == 3
