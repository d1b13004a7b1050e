"""The guide's vectors on disk say the same as the guide itself."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from stages.encoders.embedding import embed, load_encoder
from stages.training.guide import GuideVectors, write_guide_vectors
from stages.training.trainer import COLUMNS


def test_cosines_are_those_of_the_guide(
    guide: GuideVectors, tiny: Path, triplets: pl.DataFrame
) -> None:
    rows = [31, 4, 17]
    encoder = load_encoder(tiny)
    premise, entailment, contradiction = (
        embed(encoder, triplets[name].gather(rows).to_list(), batch_sentences=8) for name in COLUMNS
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
    vectors = guide._vectors
    assert isinstance(vectors, np.memmap)
    assert (vectors.shape, vectors.dtype) == ((3, 40, 32), np.float16)


def test_a_guide_that_fails_leaves_no_file(tiny: Path, tmp_path: Path) -> None:
    path = tmp_path / "vectors.npy"
    with pytest.raises(TypeError):
        write_guide_vectors(path, load_encoder(tiny), [["one"], [None], ["three"]])  # type: ignore[list-item]
    assert not list(tmp_path.iterdir())
