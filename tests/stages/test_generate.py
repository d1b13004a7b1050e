from pathlib import Path

import polars as pl
import pytest

from stages import generate
from stages.errors import PipelineError
from stages.params import GenerateParams, load_params
from stages.tables import SENTENCES, TRIPLETS, read_json, read_table, write_table

ROOT = Path(__file__).parents[2]
SMOKE = load_params(ROOT / "profiles/smoke.yaml")
PARAMS = SMOKE.generate


@pytest.fixture
def folder(tmp_path: Path, scripted_llm: Path) -> Path:
    texts = [f"Boat number {i} leaves the harbour at {i} o'clock." for i in range(1, 21)]
    table = pl.DataFrame(
        {"id": [f"{i:016x}" for i in range(20)], "sentence": texts, "line": range(1, 21)},
        schema=SENTENCES,
    )
    write_table(table, tmp_path / "sentences.parquet")
    return tmp_path


def triplets(folder: Path, params: GenerateParams = PARAMS, **changes: object) -> pl.DataFrame:
    generate.run(
        params.model_copy(update=changes),
        server=SMOKE.server,
        sentences=folder / "sentences.parquet",
        llm=folder / "llm",
        triplets=folder / "triplets.parquet",
        metrics=folder / "generation.json",
        work=folder / ".work",
    )
    return read_table(folder / "triplets.parquet", TRIPLETS)


def test_every_sentence_gets_a_triplet_in_order(folder: Path) -> None:
    table = triplets(folder)
    assert table["id"].to_list() == [f"{i:016x}" for i in range(20)]
    assert (table["entailment"] != table["contradiction"]).all()
    assert table["entailment_instruction"].unique().to_list() == ["same_meaning"]


def test_samples_of_a_sentence_stand_side_by_side_and_the_first_is_the_only_one_of_one(
    folder: Path,
) -> None:
    alone = triplets(folder)
    table = triplets(folder, samples=3, batch_premises=4, shard_premises=7)
    assert table["id"].to_list() == [f"{i:016x}" for i in range(20) for _ in range(3)]
    assert table["sample"].to_list() == [0, 1, 2] * 20
    assert table.filter(pl.col("sample") == 0).equals(alone)
    for _, samples in table.group_by("id"):
        assert samples["premise"].n_unique() == 1
    assert table.select("entailment", "contradiction").n_unique() > 20


def test_batch_and_shard_sizes_do_not_change_the_table(folder: Path) -> None:
    table = triplets(folder)
    assert triplets(folder, batch_premises=1, shard_premises=3).equals(table)


def test_a_changed_setting_never_meets_an_old_shard(folder: Path) -> None:
    before = triplets(folder)
    assert not triplets(folder, seed=PARAMS.seed + 1).equals(before)
    assert triplets(folder).equals(before)


def test_the_batch_size_alone_reuses_the_finished_shards(folder: Path) -> None:
    triplets(folder)
    shards = list((folder / ".work/generate").rglob("*.parquet"))
    triplets(folder, batch_premises=PARAMS.batch_premises + 1)
    assert list((folder / ".work/generate").rglob("*.parquet")) == shards


def test_without_a_fetched_model_the_error_says_what_to_run(folder: Path) -> None:
    (folder / "llm/source.json").unlink()
    with pytest.raises(PipelineError, match="dvc repro fetch"):
        triplets(folder)


def test_finished_and_unfinished_triplets_are_counted(folder: Path) -> None:
    triplets(folder)
    counts = {"rows": 20, "finished": 20, "unfinished": 0}
    assert read_json(folder / "generation.json") == counts
