"""What a served model does with servers that behave well and badly."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from stages.errors import PipelineError
from stages.language_models.protocol import Answer, Decoding, Prompt, Request
from stages.language_models.servers.model import ServedLanguageModel
from tests.language_models.servers import hostile as bad
from tests.language_models.servers.hostile import Behaviour, Exchange, Hostile

PLAIN = Decoding(omega=0, plausibility=0, temperature=0.7, top_p=0.9, max_new_tokens=9, seed=3)
KEY = "sk-very-secret-0123456789"


def requests_for(*prompts: str) -> list[Request]:
    return [Request(Prompt("Say ", prompt), None, key=prompt) for prompt in prompts]


@contextmanager
def served(server: Hostile, **changes: Any) -> Iterator[ServedLanguageModel]:
    with closing(ServedLanguageModel("tiny", server.settings(**changes))) as model:
        yield model


def asked(server: Hostile, *prompts: str, **changes: Any) -> list[Answer]:
    with served(server, **changes) as model:
        return model.write(requests_for(*prompts), PLAIN)


@pytest.mark.parametrize(
    ("endpoint", "path", "wording"),
    [
        ("chat", "/v1/chat/completions", {"messages": [{"role": "user", "content": "Say a"}]}),
        ("completions", "/v1/completions", {"prompt": "Say a"}),
    ],
)
def test_a_request_says_what_is_asked_and_how_to_decode(
    hostile: Hostile, endpoint: str, path: str, wording: dict[str, object]
) -> None:
    assert asked(hostile, "a", endpoint=endpoint) == [Answer("Say a!", finished=True)]
    settings = {"model": "tiny", "temperature": 0.7, "top_p": 0.9, "max_tokens": 9, "stop": ["\n"]}
    seed = hostile.bodies[0]["seed"]
    assert hostile.paths == [path]
    assert hostile.bodies == [wording | settings | {"seed": seed}]


def test_the_seed_belongs_to_the_row_and_to_the_seed_of_the_run(hostile: Hostile) -> None:
    with served(hostile, concurrency=1) as model:
        model.write(requests_for("a", "b"), PLAIN)
        model.write(requests_for("a"), PLAIN)
    first, second, again = (body["seed"] for body in hostile.bodies)
    assert first == again != second


def test_equal_requests_are_asked_once(hostile: Hostile) -> None:
    answers = asked(hostile, "a", "b", "a")
    assert [answer.text for answer in answers] == ["Say a!", "Say b!", "Say a!"]
    assert len(hostile.bodies) == 2


@pytest.mark.slow
def test_answers_come_in_the_order_asked_whichever_is_ready_first(hostile: Hostile) -> None:
    def later_is_faster(exchange: Exchange, prompt: str) -> None:
        time.sleep(0.02 * (8 - int(prompt[-1])))
        bad.well(exchange, prompt)

    hostile.usual = later_is_faster
    answers = asked(hostile, *"12345678", concurrency=8)
    assert [answer.text for answer in answers] == [f"Say {number}!" for number in range(1, 9)]


def test_requests_under_way_never_exceed_the_limit_and_share_connections(hostile: Hostile) -> None:
    def at_leisure(exchange: Exchange, prompt: str) -> None:
        time.sleep(0.01)
        bad.well(exchange, prompt)

    hostile.usual = at_leisure
    with served(hostile, concurrency=3) as model:
        for _ in range(2):
            model.write(requests_for(*"abcdefghij"), PLAIN)
    assert hostile.most_at_once == 3
    assert hostile.connections <= 3


@pytest.mark.parametrize(
    "trouble",
    [
        bad.html,
        bad.half_json,
        bad.wrong_schema,
        bad.no_choices,
        bad.no_usage,
        bad.reset,
        bad.broken_off,
        bad.raw(b"SSH-2.0-OpenSSH_9.2\r\n"),
        bad.raw(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n"),
        bad.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"),
        bad.saying(b"\xff\xfe" + bad.completion("x").encode()),
        bad.changed("Say", "\\ud800"),
        bad.changed('"prompt_tokens": 10', '"prompt_tokens": -1'),
        bad.changed('"prompt_tokens": 10', '"prompt_tokens": NaN'),
        bad.changed('"prompt_tokens": 10', '"prompt_tokens": 1e400'),
        bad.changed('"prompt_tokens": 10', f'"prompt_tokens": {10**30}'),
        bad.changed('"choices": [', '"choices": [{"finish_reason": "stop", "text": "x"}, '),
        bad.changed("Say", "Say " * 999),
        bad.saying("[" * 100_000),
        bad.saying(b"", status=204),
        bad.status(408),
        bad.status(429),
        bad.status(500),
        bad.status(503),
    ],
    ids=lambda trouble: trouble.__name__,
)
def test_passing_trouble_is_asked_again_and_counted(hostile: Hostile, trouble: Behaviour) -> None:
    hostile.script = [trouble, trouble]
    with served(hostile) as model:
        assert model.write(requests_for("a"), PLAIN) == [Answer("Say a!", finished=True)]
        assert (model.account.used.requests, model.account.used.retries) == (3, 2)


def test_a_server_that_asks_for_time_is_given_it(hostile: Hostile) -> None:
    hostile.script = [bad.status(429, Retry_After="0.3")]
    asked(hostile, "a")
    assert hostile.moments[1] - hostile.moments[0] >= 0.3


@pytest.mark.slow
@pytest.mark.parametrize("trouble", [bad.silent, bad.trickle])
def test_a_reply_that_takes_too_long_has_failed(hostile: Hostile, trouble: Behaviour) -> None:
    hostile.usual = trouble
    with pytest.raises(PipelineError, match=r"no whole reply within 0.2 s in 2 attempts") as told:
        asked(hostile, "a", timeout_s=0.2, max_attempts=2)
    assert "raise server.timeout_s" in told.value.remedy
    assert len(hostile.bodies) == 2


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        (400, "mend what the server names"),
        (401, "OPENAI_API_KEY"),
        (403, "OPENAI_API_KEY"),
        (404, "server.base_url"),
    ],
)
def test_a_refusal_stops_at_once_with_a_remedy(hostile: Hostile, code: int, remedy: str) -> None:
    hostile.usual = bad.status(code, said="there is no tiny")
    with pytest.raises(PipelineError, match=f"answers {code}: .*there is no tiny") as told:
        asked(hostile, "a")
    assert hostile.settings().url in told.value.cause
    assert remedy in told.value.remedy
    assert len(hostile.bodies) == 1


def test_lasting_nonsense_is_shown_in_short(hostile: Hostile) -> None:
    hostile.usual = bad.html
    with pytest.raises(PipelineError, match="sent no completion in 3 attempts") as told:
        asked(hostile, "a")
    assert hostile.settings().url in told.value.cause
    assert "<html> <h1>Welcome to the [31m portal</h1>" in told.value.cause
    assert len(told.value.cause) < 400
    assert "server.base_url" in told.value.remedy


@pytest.mark.parametrize(
    ("trouble", "remedy"),
    [(bad.status(429), "server.requests_per_minute"), (bad.status(502), "the server is well")],
    ids=["too many", "down"],
)
def test_lasting_trouble_ends_with_a_remedy(
    hostile: Hostile, trouble: Behaviour, remedy: str
) -> None:
    hostile.usual = trouble
    with pytest.raises(PipelineError) as told:
        asked(hostile, *"abc")
    assert remedy in told.value.remedy
    assert "every answer received so far is kept" in told.value.remedy


def test_a_server_that_is_not_there_is_named() -> None:
    with bad.hostile_server() as server:
        settings = server.settings(max_attempts=1)
    with (
        closing(ServedLanguageModel("tiny", settings)) as model,
        pytest.raises(PipelineError, match="could not be asked in one attempt") as told,
    ):
        model.write(requests_for("a"), PLAIN)
    assert settings.url in told.value.cause


@pytest.mark.parametrize("trouble", ["401", "nonsense"])
def test_the_key_is_sent_and_never_told(
    hostile: Hostile, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    def gossip(exchange: Exchange, prompt: str) -> None:
        code = 401 if trouble == "401" else 200
        said = f"I got {exchange.headers['Authorization']}" + "." * 88 + KEY
        exchange.send(said, status=code, kind="text/html")

    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    hostile.usual = gossip
    with pytest.raises(PipelineError, match=r"I got Bearer \[key\]") as told:
        asked(hostile, "a")
    assert hostile.headers[0]["Authorization"] == f"Bearer {KEY}"
    assert KEY[:8] not in str(told.value)


def test_an_answer_cut_off_at_the_limit_is_unfinished(hostile: Hostile) -> None:
    def long(exchange: Exchange, prompt: str) -> None:
        text = "It\nand more" if prompt.endswith("b") else "It rains and"
        exchange.send(bad.completion(text, reason="length"))

    hostile.usual = long
    cut, ended = Answer("It rains and", finished=False), Answer("It", finished=True)
    assert asked(hostile, "a", "b") == [cut, ended]


def test_a_refusal_of_the_model_is_an_empty_answer(hostile: Hostile) -> None:
    def refuse(exchange: Exchange, prompt: str) -> None:
        exchange.send(bad.completion("x").replace('"x"', "null"))

    hostile.usual = refuse
    assert asked(hostile, "a") == [Answer("", finished=True)]


def test_no_requests_give_no_answers(hostile: Hostile) -> None:
    assert asked(hostile) == []


def test_a_used_up_budget_stops_before_the_next_request(hostile: Hostile) -> None:
    with (
        served(hostile, concurrency=1, budget_tokens=40) as model,
        pytest.raises(PipelineError, match=r"budget_tokens = 40 is reached") as told,
    ):
        model.write(requests_for(*"abcdef"), PLAIN)
    assert "30 tokens read and 15 written in 3 requests" in told.value.remedy
    assert len(hostile.bodies) == 3


def test_what_was_under_way_when_the_budget_ran_out_is_awaited_and_counted(
    hostile: Hostile,
) -> None:
    with served(hostile, concurrency=4, budget_tokens=1) as model:
        with pytest.raises(PipelineError):
            model.write(requests_for(*"abcdefgh"), PLAIN)
        assert model.account.used.tokens == 15 * len(hostile.bodies)


@pytest.mark.parametrize(("setting", "value"), [("omega", 0.3), ("plausibility", 0.1)])
def test_what_needs_logits_is_refused_before_anything_is_asked(
    hostile: Hostile, setting: str, value: float
) -> None:
    decoding = Decoding(**{**vars(PLAIN), setting: value})
    with served(hostile) as model, pytest.raises(PipelineError, match="answers") as told:
        model.write(requests_for("a"), decoding)
    assert f"set generate.{setting} to 0" in told.value.remedy
    assert hostile.bodies == []


def test_likelihoods_are_refused(hostile: Hostile) -> None:
    with served(hostile) as model, pytest.raises(PipelineError) as told:
        model.log_likelihoods([(Prompt("a", "b"), "c")])
    assert "score.judges to [generate]" in told.value.remedy


def test_the_identity_is_model_and_address_only(hostile: Hostile) -> None:
    with served(hostile) as one, served(hostile, concurrency=9, requests_per_minute=5) as other:
        assert one.identity == other.identity == f"api:tiny at {hostile.settings().url}"
    with served(hostile, endpoint="completions") as another:
        assert another.identity != one.identity


def test_requests_are_spread_over_the_minute(hostile: Hostile) -> None:
    asked(hostile, *"abcde", requests_per_minute=1200)
    assert hostile.moments[-1] - hostile.moments[0] >= 0.15
