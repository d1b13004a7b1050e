"""The engine ``local``: this process makes one shard after another."""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, partial

from stages.engines.hardware import Hardware, computing_with, hardware_here
from stages.engines.protocol import Maker, Order, Terms, Throughput


class LocalEngine:
    """Makes shards in this process; other processes may do the same in the same folder.

    Args:
        threads: Of torch; None takes as many as it has.
    """

    at_once = 1

    def __init__(self, *, threads: int | None = None) -> None:
        self.throughput = Throughput()
        self._threads = threads

    @cached_property
    def hardware(self) -> Hardware:
        """This machine."""
        return hardware_here(threads=self._threads)

    def made(
        self,
        orders: Iterable[Order],
        maker: Maker,
        *,
        terms: Terms,  # noqa: ARG002  they were read off here
        advance: Callable[[int, int], None],
    ) -> Iterator[tuple[int, bytes]]:
        """Yield the bytes of every order under its number; see :class:`Engine`."""
        for order in orders:
            start = time.monotonic()
            with computing_with(self._threads):
                data = maker(order, partial(advance, order.number))
            seconds = time.monotonic() - start
            name = f"process {os.getpid()}"
            self.throughput.add(name, rows=len(order.rows), seconds=seconds)
            yield order.number, data
