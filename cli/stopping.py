"""Signals that stop a command: heard at once and heeded within seconds, whatever it is doing.

Python acts on a signal in its main thread, between two instructions. That is not enough here:

* Some libraries (polars is one) install handlers after which the system restarts a blocking read,
  wait or lock, so that Ctrl-C is not seen until it returns.
* One step of a large model, or a library that swallows the exception, may take longer than a
  person waits.
* DVC, ended by SIGTERM, leaves the stage running that it has started.

So a thread listens too. It wakes the main thread out of what it waits for; ends the process when
the main thread has not done so in time, or when a second signal says that it shall end at once;
and stops a stage whose DVC is gone. Ending at any instant is safe: files are whole or not there.
A library that holds Python's own lock for long keeps the thread from its work, too; none does here.
"""

import contextlib
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Never

from cli.launching import dvc_above, is_gone, started_here

SECONDS_TO_STOP = 4.0
"""A command that is told to stop ends by itself within so many seconds, or is ended."""
SECONDS_TO_A_SECOND = 0.3
"""A launcher and a terminal may both pass on one Ctrl-C: only a later one is a second one."""
SECONDS_BETWEEN_LOOKS = 0.2
SECONDS_TO_HEAR = 0.1
"""The main thread may see a signal a moment before the listener does."""
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
WAKING = signal.SIGURG
"""Interrupts a blocking call and does nothing else; by default it is ignored."""
SHOW_CURSOR = b"\x1b[?25h"


class Terminated(SystemExit):
    """SIGTERM came in."""


@contextlib.contextmanager
def stoppable(last_words: Callable[[], str]) -> Iterator[threading.Event]:
    """Let SIGINT and SIGTERM end the block by an exception, and the process if that fails.

    SIGINT raises KeyboardInterrupt, SIGTERM :class:`Terminated`, so that files half written are
    removed. Once one has come, the process ends within ``SECONDS_TO_STOP``, also after the block.

    Args:
        last_words: What is written to stderr when the process is ended in the midst of something.

    Yields:
        What is set once a signal has come.
    """
    if threading.current_thread() is not threading.main_thread():
        yield threading.Event()  # whoever started the thread decides
        return
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    handlers = {signal.SIGTERM: _terminate, WAKING: _wake}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    woken_before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    listener = _Listener(reading, last_words)
    listener.start()
    try:
        yield listener.heard_a_stop
    except (KeyboardInterrupt, Terminated):
        if listener.heard_a_stop.wait(SECONDS_TO_HEAR):
            _leave_to_the_listener()
        raise
    finally:
        if not listener.heard_a_stop.is_set():  # else it sees to it that the process ends
            signal.set_wakeup_fd(woken_before)
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(writing)  # which ends the listener
            listener.join()


def leave(code: int) -> Never:
    """End the process without the interpreter's tidying up, which takes large libraries long."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _leave_to_the_listener() -> None:
    """Let what is still to be said and tidied up not be interrupted by the next signal."""
    for number in CODES:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _wake)


class _Listener(threading.Thread):
    """Hears every signal, also while the main thread cannot."""

    def __init__(self, reading: int, last_words: Callable[[], str]) -> None:
        super().__init__(name="signals", daemon=True)
        self.heard_a_stop = threading.Event()
        self._number: signal.Signals | None = None
        self._reading = reading
        self._last_words = last_words
        self._since = 0.0

    def run(self) -> None:
        dvc = dvc_above()
        while True:
            ready, _, _ = select.select([self._reading], [], [], SECONDS_BETWEEN_LOOKS)
            heard = os.read(self._reading, 64) if ready else b""
            if ready and not heard:
                os.close(self._reading)
                return
            for number in heard:
                self._hear(number)
            if self._number is not None:
                self._see_to_it(self._number, wake=not ready)
            elif dvc is not None and is_gone(dvc):
                dvc = None
                os.kill(os.getpid(), signal.SIGTERM)

    def _hear(self, number: int) -> None:
        if number not in CODES:
            return
        now = time.monotonic()
        if self._number is None:
            self._number, self._since = signal.Signals(number), now
            self.heard_a_stop.set()
        elif now > self._since + SECONDS_TO_A_SECOND:
            self._end(self._number)

    def _see_to_it(self, number: signal.Signals, *, wake: bool) -> None:
        if time.monotonic() > self._since + SECONDS_TO_STOP:
            self._end(number)
        if wake:  # what it writes to the pipe is heard at once, so only after a quiet while
            signal.pthread_kill(threading.main_thread().ident or 0, WAKING)

    def _end(self, number: signal.Signals) -> Never:
        """End this process and all it has started, without asking the main thread."""
        with contextlib.suppress(Exception):
            for process in started_here():
                with contextlib.suppress(Exception):
                    process.kill()
        with contextlib.suppress(Exception):
            # Not through the console, whose lock the main thread may hold.
            cursor = SHOW_CURSOR if os.isatty(2) else b""
            os.write(2, cursor + self._last_words().encode(errors="replace") + b"\n")
        os._exit(CODES[number])


def _terminate(number: int, frame: FrameType | None) -> Never:  # noqa: ARG001  signal's form
    raise Terminated(CODES[signal.SIGTERM])


def _wake(number: int, frame: FrameType | None) -> None:
    """Do nothing: the call that was interrupted now looks for other signals."""
