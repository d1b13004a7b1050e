"""The guide's vectors on disk say the same as the guide itself."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from stages.encoders.embedding import embed, load_encoder
from stages.tables.columns import TEXTS
from stages.training import guide as guide_module
from stages.training.guide import GuideVectors, write_guide_vectors


def test_cosines_are_those_of_the_guide(
    guide: GuideVectors, tiny: Path, triplets: pl.DataFrame
) -> None:
    rows = [31, 4, 17]
    encoder = load_encoder(tiny)
    premise, entailment, contradiction = (
        embed(encoder, triplets[name].gather(rows).to_list(), batch_sentences=8) for name in TEXTS
    )
    wanted = premise @ np.concatenate([entailment, contradiction]).T
    got = guide.cosines(torch.tensor(rows))
    assert got.dtype == torch.float32
    np.testing.assert_allclose(got.numpy(), wanted, atol=1e-3)


def test_bfloat16_autocast_does_not_blur_them(guide: GuideVectors) -> None:
    rows = torch.arange(8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(guide.cosines(rows), guide.cosines(rows))
        blurred = guide.cosines(rows)
    assert torch.equal(blurred, guide.cosines(rows))


def test_they_lie_on_disk_in_half_precision(guide: GuideVectors) -> None:
    assert len(guide) == 40
    (vectors,) = guide._shards
    assert isinstance(vectors, np.memmap)
    assert (vectors.shape, vectors.dtype) == ((3, 40, 32), np.float16)


@pytest.fixture
def shards_of_16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guide_module, "SHARD_TRIPLETS", 16)


def encode(folder: Path, encoder: Path, triplets: pl.DataFrame) -> GuideVectors:
    return write_guide_vectors(folder, lambda: load_encoder(encoder), triplets)


@pytest.mark.usefixtures("shards_of_16")
def test_shards_say_the_same_as_one_file(
    guide: GuideVectors, tiny: Path, triplets: pl.DataFrame, tmp_path: Path
) -> None:
    shared = encode(tmp_path, tiny, triplets)
    assert [shard.shape[1] for shard in shared._shards] == [16, 16, 8]
    rows = torch.tensor([39, 0, 16, 15, 16])
    torch.testing.assert_close(shared.cosines(rows), guide.cosines(rows), atol=1e-3, rtol=0)


@pytest.mark.usefixtures("shards_of_16")
def test_a_stopped_run_keeps_its_finished_shards(
    tiny: Path, triplets: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = encode(tmp_path / "whole", tiny, triplets)
    asked: list[int] = []

    def stopped(model: object, sentences: list[str], **options: object) -> object:
        if len(asked) == 4:
            raise KeyboardInterrupt
        asked.append(len(sentences))
        return embed(model, sentences, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(guide_module, "embed", stopped)
    with pytest.raises(KeyboardInterrupt):
        encode(tmp_path / "stopped", tiny, triplets)
    assert [path.name for path in (tmp_path / "stopped").iterdir()] == ["shard-000000.npy"]
    asked[:] = [0] * 5
    resumed = encode(tmp_path / "stopped", tiny, triplets)
    assert asked == [0] * 5 + [16, 16, 16, 8, 8, 8]
    for one, other in zip(whole._shards, resumed._shards, strict=True):
        assert one.tobytes() == other.tobytes()


@pytest.mark.usefixtures("shards_of_16")
def test_a_shard_in_anothers_place_is_set_aside_and_made_again(
    tiny: Path, triplets: pl.DataFrame, tmp_path: Path
) -> None:
    before = encode(tmp_path, tiny, triplets)
    wanted = [shard.tobytes() for shard in before._shards]
    first, second = tmp_path / "shard-000000.npy", tmp_path / "shard-000001.npy"
    first.write_bytes(second.read_bytes())
    again = encode(tmp_path, tiny, triplets)
    assert [shard.tobytes() for shard in again._shards] == wanted
    assert (tmp_path / "shard-000000.npy.foreign-1").exists()
