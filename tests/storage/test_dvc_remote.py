"""One colleague pushes to an S3 remote; another has corpus and checkpoint by `dvc pull` alone."""

from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.imports import ROOT
from tests.pipeline.test_dvc_repro import run, smoke_project

pytestmark = pytest.mark.pipeline

CORPUS = "s3://team/in/premises.tsv"
SHARED = ("data/sentences.parquet", "data/curated.parquet", "models/encoder/model.safetensors")


def test_a_colleague_has_every_corpus_and_checkpoint(
    bucket: Any, tmp_path: Path, dvc_cache: Path
) -> None:
    ada, ben = tmp_path / "ada", tmp_path / "ben"
    ada.mkdir()
    smoke_project(ada, cache=dvc_cache)  # out of Ben's reach: he asks DVC for his own
    bucket.put_file(str(ROOT / "data/starter/premises.tsv"), CORPUS)
    params = ada / "params.yaml"
    text = params.read_text(encoding="utf-8")
    named = next(line for line in text.splitlines() if line.startswith("  sentences:"))
    params.write_text(text.replace(named, f"  sentences: {CORPUS}"), encoding="utf-8")
    run(ada, "dvc", "remote", "add", "--default", "team", "s3://team/dvc")
    run(ada, "dvc", "repro")
    run(ada, "git", "add", "--all")
    run(ada, "git", "commit", "--quiet", "--message", "the corpus from the bucket")
    assert "up to date" in run(ada, "dvc", "status")
    run(ada, "dvc", "push")

    run(tmp_path, "git", "clone", "--quiet", str(ada), str(ben))
    run(ben, "dvc", "pull")
    for name in SHARED:
        assert (ben / name).read_bytes() == (ada / name).read_bytes()
    assert "up to date" in run(ben, "dvc", "status")
    locked = (ben / "dvc.lock").read_text(encoding="utf-8")
    assert CORPUS in locked
    assert "planted-secret-of-tests" not in locked + (ben / ".dvc/config").read_text("utf-8")

    bucket.pipe(CORPUS, b"id\tsentence\n1\tAnother corpus.\n")
    assert CORPUS in run(ben, "dvc", "status", "prepare")
