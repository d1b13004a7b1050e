"""Small model files, well formed and hostile, made byte by byte."""

import io
import json
import pickle
import stat
import struct
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

MIB = 1024**2


def safetensors(header: object | None = None, *, data: bytes = bytes(8)) -> bytes:
    """Return a safetensors file; by default one of two numbers."""
    if header is None:
        header = {"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}
    told = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(told)) + told + data


def gguf(
    *,
    keys: Sequence[bytes] = (),
    tensors: Sequence[bytes] = (),
    counts: tuple[int, int] | None = None,
    data: bytes = b"",
) -> bytes:
    """Return a GGUF file of version 3; ``counts`` are what it claims to hold."""
    claimed = counts or (len(tensors), len(keys))
    head = b"GGUF" + struct.pack("<IQQ", 3, *claimed) + b"".join(keys) + b"".join(tensors)
    return head + bytes(-len(head) % 32) + data


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def key(name: str, kind: int, value: bytes) -> bytes:
    return text(name) + struct.pack("<I", kind) + value


def tensor(name: str, shape: Sequence[int], *, kind: int = 0, place: int = 0) -> bytes:
    dimensions = struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
    return text(name) + dimensions + struct.pack("<IQ", kind, place)


class Planted:
    """Unpickled, it leaves a file behind: the sign that code was run."""

    def __init__(self, sign: Path) -> None:
        self.sign = sign

    def __reduce__(self) -> tuple[Any, tuple[str, str]]:
        return open, (str(self.sign), "w")


def pickled(sign: Path) -> bytes:
    return pickle.dumps(Planted(sign))


def archive(
    path: Path,
    members: Mapping[str, bytes],
    *,
    kinds: Mapping[str, int] | None = None,
    compress: bool = False,
) -> Path:
    """Write a zip archive; ``kinds`` makes members links, devices or pipes."""
    method = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", method) as file:
        for name, content in members.items():
            member = zipfile.ZipInfo(name)
            member.compress_type = method
            member.external_attr = ((kinds or {}).get(name, stat.S_IFREG) | 0o644) << 16
            file.writestr(member, content)
    return path


def hostile_archives(folder: Path) -> dict[str, Path]:
    """Write one archive for each way to harm; each asks to be unpacked at `p`."""
    folder.mkdir(parents=True, exist_ok=True)
    good = {"p/model.safetensors": safetensors()}

    def made(name: str, members: Mapping[str, bytes], **more: Any) -> tuple[str, Path]:
        return name, archive(folder / f"{name}.whl", {**good, **members}, **more)

    twice = folder / "twice.whl"
    with zipfile.ZipFile(twice, "w") as file:
        file.writestr("p/a", b"1")
        file.writestr("p/./a", b"2")
    lying = archive(folder / "lying.whl", {**good, "p/zeros": bytes(4 * MIB)}, compress=True)
    raw = lying.read_bytes()
    # Both headers say that the member is small.
    lying.write_bytes(raw.replace(struct.pack("<I", 4 * MIB), struct.pack("<I", 1000)))
    directory = io.BytesIO()
    with zipfile.ZipFile(directory, "w") as file:
        file.writestr("p/a", b"1")
    listed = folder / "list.whl"
    inner = directory.getvalue()
    start = inner.index(b"PK\x01\x02")
    entries = inner[start : inner.index(b"PK\x05\x06")] * 190_000
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 65535, 65535, len(entries), start, 0)
    listed.write_bytes(inner[:start] + entries + end)
    return dict(
        [
            made("traversal", {"p/../../evil": b"x"}),
            made("backslashes", {"p/..\\..\\evil": b"x"}),
            made("absolute", {"/p/evil": b"x"}),
            made("link", {"p/link": b"/etc/passwd"}, kinds={"p/link": stat.S_IFLNK}),
            made("device", {"p/zero": b""}, kinds={"p/zero": stat.S_IFCHR}),
            made("disk", {"p/disk": b""}, kinds={"p/disk": stat.S_IFBLK}),
            made("pipe", {"p/pipe": b""}, kinds={"p/pipe": stat.S_IFIFO}),
            made("bomb", {"p/zeros": bytes(8 * MIB)}, compress=True),
            made("folder_and_file", {"p/a": b"1", "p/a/b": b"2"}),
            made("long_name", {f"p/{'x' * 300}": b"1"}),
            made("control_characters", {"p/\x1b]0;owned\x07": b"1"}),
            ("twice", twice),
            ("lying", lying),
            ("list", listed),
        ]
    )
