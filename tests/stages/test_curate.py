from pathlib import Path

import polars as pl
import pytest

from stages import curate
from stages.curation.rules import REASONS, judged
from stages.errors import PipelineError
from stages.params import CurateParams, ScoreParams
from stages.params_file import load_params
from stages.tables.json_files import read_json
from stages.tables.reading import read_table
from stages.tables.schemas import CURATED, REJECTED, SCORED
from stages.tables.writing import write_table
from tests.curation.tables_at_hand import row

ROOT = Path(__file__).parents[2]
PAPER = CurateParams(
    alpha=3, beta=3, gamma=1, triplets_per_premise=1, swap_reversed=False, where=None
)


JUDGING = load_params(ROOT / "profiles/smoke.yaml").score.model_copy(
    update={"judges": ("forward", "encoder")}
)


def run(
    folder: Path,
    rows: list[dict[str, object]],
    params: CurateParams = PAPER,
    judging: ScoreParams = JUDGING,
) -> None:
    write_table(pl.DataFrame(rows, schema=SCORED), folder / "scored.parquet")
    curate.run(
        params,
        judging=judging,
        scored=folder / "scored.parquet",
        curated=folder / "curated.parquet",
        rejected=folder / "rejected.parquet",
        metrics=folder / "curation.json",
    )


def test_every_triplet_is_kept_or_rejected_with_a_reason_and_counted(tmp_path: Path) -> None:
    run(tmp_path, [row(0), row(1, entailment_score=1.0), row(2, contradiction=""), row(3)])
    kept = read_table(tmp_path / "curated.parquet", CURATED)
    rejected = read_table(tmp_path / "rejected.parquet", REJECTED)
    assert kept["id"].to_list() == [row(0)["id"], row(3)["id"]]
    assert rejected["reason"].to_list() == ["entailment_too_far", "empty"]
    assert read_json(tmp_path / "curation.json") == {
        "generated": 4,
        "kept": 2,
        "rejected": 2,
        "kept_ratio": 0.5,
        "reasons": {"entailment_too_far": 1, "empty": 1},
    }


@pytest.mark.parametrize("swap", [False, True])
def test_a_table_read_some_rows_at_a_time_gives_the_bytes_of_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, swap: bool
) -> None:
    """Beside the rules on the whole table in memory; samples of a premise lie far apart."""
    params = PAPER.model_copy(update={"swap_reversed": swap, "triplets_per_premise": 2})
    rows = [
        row(n, id=f"{n % 17:016x}", sample=n // 17, entailment_score=1 + n * 7 % 40 / 10)
        | ({"contradiction_score": 4.5} if n % 5 == 0 else {})
        for n in range(120)
    ]
    monkeypatch.setattr("stages.tables.reading.BATCH_ROWS", 13)
    run(tmp_path, rows, params)
    table = judged(pl.DataFrame(rows, schema=SCORED), **params.model_dump())
    kept = table.filter(pl.col("reason").is_null()).drop("reason")
    write_table(kept, tmp_path / "kept.parquet")
    write_table(table.filter(pl.col("reason").is_not_null()), tmp_path / "dropped.parquet")
    for mine, whole in (("curated", "kept"), ("rejected", "dropped")):
        read = [(tmp_path / f"{name}.parquet").read_bytes() for name in (mine, whole)]
        assert read[0] == read[1]
    assert "outdone" in set(table["reason"].to_list())


def test_when_nothing_is_left_the_error_shows_reasons_and_scores(tmp_path: Path) -> None:
    rows = [row(i, entailment_score=i / 10) for i in range(11)]
    with pytest.raises(PipelineError) as caught:
        run(tmp_path, [*rows, row(11, contradiction="", entailment_score=None)])
    told = str(caught.value)
    assert "all 12 triplets" in told
    assert "entailment_too_far 11, empty 1" in told
    assert "least 0.00, 10% 0.10, half 0.50, 90% 0.90, greatest 1.00" in told
    assert "curate.alpha" in told
    assert not (tmp_path / "curated.parquet").exists()


def test_without_a_single_score_the_remedy_is_another_way_of_scoring(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"score_unreadable 1(.|\n)*score\.judges"):
        run(tmp_path, [row(entailment_score=None, contradiction_score=float("nan"))])


def test_every_reason_has_a_remedy() -> None:
    assert set(curate.REMEDIES) == set(REASONS)


def test_a_table_without_triplets_is_named(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"scored\.parquet holds no triplets"):
        run(tmp_path, [])


def test_the_log_says_what_was_rejected_and_why(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        run(tmp_path, [row(0), row(1, entailment_score=1.0)])
    assert "kept 1 of 2 triplets (entailment_too_far 1)" in caplog.text


def test_who_was_not_asked_about_is_told_from_who_could_not_be_read(tmp_path: Path) -> None:
    unscored = {"entailment_score": None, "contradiction_score": None}
    rows = [
        row(0, entailment_scores=[4.0, 4.0], contradiction_scores=[1.5, 1.5]),
        row(1, **unscored, entailment_scores=[None, 2.0], contradiction_scores=[None, 1.0]),
        row(2, **unscored, entailment_scores=[None, 3.0], contradiction_scores=[None, 1.0]),
        row(3, **unscored, entailment_scores=[None, None], contradiction_scores=[None, None])
        | {"entailment": ""},
    ]
    judging = JUDGING.model_copy(update={"where": "encoder_a >= 3"})
    run(tmp_path, rows, judging=judging)
    rejected = read_table(tmp_path / "rejected.parquet", REJECTED)
    assert rejected["reason"].to_list() == ["not_asked", "score_unreadable", "empty"]
