"""Processes share the pieces: none is made twice, none is waited for in vain."""

import logging
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from stages.engines import turns
from stages.engines.locks import lock
from stages.engines.turns import alive, in_turns, lock_of


class Maker:
    """Makes pieces that say who made them."""

    def __init__(self, folder: Path, *, pieces: int, seconds: float = 0.0) -> None:
        self.paths = [folder / f"piece-{number}" for number in range(pieces)]
        self.made: list[int] = []
        self.seconds = seconds

    def find(self, number: int, *, mine: bool) -> str | None:  # noqa: ARG002
        path = self.paths[number]
        return path.read_text() if path.exists() else None

    def make(self, number: int) -> str:
        time.sleep(self.seconds)
        self.made.append(number)
        return self.write(number)

    def write(self, number: int) -> str:
        temporary = self.paths[number].with_suffix(f".{id(self)}")
        temporary.write_text(f"piece {number}")
        temporary.replace(self.paths[number])
        return f"piece {number}"

    def all(self) -> dict[int, str]:
        return dict(in_turns(self.paths, find=self.find, make=self.make))


WHOLE = {number: f"piece {number}" for number in range(12)}


def test_alone_it_makes_all_in_order(tmp_path: Path) -> None:
    maker = Maker(tmp_path, pieces=12)
    assert maker.all() == WHOLE
    assert maker.made == list(range(12))
    assert not list(tmp_path.glob("*.lock"))


def test_several_make_each_piece_once_and_all_have_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "PAUSE", 0.005)
    makers = [Maker(tmp_path, pieces=12, seconds=0.01) for _ in range(4)]
    found: list[dict[int, str]] = []
    threads = [threading.Thread(target=lambda m=m: found.append(m.all())) for m in makers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [WHOLE] * 4
    assert Counter(n for maker in makers for n in maker.made) == Counter(range(12))
    assert sum(bool(maker.made) for maker in makers) > 1


def test_what_another_is_at_is_left_until_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(turns, "PAUSE", 0.005)
    caplog.set_level(logging.INFO)
    maker = Maker(tmp_path, pieces=3)
    order = []
    with lock(lock_of(maker.paths[1])):
        pieces = in_turns(maker.paths, find=maker.find, make=maker.make)
        order += [next(pieces)[0], next(pieces)[0]]
        other = threading.Timer(0.05, maker.write, [1])
        other.start()
        order.append(next(pieces)[0])
    assert order == [0, 2, 1]
    assert maker.made == [0, 2]
    assert caplog.text.count("waiting for 1 shards that other processes are at") == 1


def test_an_owner_who_gives_no_sign_of_life_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(turns, "PAUSE", 0.005)
    monkeypatch.setattr(turns, "STUCK", 0.1)
    maker = Maker(tmp_path, pieces=1)
    start = time.monotonic()
    with lock(lock_of(maker.paths[0])):
        threading.Timer(0.05, alive, [maker.paths[0]]).start()
        assert maker.all() == {0: "piece 0"}
    assert time.monotonic() - start > 0.14
    assert "has not moved" in caplog.text
