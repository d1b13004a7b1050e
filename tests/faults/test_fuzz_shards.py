"""The shard reader, fuzzed with coverage as the guide: no bytes make it crash, hang or believe.

An input that reaches lines in an order that none did before is kept and changed further: AFL's
algorithm in small. Every other input is sealed anew after the change, as fuzzers do with
checksums, or nothing would ever come behind the seal.
"""

import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from stages.engines.seals import BLANK, OPENING, sealed
from tests.faults.conftest import Figure, tries
from tests.faults.test_corrupted_shards import SHARD_ROWS, TABLE, written

pytestmark = pytest.mark.faults

LONGEST = 1.0
"""Seconds a reading may take."""
OWN = str(Path(__file__).parents[2] / "stages")


class Corpus:
    """Inputs that reached something new."""

    def __init__(self, seeds: list[bytes], dice: random.Random) -> None:
        self.inputs = list(seeds)
        self.reached: set[tuple[int, int]] = set()
        self._dice = dice

    def next(self) -> bytes:
        """Return a changed input."""
        data = bytearray(self._dice.choice(self.inputs))
        for _ in range(self._dice.choice([1, 1, 1, 2, 4, 16])):
            self._dice.choice(CHANGES)(data, self._dice, self.inputs)
        return bytes(data)

    def learn(self, data: bytes, reached: set[tuple[int, int]]) -> None:
        """Keep ``data`` if it reached anything new."""
        if not reached <= self.reached:
            self.reached |= reached
            self.inputs.append(data)


def flip(data: bytearray, dice: random.Random, _: list[bytes]) -> None:
    if data:
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)


def put(data: bytearray, dice: random.Random, _: list[bytes]) -> None:
    if data:
        data[dice.randrange(len(data))] = dice.choice([0, 1, 0x7F, 0x80, 0xFF, dice.randrange(256)])


def cut(data: bytearray, dice: random.Random, _: list[bytes]) -> None:
    start = dice.randrange(len(data) + 1)
    del data[start : start + dice.choice([1, 8, 100, 10_000])]


def double(data: bytearray, dice: random.Random, _: list[bytes]) -> None:
    start = dice.randrange(len(data) + 1)
    data[start:start] = data[start : start + dice.choice([1, 8, 100])]


def splice(data: bytearray, dice: random.Random, inputs: list[bytes]) -> None:
    other = dice.choice(inputs)
    start = dice.randrange(min(len(data), len(other)) + 1)
    data[start:] = other[start:]


CHANGES: list[Callable[[bytearray, random.Random, list[bytes]], None]] = [
    *(flip, put, cut, double, splice)
]


def sealed_anew(data: bytes) -> bytes:
    """Return ``data`` with a seal that fits, if it still has a place for one."""
    start = data.rfind(OPENING)
    if start < 0:
        return data
    place = start + len(OPENING)
    blank = data[:place] + BLANK + data[place + len(BLANK) :]
    return sealed(blank)


@contextmanager
def tracing() -> Iterator[set[tuple[int, int]]]:
    """Collect the pairs of lines of the project that are reached one after the other."""
    reached: set[tuple[int, int]] = set()
    last = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal last
        if not frame.f_code.co_filename.startswith(OWN):
            return None
        here = hash((frame.f_code.co_filename, frame.f_lineno))
        reached.add((last, here))
        last = here
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield reached
    finally:
        sys.settrace(before)


def test_no_bytes_make_the_reader_crash_hang_or_believe(tmp_path: Path, figure: Figure) -> None:
    expected, _ = written(tmp_path)
    (shard, *_) = sorted(tmp_path.rglob("shard-*.parquet"))
    whole = shard.read_bytes()
    dice = random.Random("fuzz")
    corpus = Corpus([whole], dice)
    inputs = tries(10_000, short=150)
    longest, unbelieved = 0.0, 0
    for number in range(inputs):
        data = corpus.next()
        forged = number % 2 == 1
        shard.write_bytes(sealed_anew(data) if forged else data)
        start = time.process_time()
        with tracing() as reached:
            table, asked = written(tmp_path)
        longest = max(longest, time.process_time() - start)
        corpus.learn(data, reached)
        unbelieved += bool(asked)
        if asked or not forged:
            assert table.equals(expected)
        assert table.schema == expected.schema
        assert len(table) == len(TABLE)
        assert asked in (set(), set(range(SHARD_ROWS)))
        if data != whole and not forged:
            assert asked
        for aside in shard.parent.glob(f"{shard.name}.*-*"):
            aside.unlink()
    assert longest < LONGEST
    assert len(corpus.inputs) > 2
    about = f"kept for what they reached: {len(corpus.inputs)}; set aside: {unbelieved}"
    figure("fuzz.shard_reader", inputs, unit="inputs", about=about)
    figure("fuzz.shard_reader.longest", round(longest, 3), unit="CPU seconds", about="one input")
