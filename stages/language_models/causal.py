"""Decoder-only Hugging Face models: contrastive writing and log-likelihoods in batches."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import groupby
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from stages.equations.contrastive_decoding import contrastive_scores, draw, nucleus
from stages.language_models import prefixed_attention
from stages.language_models.hosting import hosts
from stages.language_models.prefixed_attention import Prefix, PrefixedCache, Window
from stages.language_models.protocol import Answer, Decoding, Prompt, Request
from stages.language_models.randomness import uniforms

# Rows are dropped from the batch once this share of them has finished: copying the cache costs
# about as much as a step, so dropping each row by itself would not pay.
FINISHED_SHARE = 0.2
LOGITS_AT_ONCE = 1024
"""Token positions whose logits are held at once when scoring (a vocabulary's floats each)."""
ROWS_AT_ONCE = 64
"""Rows of like length that are scored in one pass: enough to keep the processor busy."""

Item = TypeVar("Item")


class Job(NamedTuple):
    """A continuation that is computed to answer a question."""

    row: int
    """Of the prompt in the cache."""
    tokens: list[int]
    """The prompt's last token, whose logits predict the first one asked about; then those."""
    number: int
    """Of the question."""


class Span(NamedTuple):
    """Computed tokens whose log-likelihoods sum up to an answer."""

    row: int
    start: int
    """First column, at least 1: the column before it predicts it."""
    stop: int
    number: int
    """Of the question."""


class Prefilled(NamedTuple):
    """Prompts that were computed."""

    hidden: Tensor
    """Last hidden states, ``(rows, columns, width)``."""
    ids: Tensor
    """Tokens, ``(rows, columns)``, padded on the left."""
    cache: PrefixedCache
    rows: list[int]
    """Where each prompt is, in the order asked."""


class CausalLanguageModel:
    """A decoder-only model.

    The wanted and the noisy branch of all rows advance as one batch. A prompt that serves several
    branches is computed once, and so is a prefix that several prompts share.
    """

    def __init__(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, identity: str
    ) -> None:
        self._model = model.eval()
        self._model.set_attn_implementation(prefixed_attention.NAME)
        self._tokenizer = tokenizer
        self._identity = identity
        self._prefixes: dict[str, Prefix] = {}
        self._stops = _stop_tokens(tokenizer, vocabulary=model.config.vocab_size)

    @property
    def identity(self) -> str:
        """Weights and arithmetic."""
        return f"{self._identity} {self._model.dtype}"

    @torch.inference_mode()
    def write(self, requests: Sequence[Request], decoding: Decoding) -> list[Answer]:
        """Return one answer per request, in the order asked."""
        if not requests:
            return []
        prompts = _distinct(requests)
        suffixes = [self._tokens(prompt.suffix) for prompt in prompts]
        read = self._prefill(prompts, suffixes)
        row_of = dict(zip(prompts, read.rows, strict=True))
        wanted = torch.tensor([row_of[request.wanted] for request in requests])
        branches = [wanted]
        if decoding.omega != 0:
            branches.append(torch.tensor([row_of[_noisy(request)] for request in requests]))
        keys = [request.key for request in requests]
        numbers = torch.from_numpy(uniforms(decoding.seed, keys, count=decoding.max_new_tokens))
        logits = self._logits(read.hidden[:, -1])
        tokens = self._decode(logits, read.cache, branches, numbers, decoding)
        return [self._answer(row) for row in tokens]

    @torch.inference_mode()
    def log_likelihoods(self, pairs: Sequence[tuple[Prompt, str]]) -> list[float]:
        """Return log P(continuation | prompt) in nats for each (prompt, continuation).

        A prompt is computed once for all its continuations, texts of like length go together, and
        what another prompt begins with is read off when that prompt is computed.
        """
        texts = [self._tokens(text) for _, text in pairs]
        suffixes = {prompt: self._tokens(prompt.suffix) for prompt, _ in pairs}
        asked: dict[Prompt, list[int]] = defaultdict(list)
        guests: dict[Prompt, list[int]] = defaultdict(list)
        for number, host in enumerate(hosts([prompt for prompt, _ in pairs], texts, suffixes)):
            (asked[pairs[number][0]] if host is None else guests[host]).append(number)
        found: dict[int, float] = {}
        for prompts in _runs(sorted(asked, key=lambda prompt: len(suffixes[prompt]))):
            # The last prompt token goes with the continuation: its logits predict the first token.
            read = self._prefill(prompts, [suffixes[prompt][:-1] for prompt in prompts])
            spans, jobs = [], []
            for prompt, row in zip(prompts, read.rows, strict=True):
                first = read.ids.shape[1] - len(suffixes[prompt]) + 1
                for number in guests[prompt]:
                    start = first + len(suffixes[pairs[number][0]])
                    spans.append(Span(row, start, start + len(texts[number]), number))
                last = suffixes[prompt][-1]
                jobs += [Job(row, [last, *texts[number]], number) for number in asked[prompt]]
            found.update(self._sums(read.hidden, read.ids, spans))
            for run in _runs(sorted(jobs, key=lambda job: len(job.tokens))):
                found.update(self._continued(read.cache, sorted(run)))
        return [found[number] for number in range(len(pairs))]

    def _continued(self, cache: PrefixedCache, jobs: list[Job]) -> dict[int, float]:
        """Return, by number, the log-likelihood of each job's tokens after the first."""
        ids, visible = _padded([job.tokens for job in jobs], left=False)
        capacity = cache.columns + cache.new + ids.shape[1]
        rows = torch.tensor([job.row for job in jobs])
        hidden = self._advance(ids, visible, cache.select(rows, capacity=capacity))
        spans = [Span(row, 1, len(job.tokens), job.number) for row, job in enumerate(jobs)]
        return self._sums(hidden, ids, spans)

    def _sums(self, hidden: Tensor, ids: Tensor, spans: list[Span]) -> dict[int, float]:
        """Return, by number, the log-likelihood of each span of ``ids``."""
        places = [
            (span.row, column, place)
            for place, span in enumerate(spans)
            for column in range(span.start, span.stop)
        ]
        rows, columns, owners = torch.tensor(places, dtype=torch.long).reshape(-1, 3).unbind(1)
        states, targets = hidden[rows, columns - 1], ids[rows, columns]
        head = self._model.get_output_embeddings()
        sums = torch.zeros(len(spans), dtype=torch.float64)
        for state, target, owner in zip(
            *(part.split(LOGITS_AT_ONCE) for part in (states, targets, owners)), strict=True
        ):
            logits = head(state).float()
            losses = cross_entropy(logits, target.to(logits.device), reduction="none")
            sums.index_add_(0, owner, -losses.double().cpu())
        return {span.number: float(total) for span, total in zip(spans, sums, strict=True)}

    def _decode(
        self,
        logits: Tensor,
        cache: PrefixedCache,
        branches: list[Tensor],
        numbers: Tensor,
        decoding: Decoding,
    ) -> list[list[int]]:
        """Draw tokens until every row has stopped or has ``max_new_tokens``."""
        prompt_columns = cache.columns + cache.new
        capacity = prompt_columns + decoding.max_new_tokens
        written: list[list[int]] = [[] for _ in numbers]
        alive = torch.arange(len(numbers))
        stacked, place = _by_prefix(torch.cat(branches), cache)
        cache = cache.select(stacked, capacity=capacity)
        logits = logits[stacked]
        for step in range(decoding.max_new_tokens):
            drawn = self._draw(logits, place, numbers[alive, step], decoding)
            for row, token in zip(alive.tolist(), drawn.tolist(), strict=True):
                if not (written[row] and self._stops[written[row][-1]]):
                    written[row].append(token)
            going = ~self._stops[torch.tensor([written[row][-1] for row in alive.tolist()])]
            if not going.any() or step + 1 == decoding.max_new_tokens:
                break
            if (~going).float().mean() >= FINISHED_SHARE:
                kept = place.view(-1, len(alive))[:, going].flatten()
                alive, drawn = alive[going], drawn[going]
                stacked, place = _by_prefix(kept, cache)
                cache = cache.select(stacked, capacity=capacity)
            inputs = torch.empty(len(place), dtype=torch.long)
            inputs[place] = drawn.repeat(len(branches))
            ones = torch.ones(len(place), 1, dtype=torch.bool)
            logits = self._logits(self._advance(inputs[:, None], ones, cache)[:, -1])
        return written

    def _draw(self, logits: Tensor, place: Tensor, numbers: Tensor, decoding: Decoding) -> Tensor:
        wanted, *noisy = logits[place].chunk(len(place) // len(numbers))
        scores = contrastive_scores(
            wanted,
            noisy[0] if noisy else None,
            omega=decoding.omega,
            plausibility=decoding.plausibility,
        )
        if decoding.temperature > 0:
            scores = nucleus(scores, top_p=decoding.top_p)
        return draw(scores, numbers.to(scores.device), temperature=decoding.temperature).cpu()

    def _answer(self, tokens: list[int]) -> Answer:
        text = self._tokenizer.decode(tokens, skip_special_tokens=True)
        finished = bool(tokens) and bool(self._stops[tokens[-1]])
        return Answer(text=str(text).split("\n")[0].strip(), finished=finished)

    def _prefill(self, prompts: Sequence[Prompt], suffixes: list[list[int]]) -> Prefilled:
        """Compute all prompts; those with the same prefix become neighbours."""
        order = sorted(range(len(prompts)), key=lambda i: prompts[i].prefix)
        ids, visible = _padded([suffixes[i] for i in order], left=True)
        cache = self._empty_cache([prompts[i].prefix for i in order], capacity=ids.shape[1])
        hidden = self._advance(ids, visible, cache)
        rows = [row for _, row in sorted(zip(order, range(len(order)), strict=True))]
        return Prefilled(hidden, ids, cache, rows)

    def _empty_cache(self, prefixes: list[str], *, capacity: int) -> PrefixedCache:
        distinct = [(prefix, len(list(rows))) for prefix, rows in groupby(prefixes)]
        counts = torch.tensor([count for _, count in distinct])
        return PrefixedCache(
            prefixes=[self._prefix(prefix) for prefix, _ in distinct],
            prefix_of_row=torch.arange(len(distinct)).repeat_interleave(counts),
            visible=torch.ones(len(prefixes), 0, dtype=torch.bool),
            capacity=capacity,
        )

    def _prefix(self, text: str) -> Prefix:
        """Return keys and values of a prefix, computed at its first use."""
        if text not in self._prefixes:
            self._prefixes[text] = self._computed_prefix(self._prefix_tokens(text))
        return self._prefixes[text]

    def _computed_prefix(self, tokens: list[int]) -> Prefix:
        nothing = Prefix(keys=[], values=[])
        cache = PrefixedCache(
            [nothing],
            torch.zeros(1, dtype=torch.long),
            torch.ones(1, 0, dtype=torch.bool),
            len(tokens),
        )
        ids = torch.tensor([tokens])
        self._advance(ids, torch.ones_like(ids, dtype=torch.bool), cache)
        return Prefix(keys=[k[0] for k in cache.keys], values=[v[0] for v in cache.values])

    def _advance(self, ids: Tensor, visible: Tensor, cache: PrefixedCache) -> Tensor:
        """Run the model over new tokens; return ``(rows, new, width)`` last hidden states."""
        cache.begin(visible)
        device = self._model.device
        window = Window(groups=cache.groups(), mask=cache.mask().to(device))
        arguments: dict[str, Any] = {"past_key_values": cache, "use_cache": True, "window": window}
        output = self._model.base_model(
            input_ids=ids.to(device), position_ids=cache.positions().to(device), **arguments
        )
        hidden: Tensor = output.last_hidden_state
        return hidden

    def _logits(self, hidden: Tensor) -> Tensor:
        logits: Tensor = self._model.get_output_embeddings()(hidden)
        return logits.float()

    def _tokens(self, text: str) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def _prefix_tokens(self, text: str) -> list[int]:
        # An empty prefix still needs a token for the first one of the suffix to look back to.
        start = self._tokenizer.bos_token_id
        tokens = self._tokens(text)
        return tokens if tokens else [start if start is not None else 0]


def _stop_tokens(tokenizer: PreTrainedTokenizerBase, *, vocabulary: int) -> Tensor:
    """Mark, ``(vocabulary,)`` bool, special tokens and all that contain a line break."""
    texts = tokenizer.batch_decode([[i] for i in range(vocabulary)])
    stops = torch.tensor(["\n" in text for text in texts])
    stops[[i for i in tokenizer.all_special_ids if i < vocabulary]] = True
    return stops


def _runs(items: Sequence[Item]) -> list[list[Item]]:
    return [list(items[i : i + ROWS_AT_ONCE]) for i in range(0, len(items), ROWS_AT_ONCE)]


def _distinct(requests: Sequence[Request]) -> list[Prompt]:
    both = (prompt for request in requests for prompt in (request.wanted, request.noisy))
    return list(dict.fromkeys(prompt for prompt in both if prompt is not None))


def _noisy(request: Request) -> Prompt:
    if request.noisy is None:
        message = f"request {request.key} has no noisy prompt, but omega is not 0."
        raise ValueError(message)
    return request.noisy


def _by_prefix(rows: Tensor, cache: PrefixedCache) -> tuple[Tensor, Tensor]:
    """Order ``rows`` by prefix; return them and the new place of each."""
    order = torch.argsort(cache.prefix_of_row[rows], stable=True)
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order))
    return rows[order], place


def _padded(rows: list[list[int]], *, left: bool) -> tuple[Tensor, Tensor]:
    """Return ``(rows, longest)`` ids padded with 0, and a bool mask that is False at padding."""
    longest = max(1, *map(len, rows))
    ids = torch.zeros(len(rows), longest, dtype=torch.long)
    visible = torch.zeros(len(rows), longest, dtype=torch.bool)
    for number, row in enumerate(rows):
        place = slice(longest - len(row), None) if left else slice(0, len(row))
        ids[number, place] = torch.tensor(row, dtype=torch.long)
        visible[number, place] = True
    return ids, visible
