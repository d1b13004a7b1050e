import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from tokenizers.decoders import ByteLevel
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerFast:
    """Bytes as tokens: every text has one reading, and concatenation never merges."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: i for i, letter in enumerate(letters)}
    vocabulary["<|end|>"] = len(vocabulary)
    raw = Tokenizer(models.BPE(vocabulary, []))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<|end|>", bos_token="<|end|>")


@pytest.fixture
def llama(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """A small Llama with random weights, grouped-query attention and lively logits."""
    torch.manual_seed(7)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=48,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=6,
        num_key_value_heads=2,
        max_position_embeddings=512,
        initializer_range=0.3,
        bos_token_id=256,
        eos_token_id=256,
        pad_token_id=256,
    )
    model = LlamaForCausalLM(config)
    model.eval()
    return model


@pytest.fixture
def t5(tokenizer: PreTrainedTokenizerFast) -> T5ForConditionalGeneration:
    """A small T5 with random weights, gated as Flan-T5 is, and lively logits."""
    torch.manual_seed(11)
    config = T5Config(
        vocab_size=len(tokenizer),
        d_model=48,
        d_kv=8,
        d_ff=64,
        num_layers=2,
        num_heads=6,
        feed_forward_proj="gated-gelu",
        pad_token_id=0,
        eos_token_id=256,
    )
    config.update({"decoder_start_token_id": 0, "tie_word_embeddings": False})
    model = T5ForConditionalGeneration(config)
    model.eval()
    return model


@pytest.fixture
def bart(tokenizer: PreTrainedTokenizerFast) -> BartForConditionalGeneration:
    """A small BART with random weights: absolute positions, where padding could do harm."""
    torch.manual_seed(13)
    config = BartConfig(
        vocab_size=len(tokenizer),
        d_model=48,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=6,
        decoder_attention_heads=6,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        max_position_embeddings=512,
        init_std=0.3,
        decoder_start_token_id=256,
        bos_token_id=256,
        pad_token_id=0,
        eos_token_id=256,
        forced_eos_token_id=None,
    )
    model = BartForConditionalGeneration(config)
    model.eval()
    return model
