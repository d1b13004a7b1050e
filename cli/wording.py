"""Small pieces of wording that several commands share."""

CONTROL_CHARACTERS = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0)), "\N{REPLACEMENT CHARACTER}")
MINUTE = 60
HOUR = 60 * MINUTE


def printable(text: str) -> str:
    r"""Return ``text`` on one line, without characters that would steer the terminal.

    What a model wrote or a file holds is shown, never obeyed.

    >>> printable("red\x1b[31m alert\nnow")
    'red\ufffd[31m alert\ufffdnow'
    """
    return text.translate(CONTROL_CHARACTERS)


def lines_of(text: str) -> str:
    r"""Return ``text`` with its line breaks, but without any other sign that steers a terminal.

    >>> lines_of("a file called \x1b]0;owned\x07\n  remedy: none")
    'a file called \ufffd]0;owned\ufffd\n  remedy: none'
    """
    return "\n".join(printable(line) for line in text.split("\n"))


def duration(seconds: float) -> str:
    """Say ``seconds`` in the units a person would use.

    >>> duration(0.31), duration(45.2), duration(238), duration(7500)
    ('0.3 s', '45 s', '3 min 58 s', '2 h 05 min')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        return f"{whole // MINUTE} min {whole % MINUTE:02d} s"
    return f"{whole // HOUR} h {whole % HOUR // MINUTE:02d} min"


def gibibytes(size: float) -> str:
    """Say a number of bytes in GiB, or in MiB below one.

    >>> gibibytes(3 * 2**30), gibibytes(2**28)
    ('3.0 GiB', '256 MiB')
    """
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"
