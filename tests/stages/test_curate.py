from pathlib import Path

import polars as pl
import pytest

from stages import curate
from stages.errors import PipelineError
from stages.params import CurateParams
from stages.tables import CURATED, REJECTED, SCORED, read_json, read_table, write_table
from tests.curation.tables_at_hand import row

PAPER = CurateParams(alpha=3, beta=3, gamma=1, swap_reversed=False)


def run(folder: Path, rows: list[dict[str, object]], params: CurateParams = PAPER) -> None:
    write_table(pl.DataFrame(rows, schema=SCORED), folder / "scored.parquet")
    curate.run(
        params,
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


def test_when_nothing_is_left_the_error_shows_reasons_and_scores(tmp_path: Path) -> None:
    with pytest.raises(
        PipelineError, match=r"all 2 triplets(.|\n)*entailment_too_far 2(.|\n)*1\.00"
    ):
        run(tmp_path, [row(i, entailment_score=1.0) for i in range(2)])
    assert not (tmp_path / "curated.parquet").exists()
