"""Servers that mean harm: what they send is bounded, leads nowhere and tells nobody the key."""

import logging
import time
from contextlib import closing
from pathlib import Path

import pytest

from stages.errors import PipelineError
from stages.language_models.protocol import Answer, Decoding, Prompt, Request
from stages.language_models.servers.account import accounted
from stages.language_models.servers.model import ServedLanguageModel
from stages.language_models.servers.settings import Server
from tests.language_models.servers import hostile as bad
from tests.language_models.servers.hostile import Behaviour, Exchange, Hostile

PLAIN = Decoding(omega=0, plausibility=0, temperature=0.7, top_p=0.9, max_new_tokens=9, seed=3)
KEY = "sk-very-secret-0123456789"
ESCAPED_KEY = "".join(f"\\u{ord(letter):04x}" for letter in KEY)


@pytest.fixture(autouse=True)
def key(hostile: Hostile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setattr("stages.language_models.servers.model.GRACE_S", 0.2)


def ask(settings: Server) -> list[Answer]:
    with closing(ServedLanguageModel("tiny", settings)) as model:
        return model.write([Request(Prompt("Say ", "a"), None, key="a")], PLAIN)


def refused(settings: Server) -> PipelineError:
    with pytest.raises(PipelineError) as told:
        ask(settings)
    assert KEY not in str(told.value)
    assert "\x1b" not in str(told.value)
    assert len(told.value.cause) < 500
    return told.value


@pytest.mark.slow
@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (bad.endless, "more than 2,097,152 bytes"),
        (bad.boastful, "more than 2,097,152 bytes"),
        (bad.bomb("gzip"), "a compressed reply"),
        (bad.bomb("deflate"), "a compressed reply"),
        (bad.saying(b"x", Content_Encoding="br"), "a compressed reply"),
        (bad.endless_refusal, "answers 401: [[["),
        (bad.bomb("gzip", status=401), "answers 401: nothing more"),
        (bad.endless_headers, "could not be asked"),
        (bad.endless_patience, "no whole reply within 1 s"),
        (bad.trickle, "no whole reply within 1 s"),
    ],
    ids=[
        "endless",
        "terabyte",
        "gzip",
        "deflate",
        "brotli",
        "endless refusal",
        "refusal as gzip",
        "endless headers",
        "endless patience",
        "drip",
    ],
)
def test_what_has_no_end_is_cut(hostile: Hostile, trouble: Behaviour, said: str) -> None:
    hostile.usual = trouble
    seconds = 1.0 if "1 s" in said else 20.0
    start = time.monotonic()
    assert said in refused(hostile.settings(timeout_s=seconds, max_attempts=1)).cause
    assert time.monotonic() - start < 20


@pytest.mark.parametrize("charset", ["zlib", "bz2", "undefined", "idna", "utf-7", "no-such-thing"])
@pytest.mark.parametrize("status", [200, 401])
def test_the_charset_that_a_server_names_decodes_nothing(
    hostile: Hostile, charset: str, status: int
) -> None:
    said = b"+AHg- \xff \x00 <x>"
    hostile.usual = bad.saying(said, status=status, kind=f"text/html; charset={charset}")
    assert "<x>" in refused(hostile.settings(max_attempts=1)).cause


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("place", ["other", "here", "//"])
def test_no_redirect_is_followed(hostile: Hostile, code: int, place: str) -> None:
    with bad.hostile_server() as other:
        address = {
            "other": other.settings().url,
            "here": hostile.settings().url + "/again",
            "//": f"//127.0.0.1:{other.server_port}/",
        }[place]
        hostile.usual = bad.redirect(address, code=code)
        error = refused(hostile.settings())
        assert f"answers {code} and points to {address}" in error.cause
        assert "the key was not sent there" in error.remedy
        assert other.bodies == []
        assert len(hostile.bodies) == 1


def test_a_redirect_may_say_anything(hostile: Hostile) -> None:
    hostile.usual = bad.redirect(f"javascript:{KEY}")
    assert "points to javascript:[key]" in refused(hostile.settings()).cause


def test_a_server_that_speaks_no_tls_is_not_told_the_key(hostile: Hostile) -> None:
    address = f"https://127.0.0.1:{hostile.server_port}/v1"
    error = refused(hostile.settings(base_url=address, max_attempts=1, timeout_s=5.0))
    assert "could not be asked" in error.cause
    assert hostile.headers == []


def test_a_key_that_would_travel_in_the_open_is_warned_about(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with bad.hostile_server() as server:
        here = server.settings()
        elsewhere = server.settings(base_url="http://models.example.com/v1")
    for settings in (here, elsewhere):
        ServedLanguageModel("tiny", settings).close()
    (record,) = caplog.records
    assert "http://models.example.com/v1/chat/completions is not encrypted" in record.getMessage()


@pytest.mark.parametrize(
    "gossip",
    [
        bad.saying(f"You sent {KEY}", status=401),
        bad.saying(f"You sent {KEY[3:]}", status=403),
        bad.saying(f'{{"error": {{"message": "{ESCAPED_KEY}"}}}}', status=400),
        bad.saying(f'{{"error": "{KEY}", "{KEY}": 1}}', status=500),
        bad.saying(KEY * 999),
        bad.saying(bad.completion("x")[:-1] + KEY),
        bad.raw(f"{KEY}\r\n\r\n".encode()),
        bad.raw(f"HTTP/1.1 401 {KEY}\r\nContent-Length: 0\r\n\r\n".encode()),
        bad.raw(f"HTTP/1.1 200 OK\r\n{KEY} {KEY}\r\n\r\n".encode()),
        bad.saying(KEY, status=429, Retry_After=KEY),
        bad.saying("\x1b]0;owned\x07\x1b[2J\u202e\x00\r" + KEY, status=401),
    ],
    ids=[
        "refusal",
        "part",
        "escaped",
        "in names",
        "in place of an answer",
        "behind an answer",
        "no HTTP",
        "reason",
        "header",
        "retry-after",
        "terminal",
    ],
)
def test_the_key_is_repeated_to_nobody(
    hostile: Hostile, gossip: Behaviour, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="stages")
    hostile.usual = gossip
    error = refused(hostile.settings(max_attempts=1))
    assert hostile.headers[0]["Authorization"] == f"Bearer {KEY}"
    for start in range(len(KEY) - 8):
        assert KEY[start : start + 8] not in str(error) + caplog.text


def test_a_key_within_an_answer_is_kept_nowhere(hostile: Hostile, tmp_path: Path) -> None:
    hostile.usual = bad.saying(bad.completion(f"It is {KEY}."))
    model = ServedLanguageModel("tiny", hostile.settings())
    with accounted(model, tmp_path / "generate/1", work=tmp_path):
        (answer,) = model.write([Request(Prompt("Say ", "a"), None, key="a")], PLAIN)
    assert answer.text == "It is [key]."
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert files
    assert [file for file in files if KEY.encode() in file.read_bytes()] == []


@pytest.mark.parametrize(
    "trouble",
    [
        bad.changed('"index": 0', '"logprobs": {"content": [{"logprob": NaN}]}'),
        bad.changed('"index": 0', '"logprobs": {"content": [{"logprob": -Infinity}, 1e999]}'),
        bad.changed('"index": 0', '"logprobs": {"tokens": ["b", "a"], "text_offset": [9, 0]}'),
        bad.changed('"index": 0', '"index": -7'),
    ],
    ids=["NaN", "infinite", "out of order", "index"],
)
def test_what_is_not_looked_at_does_no_harm(hostile: Hostile, trouble: Behaviour) -> None:
    hostile.usual = trouble
    assert ask(hostile.settings(max_attempts=1)) == [Answer("Say a!", finished=True)]


@pytest.mark.parametrize("depth", [500, 900, 990, 1000, 4000])
@pytest.mark.parametrize("status", [200, 400])
def test_a_reply_nested_however_deep_is_refused(hostile: Hostile, depth: int, status: int) -> None:
    nested = '{"error": {"code": ' + "[" * depth + "]" * depth + ', "message": "deep"}}'
    hostile.usual = bad.saying(nested, status=status)
    assert "deep" in refused(hostile.settings(max_attempts=1)).cause or status == 200 or depth > 900


def test_control_characters_of_an_answer_come_through_as_text(hostile: Hostile) -> None:
    def steer(exchange: Exchange, prompt: str) -> None:
        exchange.send(bad.completion(" It\x1b[31m is\x00 red. "))

    hostile.usual = steer
    assert ask(hostile.settings()) == [Answer("It\x1b[31m is\x00 red.", finished=True)]
