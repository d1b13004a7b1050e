"""What is wrong with a triplet's text, whatever its scores."""

from collections.abc import Callable

import polars as pl

WRITTEN = ("entailment", "contradiction")

# Traces of the prompt or of a chat in what should be a plain sentence. Each is tied to the start
# of the answer or to a form that prose does not have, so that honest sentences pass.
LEFTOVERS = {
    "role token": r"<\|[^|>]*\|>|</?s>|\[/?INST\]",
    "label of the prompt": (
        r"(?i)^(sentence|same meaning|opposite meaning|premise|hypothesis|input|output|answer|score"
        r"|question|rewritten|paraphrased?|revised|contradiction|entailment)\s*:"
    ),
    "label of the prompt, later on": r"\b(Sentence|Same meaning|Opposite meaning|Output|Score):",
    "talk about the task": (
        r"(?i)^(sure|certainly|of course|okay)\s*[,!:]?\s*(here|i can|i will)\b"
        r"|^here('s| is| are) (a|an|the|one|some|my)\b.*"
        r"\b(sentence|paraphrase|version|rewrit|alternative|example)"
        r"|^note\s*:"
    ),
    "talk about the sentence": (
        r"(?i)^(the|this) (original |given |input |above |rewritten )?(sentence|phrase|statement) "
        r"(means|says|states|can be|could be|is a paraphrase)\b"
    ),
    "choice of a list": r"^\(?[a-e]\)\s",
    "line break": r"[\r\n]",
}
LEFTOVER = "|".join(f"(?:{pattern})" for pattern in LEFTOVERS.values())


def flaw_expression() -> pl.Expr:
    """Return, over TRIPLETS columns, the name of a row's first flaw; null for a usable row."""
    flaws = {
        "empty": _any_written(lambda text: text.is_null() | (text.str.strip_chars() == "")),
        "unfinished": ~(pl.col("entailment_finished") & pl.col("contradiction_finished")),
        "prompt_leftover": _any_written(lambda text: text.str.contains(LEFTOVER)),
        "copies_premise": _any_written(
            lambda text: plain_text(text) == plain_text(pl.col("premise"))
        ),
        "contradiction_repeats_entailment": (
            plain_text(pl.col("entailment")) == plain_text(pl.col("contradiction"))
        ),
    }
    return pl.coalesce(*(pl.when(broken).then(pl.lit(name)) for name, broken in flaws.items()))


def plain_text(text: pl.Expr) -> pl.Expr:
    """Return ``text`` as small letters and digits between single blanks."""
    letters = text.str.to_lowercase().str.replace_all(r"[\p{P}\p{S}]", " ")
    return letters.str.replace_all(r"\s+", " ").str.strip_chars()


def _any_written(broken: Callable[[pl.Expr], pl.Expr]) -> pl.Expr:
    return pl.any_horizontal(*(broken(pl.col(name)) for name in WRITTEN))
