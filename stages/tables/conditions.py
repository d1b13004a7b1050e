"""Which rows of a table are taken: a condition in SQL on its columns."""

from collections.abc import Callable

import polars as pl
from polars.exceptions import PolarsError

from stages.errors import PipelineError, first_line

Where = Callable[[pl.DataFrame], pl.Series]
"""Says of every row of a table whether it is meant."""


class Condition:
    """A condition that each row of a table meets or does not.

    >>> rows = pl.DataFrame({"source": ["news", "wiki", None]})
    >>> Condition("source = 'news'", setting="prepare.where", example="n > 1").holds(rows).to_list()
    [True, False, False]

    Args:
        text: As after ``WHERE`` in SQL, in the dialect of polars; it sees one row at a time.
        setting: Where the text comes from, for messages.
        example: A condition that makes sense there, for messages.

    Raises:
        PipelineError: When it is no SQL.
    """

    def __init__(self, text: str, *, setting: str, example: str) -> None:
        self._text = text
        self._setting = setting
        self._example = example
        try:
            self._condition = pl.sql_expr(text)
        except PolarsError as error:
            raise self._unfit(f"is no condition in SQL: {first_line(error)}") from error
        self.columns = tuple(dict.fromkeys(self._condition.meta.root_names()))

    def holds(self, rows: pl.DataFrame) -> pl.Series:
        """Return for every row whether the condition holds; where it is unknown it does not.

        Args:
            rows: Has all ``columns``.

        Raises:
            PipelineError: When it cannot be computed, or is something other than true and false.
        """
        try:
            # Not `select`: a condition without a column, such as 1 = 1, would be a single row.
            found = rows.with_columns(holds=self._condition)
        except PolarsError as error:
            raise self._unfit(f"cannot be computed: {first_line(error)}") from error
        if found.schema["holds"] != pl.Boolean:
            raise self._unfit(f"is {found.schema['holds']}, neither true nor false")
        return found["holds"].fill_null(value=False)

    def _unfit(self, what: str) -> PipelineError:
        return PipelineError(
            f"{self._setting} = {self._text!r} {what}.",
            remedy=f"write a condition on the columns of each row, such as {self._example}.",
        )
