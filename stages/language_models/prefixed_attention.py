"""Attention of rows that begin with the same tokens, without copying those tokens to every row.

The demonstrations of a few-shot prompt are several times longer than the sentence behind them.
Their keys and values are kept once; every row's queries meet them in one matrix product, and meet
the row's own keys in another. The softmax runs over both, so the result is that of the plain
computation, up to rounding.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface

NAME = "multicsr_prefixed"
WEIGHTS_AT_ONCE = 1 << 26
"""Attention weights that are in memory together: 256 MiB in float32."""


@dataclass(frozen=True)
class Prefix:
    """Keys and values of tokens that several rows begin with."""

    keys: list[Tensor]
    """A layer each, ``(kv_heads, tokens, head_width)``."""
    values: list[Tensor]
    """As ``keys``."""

    @property
    def tokens(self) -> int:
        """Length of the prefix."""
        return self.keys[0].shape[1] if self.keys else 0


@dataclass
class PrefixedCache:
    """Keys and values of a batch whose rows share prefixes.

    Rows with the same prefix lie next to one another. ``begin`` must be called before every pass
    of the model, which then fills in the new columns layer by layer.
    """

    prefixes: list[Prefix]
    """The distinct prefixes, in the order of their rows."""
    prefix_of_row: Tensor
    """``(rows,)`` int64 index into ``prefixes``, ascending."""
    visible: Tensor
    """``(rows, columns)`` bool, False at padding."""
    capacity: int
    """Greatest number of columns."""
    keys: list[Tensor] = field(default_factory=list)
    values: list[Tensor] = field(default_factory=list)
    columns: int = 0
    new: int = 0

    @property
    def seen(self) -> int:
        """Columns that are filled, those of the last pass included."""
        return self.columns + self.new

    def begin(self, visible: Tensor) -> None:
        """Announce new columns: ``(rows, new)`` bool, False at padding."""
        self.columns += self.new
        self.new = visible.shape[1]
        self.visible = torch.cat([self.visible[:, : self.columns], visible], dim=1)

    def positions(self) -> Tensor:
        """Return ``(rows, new)`` int64 positions of the new tokens, prefix included."""
        before = torch.tensor([p.tokens for p in self.prefixes])[self.prefix_of_row]
        own = self.visible.long().cumsum(dim=1)[:, self.columns :] - 1
        return (before[:, None].to(own.device) + own).clamp(min=0)

    def mask(self) -> Tensor:
        """Return ``(rows, new, columns + new)`` bool, True where a new token may look."""
        total = self.columns + self.new
        causal = torch.ones(self.new, total, dtype=torch.bool, device=self.visible.device)
        return self.visible[:, None, :] & causal.tril(diagonal=self.columns)

    def update(
        self, keys: Tensor, values: Tensor, layer: int, *_: object, **__: object
    ) -> tuple[Tensor, Tensor]:
        """Store the new ``(rows, kv_heads, new, head_width)`` and return all of the layer's."""
        if layer == len(self.keys):
            rows, heads, width = keys.shape[0], keys.shape[1], keys.shape[3]
            self.keys.append(keys.new_empty(rows, heads, self.capacity, width))
            self.values.append(values.new_empty(rows, heads, self.capacity, width))
        end = self.columns + self.new
        self.keys[layer][:, :, self.columns : end] = keys
        self.values[layer][:, :, self.columns : end] = values
        return self.keys[layer][:, :, :end], self.values[layer][:, :, :end]

    def get_seq_length(self, *_: object) -> int:
        """Return the number of columns seen, as transformers asks for it."""
        return self.columns

    def select(self, rows: Tensor, *, capacity: int) -> "PrefixedCache":
        """Return a cache of ``rows`` (int64, repeats allowed, prefixes ascending)."""
        return PrefixedCache(
            prefixes=self.prefixes,
            prefix_of_row=self.prefix_of_row[rows],
            visible=self.visible[rows],
            capacity=capacity,
            keys=[_grown(keys[:, :, : self.seen], rows, capacity) for keys in self.keys],
            values=[_grown(values[:, :, : self.seen], rows, capacity) for values in self.values],
            columns=self.seen,
        )

    @classmethod
    def joined(cls, caches: Sequence["PrefixedCache"]) -> "PrefixedCache":
        """Return the rows of all ``caches`` one after the other, padded on the left.

        Rows with the same prefix may lie apart in it: ``select`` rows of it before a pass. One
        cache alone is handed back as it is.
        """
        if len(caches) == 1:
            return caches[0]
        prefixes = list({id(prefix): prefix for one in caches for prefix in one.prefixes}.values())
        numbers = {id(prefix): number for number, prefix in enumerate(prefixes)}
        places = [torch.tensor([numbers[id(p)] for p in one.prefixes]) for one in caches]
        seen = [one.seen for one in caches]
        visible = [one.visible[:, None, :, None] for one in caches]
        layers = range(len(caches[0].keys))
        return cls(
            prefixes=prefixes,
            prefix_of_row=torch.cat(
                [place[one.prefix_of_row] for place, one in zip(places, caches, strict=True)]
            ),
            visible=_stacked(visible, seen)[:, 0, :, 0],
            capacity=max(seen),
            keys=[_stacked([one.keys[layer] for one in caches], seen) for layer in layers],
            values=[_stacked([one.values[layer] for one in caches], seen) for layer in layers],
            columns=max(seen),
        )

    def groups(self) -> list[tuple[slice, Prefix]]:
        """Return the rows of each prefix that has any."""
        counts = torch.bincount(self.prefix_of_row, minlength=len(self.prefixes)).tolist()
        starts = [sum(counts[:i]) for i in range(len(counts))]
        return [
            (slice(start, start + count), prefix)
            for start, count, prefix in zip(starts, counts, self.prefixes, strict=True)
            if count
        ]


def _grown(cached: Tensor, rows: Tensor, capacity: int) -> Tensor:
    _, heads, seen, width = cached.shape
    grown = cached.new_empty(len(rows), heads, capacity, width)
    grown[:, :, :seen] = cached[rows]
    return grown


def _stacked(parts: Sequence[Tensor], seen: Sequence[int]) -> Tensor:
    """Stack the first ``seen`` columns of ``(rows, heads, columns, width)``, right-aligned."""
    _, heads, _, width = parts[0].shape
    rows, longest = sum(map(len, parts)), max(seen)
    # Zeros, not whatever is in memory: hidden columns weigh nothing, but nothing times NaN is NaN.
    stacked = parts[0].new_zeros(rows, heads, longest, width)
    for part, end, place in zip(parts, seen, stacked.split([*map(len, parts)]), strict=True):
        place[:, :, longest - end :] = part[:, :, :end]
    return stacked


@dataclass(frozen=True)
class Window:
    """What one pass of the model may look at; the same for all layers."""

    groups: list[tuple[slice, Prefix]]
    mask: Tensor
    """``(rows, new, columns)`` bool."""


def prefixed_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,  # noqa: ARG001  transformers passes it; `window` stands for it
    *,
    window: Window,
    scaling: float,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attend to the row's prefix and to its own tokens.

    Args:
        module: The attention layer, for its ``layer_idx``.
        query: ``(rows, heads, new, head_width)``.
        key: ``(rows, kv_heads, columns, head_width)``.
        value: As ``key``.
        attention_mask: Not used.
        window: Prefixes and mask of this pass.
        scaling: Factor of the dot products.

    Returns:
        ``(rows, new, heads, head_width)``, and None for the weights.
    """
    rows, heads, new, width = query.shape
    queries = (query * scaling).reshape(rows, key.shape[1], -1, width)
    mixed = torch.empty_like(queries)
    for group, prefix in window.groups:
        for piece in _pieces(group, cells_a_row=heads * new * (prefix.tokens + key.shape[2])):
            own = queries[piece] @ key[piece].transpose(2, 3)
            _hide(own, window.mask[piece])
            mixed[piece] = _mixed(queries[piece], own, value[piece], prefix, module.layer_idx)
    return mixed.view(rows, heads, new, width).transpose(1, 2), None


def _pieces(rows: slice, *, cells_a_row: int) -> Iterator[slice]:
    """Cut rows so that the weights of a piece fit into memory, however long the texts are."""
    size = max(1, WEIGHTS_AT_ONCE // cells_a_row)
    for start in range(rows.start, rows.stop, size):
        yield slice(start, min(start + size, rows.stop))


def _hide(own: Tensor, mask: Tensor) -> None:
    rows, kv_heads, _, columns = own.shape
    by_token = own.view(rows, kv_heads, -1, mask.shape[1], columns)
    by_token.masked_fill_(~mask[:, None, None], torch.finfo(own.dtype).min)


def _mixed(queries: Tensor, own: Tensor, value: Tensor, prefix: Prefix, layer: Any) -> Tensor:
    """Return the values, weighted by one softmax over the prefix and the row's own tokens."""
    if not prefix.tokens:
        return own.softmax(dim=-1) @ value
    shared = _shared_product(queries, prefix.keys[layer])
    weights = torch.cat([shared, own], dim=-1).softmax(dim=-1)
    on_prefix, on_own = weights.split([prefix.tokens, own.shape[-1]], dim=-1)
    mixed: Tensor = on_own @ value
    return mixed.add_(_shared_product(on_prefix, prefix.values[layer].transpose(1, 2)))


def _shared_product(left: Tensor, right: Tensor) -> Tensor:
    """Multiply ``(rows, kv_heads, n, a)`` by ``(kv_heads, b, a)`` in one product a head."""
    rows, kv_heads, n, _ = left.shape
    flat = left.transpose(0, 1).reshape(kv_heads, rows * n, -1)
    product = flat @ right.transpose(1, 2)
    return product.view(kv_heads, rows, n, -1).transpose(0, 1)


AttentionInterface.register(NAME, prefixed_attention)
