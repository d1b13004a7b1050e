"""The judge ``encoder``: the cosine of two sentences' vectors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sentence_transformers import SentenceTransformer

from stages.encoders.embedding import embed
from stages.equations.similarity_scores import scaled_score
from stages.judges.protocol import Calibration, Judgement, Pair

BATCH_SENTENCES = 64
LOWEST, HIGHEST = 0.0, 1.0
"""Cosines of score 0 and 5: at right angles, and the same direction. They need no data and hold for
any encoder; one whose unrelated sentences lie well above 0 scores them above 0, too."""


@dataclass(frozen=True)
class CosineJudge:
    """Compares the vectors of ``encoder``, whose weights ``identity`` names."""

    encoder: SentenceTransformer
    identity: str
    name: str = "encoder"

    @property
    def calibration(self) -> Calibration:
        """Linear: a right angle is 0, no angle 5."""
        return Calibration("cosine of the sentences' vectors", "linear", LOWEST, HIGHEST)

    @property
    def facts(self) -> Mapping[str, str]:
        """The encoder."""
        return {"model": self.identity}

    def judge(self, pairs: Sequence[Pair]) -> list[Judgement]:
        """Return the scaled cosine of each pair."""
        sentences = [sentence for pair in pairs for sentence in pair]
        vectors = embed(self.encoder, sentences, batch_sentences=BATCH_SENTENCES)
        cosines = np.einsum("ij,ij->i", vectors[::2], vectors[1::2], dtype=float)
        scores = scaled_score(cosines, low=LOWEST, high=HIGHEST)
        return [Judgement(float(s), f"{c:.6f}") for s, c in zip(scores, cosines, strict=True)]
