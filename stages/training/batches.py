"""Which triplets share a step, and how their sentences reach the encoder with little padding."""

from collections.abc import Callable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import Any, cast

import torch
from sentence_transformers.base.sampler import DefaultBatchSampler
from torch import Tensor

from stages.engines.processes import ALONE, Processes

Features = dict[str, Any]
"""What an encoder reads: token ids, attention mask and whatever else its tokenizer gives."""


@dataclass(frozen=True)
class Batch:
    """One step's sentences, tokenised and cut into groups of like length.

    Attributes:
        rows: ``(batch,)`` int64, the triplets of the whole batch, in all processes.
        groups: This process' sentences; in a group all are padded to the longest of the group.
        places: ``(sentences,)`` int64; the sentence at position ``i`` of the groups, one after the
            other, is number ``places[i]`` of this process, column by column.
    """

    rows: Tensor
    groups: Sequence[Features]
    places: Tensor


@dataclass(frozen=True)
class Collator:
    """Makes a :class:`Batch` of the rows that the sampler chose.

    Attributes:
        preprocess: The encoder's tokenisation.
        columns: Names of the columns that are encoded; a name may stand there twice.
        group_sentences: Most sentences that go through the encoder at once.
        max_tokens: Longer sentences are cut here, and not in the encoder, which keeps its own
            longest input; null leaves it at that.
        processes: Each takes its share of the rows.
    """

    preprocess: Callable[..., Features]
    columns: Sequence[str]
    group_sentences: int
    max_tokens: int | None
    processes: Processes = ALONE

    def __call__(self, triplets: Sequence[Mapping[str, Any]]) -> dict[str, Batch]:
        """Return the batch under one key, as the trainer wants a mapping."""
        own = triplets[self.processes.share(len(triplets))]
        sentences = [triplet[column] for column in self.columns for triplet in own]
        limit = {} if self.max_tokens is None else {"max_length": self.max_tokens}
        features = self.preprocess(sentences, **limit) if sentences else {}
        groups, places = by_length(features, group_sentences=self.group_sentences)
        rows = torch.tensor([triplet["label"] for triplet in triplets])
        return {"batch": Batch(rows, groups, places)}


def by_length(features: Features, *, group_sentences: int) -> tuple[list[Features], Tensor]:
    """Cut tokenised sentences into groups of like length, without the padding of the longest.

    Padded to the longest of its column, half of a batch of everyday sentences is padding. What
    holds no row a sentence is handed to every group as it is.

    Args:
        features: Tensors ``(sentences, ...)``, one of them the ``attention_mask``; the second
            axis of those as wide as the mask is that of tokens.
        group_sentences: Most sentences of a group.

    Returns:
        The groups, shortest sentences first, and ``(sentences,)`` int64: which sentence is at
        which position of the groups.
    """
    if not features:
        return [], torch.zeros(0, dtype=torch.int64)
    mask: Tensor | None = features.get("attention_mask")
    if mask is None:  # no Transformer: nothing is padded
        sentences = next(len(value) for value in features.values() if isinstance(value, Tensor))
        return [features], torch.arange(sentences)
    places = mask.sum(dim=1).argsort(stable=True)
    groups = []
    for chosen in places.split(group_sentences):
        used = mask[chosen].any(dim=0)
        groups.append({name: _cut(value, chosen, used) for name, value in features.items()})
    return groups, places


def _cut(value: Any, chosen: Tensor, used: Tensor) -> Any:
    if not isinstance(value, Tensor):
        return value
    rows = value[chosen]
    has_tokens = rows.dim() > 1 and rows.shape[1] == len(used)
    return rows[:, used].contiguous() if has_tokens else rows


class ShuffledBatches(DefaultBatchSampler):
    """Any triplets together, also with equal sentences; each epoch has its own order."""

    def __iter__(self) -> Iterator[list[int]]:
        """Yield row numbers batch by batch; the last batch may be smaller."""
        generator = torch.Generator().manual_seed(self.seed + self.epoch)
        order = torch.randperm(len(cast(Sized, self.sampler)), generator=generator)
        for batch in order.split(self.batch_size):
            yield batch.tolist()
