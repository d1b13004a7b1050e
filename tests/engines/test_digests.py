"""What shapes an answer changes its name; what does not, does not."""

from pathlib import Path

import polars as pl
import pytest

from stages.engines.digests import fingerprint, model_digest, path_digest, source_digest

TABLE = pl.DataFrame({"n": range(10), "text": ["like"] * 10})


def test_the_fingerprint_changes_with_settings_rows_names_and_their_order() -> None:
    facts = {"omega": 0.3, "seed": 1}
    same = fingerprint({"seed": 1, "omega": 0.3}, TABLE)
    assert fingerprint(facts, TABLE) == same
    others = [
        fingerprint({**facts, "omega": 0.5}, TABLE),
        fingerprint(facts, TABLE.reverse()),
        fingerprint(facts, TABLE.head(9)),
        fingerprint(facts, TABLE.rename({"n": "m"})),
        fingerprint(facts, TABLE.with_columns(text=pl.lit(None, dtype=pl.String))),
        fingerprint(facts),
    ]
    assert len({same, *others}) == 7


def test_a_folders_digest_changes_with_every_byte_and_name(tmp_path: Path) -> None:
    file = tmp_path / "model/weights"
    file.parent.mkdir()
    file.write_bytes(b"one")
    seen = [path_digest(file.parent), path_digest(file)]
    file.write_bytes(b"two")
    seen.append(path_digest(file.parent))
    file.rename(file.with_name("renamed"))
    seen.append(path_digest(file.parent))
    assert len(set(seen)) == 4
    assert path_digest(file.parent) == seen[-1]


def test_a_model_is_its_weights_and_tokenizer_and_not_where_it_came_from(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    before = model_digest(tmp_path)
    (tmp_path / "source.json").write_text("{}")
    (tmp_path / "README.md").write_text("a word about it")
    assert model_digest(tmp_path) == before
    (tmp_path / "tokenizer.json").write_text("{}")
    assert model_digest(tmp_path) != before


def test_the_source_digest_knows_its_modules() -> None:
    assert source_digest("stages.errors") != source_digest("stages.errors", "stages.tables.schemas")
    with pytest.raises(ValueError, match=r"no module stages\.nowhere"):
        source_digest("stages.nowhere")
