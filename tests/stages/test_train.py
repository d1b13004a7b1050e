"""Stage ``train`` from files to files, on a tiny encoder."""

import logging
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.stats import spearmanr
from sentence_transformers.sentence_transformer.modules import Dense

from stages import train
from stages.encoders.embedding import embed, load_encoder
from stages.encoders.poolers import pooler_of
from stages.tables.json_files import write_json
from stages.tables.reading import read_table
from stages.tables.schemas import PAIRS
from stages.tables.writing import write_table
from stages.training import guide
from tests.stages.training_project import NOUNS, Project, labelled_table, make_project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = make_project(tmp_path_factory.mktemp("project"))
    project.train()
    return project


def test_the_encoder_has_learned_and_keeps_the_longest_input_of_the_base(trained: Project) -> None:
    saved = trained.saved()
    base = (trained.root / "models/base/model.safetensors").read_bytes()
    assert saved["model.safetensors"] != base
    assert load_encoder(trained.root / "models/encoder").max_seq_length == 128


def test_the_records_are_tables_and_a_summary(trained: Project) -> None:
    folder = trained.root / "reports/training"
    steps, dev = (pl.read_csv(folder / f"{name}.tsv", separator="\t") for name in ("steps", "dev"))
    assert steps.columns == [
        "step",
        "epoch",
        "loss",
        "learning_rate",
        "masked_pairs",
        "masked_ratio",
    ]
    assert steps["step"].to_list() == [1, 2, 3]
    assert dev.columns == ["step", "spearman"]
    assert dev["step"].to_list() == [0, 2, 3]
    summary = trained.summary()
    assert list(summary) == [
        *("triplets", "steps", "best_step", "best_dev", "base_dev", "masked_pairs"),
        *("masked_ratio", "labelled", "labelled_share", "dtype", "seconds"),
    ]
    assert (summary["triplets"], summary["steps"], summary["dtype"]) == (24, 3, "float32")
    assert summary["base_dev"] == dev["spearman"][0]
    curves = {path.stem for path in (folder / "live/plots/metrics").iterdir()}
    assert curves == {"loss", "grad_norm", "learning_rate", "masked_pairs", "dev_spearman"}


def test_the_card_tells_data_settings_and_score(trained: Project) -> None:
    card = trained.saved()["README.md"].decode()
    assert "| triplets | 24 |" in card
    assert "| sigma | 0.95 |" in card
    summary = trained.summary()
    assert f"| dev | {summary['base_dev']} | {summary['best_dev']} |" in card
    assert str(trained.root) not in card


def test_no_guide_no_pickle_and_no_checkpoint_is_left(trained: Project) -> None:
    assert {Path(name).suffix for name in trained.saved()} == {".json", ".md", ".safetensors"}
    assert list((trained.root / ".work/train").iterdir()) == []
    (folder,) = (trained.root / ".work/guide").iterdir()
    names = {path.name for path in folder.iterdir()}
    assert names == {"plan.json", "in-use.lock", "shard-000000.npy"}


@pytest.mark.slow
def test_the_same_inputs_give_the_same_bytes(trained: Project, project: Project) -> None:
    project.train()
    assert project.saved() == trained.saved()


@pytest.mark.parametrize("pooler", ["cls", "cls_mlp_train_only", "mean", "prompt_mask"])
@pytest.mark.slow
def test_every_pooler_trains_and_leaves_an_encoder_without_a_head(
    pooler: str, project: Project
) -> None:
    project.train(pooler=pooler, guide_pooler="prompt_mask", max_tokens=32)
    encoder = load_encoder(project.root / "models/encoder")
    assert pooler_of(encoder) == ("cls" if pooler == "cls_mlp_train_only" else pooler)
    assert not any(type(module).__module__.startswith("stages") for module in encoder)
    assert {Path(name).suffix for name in project.saved()} == {".json", ".md", ".safetensors"}
    pairs = read_table(project.root / "data/benchmarks/dev.parquet", PAIRS)
    left, right = (
        embed(encoder, pairs[side].to_list(), batch_sentences=8)
        for side in ("sentence1", "sentence2")
    )
    again = 100 * spearmanr((left * right).sum(axis=1), pairs["score"]).statistic
    assert project.summary()["best_dev"] == pytest.approx(again, abs=1e-3)


@pytest.mark.slow
def test_a_head_goes_on_from_its_checkpoint(project: Project) -> None:
    def pull_the_plug(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    project.train(pooler="cls_mlp_train_only", eval_steps=1)
    unbroken = project.saved()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "save_encoder", pull_the_plug)
        with pytest.raises(KeyboardInterrupt):
            project.train(pooler="cls_mlp_train_only", eval_steps=1)
    project.train(pooler="cls_mlp_train_only", eval_steps=1)
    assert project.saved() == unbroken


@pytest.mark.slow
def test_a_run_without_mask_does_not_ask_the_guide_again(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **options: object) -> None:
        pytest.fail("the guide was asked again")

    project.train()
    masked = project.summary()["masked_ratio"]
    monkeypatch.setattr(guide, "embed", refuse)
    project.train(sigma=1.1)
    assert masked > 0
    assert project.summary()["masked_ratio"] == 0


@pytest.mark.parametrize("objective", ["supervised", "unsupervised"])
@pytest.mark.slow
def test_objectives_without_a_mask_never_ask_the_guide(project: Project, objective: str) -> None:
    project.train(objective=objective)
    assert project.summary()["masked_pairs"] == 0
    assert not (project.root / ".work/guide").exists()


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["masked", "supervised", "unsupervised"])
def test_every_objective_can_be_trained_in_pairs(project: Project, objective: str) -> None:
    weights = {}
    for anchors in ("premises", "pairs"):
        project.train(objective=objective, anchors=anchors, sigma=0.5)
        weights[anchors] = project.saved()["model.safetensors"]
        assert (project.summary()["masked_pairs"] > 0) == (objective == "masked")
    assert weights["premises"] != weights["pairs"]


@pytest.mark.slow
def test_unsupervised_training_reads_premises_alone(project: Project, tmp_path: Path) -> None:
    project.train(objective="unsupervised")
    before = project.saved()["model.safetensors"]
    curated = project.root / "data/curated.parquet"
    other = pl.read_parquet(curated).with_columns(entailment=pl.lit("x"), contradiction=pl.lit("y"))
    write_table(other, curated)
    project.train(objective="unsupervised")
    assert project.saved()["model.safetensors"] == before


@pytest.mark.slow
def test_a_mini_batch_changes_memory_and_not_the_number_of_steps(project: Project) -> None:
    project.train(mini_batch_triplets=3)
    assert project.summary()["steps"] == 3


@pytest.mark.slow
def test_guide_vectors_that_are_not_those_written_are_made_again(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    project.train()
    before = project.saved()
    (vectors,) = (project.root / ".work/guide").glob("*/shard-000000.npy")
    np.save(vectors, np.zeros((3, 24, 32), dtype=np.float16))
    project.train()
    assert project.saved() == before
    assert "shard-000000.npy.damaged-1" in caplog.text


def test_a_stopped_run_goes_on_from_its_checkpoint(
    project: Project, trained: Project, caplog: pytest.LogCaptureFixture
) -> None:
    def pull_the_plug(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "save_encoder", pull_the_plug)
        with pytest.raises(KeyboardInterrupt):
            project.train()
    assert not (project.root / "models/encoder").exists()
    with caplog.at_level(logging.INFO, logger="stages"):
        project.train()
    assert "going on from checkpoint-" in caplog.text
    assert project.saved() == trained.saved()


@pytest.mark.slow
def test_labelled_triplets_are_left_alone_unless_asked_for(
    project: Project, trained: Project
) -> None:
    write_table(labelled_table([(noun, "teatime") for noun in NOUNS]), project.labelled)
    project.train()
    assert project.summary()["labelled"] == 0
    assert project.saved()["model.safetensors"] == trained.saved()["model.safetensors"]


@pytest.mark.slow
def test_labelled_triplets_join_the_written_and_their_share_is_told(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    people = [(noun, "teatime") for noun in NOUNS]
    write_table(labelled_table(people), project.root / "data/labelled.parquet")
    counted = {"sentences": {"file": "in/mine.txt", "read": 30, "kept": 24}}
    counted["labelled"] = {"file": "in/people.tsv"}
    write_json(counted, project.root / "reports/preparation.json")
    with caplog.at_level(logging.INFO, logger="stages"):
        project.train(labelled=True)
    summary = project.summary()
    assert (summary["triplets"], summary["labelled"], summary["labelled_share"]) == (32, 8, 0.25)
    assert summary["steps"] == 4
    assert "8 of the 32 triplets were labelled by people (25.0 %)" in caplog.text
    card = project.saved()["README.md"].decode()
    for line in ("| labelled | 8 |", "| labelled_share | 0.25 |", "| labelled file | people.tsv |"):
        assert line in card
    assert "| sentence file | mine.txt |" in card


@pytest.mark.slow
def test_a_guide_of_another_width_is_welcome(project: Project) -> None:
    wide = load_encoder(project.root / "models/guide")
    wide.append(Dense(32, 48))
    wide.save_pretrained(str(project.root / "models/guide"), create_model_card=False)
    project.train()
    assert project.summary()["steps"] == 3
