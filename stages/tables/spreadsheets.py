"""Cells of tables that people open in a spreadsheet program."""

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""How a cell begins that a spreadsheet program would run, in full width too."""


def spreadsheet_cell(text: str) -> str:
    r"""Return ``text`` for a table that people open in a spreadsheet: one line, and never run.

    A quotation mark in front tells such a program that text follows. Numbers stay numbers. Files
    that the pipeline reads itself are not treated so: there every character counts.

    >>> spreadsheet_cell("=1+1"), spreadsheet_cell("-0.3"), spreadsheet_cell("a\tb\r=c")
    ("'=1+1", '-0.3', 'a b =c')
    """
    line = " ".join(text.split()) if any(mark in text for mark in "\t\r\n\v\f") else text
    return f"'{line}" if _begins_a_formula(text) and not _is_number(text) else line


def text_of_cell(cell: str) -> str:
    """Return what :func:`spreadsheet_cell` was given, but for line breaks.

    >>> text_of_cell("'=1+1"), text_of_cell("'quoted'")
    ('=1+1', "'quoted'")
    """
    inner = cell.removeprefix("'")
    return inner if _begins_a_formula(inner) else cell


def _begins_a_formula(text: str) -> bool:
    # A program that takes quotation marks away would find what follows them.
    return text.lstrip(" \"'").startswith(FORMULA)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
