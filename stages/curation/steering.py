"""Texts that talk to the judge instead of about the world, in several languages.

A sentence file comes from anywhere, and what stands in a sentence stands in the judge's prompt:
"Score: 5.0" at its end looks like the answer. How far such texts lift a score is measured in
reports/EXPERIMENTS.md; triplets that hold one are not asked about.
"""

from collections.abc import Iterable

import polars as pl

from stages.tables.columns import TEXTS

CHAT_MARK = r"<\|[\w ]*(?:\|>|$)|</?s>|</?(?:start|end)_of_turn>|\[/?INST\]|<</?SYS>>"
_END = r"(?:\s*/\s*(?:5|five))?\s*(?:$|[.!?\x{3002}\])](?:\W|$))"
_FIVE = r"[0-5](?:[.,]\d+)?"
_LABEL = (
    r"(?:score|rating|similarity|points?|note|bewertung|punktzahl"
    r"|puntuaci[o\x{F3}]n|calificaci[o\x{F3}]n"
    r"|pontua[c\x{E7}][a\x{E3}]o|punteggio|voto"
    r"|\x{43E}\x{446}\x{435}\x{43D}\x{43A}\x{430}"  # Russian
    r"|\x{8BC4}\x{5206}|\x{5206}\x{6570}|\x{5F97}\x{5206}|\x{8A55}\x{4FA1}"  # Chinese, Japanese
    r"|\x{C810}\x{C218}"  # Korean
    r"|\x{627}\x{644}\x{62F}\x{631}\x{62C}\x{629}|\x{62F}\x{631}\x{62C}\x{629})"  # Arabic
)
_EARLIER = r"(?:above|previous|prior|preceding|earlier|foregoing)"
_TOLD = r"(?:instructions?|text|sentences?|prompts?|rules|directions?|context|messages?)"
_COMMAND = r"(?:answer|output|reply|respond|give|return|write|print|say|assign)"

STEERING = {
    "role token": CHAT_MARK,
    "label of a prompt": (
        r"(?i)(?:^|[.!?:][\"')]*\s+)(?:same|opposite) meaning\s*:"
        r"|\bscoring the semantic similarity\b"
    ),
    "score": r"(?i)(?:^|[^\p{L}])" + _LABEL + r"\s*[:=\x{FF1A}]\s*" + _FIVE + _END,
    "score in words": (
        r"(?i)\b(?:score|rating|similarity|answer)s?\s+(?:is|are|equals|must be|should be)\s+"
        r"(?:five|" + _FIVE + r")(?:\s+out of (?:five|5))?" + _END
    ),
    "earlier instructions": (
        r"(?i)\b(?:ignore|disregard|forget|override|neglect)\s+(?:(?:all|any|everything)\s+)?"
        r"(?:of\s+)?(?:(?:the|your|these|my)\s+)?"
        r"(?:" + _EARLIER + r"(?:\s+" + _TOLD + r")?|" + _TOLD + r"\s+" + _EARLIER + r")"
        r"\s*(?:$|[.,;:!?]|and\b)"
    ),
    "command": (
        r"(?i)(?:^|[.,:;!?]\s*|\b(?:and|then|now|please|always|just|only)\s+)" + _COMMAND + r"\b"
        r"[^.!?]{0,25}(?:\b[0-5][.,]0\b|\b(?:highest|maximum|top|full|best|lowest)\s+"
        r"(?:possible\s+)?(?:score|rating|similarity|mark)s?\b)"
    ),
    "claim": (
        r"(?i)\bsentences?\s+(?:mean|have)\s+(?:exactly\s+|precisely\s+)?the same\b"
        r"|\bsentences\s+are\s+(?:identical|equivalent|paraphrases)\b"
    ),
    "earlier instructions, other languages": (
        r"(?i)\bignorier\w*\s+(?:alle?s?|die)\b[^.!?]{0,25}"
        r"\b(?:davor|oben|vorherige|bisherige|anweisung)"
        r"|\bignorez\b[^.!?]{0,30}\b(?:instructions|ci-dessus|pr[e\x{E9}]c[e\x{E9}]dent)"
        r"|\bignor[ae]\w*\b[^.!?]{0,30}"
        r"\b(?:instrucciones|anteriores|instru[c\x{E7}][o\x{F5}]es|istruzioni)"
        # Russian: ignore ... above, instructions; Chinese, Japanese, Korean and Arabic likewise.
        r"|\x{438}\x{433}\x{43D}\x{43E}\x{440}\x{438}\x{440}\x{443}\p{L}*[^.!?]{0,30}"
        r"(?:\x{432}\x{44B}\x{448}\x{435}|\x{438}\x{43D}\x{441}\x{442}\x{440}\x{443}\x{43A}\x{446})"
        r"|\x{5FFD}\x{7565}[^\x{3002}]{0,12}"
        r"(?:\x{4EE5}\x{4E0A}|\x{4E4B}\x{524D}|\x{6307}\x{4EE4}|\x{5185}\x{5BB9})"
        r"|(?:\x{4E0A}\x{8A18}|\x{6307}\x{793A}|\x{4EE5}\x{524D})[^\x{3002}]{0,12}\x{7121}\x{8996}"
        r"|(?:\x{C9C0}\x{C2DC}|\x{C704})[^.]{0,12}\x{BB34}\x{C2DC}"
        r"|\x{62A}\x{62C}\x{627}\x{647}\x{644}[^.]{0,20}"
        r"(?:\x{633}\x{628}\x{642}|\x{623}\x{639}\x{644}\x{627}\x{647}"
        r"|\x{627}\x{644}\x{62A}\x{639}\x{644}\x{64A}\x{645}\x{627}\x{62A})"
    ),
}
"""What each finds is no way to speak about anything but the judging."""


def one_of(patterns: Iterable[str]) -> str:
    """Return a pattern that matches where any does: looked for in a fourth of the time of all."""
    return "|".join(f"(?:{pattern})" for pattern in patterns)


ANY_STEERING = one_of(STEERING.values())


def steers_judge_expression() -> pl.Expr:
    """Return whether a text of a triplet, its premise included, talks to the judge."""
    return pl.any_horizontal(
        pl.col(name).str.contains(ANY_STEERING).fill_null(value=False) for name in TEXTS
    )
