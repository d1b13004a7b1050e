"""A server that means harm, or dies, while a run is killed at random instants.

Nothing but the loopback is asked, and nothing lasts: every connection has a time limit.
"""

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.faults.conftest import Figure, tries
from tests.language_models.servers import hostile as bad
from tests.language_models.servers.hostile import Behaviour, Exchange, Hostile
from tests.peak_memory import peak_mib

pytestmark = pytest.mark.faults

ROOT = Path(__file__).parents[2]
KEY = "sk-very-secret-0123456789"
REQUESTS, CONCURRENCY = 120, 4
MOST_MIB = 1024
CLIENT = """
import os, sys
from pathlib import Path
from stages.errors import PipelineError
from stages.language_models.protocol import Decoding, Prompt, Request
from stages.language_models.servers.account import accounted
from stages.language_models.servers.model import ServedLanguageModel
from stages.language_models.servers.settings import Server

address, count, concurrency, work = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
server = Server(
    base_url=address, endpoint="chat", concurrency=concurrency, requests_per_minute=None,
    tokens_per_minute=None, timeout_s=5.0, max_attempts=1, budget_tokens=None,
    price_per_million_prompt_tokens=1.0, price_per_million_completion_tokens=1.0,
)
plain = Decoding(
    omega=0, plausibility=0, temperature=0.7, top_p=0.9, max_new_tokens=9, seed=3
)
asked = [Request(Prompt("Say ", f"number {i}"), None, key=str(i)) for i in range(count)]
model = ServedLanguageModel("tiny", server)
try:
    with accounted(model, Path(work) / "generate/1", work=Path(work)):
        answers = model.write(asked, plain)
except PipelineError as error:
    print("refused:", error.cause)
else:
    (Path(work) / "answers.txt").write_text("\\n".join(answer.text for answer in answers))
    print(model.account.figures())
"""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hostile]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with bad.hostile_server() as server:
        yield server


def address(server: Hostile) -> str:
    return f"http://127.0.0.1:{server.server_port}/v1"


def client(server: Hostile, work: Path) -> "subprocess.Popen[str]":
    arguments = [address(server), str(REQUESTS), str(CONCURRENCY), str(work)]
    return subprocess.Popen(
        [sys.executable, "-c", CLIENT, *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_no_reply_fills_the_memory(server: Hostile, tmp_path: Path, figure: Figure) -> None:
    monsters: list[Behaviour] = [
        bad.endless,
        bad.boastful,
        bad.endless_headers,
        bad.endless_refusal,
        bad.saying(b"[" * (bad.MIB - 1) * 2),
        bad.saying(bad.completion("x" * 2 * (bad.MIB - 999))),
        bad.saying(bad.bombed("gzip", mib=tries(1024, short=64)), Content_Encoding="gzip"),
        bad.saying(bad.bombed("deflate", mib=tries(1024, short=64)), status=500),
    ]
    peaks = []
    for place, monster in enumerate(monsters[: tries(len(monsters), short=2)]):
        server.usual = monster
        work = tmp_path / str(place)
        # Sixteen of them at once, for every reply is a monster.
        peaks.append(peak_mib(CLIENT, address(server), "16", "16", str(work)))
        assert not (work / "answers.txt").exists()
    assert max(peaks) < MOST_MIB
    figure(
        "hostile_server.peak",
        round(max(peaks)),
        unit="MiB",
        about=f"greatest memory of a client that is sent {len(monsters)} kinds of endless, "
        "oversized or compressed replies, 16 at once (below 1,024)",
    )


def test_kills_at_random_instants_lose_no_answer(
    server: Hostile, tmp_path: Path, figure: Figure
) -> None:
    dice = random.Random(11)
    kills, expected = tries(40, short=2), [f"Say number {i}!" for i in range(REQUESTS)]
    twice: Counter[str] = Counter()
    work = tmp_path / "work"
    for number in range(kills):
        if number % 5 == 0:  # begin anew, or all would soon be answered
            work = tmp_path / f"work-{number}"
            server.bodies.clear()
        killed_once(server, work, after=dice.randrange(25), at=dice.choice(INSTANTS))
        if number % 5 == 4 or number == kills - 1:
            finished(server, work)
            assert (work / "answers.txt").read_text().splitlines() == expected
            asked = Counter(server.prompts)
            again = {prompt: count - 1 for prompt, count in asked.items() if count > 1}
            assert set(asked) == {f"Say number {i}" for i in range(REQUESTS)}
            assert sum(again.values()) <= CONCURRENCY * (number % 5 + 1)
            twice.update(again)
    figure(
        "hostile_server.kills",
        kills,
        unit="kills",
        about=f"SIGKILL of a client of a server at random instants, {REQUESTS} requests a work; "
        "every answer came out as asked",
    )
    figure(
        "hostile_server.asked_twice",
        sum(twice.values()),
        unit="requests",
        about=f"asked again after those kills: only requests under way, at most {CONCURRENCY} each",
    )


INSTANTS = ("before the answer", "within the answer", "after the answer")


def killed_once(server: Hostile, work: Path, *, after: int, at: str) -> None:
    """Kill a client as the request but ``after`` is being answered."""
    with client(server, work) as process:

        def kill(exchange: Exchange, prompt: str) -> None:
            if at == "within the answer":
                bad.broken_off(exchange, prompt)
            elif at == "after the answer":
                bad.well(exchange, prompt)
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)

        server.script = [*[bad.well] * after, kill]
        process.communicate(timeout=60)
    server.script = []


def finished(server: Hostile, work: Path) -> None:
    with client(server, work) as process:
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert KEY not in said


TROUBLES = dict(
    [
        ("revoked", bad.status(401, KEY)),
        ("reset", bad.reset),
        ("half", bad.half_json),
        ("portal", bad.html),
        ("limited", bad.status(429, Retry_After="999")),
    ][: tries(5, short=1)]
)
BETWEEN = 35


@pytest.mark.parametrize(
    "trouble",
    TROUBLES.values(),
    ids=TROUBLES,
)
def test_a_server_that_fails_every_few_requests_is_asked_for_each_answer_once(
    server: Hostile, tmp_path: Path, trouble: Behaviour
) -> None:
    refusals = 0
    while not (tmp_path / "answers.txt").exists():
        server.script = [*[bad.well] * BETWEEN, trouble]
        with client(server, tmp_path) as process:
            said, _ = process.communicate(timeout=60)
        assert process.returncode == 0, said
        assert KEY not in said
        refusals += "refused:" in said
        assert refusals < 10
    assert len(server.bodies) == REQUESTS + refusals
    assert refusals >= REQUESTS // (BETWEEN + CONCURRENCY)
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or KEY.encode() not in file.read_bytes()
