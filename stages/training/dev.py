"""How good the encoder is right now, on the graded pairs that select the best checkpoint."""

import numpy as np
import polars as pl
import torch
from scipy.stats import spearmanr
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.evaluation import BaseEvaluator

from stages.encoders.embedding import embed
from stages.errors import PipelineError

METRIC = "spearman"


class DevEvaluator(BaseEvaluator):
    """Spearman correlation of cosines and scores, times 100, for the trainer.

    Args:
        pairs: Table with ``sentence1``, ``sentence2`` and ``score``.
        name: Name of the benchmark, for errors.
        batch_sentences: Sentences encoded at once.
        dtype: Of the matrix products; that of training, so that looks cost as little.

    Raises:
        PipelineError: When all scores are equal, so that nothing can be ranked.
    """

    def __init__(
        self,
        pairs: pl.DataFrame,
        *,
        name: str,
        batch_sentences: int,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        if pairs["score"].n_unique() < 2:
            raise PipelineError(
                f"the dev benchmark {name!r} has {len(pairs)} pairs that all have the same score, "
                "so it cannot tell a better encoder from a worse one.",
                remedy="set train.dev to a benchmark with varied scores.",
            )
        self._pairs = pairs
        self._name = name
        self._batch_sentences = batch_sentences
        self._dtype = dtype

    def __call__(  # type: ignore[override]  # (narrower: sentence encoders only)
        self,
        model: SentenceTransformer,
        output_path: str | None = None,  # noqa: ARG002 (the trainer's signature)
        epoch: float = -1,  # noqa: ARG002
        steps: int = -1,
    ) -> dict[str, float]:
        """Return ``{"spearman": x}`` with x in [-100, 100].

        Args:
            model: The encoder as it is.
            output_path: Not used: nothing is written.
            epoch: Not used.
            steps: How far training is, for the error.

        Raises:
            PipelineError: When the encoder gives all pairs the same cosine, or NaN.
        """
        left, right = (self._pairs[column].to_list() for column in ("sentence1", "sentence2"))
        vectors = embed(
            model, [*left, *right], batch_sentences=self._batch_sentences, dtype=self._dtype
        )
        cosines = np.einsum("ij,ij->i", vectors[: len(left)], vectors[len(left) :])
        if not np.ptp(cosines) > 0:  # also when NaN
            raise PipelineError(
                f"after step {steps} the encoder gives the pairs of {self._name!r} "
                "no different finite cosines: it has collapsed.",
                remedy="lower train.learning_rate, raise train.tau, or try another base.",
            )
        return {METRIC: 100 * float(spearmanr(cosines, self._pairs["score"]).statistic)}
