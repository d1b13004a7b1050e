"""What is wrong with a triplet's text, whatever its scores."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import polars as pl

from stages.curation.steering import CHAT_MARK, one_of, steers_judge_expression
from stages.tables.columns import WRITTEN

# Curly quotes and dashes are written as \x{2019} and so on: they are easily mistaken for others.
_START = r"(?:^|[.!?][\"'\x{201D}\x{2019})\]]*\s+)"
_TEXT = r"(?:sentence|phrase|statement|text|paraphrase|rephrasing|rewording|rewrite|version)"
_ABOUT_TEXT = r"(?i)\b(?:sentence|phrase|statement|text|paraphras|rephras|rewrit|version)"
_GIVEN = (
    r"(?:original|given|input|provided|above|following|previous|rewritten|revised|first|second)"
)


class Leftover(NamedTuple):
    """A trace of prompt or chat, and what makes the same words honest."""

    pattern: str
    excuse: str | None = None
    """Where the premise matches this, the answer may speak so; None takes the pattern itself."""


# Each is tied to a place in the answer or to a form that prose does not have, and none holds when
# the premise itself speaks that way: losing a good triplet costs as much as keeping a bad one.
LEFTOVERS = {
    "role token": Leftover(CHAT_MARK),
    "unfilled slot": Leftover(r"\{\w+\}|\[(?:insert|your|sentence)\b[^\]]*\]|```"),
    "label of the prompt": Leftover(
        r"(?i)^[\W_]*(?:(?:new|original|input|output|rewritten|revised|paraphrased|given) sentence"
        r"|(?:same|opposite) meaning|sentence(?: \d)?|input|output|answer|question|response|premise"
        r"|hypothesis|entailment|contradiction|paraphrased?|rewritten|rephrased|revised|opposite"
        r"|score|instruction|user|assistant|system|human|q|a)\s*:"
    ),
    "label of the prompt, later on": Leftover(
        _START
        + r"\W*(?:(?:Same|Opposite) meaning|(?:New |Original |Rewritten )?[Ss]entence(?: \d)?"
        r"|Input|Output|Answer|Response|Premise|Hypothesis|Entailment|Contradiction|Paraphrased?"
        r"|Rewritten|Rephrased|Revised|Opposite|Score|Instruction|User|Assistant)\s*:"
    ),
    "remark": Leftover(
        r"(?i)(?:^|[.!?][\"'\x{201D}\x{2019})\]]*\s+|[(\[])(?:note|explanation|reasoning|hint|disclaimer)\s*:"
        r"|\((?:note|please note) that\b"
    ),
    "talk about the task": Leftover(
        r"(?i)^(?:(?:sure|certainly|of course|absolutely|okay)\s*[,!.:]?\s*)?"
        r"here(?:['\x{2019}]s| is| are)\b[^.!?]*?\b" + _TEXT + r"s?\b[^.!?]*"
        r"(?::|\b(?:that|which) (?:means?|says?|is|are|has|have|contradicts?|conveys?|expresses)\b"
        r"|\bwith (?:the|a|an) (?:same|different|opposite)\b|\bof (?:it|the sentence)\b)"
        r"|^(?:sure|certainly|of course|absolutely|okay)\s*[,!.:]?\s*here(?:['\x{2019}]s| is| are)"
        r"(?:[^.!?]*:|\W*$)"
    ),
    "talk about the sentence": Leftover(
        r"(?i)^(?:(?:the|this|that|your) (?:" + _GIVEN + r" )+(?:sentence|phrase|statement|text)"
        r"|(?:the|this|that|your) (?:sentence|phrase))s? "
        r"(?:means?|implies|says|states|suggests|expresses|conveys|can be|could be|"
        r"is (?:a|an|the|not a)|has (?:the|a|an)|does not|doesn['\x{2019}]t)\b",
        _ABOUT_TEXT,
    ),
    "talk about meaning": Leftover(
        r"(?i)\bsentences? (?:that (?:means?|has|have|is)|with) (?:the|an?) "
        r"(?:same|opposite|different)"
        r"|\b" + _GIVEN + r" sentence\b|\b(?:the sentence above|words? in the sentence)\b"
        r"|^\W*this sentence\b|^\W*(?:the )?(?:same|opposite) meaning (?:is|of)\b",
        _ABOUT_TEXT,
    ),
    "instruction": Leftover(
        r"(?i)" + _START + r"(?:now |please |then )*(?:re-?write|rephrase|paraphrase|reword|revise"
        r"|translate|transform|write|create|generate|provide)\b[^.!?]{0,40}?\b(?:sentence|phrase|"
        r"statement|paraphrase)s?\b",
        _ABOUT_TEXT,
    ),
    "refusal": Leftover(
        r"(?i)\bas an? (?:ai|artificial intelligence)\b"
        r"|\bI(?:['\x{2019}]m| am)? (?:can ?not|can['\x{2019}]t|unable to|not able to) "
        r"(?:generate|paraphrase|rewrite|rephrase|create|provide|complete)\b[^.!?]*"
        r"\b(?:sentence|paraphrase|phrase|text|input|request)",
        r"(?i)\bAI\b|artificial|" + _ABOUT_TEXT,
    ),
    "entry of a list": Leftover(r"^(?:\(?[a-eA-E1-9]\)|[1-9]\.|[*\x{2022}#]+)\s|\(a\) .*\(b\) "),
    "line break": Leftover(r"\S\s*[\r\n\x{0B}\x{0C}\x{2028}\x{2029}]+\s*\S"),
}

ANY_LEFTOVER = one_of(kind.pattern for kind in LEFTOVERS.values())


def flaw_expression() -> pl.Expr:
    """Return, over TRIPLETS columns, the name of a row's first flaw; null for a usable row."""
    flaws = {
        "empty": any_written(_is_empty),
        "unfinished": ~(pl.col("entailment_finished") & pl.col("contradiction_finished")),
        "prompt_leftover": leftover_expression(),
        "steers_judge": steers_judge_expression(),
        "copies_premise": copies_premise_expression(),
        "contradiction_repeats_entailment": repeats_itself_expression(),
    }
    return pl.coalesce(*(pl.when(broken).then(pl.lit(name)) for name, broken in flaws.items()))


def leftover_expression() -> pl.Expr:
    """Return whether an answer holds a trace of prompt or chat that its premise does not excuse."""
    return pl.map_batches(
        ["premise", *WRITTEN], _leftover, return_dtype=pl.Boolean, is_elementwise=True
    )


def _leftover(texts: Sequence[pl.Series]) -> pl.Series:
    """Look for all traces at once, and for each of them, and its excuse, only where one is."""
    rows = pl.DataFrame(dict(zip(("premise", *WRITTEN), texts, strict=True)))
    places = rows.select(_matched(ANY_LEFTOVER, WRITTEN)).to_series().arg_true()
    found = rows[places].select(
        pl.any_horizontal(
            _matched(kind.pattern, WRITTEN) & ~_matched(kind.excuse or kind.pattern, ("premise",))
            for kind in LEFTOVERS.values()
        )
    )
    nowhere = pl.repeat(value=False, n=len(rows), dtype=pl.Boolean, eager=True)
    return nowhere.scatter(places, found.to_series())


def copies_premise_expression() -> pl.Expr:
    """Return whether an answer is the premise but for case, punctuation and blanks."""
    return any_written(lambda text: plain_text(text) == plain_text(pl.col("premise")))


def repeats_itself_expression() -> pl.Expr:
    """Return whether both answers are the same but for case, punctuation and blanks."""
    return plain_text(pl.col("entailment")) == plain_text(pl.col("contradiction"))


def plain_text(text: pl.Expr) -> pl.Expr:
    """Return ``text`` in small letters, words between single blanks, without punctuation.

    Signs that change what is said stay: a minus before a digit, %, and symbols such as + and €;
    "1.5" becomes "1 5", which is not "15".
    """
    # Through capitals, so that ß meets SS and both forms of the Greek sigma meet.
    letters = text.str.to_uppercase().str.to_lowercase()
    signed = letters.str.replace_all(r"(^|[ (])[-\x{2013}]([0-9])", "${1}\N{MINUS SIGN}${2}")
    words = signed.str.replace_all(r"['`\x{2018}\x{2019}\x{B4}]", "")
    blanks = words.str.replace_all(r"[\p{P}\p{Z}\t\r\n--[% ]]+", " ")
    return blanks.str.replace_all(" {2,}", " ").str.strip_chars()


def any_written(broken: Callable[[pl.Expr], pl.Expr]) -> pl.Expr:
    """Return whether ``broken`` holds for the entailment or for the contradiction."""
    return pl.any_horizontal(*(broken(pl.col(name)) for name in WRITTEN))


def _matched(pattern: str, columns: Iterable[str]) -> pl.Expr:
    return pl.any_horizontal(
        pl.col(name).str.contains(pattern).fill_null(value=False) for name in columns
    )


def _is_empty(text: pl.Expr) -> pl.Expr:
    return ~text.str.contains(r"[\p{L}\p{N}]").fill_null(value=False)
