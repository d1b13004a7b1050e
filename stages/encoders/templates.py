"""Sentences inside a template, as PromptBERT reads them (Jiang et al. 2022, arXiv 2201.04337).

The template becomes part of the tokenizer, where [CLS] and [SEP] are: so any process that loads
the saved folder applies it, and cutting a long sentence never cuts the template.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from stages.errors import PipelineError

SENTENCE, MASK = "{sentence}", "[MASK]"


@dataclass(frozen=True)
class Wrapping:
    """The token ids that stand around every sentence, [CLS] and [SEP] included."""

    before: tuple[int, ...]
    after: tuple[int, ...]


def templated(tokenizer: PreTrainedTokenizerBase, template: str) -> PreTrainedTokenizerFast:
    """Return ``tokenizer`` with ``template`` around every sentence.

    Args:
        tokenizer: A fast tokenizer with a mask token; left as it is. A template it may have
            already is not kept.
        template: Holds ``{sentence}`` and ``[MASK]`` once each; ``[MASK]`` stands for the
            tokenizer's own mask token.

    Raises:
        PipelineError: When the tokenizer has no mask token or is not a fast one.
    """
    wrapping = wrapping_of(tokenizer, template)
    backend = json.loads(tokenizer.backend_tokenizer.to_str())
    backend["post_processor"] = _post_processor(tokenizer, wrapping)
    # The classes of single models, such as BertTokenizer, write their own post-processor when
    # they are loaded; the general class takes tokenizer.json as it is.
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(backend)),
        model_max_length=tokenizer.model_max_length,
        model_input_names=list(tokenizer.model_input_names),
        padding_side=tokenizer.padding_side,
        **tokenizer.special_tokens_map,
    )


def wrapping_of(tokenizer: PreTrainedTokenizerBase, template: str) -> Wrapping:
    """Return what ``template`` puts before and after a sentence, as token ids.

    Raises:
        PipelineError: When the tokenizer has no mask token or is not a fast one.
    """
    if getattr(tokenizer, "backend_tokenizer", None) is None or tokenizer.mask_token is None:
        raise PipelineError(
            f"the tokenizer ({type(tokenizer).__name__}) has no mask token or no tokenizer.json, "
            "so the pooler prompt_mask has nothing to read.",
            remedy="choose another pooler, or a base that was trained with a mask token.",
        )
    before, after = template.replace(MASK, tokenizer.mask_token).split(SENTENCE)
    first, last = _ends(tokenizer)
    return Wrapping(
        before=(*first, *_ids(tokenizer, before)), after=(*_ids(tokenizer, after), *last)
    )


def require_room(encoder: SentenceTransformer, template: str, *, max_tokens: int) -> None:
    """Check that sentences cut to ``max_tokens`` still have room beside the template.

    Raises:
        PipelineError: When the template alone takes as many tokens.
    """
    wrapping = wrapping_of(encoder.tokenizer, template)
    taken = len(wrapping.before) + len(wrapping.after)
    if taken >= max_tokens:
        raise PipelineError(
            f"train.max_tokens = {max_tokens} leaves no room for a sentence: train.template "
            f"takes {taken} tokens.",
            remedy=f"set train.max_tokens to {taken + 32} or so, or shorten train.template.",
        )


def _ends(tokenizer: PreTrainedTokenizerBase) -> tuple[list[int], list[int]]:
    """Return the special tokens that the tokenizer itself puts first and last."""
    ids = tokenizer("a")["input_ids"]
    openers = {tokenizer.cls_token_id, tokenizer.bos_token_id} - {None}
    closers = {tokenizer.sep_token_id, tokenizer.eos_token_id} - {None}
    return (
        [ids[0]] if ids[0] in openers else [],
        [ids[-1]] if ids[-1] in closers else [],
    )


def _ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    ids: list[int] = tokenizer(text.strip(), add_special_tokens=False)["input_ids"]
    return ids


def _post_processor(tokenizer: PreTrainedTokenizerBase, wrapping: Wrapping) -> dict[str, object]:
    def piece(name: str, ids: Sequence[int]) -> dict[str, object]:
        tokens = tokenizer.convert_ids_to_tokens(list(ids))
        return {"id": name, "ids": list(ids), "tokens": tokens}

    single = [
        {"SpecialToken": {"id": "before", "type_id": 0}},
        {"Sequence": {"id": "A", "type_id": 0}},
        {"SpecialToken": {"id": "after", "type_id": 0}},
    ]
    return {
        "type": "TemplateProcessing",
        "single": single,
        # Pairs do not occur; the format wants them described.
        "pair": [*single, {"Sequence": {"id": "B", "type_id": 0}}],
        "special_tokens": {
            "before": piece("before", wrapping.before),
            "after": piece("after", wrapping.after),
        },
    }
