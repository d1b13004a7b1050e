import polars as pl
import pytest

from stages.curation.expectations import Limits, checks, observed
from stages.curation.facts import check_script, curated_facts, rejected_facts, schema_facts
from stages.errors import PipelineError
from stages.tables.schemas import CURATED
from tests.curation.tables_at_hand import curated, rejected, row

LIMITS = Limits(
    alpha=3,
    beta=3,
    gamma=1,
    triplets_per_premise=1,
    kept_ratio_min=0.2,
    kept_ratio_max=0.9,
    max_characters=200,
    duplicate_ratio_max=0.7,
    script="Latin",
    script_ratio_min=0.9,
)


def rows_where(fact: str, table: pl.DataFrame, *, script: str | None = "Latin") -> list[int]:
    facts = curated_facts(table, gamma=1.0, triplets_per_premise=1, script=script)
    return facts.with_row_index("row").filter(pl.col(fact))["row"].to_list()


@pytest.mark.parametrize(
    ("script", "text", "outside"),
    [
        ("Latin", "Čapek's naïve 3 µm €-sign, isn't it?", False),
        ("Latin", "Ada чинит bikes.", True),
        ("Cyrillic", "Ада чинит велосипеды.", False),
        ("Han", "艾达修理自行车。", False),
        ("Han", "エイダは自転車を直す。", True),
        (None, "Ada чинит bikes.", False),
    ],
)
def test_a_letter_of_another_script_is_found_whatever_the_signs_around_it(
    script: str | None, text: str, outside: bool
) -> None:
    table = curated(1).with_columns(entailment=pl.lit(text), contradiction=pl.lit(text))
    assert bool(rows_where("other_script", table, script=script)) is outside


@pytest.mark.parametrize("name", ["Latn1", "L", "Latin}|.*|\\p{Han", ""])
def test_what_is_no_script_is_refused(name: str) -> None:
    with pytest.raises(PipelineError, match=r"validate\.script"):
        check_script(name)


def test_a_sentence_repeated_in_another_row_is_found_in_all_its_rows() -> None:
    assert rows_where("repeated_elsewhere", curated(6, entailment=row(5)["contradiction"])) == [
        3,
        5,
    ]


def test_a_row_whose_sentences_are_alike_does_not_repeat_another_row() -> None:
    table = curated(6, entailment="It rains.", contradiction="It rains.")
    assert rows_where("repeated_elsewhere", table) == []
    assert rows_where("repeats_itself", table) == [3]


def test_missing_text_and_scores_are_no_fact_of_their_own() -> None:
    table = curated(4, entailment=None, contradiction=None, entailment_score=None)
    facts = curated_facts(table, gamma=1.0, triplets_per_premise=1, script="Latin")
    assert facts.select(pl.col(pl.Boolean).is_null().any()).row(0) == (False,) * 10
    assert facts["scores_finite"].to_list() == [True, True, True, False]


def test_a_rejected_row_knows_whether_it_was_kept_too_and_rows_stay_in_order() -> None:
    dropped = rejected(4, id=row(2)["id"])
    facts = rejected_facts(dropped, pl.concat([curated(), curated()]))
    assert facts["also_curated"].to_list() == [True, False, False, False]
    assert facts["id"].to_list() == dropped["id"].to_list()


def test_a_schema_is_compared_column_by_column() -> None:
    found = {name: kind for name, kind in CURATED.items() if name != "premise"} | {"new": pl.Int8}
    facts = schema_facts(found, CURATED).filter(pl.col("found") != pl.col("wanted"))
    assert facts.rows() == [
        ("premise", "no such column", "String"),
        ("new", "Int8", "no such column"),
    ]


def test_every_column_that_a_check_reads_is_there() -> None:
    frames = observed(curated(), rejected(), LIMITS)
    for check in checks(LIMITS, rows=15):
        assert check.columns <= set(frames[check.looks_at].columns), check.name


def test_no_two_checks_of_a_table_share_a_name() -> None:
    names = [(check.table, check.name) for check in checks(LIMITS, rows=15)]
    assert len(set(names)) == len(names)


def test_without_a_script_no_script_is_looked_for() -> None:
    names = {check.name for check in checks(LIMITS, rows=15)}
    without = Limits(**{**vars(LIMITS), "script": None})
    assert names - {check.name for check in checks(without, rows=15)} == {"few_other_script"}


def test_a_share_written_in_decimals_is_met_by_exactly_that_share() -> None:
    (repeats,) = [c for c in checks(LIMITS, rows=15) if c.name == "few_repeated_elsewhere"]
    mostly = repeats.arguments["mostly"]
    assert isinstance(mostly, float)
    assert 0.2999 < mostly <= 3 / 10
