"""From token vectors to a sentence vector: which token, or which mean.

Only modules of sentence-transformers are used, so that whoever loads a saved encoder gets the same
vectors without this project. What counts while training only is in :mod:`stages.training.heads`.
"""

import fnmatch
import json
import logging
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer, WordWeights

from stages.encoders.templates import templated
from stages.errors import PipelineError

log = logging.getLogger(__name__)

AUTO, PROMPT_MASK = "auto", "prompt_mask"
KNOWN = Path(__file__).with_name("known_poolers.yaml")


def repool(encoder: SentenceTransformer, *, pooler: str, template: str) -> None:
    """Make ``encoder`` pool as ``pooler`` says; what it does after pooling stays.

    `cls` takes the first token, `mean` the mean of all tokens. `prompt_mask` puts every sentence
    into ``template`` and takes the hidden state at [MASK]: the weights of a WordWeights module are
    1 for the mask token and 0 for any other, so that the mean after it is the vector at [MASK]
    (the mean of several when the sentence itself says [MASK]).

    Args:
        encoder: Changed in place.
        pooler: `auto` (nothing changes), `cls`, `mean` or `prompt_mask`.
        template: For `prompt_mask`; see :func:`stages.encoders.templates.templated`.

    Raises:
        PipelineError: When the encoder has no place for the pooler.
    """
    if pooler == AUTO:
        return
    place = _place_of_pooling(encoder, pooler)
    if pooler == PROMPT_MASK:
        _pool_at_mask(encoder, place, template)
    elif pooler_of(encoder) == PROMPT_MASK:
        raise PipelineError(
            f"the pooler {pooler} does not fit an encoder whose tokenizer puts sentences into a "
            "template.",
            remedy="choose auto or prompt_mask, or start from the encoder it was made from.",
        )
    else:
        encoder[place] = Pooling(_width(encoder), pooling_mode=pooler)


def pooler_of(encoder: SentenceTransformer) -> str | None:
    """Return `cls`, `mean`, `prompt_mask` or another mode of sentence-transformers, if it has one.

    Several modes together are None, as is an encoder that does not pool.
    """
    for before, module in zip([None, *encoder], encoder, strict=False):
        if isinstance(module, Pooling):
            at_mask = isinstance(before, WordWeights) and before.unknown_word_weight == 0
            mode = module.pooling_mode
            return PROMPT_MASK if at_mask else mode if isinstance(mode, str) else None
    return None


def warn_of_wrong_pooler(folder: Path, encoder: SentenceTransformer, *, own: str | None) -> None:
    """Warn when the encoder in ``folder`` is known, or says itself, to pool in another way.

    Args:
        folder: Where the encoder was loaded from.
        encoder: As it will be used.
        own: How modules.json of the folder says to pool, None where it does not.
    """
    used = pooler_of(encoder)
    wanted = [own] if own else known_poolers(folder)
    if used and wanted and used not in wanted:
        log.warning(
            "%s is used with the pooler %s, but %s %s: expect worse vectors",
            *(folder, used),
            *("its modules.json says" if own else "its authors use", " or ".join(wanted)),
        )


def known_poolers(folder: Path) -> list[str]:
    """Return the poolers that the authors of the model in ``folder`` use; none if unknown."""
    names = [name.lower() for name in _names(folder)]
    for known in _known():
        if any(fnmatch.fnmatchcase(name, known["model"]) for name in names):
            return list(known["poolers"])
    return []


@cache
def _known() -> list[dict[str, Any]]:
    table: list[dict[str, Any]] = YAML(typ="safe").load(KNOWN.read_text(encoding="utf-8"))
    return table


def _names(folder: Path) -> list[str]:
    """Return what the model in ``folder`` may be called."""
    names = [folder.resolve().name]
    for file, key in (("source.json", "reference"), ("config.json", "_name_or_path")):
        try:
            name = json.loads((folder / file).read_text(encoding="utf-8")).get(key)
        except (OSError, ValueError, AttributeError):
            continue
        names += [name] if isinstance(name, str) else []
    return names


def _place_of_pooling(encoder: SentenceTransformer, pooler: str) -> int:
    places = [place for place, module in enumerate(encoder) if isinstance(module, Pooling)]
    if len(places) != 1 or not isinstance(encoder[0], Transformer):
        raise PipelineError(
            f"the pooler {pooler} needs an encoder of one transformer and one pooling module, but "
            f"this one consists of {', '.join(type(module).__name__ for module in encoder)}.",
            remedy="set the pooler to auto: the encoder is then used as its folder says.",
        )
    return places[0]


def _pool_at_mask(encoder: SentenceTransformer, place: int, template: str) -> None:
    tokenizer = templated(encoder.tokenizer, template)
    weights = WordWeights(_vocabulary(tokenizer), {tokenizer.mask_token: 1.0}, 0.0)
    weights.requires_grad_(requires_grad=False)
    transformer: Any = encoder[0]
    transformer.processor = tokenizer
    encoder[place] = Pooling(_width(encoder), pooling_mode="mean")
    for between in range(place - 1, 0, -1):
        if isinstance(encoder[between], WordWeights):
            del encoder[between]
            place -= 1
    encoder.insert(place, weights.to(encoder.device))


def _vocabulary(tokenizer: Any) -> list[str]:
    """Return all tokens by id; ids without one get a name that no text can have."""
    tokens = {number: token for token, number in tokenizer.get_vocab().items()}
    return [tokens.get(number, f"\0{number}") for number in range(max(tokens) + 1)]


def _width(encoder: SentenceTransformer) -> int:
    transformer: Any = encoder[0]
    width: int = transformer.get_embedding_dimension()
    return width
