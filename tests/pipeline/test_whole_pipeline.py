"""All nine stages in one go on the smoke profile, through the same commands as dvc.yaml."""

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from cli.__main__ import app
from tests.pipeline.imports import ROOT

PIPELINE: dict[str, Any] = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))


def run_all(folder: Path) -> None:
    for stage, declared in PIPELINE["stages"].items():
        arguments = shlex.split(declared["cmd"])[3:]
        result = CliRunner().invoke(app, ["--quiet", *arguments], catch_exceptions=False)
        assert result.exit_code == 0, f"{stage}: {result.output}"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("run")
    (folder / "params.yaml").write_bytes((ROOT / "profiles/smoke.yaml").read_bytes())
    (folder / "data").mkdir()
    (folder / "data/starter").symlink_to(ROOT / "data/starter")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("DVC_ROOT", raising=False)
        run_all(folder)
        yield folder


def test_every_declared_output_is_there(finished: Path) -> None:
    for declared in PIPELINE["stages"].values():
        for out in [*declared["outs"], *declared.get("metrics", [])]:
            assert (finished / out).exists(), out


def test_no_sentence_is_lost_between_the_tables(finished: Path) -> None:
    sentences = pl.read_parquet(finished / "data/sentences.parquet")
    kept = pl.read_parquet(finished / "data/curated.parquet")
    rejected = pl.read_parquet(finished / "data/rejected.parquet")
    assert sorted([*kept["id"], *rejected["id"]]) == sorted(sentences["id"])
    assert rejected["reason"].is_not_null().all()


def test_metrics_compare_base_and_trained(finished: Path) -> None:
    metrics = json.loads((finished / "reports/metrics.json").read_text(encoding="utf-8"))
    assert set(metrics["tasks"]) == {"dev", "test"}
    for scores in [metrics["mean"], *metrics["tasks"].values()]:
        assert scores["gain"] == pytest.approx(scores["trained"] - scores["base"], abs=1e-3)


def test_the_report_is_one_page_without_outside_parts(finished: Path) -> None:
    page = (finished / "reports/report.html").read_text(encoding="utf-8")
    assert "<svg" in page
    assert "<script src" not in page
    assert 'href="http' not in page


@pytest.mark.slow
def test_running_again_gives_the_same_tables(finished: Path) -> None:
    names = ["sentences", "triplets", "scored", "curated", "rejected"]
    before = {name: (finished / f"data/{name}.parquet").read_bytes() for name in names}
    run_all(finished)
    assert {name: (finished / f"data/{name}.parquet").read_bytes() for name in names} == before
