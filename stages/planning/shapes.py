"""From a model's config.json to its shape: all that its cost depends on. No weights are read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from stages.equations.compute_costs import attention_weights, feed_forward_weights
from stages.errors import PipelineError

Kind = Literal["decoder", "encoder", "encoder_decoder"]
GATED_FAMILIES = (
    *("llama", "mistral", "qwen2", "qwen3", "gemma", "phi3", "smollm3", "olmo2", "cohere"),
    *("granite", "starcoder2_gated", "modernbert", "exaone4", "glm4"),
)
"""Families with three feed-forward matrices; the type of a newer one begins with an older's."""
NAMES = {
    "width": ("hidden_size", "d_model", "n_embd", "dim"),
    "layers": ("num_hidden_layers", "num_layers", "n_layer", "n_layers"),
    "heads": ("num_attention_heads", "num_heads", "n_head", "n_heads"),
    "vocabulary": ("vocab_size",),
}
"""What each is called in config.json, by family."""
INNER = ("intermediate_size", "d_ff", "n_inner", "hidden_dim")


@dataclass(frozen=True)
class Shape:
    """A transformer's sizes.

    Attributes:
        kind: Which of its halves it has.
        width: Of the hidden states.
        inner: Width of the feed-forward layers.
        layers: Of the only stack, or of the encoder.
        decoder_layers: Of the decoder of an encoder-decoder, else 0.
        heads: Of attention.
        kv_heads: Heads of keys and values.
        head_width: Of one head.
        vocabulary: Tokens.
        positions: Learned position vectors, else 0.
        gated: Whether feed-forward layers have a gate.
        tied: Whether the last matrix is the table of tokens.
    """

    kind: Kind
    width: int
    inner: int
    layers: int
    decoder_layers: int
    heads: int
    kv_heads: int
    head_width: int
    vocabulary: int
    positions: int = 0
    gated: bool = False
    tied: bool = True

    @property
    def attention(self) -> int:
        """Weights of one attention layer."""
        return attention_weights(
            width=self.width,
            heads=self.heads,
            kv_heads=self.kv_heads,
            head_width=self.head_width,
        )

    @property
    def layer(self) -> int:
        """Weights of one layer: attention and feed-forward."""
        inner = feed_forward_weights(width=self.width, inner=self.inner, gated=self.gated)
        return self.attention + inner

    @property
    def stack(self) -> int:
        """Weights that each token meets in the only stack, or in the encoder."""
        return self.layers * self.layer

    @property
    def decoder(self) -> int:
        """Weights of an encoder-decoder's decoder, attention to the encoder included."""
        return self.decoder_layers * (self.layer + self.attention)

    @property
    def head(self) -> int:
        """Weights of the matrix that gives the scores of the next token."""
        return 0 if self.kind == "encoder" else self.width * self.vocabulary

    @property
    def tables(self) -> int:
        """Numbers in tables that are looked up: tokens and positions."""
        return self.width * (self.vocabulary + self.positions)

    @property
    def parameters(self) -> int:
        """All numbers but biases and norms, which are less than a hundredth."""
        head = 0 if self.tied else self.head
        return self.stack + self.decoder + self.tables + head

    @property
    def heads_width(self) -> int:
        """Width of all heads together."""
        return self.heads * self.head_width

    @property
    def kv_width(self) -> int:
        """Width of the keys, or values, of all heads together."""
        return self.kv_heads * self.head_width


def shape_of(config: Mapping[str, Any], *, name: str) -> Shape:
    """Return the shape that a config.json describes.

    Args:
        config: Its content.
        name: Of the model, for the error.

    Raises:
        PipelineError: When it lacks a size, or describes what is not counted here.
    """
    if any(key in config for key in ("num_local_experts", "num_experts", "n_routed_experts")):
        raise PipelineError(
            f"{name} is a mixture of experts, whose cost is not counted here.",
            remedy="name a dense model with --llm, or calibrate: `multicsr plan --calibrate`.",
        )
    width, layers, heads, vocabulary = (_size(config, size, name) for size in NAMES)
    family = str(config.get("model_type", ""))
    kind = _kind(config)
    return Shape(
        kind=kind,
        width=width,
        inner=next((int(config[key]) for key in INNER if config.get(key)), 4 * width),
        layers=layers,
        decoder_layers=int(config.get("num_decoder_layers") or layers)
        if kind == "encoder_decoder"
        else 0,
        heads=heads,
        kv_heads=int(config.get("num_key_value_heads") or heads),
        head_width=int(config.get("head_dim") or config.get("d_kv") or width // heads),
        vocabulary=vocabulary,
        positions=_positions(config, family),
        gated=family.startswith(GATED_FAMILIES)
        or str(config.get("feed_forward_proj", "")).startswith("gated"),
        tied=_tied(config, kind),
    )


def _kind(config: Mapping[str, Any]) -> Kind:
    if config.get("is_encoder_decoder"):
        return "encoder_decoder"
    names = [str(name) for name in config.get("architectures") or ()]
    causal = any(name.endswith(("ForCausalLM", "LMHeadModel")) for name in names)
    return "decoder" if causal else "encoder"


def _tied(config: Mapping[str, Any], kind: Kind) -> bool:
    """Say whether the head is the table of tokens: usual in small models, and said in larger."""
    usual = kind == "encoder" or not str(config.get("model_type", "")).startswith(GATED_FAMILIES)
    return bool(config.get("tie_word_embeddings", usual))


def _positions(config: Mapping[str, Any], family: str) -> int:
    learned = family in {"bert", "roberta", "xlm-roberta", "distilbert", "gpt2", "mpnet", "opt"}
    return int(config.get("max_position_embeddings", 0)) if learned else 0


def _size(config: Mapping[str, Any], size: str, name: str) -> int:
    for key in NAMES[size]:
        if isinstance(config.get(key), int) and config[key] > 0:
            return int(config[key])
    raise PipelineError(
        f"{name} does not say its {size} ({' or '.join(NAMES[size])}).",
        remedy="name another config.json, or a model that `multicsr plan --help` lists.",
    )
