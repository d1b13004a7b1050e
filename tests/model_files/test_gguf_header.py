"""The counts, lengths and places of a GGUF header are never believed."""

import struct
from pathlib import Path

import gguf as peer
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.errors import PipelineError
from stages.model_files.gguf_header import check_header
from tests.model_files.strange_files import gguf, key, tensor, text
from tests.peak_memory import peak_mib

HUGE = 2**63 - 1
U32 = struct.pack("<I", 7)


def strings(count: int, *, claimed: int | None = None) -> bytes:
    told = struct.pack("<IQ", 8, count if claimed is None else claimed)
    return key("tokens", 9, told + text("a") * count)


def nested(depth: int) -> bytes:
    return key("deep", 9, struct.pack("<IQ", 9, 1) * depth + struct.pack("<IQ", 4, 1) + U32)


HOSTILE = {
    "empty": (b"", "cut off"),
    "a web page": (b"<html><body>not found", "begins with b'<htm'"),
    "version": (b"GGUF" + struct.pack("<IQQ", 99, 0, 0), "version is 99"),
    "cut off": (gguf(keys=[key("a", 4, U32)])[:30], "claims 1 keys|cut off"),
    "tensors": (gguf(counts=(2**64 - 1, 0)), r"claims 18,446,744,073,709,551,615 tensors"),
    "keys": (gguf(counts=(0, HUGE)), "claims 9,223,372,036,854,775,807 keys"),
    "text": (gguf(keys=[struct.pack("<Q", HUGE)]), "claims .* keys|characters of a text"),
    "array": (gguf(keys=[strings(1, claimed=HUGE)]), "entries of an array"),
    "numbers": (
        gguf(keys=[key("n", 9, struct.pack("<IQ", 12, 2**61 + 1))]),
        "entries of an array",
    ),
    "nesting": (gguf(keys=[nested(50)]), "unknown type 9"),
    "kind": (gguf(keys=[key("a", 77, U32)]), "unknown type 77"),
    "alignment": (gguf(keys=[key("general.alignment", 4, struct.pack("<I", 0))]), "power of two"),
    "dimensions": (
        gguf(tensors=[tensor("w", [1] * 5)]),
        "'w' has 5 dimensions",
    ),
    "overflow": (gguf(tensors=[tensor("w", [2**62, 2**62, 16])]), "'w' claims"),
    "nothing": (gguf(tensors=[tensor("w", [0])]), "'w' claims 0 numbers"),
    "type": (gguf(tensors=[tensor("w", [1], kind=12345)], data=bytes(4)), "unknown type 12345"),
    "part of a block": (gguf(tensors=[tensor("w", [33], kind=2)], data=bytes(99)), "claims 33"),
    "too little data": (gguf(tensors=[tensor("w", [2])], data=bytes(7)), "take 8 bytes, and 7"),
    "not aligned": (gguf(tensors=[tensor("w", [2], place=4)], data=bytes(99)), "not aligned"),
    "far away": (gguf(tensors=[tensor("w", [2], place=2**63)], data=bytes(99)), "tensors take"),
    "the same bytes": (
        gguf(tensors=[tensor("w", [20]), tensor("v", [20], place=32)], data=bytes(999)),
        "overlap",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_header_is_refused(name: str, tmp_path: Path) -> None:
    content, said = HOSTILE[name]
    (tmp_path / "model.gguf").write_bytes(content)
    with pytest.raises(PipelineError, match=said):
        check_header(tmp_path / "model.gguf")


def test_what_the_reference_writer_makes_is_accepted(tmp_path: Path) -> None:
    writer = peer.GGUFWriter(str(tmp_path / "model.gguf"), "llama")
    writer.add_uint32("llama.block_count", 1)
    writer.add_float32("llama.rope.freq_base", 1e4)
    writer.add_bool("a.flag", val=True)
    writer.add_token_list(["<s>", "a", "Ж"])
    writer.add_token_scores([0.0, 1.0, 2.0])
    writer.add_tensor("token_embd.weight", np.ones((3, 32), dtype=np.float32))
    writer.add_tensor("output.weight", np.ones((3, 5), dtype=np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    check_header(tmp_path / "model.gguf")


@given(raw=st.binary(max_size=60), place=st.integers(0, 160), insert=st.booleans())
def test_a_header_that_is_accepted_is_read_by_the_reference_reader(
    raw: bytes, place: int, insert: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    whole = gguf(
        keys=[key("general.architecture", 8, text("llama")), strings(2)],
        tensors=[tensor("w", [2]), tensor("v", [32], kind=2, place=32)],
        data=bytes(64),
    )
    file = tmp_path_factory.mktemp("gguf") / "model.gguf"
    file.write_bytes(whole[:place] + raw + whole[place if insert else place + len(raw) :])
    try:
        check_header(file)
    except PipelineError:
        return
    try:
        peer.GGUFReader(str(file))
    except (KeyError, UnicodeDecodeError, ValueError) as error:
        # Names that stand twice or are no text: the conversion tells of them.
        assert "uplicate" in str(error) or "utf-8" in str(error)  # noqa: PT017


MEASURED = """
import resource, sys
from pathlib import Path
from stages.errors import PipelineError
from stages.model_files.installing import install
resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))
refused = ""
try:
    install(f"path:{sys.argv[1]}", sha256=None, folder=Path(sys.argv[2]), random_encoder=print)
except PipelineError as error:
    refused = error.cause
assert sys.argv[3] in refused, refused
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tensors", "array", "overflow"])
def test_refusing_takes_little_memory_and_leaves_nothing(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.gguf").write_bytes(HOSTILE[name][0])
    said = "is not a GGUF file that can be trusted"
    assert peak_mib(MEASURED, str(folder), str(tmp_path / "models/llm"), said) < 256
    assert list((tmp_path / "models").iterdir()) == []
