"""Encoder-decoder Hugging Face models (T5 and its kin): writing and log-likelihoods in batches."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import DynamicCache, EncoderDecoderCache, PreTrainedModel, PreTrainedTokenizerBase
from transformers.modeling_outputs import BaseModelOutput

from stages.language_models.contrastive_writing import prompts_of, write_tokens
from stages.language_models.int8 import arithmetic
from stages.language_models.protocol import Answer, Decoding, Prompt, Request
from stages.language_models.tokens import answer_of, in_runs, padded, stop_tokens


@dataclass(frozen=True)
class Encoded:
    """Prompts that the encoder has read, in the order asked."""

    states: Tensor
    """``(rows, columns, width)``."""
    visible: Tensor
    """``(rows, columns)`` bool, False at padding."""

    def select(self, rows: Tensor) -> "Encoded":
        """Return ``rows`` (int64, repeats allowed) without columns that are padding in all."""
        visible = self.visible[rows]
        columns = int(visible.sum(dim=1).max())
        return Encoded(self.states[rows, :columns], visible[:, :columns])


class Seq2SeqLanguageModel:
    """An encoder-decoder model.

    A prompt is encoded once, whatever the number of branches and texts that ask about it, and so
    are its keys and values for the decoder. Prefixes cannot be shared here: every token of a prompt
    looks at all the others.
    """

    def __init__(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, identity: str
    ) -> None:
        self._model = model.eval()
        self._tokenizer = tokenizer
        self._identity = identity
        self._start: int = model.config.decoder_start_token_id
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
        asked = prompts_of(requests, omega=decoding.omega)
        distinct = list(dict.fromkeys(asked))
        row_of = {prompt: row for row, prompt in enumerate(distinct)}
        # All branches begin with the same token: what it sees of a prompt is computed once.
        branches = Seq2SeqBranches(self._model, self._encoded(distinct))
        logits = branches.advance(torch.full((len(distinct),), self._start))
        rows = torch.tensor([row_of[prompt] for prompt in asked])
        branches.keep(rows)
        keys = [request.key for request in requests]
        tokens = write_tokens(logits[rows], branches, keys, decoding, stops=self._stops)
        return [answer_of(row, self._tokenizer, self._stops) for row in tokens]

    @torch.inference_mode()
    def log_likelihoods(self, pairs: Sequence[tuple[Prompt, str]]) -> list[float]:
        """Return log P(continuation, end | prompt) in nats for each (prompt, continuation)."""
        if not pairs:
            return []
        distinct = list(dict.fromkeys(prompt for prompt, _ in pairs))
        row_of = {prompt: row for row, prompt in enumerate(distinct)}
        encoded = self._encoded(distinct)
        targets = [self._tokens(text) for _, text in pairs]
        found: dict[int, float] = {}
        for run in in_runs(range(len(pairs)), length=lambda number: len(targets[number])):
            rows = torch.tensor([row_of[pairs[number][0]] for number in run])
            sums = self._target_sums(encoded.select(rows), [targets[number] for number in run])
            found.update(zip(run, sums.tolist(), strict=True))
        return [found[number] for number in range(len(pairs))]

    def _target_sums(self, encoded: Encoded, targets: list[list[int]]) -> Tensor:
        ids, visible = padded(targets, left=False)
        begun = torch.cat([torch.full((len(ids), 1), self._start), ids[:, :-1]], dim=1)
        logits = _decoded(self._model, begun, encoded, cache=None)
        losses = cross_entropy(
            logits.flatten(0, 1), ids.flatten().to(logits.device), reduction="none"
        )
        losses = losses.view(ids.shape).masked_fill(~visible.to(losses.device), 0)
        return -losses.double().sum(dim=1).cpu()

    def _encoded(self, prompts: Sequence[Prompt]) -> Encoded:
        """Run the encoder, prompts of like length together."""
        tokens = [self._tokens(prompt.text) for prompt in prompts]
        longest = max(map(len, tokens))
        states = torch.zeros(
            *(len(prompts), longest, self._model.config.hidden_size),
            dtype=self._model.dtype,
            device=self._model.device,
        )
        for run in in_runs(range(len(prompts)), length=lambda number: len(tokens[number])):
            ids, visible = padded([tokens[number] for number in run], left=False)
            output = self._model.get_encoder()(
                input_ids=ids.to(self._model.device), attention_mask=visible.to(self._model.device)
            )
            states[torch.tensor(run), : ids.shape[1]] = output.last_hidden_state
        _, visible = padded(tokens, left=False)
        return Encoded(states, visible.to(self._model.device))

    def _tokens(self, text: str) -> list[int]:
        # With the tokenizer's own end: an answer, too, is only likely as a whole if it ends there.
        return list(self._tokenizer(text)["input_ids"])


class Seq2SeqBranches:
    """Branches of an encoder-decoder model; every row begins at the start of an answer."""

    def __init__(self, model: PreTrainedModel, encoded: Encoded) -> None:
        self._model = model
        self._encoded = encoded
        self._cache = EncoderDecoderCache(DynamicCache(), DynamicCache())

    def advance(self, tokens: Tensor) -> Tensor:
        """Append a token to each row; return ``(rows, vocabulary)`` logits of the next."""
        return _decoded(self._model, tokens[:, None], self._encoded, cache=self._cache)[:, -1]

    def keep(self, rows: Tensor) -> None:
        """Go on with ``rows`` only."""
        self._encoded = Encoded(self._encoded.states[rows], self._encoded.visible[rows])
        self._cache.batch_select_indices(rows.to(self._model.device))


def _decoded(
    model: PreTrainedModel, ids: Tensor, encoded: Encoded, *, cache: EncoderDecoderCache | None
) -> Tensor:
    """Run the decoder over ``ids``; return ``(rows, columns, vocabulary)`` float32 logits."""
    arguments: dict[str, Any] = {"past_key_values": cache, "use_cache": cache is not None}
    output = model(
        decoder_input_ids=ids.to(model.device),
        encoder_outputs=BaseModelOutput(last_hidden_state=encoded.states),
        attention_mask=encoded.visible,
        **arguments,
    )
    logits: Tensor = output.logits
    return logits.float()
