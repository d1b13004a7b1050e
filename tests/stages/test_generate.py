from pathlib import Path
from typing import Any

import polars as pl
import pytest

from stages import generate
from stages.curation.closeness import word_overlap
from stages.encoders.tiny import write_random_encoder
from stages.errors import PipelineError
from stages.language_models.protocol import Answer, Decoding, Request
from stages.params import GenerateParams
from stages.params_file import load_params
from stages.tables.columns import WRITTEN
from stages.tables.json_files import read_json
from stages.tables.reading import read_table
from stages.tables.schemas import LABELLED, SENTENCES, TRIPLETS
from stages.tables.writing import write_table

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
        labelled=folder / "labelled.parquet",
        llm=folder / "llm",
        guide=folder / "guide",
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


def test_examples_are_the_nearest_labelled_triplets_and_never_the_sentence_itself(
    folder: Path,
) -> None:
    premises = ["Boat number 3 leaves the harbour at 3 o'clock.", "Zzz qqq!", "Boat number 3."]
    label(folder, premises)
    before = triplets(folder)
    after = triplets(folder, demonstrations=1, demonstration_cosine=0.2)
    assert not after.equals(before)
    assert read_json(folder / "generation.json")["demonstrated"] == 20
    shown = asked(folder, demonstrations=2, demonstration_cosine=-1)
    itself, another = shown[premises[0]], shown["Boat number 4 leaves the harbour at 4 o'clock."]
    assert itself.count(premises[0]) == 1
    assert itself.index("Zzz qqq!") < itself.index("Boat number 3.\n")
    assert another.index("Boat number 3.\n") < another.index(premises[0])
    assert "Zzz" not in another
    none = asked(folder, demonstrations=2, demonstration_cosine=1)
    assert none[premises[0]] == f"Sentence: {premises[0]}\nSame meaning:"


def test_examples_need_labelled_triplets(folder: Path) -> None:
    label(folder, [])
    with pytest.raises(PipelineError, match=r"prepare\.labelled"):
        triplets(folder, demonstrations=2)


def test_examples_need_a_prompt_set_that_shows_them(folder: Path) -> None:
    label(folder, ["Go!"])
    text = 'entailment: [{name: a, prefix: "", suffix: "{sentence}"}]\ncontradiction: [{name: b'
    (folder / "mine.yaml").write_text(text + ', prefix: "", suffix: "{sentence}"}]')
    with pytest.raises(PipelineError, match=r"'a' of prompts .* does not say how to show one"):
        triplets(folder, prompts=str(folder / "mine.yaml"), demonstrations=2)


def label(folder: Path, premises: list[str]) -> None:
    rows = {
        "id": [f"{i:016x}" for i in range(len(premises))],
        "premise": premises,
        "entailment": [f"So {text}" for text in premises],
        "contradiction": [f"Not {text}" for text in premises],
    }
    write_table(pl.DataFrame(rows, schema=LABELLED), folder / "labelled.parquet")
    write_random_encoder(folder / "guide", seed=0)


def asked(folder: Path, **changes: Any) -> dict[str, str]:
    """Return what stands behind the common examples when an entailment is asked, by sentence."""
    spy = Spy()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(generate, "language_model_at", lambda *_, **__: spy)
        triplets(folder, **changes)
    texts = read_table(folder / "sentences.parquet", SENTENCES)
    suffixes = {request.key: request.wanted.suffix for request in spy.requests}
    return {text: suffixes[f"{key}/entailment"] for key, text, _ in texts.iter_rows()}


class Spy:
    """A language model that remembers what it was asked first."""

    identity = "spy"

    def __init__(self) -> None:
        self.requests: list[Request] = []

    def write(self, requests: list[Request], _: Decoding) -> list[Answer]:
        self.requests += requests
        return [Answer("Yes.", finished=True) for _ in requests]


def test_without_a_fetched_model_the_error_says_what_to_run(folder: Path) -> None:
    (folder / "llm/source.json").unlink()
    with pytest.raises(PipelineError, match="dvc repro fetch"):
        triplets(folder)


def test_finished_and_unfinished_triplets_are_counted(folder: Path) -> None:
    triplets(folder)
    metrics = read_json(folder / "generation.json")
    assert [metrics[what] for what in ("rows", "finished", "unfinished")] == [20, 20, 0]


def test_the_metrics_tell_how_close_the_answers_are_to_their_premises(folder: Path) -> None:
    table = triplets(folder)
    metrics = read_json(folder / "generation.json")
    for name in WRITTEN:
        overlap = table.select(word_overlap(name)).to_series().to_numpy()
        assert metrics[name] == {
            "word_overlap": round(float(overlap.mean()), 4),
            "near_copies": round(float((overlap >= 0.8).mean()), 4),
        }
    assert metrics["entailment"]["word_overlap"] > 0
