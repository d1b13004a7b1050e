"""The figure that selects the best checkpoint."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from scipy.stats import spearmanr

from stages.encoders.embedding import embed, load_encoder
from stages.errors import PipelineError
from stages.training.dev import DevEvaluator


def test_it_is_spearman_of_cosine_and_score_times_100(tiny: Path, pairs: pl.DataFrame) -> None:
    encoder = load_encoder(tiny)
    left, right = (
        embed(encoder, pairs[side].to_list(), batch_sentences=8)
        for side in ("sentence1", "sentence2")
    )
    wanted = 100 * spearmanr((left * right).sum(axis=1), pairs["score"].to_numpy()).statistic
    got = DevEvaluator(pairs, name="dev", batch_sentences=8)(encoder)
    assert got == {"spearman": pytest.approx(wanted, abs=1e-3)}


def test_a_look_computes_as_training_does(tiny: Path, pairs: pl.DataFrame) -> None:
    encoder = load_encoder(tiny)
    exact, rounded = (
        DevEvaluator(pairs, name="dev", batch_sentences=8, dtype=dtype)(encoder)["spearman"]
        for dtype in (torch.float32, torch.bfloat16)
    )
    assert rounded != exact
    assert rounded == pytest.approx(exact, abs=1)


def test_scores_that_are_all_equal_are_refused(pairs: pl.DataFrame) -> None:
    constant = pairs.with_columns(score=pl.lit(2.5))
    with pytest.raises(PipelineError, match=r"'flat' has 80 pairs that all have the same score"):
        DevEvaluator(constant, name="flat", batch_sentences=8)


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_a_collapsed_encoder_stops_the_run(tiny: Path, pairs: pl.DataFrame, value: float) -> None:
    encoder = load_encoder(tiny)
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.fill_(value)
    with pytest.raises(PipelineError, match=r"after step 12 .* collapsed"):
        DevEvaluator(pairs, name="dev", batch_sentences=8)(encoder, steps=12)
