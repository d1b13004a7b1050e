"""Whether an encoder says two things of one sentence while it trains, which is all SimCSE has."""

import torch
from sentence_transformers import SentenceTransformer

from stages.errors import PipelineError

PROBE = "Does an encoder that reads this twice say the same twice?"


def check_dropout(encoder: SentenceTransformer) -> None:
    """Leave the encoder in training mode, if two of its vectors of one sentence differ there.

    It is asked and not its modules, for a decoder drops attention without a module for it. The
    random numbers that follow are those that would have followed without the question.

    Raises:
        PipelineError: When nothing is dropped.
    """
    features = {
        name: value.to(encoder.device) if isinstance(value, torch.Tensor) else value
        for name, value in encoder.preprocess([PROBE, PROBE]).items()
    }
    encoder.train()
    drawing = [] if encoder.device.type == "cpu" else [encoder.device]
    with torch.no_grad(), torch.random.fork_rng(devices=drawing):
        first, second = encoder(features)["sentence_embedding"]
    if torch.allclose(first, second, rtol=1e-3, atol=1e-4):
        raise PipelineError(
            "train.objective = unsupervised learns from dropout, and the base encoder has none: "
            "both vectors of a premise would be the same.",
            remedy="set hidden_dropout_prob in the base's config.json (attention_dropout for a "
            "decoder), or take another base.",
        )
