"""The judge ``nli``: how surely one sentence follows from the other, says a classifier."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from stages.engines.hardware import device
from stages.equations.similarity_scores import scaled_score
from stages.errors import PipelineError, first_line
from stages.judges.protocol import Calibration, Judgement, Pair
from stages.model_files.trust import require_trusted

LABELS = {"entailment", "neutral", "contradiction"}
LONGEST_INPUT = 512
"""Tokens of a pair; longer ones are cut, the longer sentence first."""
LOWEST, HIGHEST = 0.0, 1.0
"""Probabilities of score 0 and 5."""


@dataclass(frozen=True)
class EntailmentJudge:
    """Asks a classifier for the probability that the second sentence follows from the first.

    The same question serves both hypotheses. An entailment that follows surely gets a = 5; a
    contradiction that follows from its premise is none, so a high b tells against it. Neutral and
    contradictory pairs are alike to it, near 0: it judges truth, not the topic.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    entailment: int
    """Place of that label among the outputs."""
    identity: str
    name: str = "nli"

    @property
    def calibration(self) -> Calibration:
        """Linear: five times the probability."""
        return Calibration("probability of entailment", "linear", LOWEST, HIGHEST)

    @property
    def facts(self) -> Mapping[str, str]:
        """The classifier."""
        return {"model": self.identity}

    def judge(self, pairs: Sequence[Pair]) -> list[Judgement]:
        """Return the scaled probability of entailment of each pair."""
        if not pairs:
            return []
        probabilities = self._probabilities(pairs)
        scores = scaled_score(probabilities, low=LOWEST, high=HIGHEST)
        return [Judgement(float(s), f"{p:.6f}") for s, p in zip(scores, probabilities, strict=True)]

    def _probabilities(self, pairs: Sequence[Pair]) -> "np.ndarray[Any, np.dtype[np.float64]]":
        premises, hypotheses = zip(*pairs, strict=True)
        batch = self.tokenizer(
            list(premises),
            list(hypotheses),
            padding=True,
            truncation="longest_first",
            max_length=_longest_input(self.tokenizer, self.model),
            return_tensors="pt",
        ).to(self.model.device)
        with torch.inference_mode():
            logits = self.model(**batch).logits.double()
        chances: np.ndarray[Any, np.dtype[np.float64]] = logits.softmax(dim=1).cpu().numpy()
        return chances[:, self.entailment]


def load_classifier(folder: Path, *, identity: str) -> EntailmentJudge:
    """Load the classifier of ``folder``: safetensors only, nothing downloaded, no foreign code.

    Raises:
        PipelineError: When its weights are pickled, it names code, does not load, its labels are
            not those of entailment, or it lacks the weights of its last layer, which would then
            be random.
    """
    require_trusted(folder)
    local = {"local_files_only": True, "trust_remote_code": False}
    try:
        config = AutoConfig.from_pretrained(folder, **local)
        entailment = _place_of_entailment(folder, config.id2label)
        model, loading = AutoModelForSequenceClassification.from_pretrained(
            folder, **local, use_safetensors=True, dtype=torch.float32, output_loading_info=True
        )
        tokenizer = AutoTokenizer.from_pretrained(folder, **local)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise PipelineError(
            f"{folder} cannot be loaded as a classifier: {first_line(error)}.",
            remedy="name one in models.nli that ships safetensors and a tokenizer, and fetch it.",
        ) from error
    if missing := sorted(loading["missing_keys"]):
        raise PipelineError(
            f"{folder} lacks the weights {missing[0]}, so its answers would be random.",
            remedy="name a classifier that was trained on natural language inference.",
        )
    # transformers wraps `to` in a way that hides its signature.
    moved: PreTrainedModel = nn.Module.to(model.eval(), torch.device(device()))
    return EntailmentJudge(moved, tokenizer, entailment, identity)


def _place_of_entailment(folder: Path, names: Mapping[int, str]) -> int:
    places = {name.lower(): place for place, name in names.items()}
    if set(places) != LABELS:
        raise PipelineError(
            f"{folder} sorts pairs into {', '.join(names.values())}, not into "
            f"{', '.join(sorted(LABELS))}.",
            remedy="name a classifier of natural language inference in models.nli; where only the "
            "names are missing, write them into id2label of its config.json.",
        )
    return places["entailment"]


def _longest_input(tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel) -> int:
    positions = getattr(model.config, "max_position_embeddings", None) or LONGEST_INPUT
    return min(tokenizer.model_max_length, positions, LONGEST_INPUT)
