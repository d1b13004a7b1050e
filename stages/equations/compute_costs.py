"""What a transformer costs: operations, memory and the time that neither can go below.

Operations are counted as Kaplan et al. (2020, arXiv 2001.08361) do: a multiplication and an
addition are two, a matrix costs 2 a weight and token, and training three times the forward pass.
"""

TRAINING_PASSES = 3
"""Of forward passes: one forward, and twice as much backward."""
REPLAYED_PASSES = 4
"""With GradCache each batch is encoded once more."""
ADAM_COPIES = 4
"""Numbers kept for each weight while training: itself, its gradient, AdamW's two averages."""


def attention_weights(*, width: int, heads: int, kv_heads: int, head_width: int) -> int:
    """Return the weights of the four projections of an attention layer, biases not counted."""
    return 2 * width * head_width * (heads + kv_heads)


def feed_forward_weights(*, width: int, inner: int, gated: bool) -> int:
    """Return the weights of a feed-forward layer; a gated one has three matrices, not two."""
    return (3 if gated else 2) * width * inner


def pass_flops(tokens: float, *, weights: float, attended: float) -> float:
    """Return the operations of one forward pass.

    Args:
        tokens: That are computed.
        weights: Each meets every token: matrices, not tables that are looked up.
        attended: Keys each token meets, on average, times the width of all heads, times layers.
    """
    return tokens * (2 * weights + 4 * attended)


def training_flops(forward: float, *, replayed: bool) -> float:
    """Return the operations of training steps whose forward passes take ``forward``."""
    return forward * (REPLAYED_PASSES if replayed else TRAINING_PASSES)


def cache_bytes(tokens: float, *, layers: int, kv_width: int, number_bytes: int) -> float:
    """Return what the keys and values of ``tokens`` take, whose heads are ``kv_width`` wide."""
    return 2 * tokens * layers * kv_width * number_bytes


def activation_bytes(
    tokens: float, *, width: int, layers: int, heads: int, context: float, number_bytes: int
) -> float:
    """Return what a forward pass keeps for its backward pass.

    Per token and layer 34 widths and 5 attention weights a head and key, at two bytes a number
    (Korthikanti et al. 2022, arXiv 2205.05198, equation 2).
    """
    return tokens * layers * (34 * width + 5 * heads * context) * number_bytes / 2


def bound_seconds(
    flops: float, moved_bytes: float, *, flops_a_second: float, bytes_a_second: float
) -> float:
    """Return the greater of the time to compute and the time to move (Williams et al. 2009)."""
    return max(flops / flops_a_second, moved_bytes / bytes_a_second)


def all_reduce_bytes(summed_bytes: float, *, processes: int) -> float:
    """Return what each of ``processes`` sends to add up ``summed_bytes`` around a ring."""
    return 2 * summed_bytes * (processes - 1) / processes


def line_through(first: tuple[float, float], second: tuple[float, float]) -> tuple[float, float]:
    """Return (at zero, slope) of the line through two points (x, y) with different x.

    >>> line_through((10.0, 7.0), (30.0, 11.0))
    (5.0, 0.2)
    """
    (x, y), (further, higher) = first, second
    slope = (higher - y) / (further - x)
    return y - slope * x, slope
