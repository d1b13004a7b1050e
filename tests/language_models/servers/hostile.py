"""An OpenAI-compatible server on the loopback that misbehaves as it is told."""

import json
import os
import socket
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from email.message import Message
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from stages.language_models.servers.settings import Server

Behaviour = Callable[["Exchange", str], None]
MIB = 2**20
LIFE_SECONDS = 30
"""No thread of the server waits longer for a client."""


class Exchange(BaseHTTPRequestHandler):
    """One connection, with the means to answer well and badly."""

    protocol_version = "HTTP/1.1"
    timeout = LIFE_SECONDS
    disable_nagle_algorithm = True  # head and body are two writes: each answer would wait 40 ms
    server: "Hostile"

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        messages = body.get("messages")
        with self.server.counted(self, body) as behaviour:
            behaviour(self, messages[0]["content"] if messages else body["prompt"])

    def send(
        self,
        content: str | bytes,
        *,
        status: int = 200,
        kind: str = "application/json",
        **more: str,
    ) -> None:
        raw = content.encode() if isinstance(content, str) else content
        self.send_response(status)
        headers = {"Content-Type": kind, "Content-Length": str(len(raw))}
        for name, value in (headers | more).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


class Hostile(ThreadingHTTPServer):
    """Answers the first requests as ``script`` says, and all others as ``usual``."""

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Exchange)
        self.script: list[Behaviour] = []
        self.usual: Behaviour = well
        self.bodies: list[dict[str, Any]] = []
        self.unanswered: list[str] = []
        self.headers: list[Message] = []
        self.paths: list[str] = []
        self.moments: list[float] = []
        self.connections = self.most_at_once = self._at_once = 0
        self._lock = threading.Lock()

    @property
    def prompts(self) -> list[str]:
        return [body["messages"][0]["content"] for body in self.bodies]

    def settings(self, **changes: Any) -> Server:
        values: dict[str, Any] = {
            "base_url": f"http://127.0.0.1:{self.server_port}/v1",
            "endpoint": "chat",
            "concurrency": 4,
            "requests_per_minute": None,
            "tokens_per_minute": None,
            "timeout_s": float(LIFE_SECONDS),
            "max_attempts": 3,
            "budget_tokens": None,
            "price_per_million_prompt_tokens": 1.0,
            "price_per_million_completion_tokens": 10.0,
        }
        return Server(**values | changes)

    @contextmanager
    def counted(self, exchange: Exchange, body: dict[str, Any]) -> Iterator[Behaviour]:
        with self._lock:
            self.bodies.append(body)
            self.headers.append(exchange.headers)
            self.paths.append(exchange.path)
            self.moments.append(time.monotonic())
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            behaviour = self.script.pop(0) if self.script else self.usual
        try:
            yield behaviour
        finally:
            with self._lock:
                self._at_once -= 1

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients that hang up are part of the tests."""


@contextmanager
def hostile_server(port: int = 0) -> Iterator[Hostile]:
    with Hostile(port) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join(LIFE_SECONDS)


def completion(text: str, *, reason: str = "stop", chat: bool = True) -> str:
    said: dict[str, Any] = {"message": {"role": "assistant", "content": text}}
    choice = {"index": 0, "finish_reason": reason} | (said if chat else {"text": text})
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    return json.dumps({"id": "1", "object": "o", "choices": [choice], "usage": usage})


def well(exchange: Exchange, prompt: str) -> None:
    exchange.send(completion(f" {prompt}!\n", chat="chat" in exchange.path))


def html(exchange: Exchange, prompt: str) -> None:
    exchange.send("<html>\n<h1>Welcome to the\x1b[31m portal</h1>" + "x" * 999, kind="text/html")


def half_json(exchange: Exchange, prompt: str) -> None:
    exchange.send(completion(prompt)[:60])


def wrong_schema(exchange: Exchange, prompt: str) -> None:
    exchange.send('{"answer": 42}')


def no_choices(exchange: Exchange, prompt: str) -> None:
    exchange.send(completion(prompt).replace('"choices": [', '"choices": [], "others": ['))


def no_usage(exchange: Exchange, prompt: str) -> None:
    exchange.send(completion(prompt).replace('"usage"', '"unusual"'))


def reset(exchange: Exchange, prompt: str) -> None:
    now = struct.pack("ii", 1, 0)
    exchange.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, now)
    exchange.close_connection = True
    os.close(exchange.connection.detach())


def broken_off(exchange: Exchange, prompt: str) -> None:
    exchange.send_response(200)
    exchange.send_header("Content-Length", "1000")
    exchange.end_headers()
    exchange.wfile.write(completion(prompt).encode()[:50])
    exchange.close_connection = True


def status(code: int, said: str = "no", **headers: str) -> Behaviour:
    def refuse(exchange: Exchange, prompt: str) -> None:
        exchange.send(json.dumps({"error": {"message": said}}), status=code, **headers)

    return refuse


def trickle(exchange: Exchange, prompt: str) -> None:
    """Send a letter now and then: the connection is never silent for long, and never done."""
    exchange.send_response(200)
    exchange.send_header("Content-Length", "1000")
    exchange.end_headers()
    until = time.monotonic() + LIFE_SECONDS
    while time.monotonic() < until:
        exchange.wfile.write(b" ")
        time.sleep(0.05)


def silent(exchange: Exchange, prompt: str) -> None:
    """Wait until the client hangs up."""
    exchange.connection.recv(1)
    exchange.close_connection = True


def endless(exchange: Exchange, prompt: str, *, code: int = 200) -> None:
    """Send more and more until the client hangs up."""
    exchange.send_response(code)
    exchange.send_header("Transfer-Encoding", "chunked")
    exchange.end_headers()
    piece = b"10000\r\n" + b"[" * 65536 + b"\r\n"
    until = time.monotonic() + LIFE_SECONDS
    with suppress(OSError):
        while time.monotonic() < until:
            exchange.wfile.write(piece)
    exchange.close_connection = True


def endless_refusal(exchange: Exchange, prompt: str) -> None:
    endless(exchange, prompt, code=401)


def endless_headers(exchange: Exchange, prompt: str) -> None:
    exchange.send_response(200)
    until = time.monotonic() + LIFE_SECONDS
    with suppress(OSError):
        while time.monotonic() < until:
            exchange.wfile.write(b"X-More: " + b"x" * 1000 + b"\r\n")
    exchange.close_connection = True


def endless_patience(exchange: Exchange, prompt: str) -> None:
    """Say `100 Continue` again and again."""
    until = time.monotonic() + LIFE_SECONDS
    with suppress(OSError):
        while time.monotonic() < until:
            exchange.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            time.sleep(0.001)
    exchange.close_connection = True


def boastful(exchange: Exchange, prompt: str) -> None:
    """Announce a terabyte, and send as much as is taken."""
    exchange.send_response(200)
    exchange.send_header("Content-Length", str(2**40))
    exchange.end_headers()
    with suppress(OSError):
        for _ in range(2**10):
            exchange.wfile.write(b" " * 2**20)
    exchange.close_connection = True


def bomb(kind: str, *, status: int = 200) -> Behaviour:
    """Some KiB that become as many MiB when they are unpacked."""

    def explode(exchange: Exchange, prompt: str) -> None:
        exchange.send(bombed(kind, mib=16), status=status, Content_Encoding=kind)

    return explode


@cache
def bombed(kind: str, *, mib: int) -> bytes:
    packer = zlib.compressobj(6, wbits=31 if kind == "gzip" else 15)
    return b"".join([*(packer.compress(bytes(MIB)) for _ in range(mib)), packer.flush()])


def changed(old: str, new: str) -> Behaviour:
    """A completion in which something is replaced."""

    def change(exchange: Exchange, prompt: str) -> None:
        text = completion(f"{prompt}!")
        assert old in text
        exchange.send(text.replace(old, new))

    return change


def saying(content: str | bytes, *, status: int = 200, **headers: str) -> Behaviour:
    def say(exchange: Exchange, prompt: str) -> None:
        exchange.send(content, status=status, **headers)

    return say


def raw(content: bytes) -> Behaviour:
    """Whatever it is, in place of an HTTP reply."""

    def write(exchange: Exchange, prompt: str) -> None:
        exchange.wfile.write(content)
        exchange.close_connection = True

    return write


def redirect(place: str, *, code: int = 307) -> Behaviour:
    return saying(b"", status=code, Location=place)
