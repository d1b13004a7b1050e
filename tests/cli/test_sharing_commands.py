"""`multicsr export`, `multicsr publish` and `multicsr inspect --masked` as people type them."""

import json
from pathlib import Path

import pytest

from stages.encoders.tiny import write_random_encoder
from tests.cli.running import Run


@pytest.fixture
def encoder(project: Path) -> Path:
    folder = project / "models/encoder"
    write_random_encoder(folder, seed=1)
    (folder / "README.md").write_text("# Card\n")
    return folder


def test_publish_shows_what_would_be_sent_and_sends_nothing(
    run: Run, encoder: Path, project: Path
) -> None:
    ended = run("publish", f"path:{project / 'shelf'}")
    assert ended.code == 0
    assert "model.safetensors" in ended.out
    assert "nothing was sent: add --yes" in " ".join(ended.err.split())
    assert not (project / "shelf").exists()


def test_publish_with_yes_copies_to_a_folder(run: Run, encoder: Path, project: Path) -> None:
    assert run("publish", f"path:{project / 'shelf'}", "--yes").code == 0
    shelf = sorted(p.name for p in (project / "shelf").rglob("*") if p.is_file())
    assert shelf == sorted(p.name for p in encoder.rglob("*") if p.is_file())


def test_publish_without_a_token_says_how_to_get_one(
    run: Run, encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    ended = run("publish", "me/encoder", "--yes")
    assert ended.code == 2
    assert "hf auth login" in " ".join(ended.err.split())


def test_export_does_not_write_into_a_full_folder(run: Run, encoder: Path) -> None:
    ended = run("export", "--out", str(encoder))
    assert ended.code == 2
    assert "not an empty folder" in " ".join(ended.err.split())


@pytest.fixture
def guided(triplets: Path) -> Path:
    write_random_encoder(triplets / "models/guide", seed=1)
    return triplets


def test_masked_pairs_come_with_cosine_column_and_share(run: Run, guided: Path) -> None:
    ended = run("inspect", "--masked", "--sigma", "-0.9", "--json")
    rows = [json.loads(line) for line in ended.out.splitlines()]
    assert len(rows) == 12  # three premises, two foreign triplets, two columns
    assert {row["column"] for row in rows} == {"entailment", "contradiction"}
    assert all(row["premise_id"] != row["candidate_id"] for row in rows)
    assert [row["cosine"] for row in rows] == sorted((r["cosine"] for r in rows), reverse=True)
    told = " ".join(ended.err.split())
    assert "12 shown of 12 matching, of 12 masked pairs (sigma = -0.9)" in told
    assert "100.0000 % of the foreign candidates are masked" in told


def test_masked_pairs_can_be_filtered_and_limited(run: Run, guided: Path) -> None:
    ended = run("inspect", "--masked", "--sigma", "-0.9", "--contains", "refund", "--limit", "1")
    assert "The Refund came late." in ended.out
    assert "1 shown of 4 matching, of 12 masked pairs" in " ".join(ended.err.split())


def test_that_none_is_masked_is_said_with_the_nearest(run: Run, guided: Path) -> None:
    ended = run("inspect", "--masked", "--sigma", "1.1")
    assert (ended.code, ended.out) == (0, "")
    told = " ".join(ended.err.split())
    assert "no pair is masked: of 3 triplets" in told
    assert "the nearest have a cosine of" in told


def test_other_filters_do_not_go_with_masked(run: Run, guided: Path) -> None:
    ended = run("inspect", "--masked", "--rejected", "--max-gap", "1")
    assert ended.code == 2
    assert "--kept/--rejected, --max-gap do not apply" in " ".join(ended.err.split())
    assert run("inspect", "--sigma", "0.5").code == 2
