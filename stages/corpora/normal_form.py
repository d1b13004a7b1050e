"""The normal form of a sentence, and the id that follows from it.

Normalising changes how a sentence is stored and never what a reader sees, apart from spacing:
controls and invisible characters go, white space becomes single spaces, and canonically equal
spellings (an e with an accent as one character or as two) become the same (Unicode NFC).
"""

import hashlib

import polars as pl

ID_DIGITS = 16

JOINER_SCRIPTS = """
    Adlam Arabic Balinese Bengali Chakma Devanagari Gujarati Gurmukhi Hanifi_Rohingya Javanese
    Kannada Khmer Malayalam Meetei_Mayek Mongolian Myanmar Newa Nko Oriya Sinhala Syriac Tamil
    Telugu Tibetan
"""
"""Scripts in which a zero-width (non-)joiner changes how the letter before it is written."""

_SCRIPT_JOINER = (
    "["
    + "".join(rf"\p{{{name}}}" for name in JOINER_SCRIPTS.split())
    + r"]\p{M}*[\x{200C}\x{200D}]"
)
_EMOJI = r"\p{Extended_Pictographic}[\x{FE0F}\x{1F3FB}-\x{1F3FF}]*"
_EMOJI_SEQUENCE = rf"{_EMOJI}(?:\x{{200D}}{_EMOJI})+"
_FLAG_OF_A_REGION = r"\x{1F3F4}[\x{E0020}-\x{E007E}]+\x{E007F}"
_INVISIBLE = (
    "["
    r"\x00-\x08\x0E-\x1B\x7F-\x84\x86-\x9F"  # controls that are not white space
    r"\x{AD}"  # soft hyphen
    r"\x{61C}\x{200E}\x{200F}\x{202A}-\x{202E}\x{2066}-\x{2069}"  # writing direction
    r"\x{200B}-\x{200D}\x{FEFF}"  # zero-width space, stray joiners, byte order mark
    r"\x{2060}-\x{2065}\x{206A}-\x{206F}"  # word joiner, invisible operators, deprecated
    r"\x{FFF9}-\x{FFFB}"  # interlinear annotation
    r"\x{E0000}-\x{E007F}"  # tags, which can hide text from a reader but not from a model
    "]"
)
INVISIBLE_OR_KEPT = f"({_SCRIPT_JOINER}|{_FLAG_OF_A_REGION}|{_EMOJI_SEQUENCE})|{_INVISIBLE}+"
"""Matches what goes; group 1 holds what stays although it contains invisible characters."""

WHITE_SPACE = r"[\s\x1C-\x1F]{2,}|[\s\x1C-\x1F&&[^ ]]"
"""Any run of white space but a single space; those are most, and replacing them takes time."""
UNTIDY = r"[^ -~]|  |^ | $"
"""True of every sentence that normalising could change: the others are plain printable ASCII."""


def normalise(sentences: pl.Series) -> pl.Series:
    """Bring every sentence into its one normal form; doing so twice changes nothing more.

    Args:
        sentences: Strings without nulls.

    Returns:
        As many strings in the same order, possibly empty.
    """
    untidy = sentences.str.contains(UNTIDY)
    tidied = (
        sentences.filter(untidy)
        .str.replace_all(INVISIBLE_OR_KEPT, "${1}")
        .str.replace_all(WHITE_SPACE, " ")
        .str.strip_chars(" ")
        .str.normalize("NFC")
    )
    # scatter writes into the series it is called on, and the caller's must stay as it is.
    return sentences.clone().scatter(untidy.arg_true(), tidied)


def sentence_id(sentence: str) -> str:
    """Return the id of a normalised sentence: the first 16 hex digits of its UTF-8's SHA-256.

    >>> sentence_id("A man plays the guitar.")
    '9e03df7d049ed310'
    """
    return hashlib.sha256(sentence.encode()).hexdigest()[:ID_DIGITS]


def sentence_ids(sentences: pl.Series) -> pl.Series:
    """Return the same for many sentences, as the 8 bytes that the 16 digits write: ``id``.

    >>> sentence_ids(pl.Series(["A man plays the guitar."])).bin.encode("hex").to_list()
    ['9e03df7d049ed310']
    """
    sha256 = hashlib.sha256
    found = [sha256(text).digest()[: ID_DIGITS // 2] for text in sentences.cast(pl.Binary)]
    return pl.Series("id", found, dtype=pl.Binary)
