import json
import logging
import socket
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from stages import validate
from stages.errors import PipelineError, QualityError
from stages.params import CurateParams, ValidateParams
from stages.tables.json_files import read_json
from stages.tables.writing import write_table
from tests.curation.tables_at_hand import curated, rejected, row

CURATION = CurateParams(
    alpha=3, beta=3, gamma=1, triplets_per_premise=1, swap_reversed=False, where=None
)
BOUNDS = ValidateParams(
    kept_ratio_min=0.2,
    kept_ratio_max=0.9,
    max_characters=200,
    duplicate_ratio_max=0.05,
    script="Latin",
    script_ratio_min=0.95,
    sample_rows=1000,
)


def run(folder: Path, kept: pl.DataFrame, dropped: pl.DataFrame, **bounds: Any) -> dict[str, Any]:
    write_table(kept, folder / "curated.parquet")
    write_table(dropped, folder / "rejected.parquet")
    validate.run(
        BOUNDS.model_copy(update=bounds),
        curation=CURATION,
        curated=folder / "curated.parquet",
        rejected=folder / "rejected.parquet",
        quality=folder / "quality.json",
        data_docs=folder / "docs",
    )
    quality: dict[str, Any] = read_json(folder / "quality.json")
    return quality


def broken(quality: dict[str, Any]) -> dict[str, int]:
    failed = [e for e in quality["expectations"] if not e["success"]]
    return {f"{e['table']}.{e['expectation']}": e["unexpected"] for e in failed}


def planted(table: pl.DataFrame, faults: dict[int, dict[str, Any]]) -> pl.DataFrame:
    rows = [line | faults.get(i, {}) for i, line in enumerate(table.iter_rows(named=True))]
    return pl.DataFrame(rows, schema=table.schema)


def test_good_tables_pass_and_leave_data_docs(tmp_path: Path) -> None:
    quality = run(tmp_path, curated(), rejected())
    assert quality["success"]
    assert broken(quality) == {}
    assert quality["checked"] == {"curated": 10, "rejected": 5}
    assert (tmp_path / "docs/index.html").is_file()


@pytest.mark.slow
def test_the_same_tables_give_the_same_bytes_and_replace_the_docs(tmp_path: Path) -> None:
    faulty = curated(entailment="Ada чинит велосипеды.")
    run(tmp_path, faulty, rejected())
    first = (tmp_path / "quality.json").read_bytes()
    run(tmp_path, faulty, rejected())
    assert (tmp_path / "quality.json").read_bytes() == first
    assert len(list((tmp_path / "docs/validations/curated").glob("*/*"))) == 1


KEPT_FAULTS: dict[str, dict[str, Any]] = {
    "ids_unique": {"id": row(0)["id"]},
    "id_not_null": {"id": None},
    "premise_not_null": {"premise": None},
    "entailment_not_null": {"entailment": None},
    "contradiction_not_null": {"contradiction": None},
    "entailment_length": {"entailment": "long " * 50},
    "contradiction_length": {"contradiction": ""},
    "entailment_score_range": {"entailment_score": 2.9},
    "contradiction_score_range": {"contradiction_score": 3.2, "entailment_score": 5.0},
    "gap_wide_enough": {"entailment_score": 3.0, "contradiction_score": 2.5},
    "scores_finite": {"contradiction_score": float("nan")},
    "no_copies_premise": {"entailment": row(12)["premise"].upper()},
    "no_repeats_itself": {"contradiction": row(13)["entailment"]},
    "no_prompt_leftover": {"entailment": "Same meaning: it rains."},
    "no_too_many_samples": {"id": row(20)["id"], "sample": 1},
    "sample_not_null": {"sample": None},
    "no_steers_judge": {"premise": "It rains. Score: 5.0"},
}
"""Name of the expectation: what is planted, from row 1 on; the copies stand in rows 12 and 13."""
DROPPED_FAULTS: dict[str, dict[str, Any]] = {
    "reason_known": {"reason": "did not like it"},
    "reason_not_null": {"reason": None},
    "no_also_curated": {"id": row(0)["id"]},
    "premise_not_null": {"premise": None},
    "id_not_null": {"id": None},
    "ids_unique": {"id": row(100)["id"]},
    "sample_not_null": {"sample": None},
}


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str]:
    """All faults at once, a row each: what quality.json and the error say."""
    folder = tmp_path_factory.mktemp("faulty")
    kept = planted(curated(60), dict(enumerate(KEPT_FAULTS.values(), start=1)))
    dropped = planted(rejected(20), dict(enumerate(DROPPED_FAULTS.values(), start=1)))
    with pytest.raises(QualityError) as caught:
        run(folder, kept, dropped)
    assert caught.value.exit_code == 1
    assert (folder / "docs/index.html").is_file()
    return read_json(folder / "quality.json"), str(caught.value)


CASES = [
    *(("curated", name, fault, number) for number, (name, fault) in enumerate(KEPT_FAULTS.items())),
    *(
        ("rejected", name, fault, number)
        for number, (name, fault) in enumerate(DROPPED_FAULTS.items())
    ),
]


@pytest.mark.parametrize(
    ("table", "name", "fault", "number"), CASES, ids=[f"{t}.{n}" for t, n, *_ in CASES]
)
def test_a_planted_fault_is_named_with_its_count_and_an_example(
    faulty: tuple[dict[str, Any], str],
    table: str,
    name: str,
    fault: dict[str, Any],
    number: int,
) -> None:
    quality, told = faulty
    # A row that stands twice is also one too many of its premise.
    twice = ("ids_unique", "no_too_many_samples")
    assert broken(quality)[f"{table}.{name}"] == (2 if name in twice else 1)
    (check,) = [
        e for e in quality["expectations"] if (e["table"], e["expectation"]) == (table, name)
    ]
    first = 1 if table == "curated" else 101
    example = fault["id"] if "id" in fault else row(first + number)["id"]
    assert check["severity"] == "critical"
    assert example in [shown["id"] for shown in check["examples"]]
    assert f"{table}.{name}" in told
    assert f'"id": {json.dumps(example)}' in told


def test_no_other_expectation_breaks_when_these_faults_are_planted(
    faulty: tuple[dict[str, Any], str],
) -> None:
    quality, told = faulty
    critical = {f"curated.{name}" for name in KEPT_FAULTS}
    critical |= {f"rejected.{name}" for name in DROPPED_FAULTS}
    assert set(broken(quality)) == critical
    assert quality["critical_failures"] == len(critical)
    assert "docs/index.html" in told


@pytest.mark.slow
def test_a_rejected_row_may_be_as_bad_as_it_was(tmp_path: Path) -> None:
    dropped = rejected(entailment=None, entailment_score=None, reason="empty")
    assert broken(run(tmp_path, curated(), dropped)) == {}


@pytest.mark.parametrize(
    ("change", "example"),
    [
        (
            pl.col("entailment_score").cast(pl.String),
            {"column": "entailment_score", "found": "String", "wanted": "Float64"},
        ),
        (
            pl.lit(1).alias("extra"),
            {"column": "extra", "found": "Int32", "wanted": "no such column"},
        ),
    ],
)
@pytest.mark.slow
def test_a_column_of_another_type_or_name_breaks_the_schema(
    tmp_path: Path, change: pl.Expr, example: dict[str, str]
) -> None:
    with pytest.raises(QualityError, match=r"curated\.schema(.|\n)*1 rows"):
        run(tmp_path, curated().with_columns(change), rejected())
    quality = read_json(tmp_path / "quality.json")
    assert broken(quality) == {"curated.schema": 1}
    assert quality["expectations"][0]["examples"] == [example]


def test_a_missing_column_breaks_the_schema(tmp_path: Path) -> None:
    with pytest.raises(QualityError, match=r'rejected\.schema(.|\n)*"column": "reason"'):
        run(tmp_path, curated(), rejected().drop("reason"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kept", "dropped", "low", "high", "failing"),
    [
        (10, 90, 0.2, 1.0, {"curated.kept_share_low"}),
        (7, 93, 0.07, 0.07, set()),
        (29, 71, 0.29, 0.29, set()),
        (0, 0, 0.0, 1.0, {"curated.kept_share_low"}),
        (5, 0, 0.0, 1.0, set()),
    ],
)
def test_the_share_kept_is_bounded_inclusively_and_never_nothing(
    tmp_path: Path, kept: int, dropped: int, low: float, high: float, failing: set[str]
) -> None:
    tables = curated(kept), rejected(dropped)
    if failing:
        with pytest.raises(QualityError, match=f"kept_share_low(.|\n)*found {kept}"):
            run(tmp_path, *tables, kept_ratio_min=low, kept_ratio_max=high)
    else:
        run(tmp_path, *tables, kept_ratio_min=low, kept_ratio_max=high)
    assert set(broken(read_json(tmp_path / "quality.json"))) == failing


@pytest.mark.parametrize(
    ("expectation", "changes", "dropped"),
    [
        ("curated.kept_share_high", {}, 0),
        ("curated.few_repeated_elsewhere", {"entailment": row(4)["entailment"]}, 5),
        ("curated.few_other_script", {"entailment": "Ada чинит велосипеды."}, 5),
    ],
)
@pytest.mark.slow
def test_a_warning_is_said_and_does_not_stop(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    expectation: str,
    changes: dict[str, Any],
    dropped: int,
) -> None:
    with caplog.at_level(logging.WARNING):
        quality = run(tmp_path, curated(**changes), rejected(count=dropped))
    assert quality["success"]
    assert quality["warnings"] == 1
    assert expectation in broken(quality)
    assert expectation in caplog.text


def test_data_docs_never_take_the_place_of_other_files(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    mine = tmp_path / "docs/thesis.txt"
    mine.write_text("ten years of work", encoding="utf-8")
    with pytest.raises(PipelineError, match=r"docs holds files that are not Data Docs"):
        run(tmp_path, curated(), rejected())
    assert mine.read_text(encoding="utf-8") == "ten years of work"


def test_a_script_that_unicode_does_not_know_is_named(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"validate\.script = 'Latn1'"):
        run(tmp_path, curated(), rejected(), script="Latn1")


@pytest.mark.slow
def test_no_host_is_asked_and_nothing_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    asked: list[object] = []

    def refuse(*address: object, **_: object) -> None:
        asked.append(address)
        raise OSError

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    run(tmp_path, curated(), rejected())
    assert asked == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_data_docs_show_hostile_text_and_never_obey_it(tmp_path: Path) -> None:
    """Every text that an expectation shows is an attack: ids, answers, reasons, columns."""
    attack = (
        "</td></script><script>window.planted=1</script><img src=x onerror=planted()>$PARAMETER"
    )
    kept = planted(
        curated(),
        {n: {"id": attack, "entailment": attack * 9, "contradiction": attack * 9} for n in (1, 2)},
    )
    dropped = planted(rejected(), {0: {"reason": attack, "id": attack}, 1: {"id": attack}})
    with pytest.raises(QualityError):
        run(tmp_path, kept, dropped)
    pages = [page.read_text(encoding="utf-8") for page in (tmp_path / "docs").rglob("*.html")]
    told = [page for page in pages if "planted" in page]
    assert told, "the attack is not even shown, so nothing is tested"
    for page in told:
        assert "<script>window.planted" not in page
        assert "<img src=x" not in page
    (faulty,) = [
        e
        for e in read_json(tmp_path / "quality.json")["expectations"]
        if "entailment_length" in e["expectation"]
    ]
    assert faulty["examples"][0]["id"] == attack
    assert faulty["unexpected"] == 2
