from pathlib import Path

import polars as pl
import pytest

from stages import score
from stages.params import load_params
from stages.tables import SCORED, TRIPLETS, read_json, read_table, write_table

ROOT = Path(__file__).parents[2]
SMOKE = load_params(ROOT / "profiles/smoke.yaml")
PARAMS = SMOKE.score


@pytest.fixture
def folder(tmp_path: Path, scripted_llm: Path) -> Path:
    rows = {
        "id": ["1", "2", "3"],
        "premise": ["The tram is full today.", "Bread needs salt.", "He waved."],
        "entailment": ["Today the tram is full.", "Salt belongs in bread.", ""],
        "contradiction": ["Elephants cannot jump.", "Bread needs no salt.", "He hid."],
        "entailment_instruction": ["e"] * 3,
        "contradiction_instruction": ["c"] * 3,
        "entailment_finished": [True] * 3,
        "contradiction_finished": [True] * 3,
    }
    write_table(pl.DataFrame(rows, schema=TRIPLETS), tmp_path / "triplets.parquet")
    return tmp_path


def scored(folder: Path, **changes: object) -> pl.DataFrame:
    score.run(
        PARAMS.model_copy(update=changes),
        server=SMOKE.server,
        triplets=folder / "triplets.parquet",
        llm=folder / "llm",
        scored=folder / "scored.parquet",
        metrics=folder / "scoring.json",
        work=folder / ".work",
    )
    return read_table(folder / "scored.parquet", SCORED)


def test_scores_lie_in_0_to_5_and_follow_the_overlap(folder: Path) -> None:
    first = scored(folder, method="likelihood").row(0, named=True)
    assert 5 >= first["entailment_score"] > first["contradiction_score"] >= 0


def test_an_unusable_triplet_is_kept_without_scores(folder: Path) -> None:
    table = scored(folder)
    assert table["id"].to_list() == ["1", "2", "3"]
    assert table["entailment_score"].is_null().to_list() == [False, False, True]
    assert table["contradiction_score"].is_null().to_list() == [False, False, True]


def test_batch_and_shard_sizes_do_not_change_the_scores(folder: Path) -> None:
    assert scored(folder, batch_triplets=1, shard_triplets=2).equals(scored(folder))


def test_an_answer_that_is_no_number_leaves_the_score_empty_and_the_answer_kept(
    folder: Path,
) -> None:
    table = scored(folder, method="generate")
    assert table["entailment_score"].is_null().all()
    assert table["entailment_answer"][0]


@pytest.mark.parametrize(
    ("method", "counts"),
    [
        ("likelihood", {"rows": 3, "scored": 2, "not_asked": 1, "unreadable": 0}),
        ("generate", {"rows": 3, "scored": 0, "not_asked": 1, "unreadable": 2}),
    ],
)
def test_triplets_are_counted_by_what_became_of_their_scores(
    folder: Path, method: str, counts: dict[str, int]
) -> None:
    scored(folder, method=method)
    assert read_json(folder / "scoring.json") == counts
