"""Whatever happens to a sealed file is noticed, in each of the formats."""

import io
import random
from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load, save

from stages.engines.seals import OPENING, blank_seal, fault_of, sealed

LABEL = "test 1f2e shard 3 rows 40"
TEXTS = [f"A sentence of a shard, number {n}, {OPENING.decode()}" for n in range(40)]


def parquet() -> bytes:
    buffer = io.BytesIO()
    table = pl.DataFrame({"text": TEXTS, "score": [n / 7 for n in range(40)]})
    table.write_parquet(buffer, metadata={"multicsr": blank_seal(LABEL)})
    return sealed(buffer.getvalue())


def safetensors() -> bytes:
    tensors = {"vectors": np.arange(120, dtype=np.float32).reshape(40, 3)}
    return sealed(save(tensors, metadata={"multicsr": blank_seal(LABEL)}))


def array() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.arange(120, dtype=np.float16).reshape(3, 40))
    return sealed(buffer.getvalue() + blank_seal(LABEL).encode())


FORMATS = {"parquet": parquet(), "safetensors": safetensors(), "npy": array()}
each_format = pytest.mark.parametrize("whole", FORMATS.values(), ids=FORMATS)


def test_each_format_is_still_read_by_its_own_library() -> None:
    assert pl.read_parquet(io.BytesIO(FORMATS["parquet"]))["text"].to_list() == TEXTS
    assert load(FORMATS["safetensors"])["vectors"].shape == (40, 3)
    assert np.load(io.BytesIO(FORMATS["npy"])).shape == (3, 40)


@each_format
def test_a_whole_file_has_no_fault_and_is_no_other_piece(whole: bytes) -> None:
    assert fault_of(whole, LABEL) is None
    for other in ("test 1f2e shard 4 rows 40", "test 1f2e shard 3", f"{LABEL}0", "other"):
        assert fault_of(whole, other) == "foreign"


@each_format
def test_every_flipped_bit_is_noticed(whole: bytes) -> None:
    drawn = random.Random(1)
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 1 << drawn.randrange(8)
        assert fault_of(bytes(changed), LABEL) is not None, place


@each_format
def test_every_cut_is_noticed(whole: bytes) -> None:
    for length in range(len(whole)):
        assert fault_of(whole[:length], LABEL) == "damaged", length


ways: dict[str, Callable[[bytes, int, int], bytes]] = {
    "zeroed": lambda data, a, b: data[:a] + bytes(b - a) + data[b:],
    "left out": lambda data, a, b: data[:a] + data[b:],
    "doubled": lambda data, a, b: data[:b] + data[a:],
    "moved": lambda data, a, b: data[:a] + data[b:] + data[a:b],
}


@each_format
@given(way=st.sampled_from(sorted(ways)), ends=st.tuples(st.integers(0), st.integers(0)))
def test_bytes_zeroed_lost_doubled_or_moved_are_noticed(
    whole: bytes, way: str, ends: tuple[int, int]
) -> None:
    first, last = sorted(end % (len(whole) + 1) for end in ends)
    changed = ways[way](whole, first, last)
    assert (fault_of(changed, LABEL) is None) == (changed == whole)


@given(st.binary(max_size=300))
def test_what_was_never_sealed_is_damaged(data: bytes) -> None:
    assert fault_of(data, LABEL) == "damaged"


def test_only_a_blank_seal_can_be_filled_in_and_only_plain_labels_can_be_written() -> None:
    with pytest.raises(ValueError, match="no blank seal"):
        sealed(FORMATS["parquet"])
    with pytest.raises(ValueError, match="no label"):
        blank_seal('a "quoted" label')
