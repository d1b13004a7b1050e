"""Answers already paid for: kept at once, whole or not at all, whatever happens to the file."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.errors import PipelineError
from stages.language_models.servers.answers import NAME, Answers, answers_folder, request_digest
from stages.language_models.servers.kept import KeptAnswers, kept_in
from stages.language_models.servers.replies import Reply
from stages.language_models.servers.usage import Usage

ROOT = Path(__file__).parents[3]
MODEL = "api:tiny at http://127.0.0.1/v1/chat/completions"
USED = Usage(requests=1, prompt_tokens=10, completion_tokens=5)


def digest(number: int) -> bytes:
    return request_digest("http://127.0.0.1/v1/chat/completions", {"prompt": str(number)})


def reply(number: int) -> Reply:
    return Reply(f"Answer {number}\n\x00", finished=True, prompt_tokens=10, completion_tokens=5)


def fill(folder: Path, *, count: int = 50) -> None:
    with Answers(folder, model=MODEL) as answers:
        for number in range(count):
            answers.book("generate/1", USED, answers={digest(number): reply(number)})


def found(folder: Path, *, count: int = 50) -> list[int]:
    with Answers(folder, model=MODEL) as answers:
        kept = {number: answers.find(digest(number)) for number in range(count)}
    assert all(one in {None, reply(number)} for number, one in kept.items())
    return [number for number, one in kept.items() if one is not None]


def test_an_answer_is_found_by_its_request_and_by_no_other(tmp_path: Path) -> None:
    fill(tmp_path, count=1)
    with Answers(tmp_path, model=MODEL) as answers:
        assert answers.find(digest(0)) == reply(0)
        assert answers.find(digest(1)) is None


@settings(max_examples=25)
@given(st.dictionaries(st.text(max_size=9), st.integers() | st.floats(allow_nan=False) | st.text()))
def test_only_what_is_asked_names_a_request(body: dict[str, object]) -> None:
    again = dict(reversed(body.items()))
    assert request_digest("http://a", body) == request_digest("http://a", again)
    assert request_digest("http://a", body) != request_digest("http://b", body)
    assert request_digest("http://a", body) != request_digest("http://a", body | {"seed ": 1})


def test_an_answer_is_on_disk_before_anything_is_closed(tmp_path: Path) -> None:
    with Answers(tmp_path, model=MODEL) as answers:
        answers.book("generate/1", USED, answers={digest(0): reply(0)})
        assert found(tmp_path) == [0]


def test_what_a_work_has_spent_adds_up_over_runs_and_processes(tmp_path: Path) -> None:
    with Answers(tmp_path, model=MODEL) as one, Answers(tmp_path, model=MODEL) as other:
        one.book("generate/1", USED, answers={})
        assert other.book("generate/1", USED, answers={}) == USED + USED
        other.book("score/1", USED, answers={})
    with Answers(tmp_path, model=MODEL) as later:
        assert later.spent("generate/1") == USED + USED
        assert later.spent("train/1") == Usage()


def test_the_first_answer_stays(tmp_path: Path) -> None:
    with Answers(tmp_path, model=MODEL) as answers:
        answers.book("a", USED, answers={digest(0): reply(0)})
        answers.book("b", USED, answers={digest(0): reply(1)})
        assert answers.find(digest(0)) == reply(0)


WRITER = """
import sys
from pathlib import Path
from tests.language_models.servers.test_answers import MODEL, USED, Answers, digest, reply

with Answers(Path(sys.argv[1]), model=MODEL) as answers:
    for number in range(int(sys.argv[2]), int(sys.argv[3])):
        answers.book("generate/1", USED, answers={digest(number): reply(number)})
        print(number, flush=True)
"""


def writer(folder: Path, start: int, stop: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", WRITER, str(folder), str(start), str(stop)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_a_kill_loses_nothing_that_was_told_to_be_kept(tmp_path: Path) -> None:
    with writer(tmp_path, 0, 100_000) as process:
        assert process.stdout is not None
        told = [int(process.stdout.readline()) for _ in range(200)]
        process.send_signal(signal.SIGKILL)
        told += [int(line) for line in process.stdout]
    assert set(found(tmp_path, count=len(told) + 1)) >= set(told)


@pytest.mark.slow
def test_processes_write_at_once(tmp_path: Path) -> None:
    writers = [writer(tmp_path, 100 * place, 100 * place + 100) for place in range(3)]
    for process in writers:
        with process:
            process.communicate()
        assert process.returncode == 0
    assert found(tmp_path, count=300) == list(range(300))
    with Answers(tmp_path, model=MODEL) as answers:
        assert answers.spent("generate/1").requests == 300


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """A folder as a process leaves it that was killed after 50 answers: its log is not merged."""
    whole, left = tmp_path / "whole", tmp_path / "left"
    with Answers(whole, model=MODEL) as answers:
        for number in range(50):
            answers.book("generate/1", USED, answers={digest(number): reply(number)})
        shutil.copytree(whole, left)
    return left


def test_the_log_of_a_killed_process_counts(killed: Path) -> None:
    assert (killed / f"{NAME}-wal").stat().st_size > 0
    assert found(killed) == list(range(50))


@pytest.mark.parametrize("lost", [1, 100, 4000, 9000])
def test_a_torn_last_record_is_dropped_and_the_others_stay(killed: Path, lost: int) -> None:
    log = killed / f"{NAME}-wal"
    os.truncate(log, log.stat().st_size - lost)
    kept = found(killed)
    assert kept == list(range(len(kept)))
    assert 45 < len(kept) < 50


def test_a_damaged_answer_is_asked_again_and_the_others_stay(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fill(tmp_path)
    path = tmp_path / NAME
    content = path.read_bytes()
    assert content.count(b"Answer 7\\n") == 1
    path.write_bytes(content.replace(b"Answer 7\\n", b"Answer 8\\n"))
    assert found(tmp_path) == [number for number in range(50) if number != 7]
    assert "is damaged and is asked for again" in caplog.text
    with Answers(tmp_path, model=MODEL) as answers:
        answers.book("generate/1", USED, answers={digest(7): reply(7)})
    assert found(tmp_path) == list(range(50))


@pytest.mark.parametrize("damage", ["no database", "a page of zeros", "cut in half"])
def test_a_damaged_database_is_set_aside_and_what_can_be_read_is_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    fill(tmp_path, count=200)
    path = tmp_path / NAME
    content = path.read_bytes()
    middle = len(content) // 2 // 4096 * 4096
    damaged = {
        "no database": b"x" * len(content),
        "a page of zeros": content[:middle] + bytes(4096) + content[middle + 4096 :],
        "cut in half": content[:middle],
    }[damage]
    path.write_bytes(damaged)
    kept = found(tmp_path, count=200)
    assert len(kept) > (100 if damage == "a page of zeros" else -1)
    assert "was damaged" in caplog.text
    (aside,) = tmp_path.glob(f"{NAME}.damaged-*T??????")
    assert len(aside.read_bytes()) == len(damaged)


@settings(max_examples=25)
@given(st.data())
def test_no_flipped_bit_ever_makes_another_answer(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("flipped")
    fill(folder, count=5)
    path = folder / NAME
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    with suppress(PipelineError):
        found(folder, count=5)  # which says that what it found is what was kept
    shutil.rmtree(folder)


def test_a_damaged_database_that_another_process_uses_is_left_alone(tmp_path: Path) -> None:
    fill(tmp_path)
    with Answers(tmp_path, model=MODEL):
        (tmp_path / NAME).write_bytes(b"x" * 9000)
        with pytest.raises(PipelineError, match="another process is using it"):
            Answers(tmp_path, model=MODEL)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "answers").write_text("not a folder")
    with pytest.raises(PipelineError, match="cannot be read or written"):
        Answers(tmp_path / "answers/1", model=MODEL)


def test_a_full_disk_is_told_and_what_was_kept_stays(tmp_path: Path) -> None:
    fill(tmp_path, count=9)
    with Answers(tmp_path, model=MODEL) as answers:
        pages = answers._database.execute("PRAGMA page_count").fetchone()[0]
        answers._database.execute(f"PRAGMA max_page_count = {pages}")
        many = {digest(number): reply(number) for number in range(9, 999)}
        with pytest.raises(PipelineError, match="full") as told:
            answers.book("generate/1", USED, answers=many)
    assert "free some disk space" in told.value.remedy
    assert found(tmp_path) == list(range(9))


def test_the_answers_of_a_model_are_counted(tmp_path: Path) -> None:
    folder = answers_folder(tmp_path, MODEL)
    assert kept_in(folder) == KeptAnswers(model="", answers=0)
    with Answers(folder, model=MODEL):
        assert kept_in(folder) == KeptAnswers(model="", answers=0)
    fill(folder, count=3)
    assert kept_in(folder) == KeptAnswers(model=MODEL, answers=3)


def test_anybody_can_read_the_answers_with_sqlite(tmp_path: Path) -> None:
    fill(tmp_path, count=1)
    with closing(sqlite3.connect(tmp_path / NAME)) as database:
        row = database.execute(
            "SELECT json_extract(reply, '$.model', '$.prompt_tokens') FROM answers"
        )
        assert row.fetchone() == (f'["{MODEL}",10]',)
