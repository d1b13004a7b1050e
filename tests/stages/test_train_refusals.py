"""What stage ``train`` refuses, and what it warns about."""

import json
import logging
from pathlib import Path

import polars as pl
import pytest

from stages import train
from stages.encoders.embedding import embed, load_encoder
from stages.errors import PipelineError
from stages.tables.writing import write_table
from tests.stages.training_project import (
    NOUNS,
    ROWS,
    Project,
    curated_table,
    graded_pairs,
    make_project,
)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path)


def test_a_second_run_of_the_same_training_is_sent_away(project: Project) -> None:
    def another(*_: object, **__: object) -> None:
        project.train()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "fit", another)
        with pytest.raises(PipelineError, match="another process trains with the same inputs"):
            project.train()


def test_a_base_without_dropout_cannot_learn_unsupervised(project: Project) -> None:
    config = project.root / "models/base/config.json"
    values = json.loads(config.read_text())
    none = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    config.write_text(json.dumps({**values, **none}))
    with pytest.raises(PipelineError, match=r"learns from dropout(.|\n)*hidden_dropout_prob"):
        project.train(objective="unsupervised")


def test_a_base_without_a_tokenizer_is_refused(project: Project) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
        (project.root / "models/base" / name).unlink(missing_ok=True)
    with pytest.raises(PipelineError, match=r"holds no tokenizer"):
        project.train()


def test_asking_for_labelled_triplets_without_any_is_refused(project: Project) -> None:
    with pytest.raises(PipelineError, match=r"train\.labelled = true(.|\n)*prepare\.labelled"):
        project.train(labelled=True)


def test_a_corpus_smaller_than_a_batch_is_refused(project: Project) -> None:
    write_table(curated_table(ROWS[:7]), project.root / "data/curated.parquet")
    with pytest.raises(PipelineError, match=r"holds 7 triplets, fewer than one batch of 8"):
        project.train()


def test_an_unknown_dev_benchmark_gets_the_nearest_name(project: Project) -> None:
    message = r"train\.dev = 'devv'(.|\n)*there are: dev, flat(.|\n)*did you mean 'dev'"
    with pytest.raises(PipelineError, match=message):
        project.train(dev="devv")


def test_constant_dev_scores_are_refused(project: Project) -> None:
    with pytest.raises(PipelineError, match=r"'flat' has 8 pairs that all have the same score"):
        project.train(dev="flat")


@pytest.mark.slow
def test_no_gain_on_dev_is_warned_about(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    dev = graded_pairs([float(number % 6) for number in range(len(NOUNS))])
    left, right = (
        embed(load_encoder(project.root / "models/base"), dev[side].to_list(), batch_sentences=8)
        for side in ("sentence1", "sentence2")
    )
    unbeatable = pl.Series((left * right).sum(axis=1).astype(float))
    write_table(dev.with_columns(score=unbeatable), project.root / "data/benchmarks/dev.parquet")
    with caplog.at_level(logging.WARNING, logger="stages"):
        project.train(learning_rate=1e-2)
    assert project.summary()["base_dev"] == 100
    assert project.summary()["best_dev"] <= 100
    assert "no step beat the base on dev" in caplog.text


@pytest.mark.slow
def test_a_breakdown_names_the_step_and_leaves_the_old_encoder(project: Project) -> None:
    old = project.root / "models/encoder/model.safetensors"
    old.parent.mkdir()
    old.write_text("the old one")
    with pytest.raises(PipelineError, match=r"broke down at step \d+(.|\n)*train\.learning_rate"):
        project.train(learning_rate=1e30, warmup_ratio=0.0)
    assert old.read_text() == "the old one"
    assert [path.name for path in old.parent.iterdir()] == ["model.safetensors"]
