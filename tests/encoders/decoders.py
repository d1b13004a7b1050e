"""Small decoders with random weights, which have no module for their dropout."""

from pathlib import Path

import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaModel


def write_decoder(
    folder: Path,
    tokenizer: Path,
    *,
    layers: int = 2,
    dropout: float = 0.0,
    initializer_range: float = 0.02,
) -> Path:
    """Write a decoder with the words of ``tokenizer``, and return its folder."""
    torch.manual_seed(3)
    words = AutoTokenizer.from_pretrained(tokenizer)
    config = LlamaConfig(
        vocab_size=len(words),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        attention_dropout=dropout,
        initializer_range=initializer_range,
    )
    LlamaModel(config).save_pretrained(folder)
    words.save_pretrained(folder)
    return folder
