"""The terminal: the only place that configures logging and progress.

Results go to stdout, everything said on the way to stderr, so that pipes carry results only.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Never

from rich.console import Console
from rich.text import Text

from cli.pace import Pace
from cli.wording import lines_of

log = logging.getLogger(__name__)

SECONDS_BETWEEN_LINES = 10.0
WIDE_TERMINAL = 100
OWN_LOGGERS = ("cli", "stages")
OUTSPOKEN_LOGGERS = ("httpx2",)
"""Their lines repeat what a server says as it is: it may say the key, or steer the terminal."""
STYLES = {logging.WARNING: "yellow", logging.ERROR: "bold red", logging.CRITICAL: "bold red"}


class _Console(Console):
    """A console that takes no text for markup and leaves a closed pipe to `main`."""

    def __init__(self, *, stderr: bool) -> None:
        super().__init__(stderr=stderr, markup=False, emoji=False, highlight=False)

    def on_broken_pipe(self) -> Never:
        raise BrokenPipeError


OUT = _Console(stderr=False)
"""For results."""
ERR = _Console(stderr=True)
"""For everything else."""


class _Handler(logging.Handler):
    """Writes log records to stderr, above a progress bar where there is one."""

    def __init__(self, *, verbose: bool) -> None:
        super().__init__()
        self._verbose = verbose

        self.addFilter(self._is_wanted)

    def _is_wanted(self, record: logging.LogRecord) -> bool:
        # Some libraries set the level of their loggers themselves, whatever the root says.
        own = record.name.split(".")[0] in OWN_LOGGERS
        return own or self._verbose or record.levelno >= logging.WARNING

    def emit(self, record: logging.LogRecord) -> None:
        line = Text()
        if self._verbose:
            line.append(f"{time.strftime('%H:%M:%S')} {record.name} ", style="dim")
        if style := STYLES.get(record.levelno):
            line.append(f"{record.levelname.lower()}: ", style=style)
        line.append(lines_of(self.format(record)))
        ERR.print(line, soft_wrap=not ERR.is_terminal)


def configure(*, verbose: bool = False, quiet: bool = False) -> None:
    """Decide what is said: one line a stage and progress, more (verbose) or only trouble (quiet).

    Libraries are heard from when they warn; Python's own warnings only when verbose.
    """
    root = logging.getLogger()
    others = [handler for handler in root.handlers if not isinstance(handler, _Handler)]
    root.handlers = [*others, _Handler(verbose=verbose)]
    root.setLevel(logging.INFO if verbose else logging.WARNING)
    own_level = logging.DEBUG if verbose else logging.WARNING if quiet else logging.INFO
    for own in OWN_LOGGERS:
        logging.getLogger(own).setLevel(own_level)
    for outspoken in OUTSPOKEN_LOGGERS:
        logging.getLogger(outspoken).setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
    logging.getLogger("py.warnings").setLevel(logging.WARNING if verbose else logging.ERROR)


@contextmanager
def progress(description: str, *, total: int, unit: str) -> Iterator[Callable[[int], None]]:
    """Show how far a stage is: a bar on a terminal, else a plain line every 10 seconds.

    Implements :class:`stages.progress.Progress`.
    """
    pace = Pace(total, unit=unit)
    if not log.isEnabledFor(logging.INFO):
        yield pace.advance
    elif ERR.is_terminal:
        with _bar(description, pace) as advance:
            yield advance
    else:
        yield _lines(description, pace)


@contextmanager
def _bar(description: str, pace: Pace) -> Iterator[Callable[[int], None]]:
    from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn

    class PaceColumn(ProgressColumn):
        """Count, rate and time left."""

        def render(self, task: Task) -> Text:
            return Text(pace.describe(), style="cyan" if not task.finished else "green")

    width = 40 if ERR.width >= WIDE_TERMINAL else 16
    columns = (TextColumn("{task.description}"), BarColumn(width), PaceColumn())
    with Progress(*columns, console=ERR, refresh_per_second=4) as display:
        task = display.add_task(description, total=pace.total)

        def advance(items: int) -> None:
            pace.advance(items)
            display.update(task, completed=pace.done)

        yield advance


def _lines(description: str, pace: Pace) -> Callable[[int], None]:
    next_line = SECONDS_BETWEEN_LINES

    def advance(items: int) -> None:
        nonlocal next_line
        pace.advance(items)
        if pace.seconds >= next_line:
            next_line = pace.seconds + SECONDS_BETWEEN_LINES
            log.info("%s: %s", description, pace.describe())

    return advance
