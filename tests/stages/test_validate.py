import json
import logging
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from stages import validate
from stages.errors import QualityError
from stages.params import CurateParams, ValidateParams
from stages.tables import read_json, write_table
from tests.curation.tables_at_hand import curated, rejected, row

CURATION = CurateParams(alpha=3, beta=3, gamma=1, swap_reversed=False)
BOUNDS = ValidateParams(
    kept_ratio_min=0.2,
    kept_ratio_max=0.9,
    max_characters=200,
    duplicate_ratio_max=0.05,
    script="Latin",
    script_ratio_min=0.95,
)


def run(folder: Path, kept: pl.DataFrame, dropped: pl.DataFrame) -> dict[str, Any]:
    write_table(kept, folder / "curated.parquet")
    write_table(dropped, folder / "rejected.parquet")
    validate.run(
        BOUNDS,
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


def test_good_tables_pass_and_leave_data_docs(tmp_path: Path) -> None:
    quality = run(tmp_path, curated(), rejected())
    assert quality["success"]
    assert broken(quality) == {}
    assert quality["checked"] == {"curated": 10, "rejected": 5}
    assert (tmp_path / "docs/index.html").is_file()


def test_the_same_tables_give_the_same_bytes(tmp_path: Path) -> None:
    run(tmp_path, curated(), rejected())
    first = (tmp_path / "quality.json").read_bytes()
    run(tmp_path, curated(), rejected())
    assert (tmp_path / "quality.json").read_bytes() == first


@pytest.mark.parametrize(
    ("expectation", "kept", "dropped"),
    [
        ("curated.ids_unique", {"id": row(2)["id"]}, {}),
        ("curated.premise_not_null", {"premise": None}, {}),
        ("curated.entailment_length", {"entailment": "long " * 50}, {}),
        ("curated.entailment_score_range", {"entailment_score": 2.9}, {}),
        ("curated.contradiction_score_range", {"contradiction_score": 3.2}, {}),
        ("curated.gap_wide_enough", {"entailment_score": 3.0, "contradiction_score": 2.5}, {}),
        ("curated.scores_finite", {"contradiction_score": float("nan")}, {}),
        ("curated.no_copies_premise", {"entailment": row(3)["premise"]}, {}),
        ("curated.no_repeats_itself", {"contradiction": row(3)["entailment"]}, {}),
        ("curated.no_prompt_leftover", {"entailment": "Same meaning: it rains."}, {}),
        ("rejected.reason_known", {}, {"reason": "did not like it"}),
        ("rejected.reason_not_null", {}, {"reason": None}),
        ("rejected.no_also_curated", {}, {"id": row(3)["id"]}),
    ],
)
def test_a_planted_fault_stops_the_run_and_is_named_with_count_and_example(
    tmp_path: Path, expectation: str, kept: dict[str, object], dropped: dict[str, object]
) -> None:
    with pytest.raises(QualityError) as caught:
        run(tmp_path, curated(**kept), rejected(**dropped))
    assert caught.value.exit_code == 1
    found = broken(read_json(tmp_path / "quality.json"))
    assert found[expectation] == (2 if expectation == "curated.ids_unique" else 1)
    assert expectation in str(caught.value)
    example = {**row(3), **kept}["id"] if kept else rejected(**dropped)["id"][0]
    assert f'"id": {json.dumps(example)}' in str(caught.value)


def test_too_small_a_share_kept_is_critical(tmp_path: Path) -> None:
    with pytest.raises(QualityError, match=r"kept_share_low(.|\n)*found 10"):
        run(tmp_path, curated(), rejected(count=90))


@pytest.mark.parametrize(
    ("expectation", "changes", "dropped"),
    [
        ("curated.kept_share_high", {}, 0),
        ("curated.few_repeated_elsewhere", {"entailment": row(4)["entailment"]}, 5),
        ("curated.few_other_script", {"entailment": "Ada чинит велосипеды."}, 5),
    ],
)
def test_a_warning_is_said_and_does_not_stop(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    expectation: str,
    changes: dict[str, object],
    dropped: int,
) -> None:
    with caplog.at_level(logging.WARNING):
        quality = run(tmp_path, curated(**changes), rejected(count=dropped))
    assert quality["success"]
    assert expectation in broken(quality)
    assert expectation in caplog.text
