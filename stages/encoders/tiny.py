"""A random encoder small enough to run the whole pipeline in seconds."""

import itertools
import string
import tempfile
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
from transformers import BertConfig, BertModel, BertTokenizer

from stages.encoders.quiet import no_progress_bars

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
LONGEST_INPUT = 128


def write_random_encoder(folder: Path, *, seed: int) -> None:
    """Write an untrained BERT of 2 layers and width 32 as a sentence-transformers folder.

    Its WordPiece vocabulary holds single characters and pairs of letters, so any text can be
    encoded and sentences with the same words come out alike. The same seed gives the same bytes.

    Args:
        folder: Made if need be; holds safetensors, tokenizer and modules.json afterwards.
        seed: Decides the weights.
    """
    with tempfile.TemporaryDirectory() as scratch, no_progress_bars():
        _write_bert(Path(scratch), seed)
        transformer = Transformer(scratch, max_seq_length=LONGEST_INPUT)
        pooling = Pooling(transformer.get_embedding_dimension(), pooling_mode="mean")
        encoder = SentenceTransformer(modules=[transformer, pooling], device="cpu")
        encoder.save_pretrained(str(folder), create_model_card=False)


def _write_bert(folder: Path, seed: int) -> None:
    vocabulary = _vocabulary()
    tokens = {token: number for number, token in enumerate(vocabulary)}
    BertTokenizer(vocab=tokens, model_max_length=LONGEST_INPUT).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=LONGEST_INPUT,
        initializer_range=0.2,
    )
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        model = BertModel(config)
        # Letters must drown positions, or all sentences point the same way (cosines near 1).
        model.embeddings.word_embeddings.weight.mul_(10)
        model.save_pretrained(folder)


def _vocabulary() -> list[str]:
    pairs = ["".join(pair) for pair in itertools.product(string.ascii_lowercase, repeat=2)]
    pieces = [*string.ascii_lowercase, *string.digits, *pairs]
    return [*SPECIAL_TOKENS, *string.punctuation, *pieces, *(f"##{piece}" for piece in pieces)]
