"""Decoder-only Hugging Face models: contrastive writing and log-likelihoods in batches."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from stages.errors import PipelineError
from stages.language_models import prefixed_attention
from stages.language_models.contrastive_writing import prompts_of, write_tokens
from stages.language_models.hosting import hosts
from stages.language_models.int8 import arithmetic
from stages.language_models.prefixed_attention import Prefix, PrefixedCache, Window
from stages.language_models.protocol import Answer, Decoding, Prompt, Request
from stages.language_models.tokens import answer_of, in_runs, padded, stop_tokens

LOGITS_AT_ONCE = 1024
"""Token positions whose logits are held at once when scoring (a vocabulary's floats each)."""


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
        self._stops = stop_tokens(tokenizer, vocabulary=model.config.vocab_size)

    @property
    def identity(self) -> str:
        """Weights and arithmetic."""
        return f"{self._identity} {arithmetic(self._model)}"

    @torch.inference_mode()
    def write(self, requests: Sequence[Request], decoding: Decoding) -> list[Answer]:
        """Return one answer per request, in the order asked."""
        if not requests:
            return []
        asked = [self._said(prompt) for prompt in prompts_of(requests, omega=decoding.omega)]
        last, cache, row_of = self._read(dict.fromkeys(asked))
        rows = torch.tensor([row_of[prompt] for prompt in asked])
        logits = self._logits(last[rows])
        capacity = cache.seen + decoding.max_new_tokens
        branches = CausalBranches(self._next_logits, cache, rows, capacity=capacity)
        keys = [request.key for request in requests]
        tokens = write_tokens(logits, branches, keys, decoding, stops=self._stops)
        return [answer_of(row, self._tokenizer, self._stops) for row in tokens]

    @torch.inference_mode()
    def log_likelihoods(self, pairs: Sequence[tuple[Prompt, str]]) -> list[float]:
        """Return log P(continuation | prompt) in nats for each (prompt, continuation).

        A prompt is computed once for all its continuations, texts of like length go together, and
        what another prompt begins with is read off when that prompt is computed.
        """
        pairs = [(self._said(prompt), text) for prompt, text in pairs]
        texts = [self._tokens(text) for _, text in pairs]
        suffixes = {prompt: self._tokens(prompt.suffix) for prompt, _ in pairs}
        asked: dict[Prompt, list[int]] = defaultdict(list)
        guests: dict[Prompt, list[int]] = defaultdict(list)
        for number, host in enumerate(hosts([prompt for prompt, _ in pairs], texts, suffixes)):
            (asked[pairs[number][0]] if host is None else guests[host]).append(number)
        found: dict[int, float] = {}
        for prompts in in_runs(asked, length=lambda prompt: len(suffixes[prompt])):
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
            for run in in_runs(jobs, length=lambda job: len(job.tokens)):
                found.update(self._continued(read.cache, sorted(run)))
        return [found[number] for number in range(len(pairs))]

    def _continued(self, cache: PrefixedCache, jobs: list[Job]) -> dict[int, float]:
        """Return, by number, the log-likelihood of each job's tokens after the first."""
        ids, visible = padded([job.tokens for job in jobs], left=False)
        capacity = cache.seen + ids.shape[1]
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

    def _read(self, prompts: Iterable[Prompt]) -> tuple[Tensor, PrefixedCache, dict[Prompt, int]]:
        """Compute all prompts, those of like length together.

        Returns:
            ``(prompts, width)`` hidden states of the last tokens, the cache, and each prompt's row.
        """
        suffixes = {prompt: self._tokens(prompt.suffix) for prompt in prompts}
        runs = in_runs(suffixes, length=lambda prompt: len(suffixes[prompt]))
        read = [self._prefill(run, [suffixes[prompt] for prompt in run]) for run in runs]
        row_of: dict[Prompt, int] = {}
        for run, one in zip(runs, read, strict=True):
            first = len(row_of)
            row_of |= {prompt: first + row for prompt, row in zip(run, one.rows, strict=True)}
        last = torch.cat([one.hidden[:, -1] for one in read])
        return last, PrefixedCache.joined([one.cache for one in read]), row_of

    def _prefill(self, prompts: Sequence[Prompt], suffixes: list[list[int]]) -> Prefilled:
        """Compute all prompts; those with the same prefix become neighbours."""
        order = sorted(range(len(prompts)), key=lambda i: prompts[i].prefix)
        ids, visible = padded([suffixes[i] for i in order], left=True)
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

    def _next_logits(self, tokens: Tensor, cache: PrefixedCache, order: Tensor) -> Tensor:
        """Put a token behind each row of ``cache``; return the logits behind it in ``order``."""
        visible = torch.ones(len(tokens), 1, dtype=torch.bool)
        return self._logits(self._advance(tokens[:, None], visible, cache)[order, -1])

    def _logits(self, hidden: Tensor) -> Tensor:
        logits: Tensor = self._model.get_output_embeddings()(hidden)
        return logits.float()

    def _said(self, prompt: Prompt) -> Prompt:
        """Return the text that the model is to continue: a chat prompt inside its template."""
        if not prompt.chat:
            return prompt
        said = [{"role": "user", "content": prompt.text}]
        try:
            whole = self._tokenizer.apply_chat_template(
                said, tokenize=False, add_generation_prompt=True
            )
        except ValueError as error:
            raise PipelineError(
                "generate.chat = true, but the language model's tokenizer has no chat template.",
                remedy="set generate.chat to false, or take an instruction-tuned model.",
            ) from error
        # Cut where it was cut before, so that the rows go on sharing what comes first.
        head, found, tail = str(whole).partition(prompt.text)
        if not found:
            return Prompt("", str(whole))
        return Prompt(head + prompt.prefix, prompt.suffix + tail)

    def _tokens(self, text: str) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def _prefix_tokens(self, text: str) -> list[int]:
        # An empty prefix still needs a token for the first one of the suffix to look back to.
        start = self._tokenizer.bos_token_id
        tokens = self._tokens(text)
        return tokens if tokens else [start if start is not None else 0]


class CausalBranches:
    """Branches of a decoder-only model, in the order asked; inside they lie by prefix."""

    def __init__(
        self,
        next_logits: Callable[[Tensor, PrefixedCache, Tensor], Tensor],
        cache: PrefixedCache,
        rows: Tensor,
        *,
        capacity: int,
    ) -> None:
        self._next_logits = next_logits
        self._capacity = capacity
        self._select(cache, rows)

    def advance(self, tokens: Tensor) -> Tensor:
        """Append a token to each row; return ``(rows, vocabulary)`` logits of the next."""
        inside = torch.empty_like(tokens)
        inside[self._place] = tokens
        return self._next_logits(inside, self._cache, self._place)

    def keep(self, rows: Tensor) -> None:
        """Go on with ``rows`` only."""
        self._select(self._cache, self._place[rows])

    def _select(self, cache: PrefixedCache, rows: Tensor) -> None:
        order = torch.argsort(cache.prefix_of_row[rows], stable=True)
        self._place = torch.empty_like(order)
        self._place[order] = torch.arange(len(order))
        self._cache = cache.select(rows[order], capacity=self._capacity)
