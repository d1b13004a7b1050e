"""Tokens of batches: padding, and where answers stop."""

from collections.abc import Callable, Iterable
from typing import TypeVar

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from stages.language_models.protocol import Answer

ROWS_AT_ONCE = 64
"""Rows of like length that are computed in one pass: enough to keep the processor busy."""

TOKENS_AT_ONCE = 4096
"""Tokens, padding included, that are computed in one pass."""

ALIKE = 1.25
"""Within a run, the longest row over the shortest, unless the run would be a small one."""

SMALL_RUN = 256
"""Tokens from which on a run is worth its own pass: below, padding costs less than another one."""

Item = TypeVar("Item")


def stop_tokens(tokenizer: PreTrainedTokenizerBase, *, vocabulary: int) -> Tensor:
    """Mark, ``(vocabulary,)`` bool, special tokens and all that contain a line break."""
    texts = tokenizer.batch_decode([[i] for i in range(vocabulary)])
    stops = torch.tensor(["\n" in text for text in texts])
    stops[[i for i in tokenizer.all_special_ids if i < vocabulary]] = True
    return stops


def answer_of(tokens: list[int], tokenizer: PreTrainedTokenizerBase, stops: Tensor) -> Answer:
    """Return what ``tokens`` say up to the first line break."""
    text = tokenizer.decode(tokens, skip_special_tokens=True)
    finished = bool(tokens) and bool(stops[tokens[-1]])
    return Answer(text=str(text).split("\n")[0].strip(), finished=finished)


def padded(rows: list[list[int]], *, left: bool) -> tuple[Tensor, Tensor]:
    """Return ``(rows, longest)`` ids padded with 0, and a bool mask that is False at padding."""
    longest = max(1, *map(len, rows))
    ids = torch.zeros(len(rows), longest, dtype=torch.long)
    visible = torch.zeros(len(rows), longest, dtype=torch.bool)
    for number, row in enumerate(rows):
        place = slice(longest - len(row), None) if left else slice(0, len(row))
        ids[number, place] = torch.tensor(row, dtype=torch.long)
        visible[number, place] = True
    return ids, visible


def in_runs(items: Iterable[Item], *, length: Callable[[Item], int]) -> list[list[Item]]:
    """Sort ``items`` by ``length`` (tokens) and cut them into runs to be computed at once.

    A run is ROWS_AT_ONCE long at most, and fewer where its rows, padded to the longest, would have
    more than TOKENS_AT_ONCE: one very long text does not make all others as long. A run that is no
    small one takes no row that is much longer than its shortest either.
    """
    runs: list[list[Item]] = []
    for item in sorted(items, key=length):
        if not runs or _is_full(runs[-1], item, length):
            runs.append([])
        runs[-1].append(item)
    return runs


def _is_full(run: list[Item], item: Item, length: Callable[[Item], int]) -> bool:
    longest, padded_tokens = length(item), len(run) * length(run[-1])
    if len(run) == ROWS_AT_ONCE or (len(run) + 1) * longest > TOKENS_AT_ONCE:
        return True
    return padded_tokens >= SMALL_RUN and longest > ALIKE * length(run[0])
