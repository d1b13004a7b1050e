import gc
import shutil
import weakref
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from stages import score
from stages.encoders.tiny import write_random_encoder
from stages.errors import PipelineError
from stages.judges.combining import combined
from stages.judges.loading import load_judge
from stages.judges.protocol import Judge
from stages.model_files.installing import install_nothing
from stages.params_file import load_params
from stages.tables.json_files import read_json
from stages.tables.reading import read_table
from stages.tables.schemas import SCORED, TRIPLETS
from stages.tables.writing import write_table
from tests.judges.classifiers import write_classifier

ROOT = Path(__file__).parents[2]
SMOKE = load_params(ROOT / "profiles/smoke.yaml")
PARAMS = SMOKE.score


@pytest.fixture
def folder(tmp_path: Path, scripted_llm: Path) -> Path:
    rows = {
        "id": ["1", "2", "3"],
        "sample": [0, 0, 0],
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
        guide=folder / "guide",
        nli=folder / "nli",
        scored=folder / "scored.parquet",
        metrics=folder / "scoring.json",
        calibration=folder / "calibration.json",
        work=folder / ".work",
    )
    return read_table(folder / "scored.parquet", SCORED)


def test_scores_lie_in_0_to_5_and_follow_the_overlap(folder: Path) -> None:
    first = scored(folder, judges=("likelihood",)).row(0, named=True)
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
    table = scored(folder, judges=("generate",))
    assert table["entailment_score"].is_null().all()
    assert table["entailment_answer"][0]


@pytest.mark.parametrize(
    ("judge", "counts"),
    [
        ("likelihood", {"rows": 3, "scored": 2, "not_asked": 1, "unreadable": 0}),
        ("generate", {"rows": 3, "scored": 0, "not_asked": 1, "unreadable": 2}),
    ],
)
def test_triplets_are_counted_by_what_became_of_their_scores(
    folder: Path, judge: str, counts: dict[str, int]
) -> None:
    table = scored(folder, judges=(judge,))
    metrics = read_json(folder / "scoring.json")
    assert {name: metrics[name] for name in counts} == counts
    if counts["scored"]:
        of_b = table["contradiction_score"].drop_nulls()
        assert metrics["contradiction"]["mean"] == pytest.approx(of_b.mean(), abs=1e-4)
        assert metrics["contradiction"]["alike"] == pytest.approx((of_b >= 4.5).mean(), abs=1e-4)


@pytest.fixture
def panel(folder: Path) -> Path:
    """The folder with a tiny encoder and a tiny classifier beside the scripted model."""
    write_random_encoder(folder / "guide", seed=1)
    write_classifier(folder / "nli")
    return folder


def scores(table: pl.DataFrame) -> pl.DataFrame:
    return table.select("entailment_score", "contradiction_score").drop_nulls()


def test_several_judges_are_combined_and_each_is_quoted(panel: Path) -> None:
    alone = {name: scored(panel, judges=(name,)) for name in ("likelihood", "encoder", "nli")}
    together = scored(panel, judges=tuple(alone), combine="all")
    for side, extreme in (("entailment", min), ("contradiction", max)):
        column = f"{side}_score"
        said = zip(*(table[column].to_list()[:2] for table in alone.values()), strict=True)
        assert together[column].to_list() == [*map(extreme, said), None]
        for name, table in alone.items():
            assert f"{name} {table[column][0]:.2f} (" in together[f"{side}_answer"][0]
    assert together["entailment_answer"][2] == ""


def test_opinions_are_combined_shard_by_shard_as_if_whole(
    panel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judges = ("likelihood", "encoder", "nli")
    alone = {name: scored(panel, judges=(name,)) for name in judges}
    whole = combined(alone, "mean")
    scored(panel, judges=judges, combine="mean")
    files = [panel / name for name in ("scored.parquet", "scoring.json", "calibration.json")]
    at_once = [file.read_bytes() for file in files]
    monkeypatch.setattr("stages.engines.shards.RESULTS_AT_ONCE", 1)
    assert scored(panel, judges=judges, combine="mean", shard_triplets=1).equals(whole)
    assert [file.read_bytes() for file in files] == at_once


def test_one_judge_is_in_memory_at_a_time(panel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[weakref.ref[Any]] = []

    def watched(*args: Any, **settings: Any) -> Judge:
        gc.collect()
        assert [judge() for judge in loaded] == [None] * len(loaded)
        judge = load_judge(*args, **settings)
        loaded.append(weakref.ref(judge))
        return judge

    monkeypatch.setattr(score, "load_judge", watched)
    scored(panel, judges=("encoder", "likelihood", "nli"), combine="all")
    assert len(loaded) == 3


def test_every_score_of_every_judge_lies_in_0_to_5(panel: Path) -> None:
    for name in ("likelihood", "encoder", "nli"):
        table = scores(scored(panel, judges=(name,)))
        assert len(table) == 2
        assert table.min_horizontal().min() >= 0  # type: ignore[operator]
        assert table.max_horizontal().max() <= 5  # type: ignore[operator]


def test_the_least_score_is_at_most_the_mean(panel: Path) -> None:
    least, mean = (
        scores(scored(panel, judges=("likelihood", "encoder"), combine=how))
        for how in ("min", "mean")
    )
    assert (least.to_numpy() <= mean.to_numpy()).all()


def test_another_way_to_combine_asks_no_judge_again(panel: Path) -> None:
    scored(panel, judges=("likelihood", "encoder"), combine="mean")
    shards = {file: file.stat().st_mtime_ns for file in (panel / ".work/score").rglob("*.parquet")}
    assert len(shards) == 2
    scored(panel, judges=("encoder", "likelihood"), combine="all")
    scored(panel, judges=("likelihood",))
    after = {file: file.stat().st_mtime_ns for file in (panel / ".work/score").rglob("*.parquet")}
    assert after == shards


def rows_judged(folder: Path) -> dict[str, int]:
    """Return how many rows each judge was asked about, by what its shards hold."""
    found: dict[str, int] = {}
    for shards in (folder / ".work/score").iterdir():
        plan = read_json(shards / "plan.json")
        found[plan["facts"]["judge"]] = plan["rows"]
    return found


def test_a_condition_on_one_judge_spares_the_others(panel: Path) -> None:
    judges = ("likelihood", "encoder", "nli")
    everything = scored(panel, judges=judges)
    first, second = (scores[1] for scores in everything["entailment_scores"][:2])
    shutil.rmtree(panel / ".work")
    between = (first + second) / 2
    nearer = 0 if first > second else 1
    part = scored(panel, judges=judges, where=f"encoder_a > {between}")
    assert rows_judged(panel) == {"encoder": 3, "likelihood": 1, "nli": 1}
    assert part[nearer].equals(everything[nearer])
    other = part.row(1 - nearer, named=True)
    assert other["entailment_score"] is other["contradiction_score"] is None
    assert [score is None for score in other["entailment_scores"]] == [True, False, True]
    assert other["entailment_answer"].startswith("encoder ")
    assert "likelihood" not in other["entailment_answer"]
    saved = read_json(panel / "calibration.json")
    assert [record["judge"] for record in saved["judges"]] == list(judges)
    counts = read_json(panel / "scoring.json")
    assert (counts["scored"], counts["not_asked"], counts["unreadable"]) == (1, 2, 0)


def test_a_condition_on_the_texts_alone_spares_every_judge(panel: Path) -> None:
    table = scored(panel, judges=("likelihood",), where="premise LIKE 'Bread%'")
    assert rows_judged(panel) == {"likelihood": 1}
    assert table["entailment_score"].is_null().to_list() == [True, False, True]


def test_a_condition_that_nothing_meets_leaves_all_without_scores(panel: Path) -> None:
    table = scored(panel, judges=("likelihood", "encoder"), where="encoder_a > 6")
    assert rows_judged(panel)["likelihood"] == 0
    assert table["entailment_score"].null_count() == 3
    assert read_json(panel / "scoring.json")["not_asked"] == 3


def test_a_condition_that_names_every_judge_is_refused(panel: Path) -> None:
    with pytest.raises(PipelineError, match=r"score\.where = 'encoder_a > 1' names every judge"):
        scored(panel, judges=("encoder",), where="encoder_a > 1")
    with pytest.raises(PipelineError, match=r"score\.where(.|\n)*'a'"):
        scored(panel, judges=("encoder", "nli"), where="a > 1")


def test_how_scores_came_about_is_saved(panel: Path) -> None:
    scored(panel, judges=("likelihood", "encoder", "nli"), combine="all")
    saved = read_json(panel / "calibration.json")
    assert saved["combine"] == {"a": "min", "b": "max"}
    assert [record["judge"] for record in saved["judges"]] == ["likelihood", "encoder", "nli"]
    for record in saved["judges"]:
        assert record["model"]
        assert record["calibration"]["low"] < record["calibration"]["high"]


def test_the_judge_nli_without_a_classifier_is_refused(folder: Path) -> None:
    install_nothing(folder / "nli")
    with pytest.raises(PipelineError, match=r"models\.nli\.reference"):
        scored(folder, judges=("nli",))


def test_the_log_tells_the_unasked_from_the_unreadable(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        scored(folder, judges=("generate",))
    assert "3 triplets; 1 not asked about" in caplog.text
    assert "; 2 with an answer that could not be read" in caplog.text
