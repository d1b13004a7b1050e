"""Time and memory of the stages on long tables: `make bench-scale` for 10 million rows."""

import os
import shutil
import time
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from stages.tables.json_files import write_json
from tests.benchmarks.conftest import Figure
from tests.large_tables import write_prepared, write_scored, write_sentences
from tests.peak_memory import peak_mib

pytestmark = pytest.mark.benchmarks

ROWS = int(os.environ.get("SCALE_ROWS", "200_000"))
SHARDED_ROWS = min(ROWS, 200_000)
"""Of generate and score: even a scripted model takes half an hour for ten million."""
PREPARE = """
import sys
from pathlib import Path
from stages import prepare
from stages.params_file import load_params

data = Path(sys.argv[1]) / "data"
params = load_params(Path("profiles/starter.yaml")).prepare
changes = {"sentences": str(data / "raw.parquet"), "limit": None}
prepare.run(
    params.model_copy(update=changes),
    tasks=("own",),
    sentences=data / "sentences.parquet",
    labelled=data / "labelled.parquet",
    benchmarks=data / "benchmarks",
    metrics=Path(sys.argv[1]) / "reports/preparation.json",
)
"""
CURATE = """
import sys
from pathlib import Path
from stages import curate
from stages.params_file import load_params

data = Path(sys.argv[1]) / "data"
curate.run(
    load_params(Path("profiles/starter.yaml")).curate,
    judges=["likelihood"],
    scored=data / "scored.parquet",
    curated=data / "curated.parquet",
    rejected=data / "rejected.parquet",
    metrics=Path(sys.argv[1]) / "reports/curation.json",
)
"""
VALIDATE = """
import sys
from pathlib import Path
from stages import validate
from stages.params_file import load_params

folder = Path(sys.argv[1])
params = load_params(Path("profiles/starter.yaml"))
validate.run(
    params.validate_,
    curation=params.curate,
    curated=folder / "data/curated.parquet",
    rejected=folder / "data/rejected.parquet",
    quality=folder / "reports/quality.json",
    data_docs=folder / "reports/data_docs",
)
"""
REPORT = """
import sys
from pathlib import Path
from stages import report
from stages.params_file import load_params

folder = Path(sys.argv[1])
report.run(
    load_params(Path("profiles/starter.yaml")),
    folder=folder,
    report=folder / "reports/report.html",
)
"""
GENERATE = """
import sys
from pathlib import Path
from stages import generate
from stages.params_file import load_params

folder = Path(sys.argv[1])
params = load_params(Path("profiles/starter.yaml"))
generate.run(
    params.generate.model_copy(update={"prompts": "few_shot", "batch_premises": 128}),
    server=params.server,
    sentences=folder / "sentences.parquet",
    labelled=folder / "labelled.parquet",
    llm=folder / "llm",
    guide=folder / "guide",
    triplets=folder / "triplets.parquet",
    metrics=folder / "generation.json",
    work=folder / "work",
)
"""
SCORE = """
import sys
from pathlib import Path
from stages import score
from stages.params_file import load_params

folder = Path(sys.argv[1])
params = load_params(Path("profiles/starter.yaml"))
score.run(
    params.score.model_copy(update={"judges": ("likelihood",), "batch_triplets": 128}),
    server=params.server,
    triplets=folder / "triplets.parquet",
    llm=folder / "llm",
    guide=folder / "guide",
    nli=folder / "nli",
    scored=folder / "scored.parquet",
    metrics=folder / "scoring.json",
    calibration=folder / "calibration.json",
    work=folder / "work",
)
"""
STAGES = {"prepare": PREPARE, "curate": CURATE, "validate": VALIDATE, "report": REPORT}


def test_time_and_memory_of_many_rows(
    benchmark: BenchmarkFixture, figure: Figure, tmp_path: Path
) -> None:
    """A process for each stage, on tables as a scripted model would leave them.

    As many raw sentences as triplets; a triplet's texts have some 85 characters each.
    """
    data = tmp_path / "data"
    write_sentences(data / "raw.parquet", ROWS)
    write_scored(data, ROWS)
    seconds: dict[str, float] = {}
    peaks: dict[str, float] = {}

    def run_all() -> None:
        for stage, program in STAGES.items():
            start = time.perf_counter()
            peaks[stage] = peak_mib(program, str(tmp_path)) / 1024
            seconds[stage] = time.perf_counter() - start

    benchmark.pedantic(run_all, rounds=1)  # type: ignore[no-untyped-call]
    load = os.getloadavg()[2]
    rows = f"{ROWS:,} rows; load of the machine over 15 minutes {load:.1f}"
    each = {name: f"{name} {seconds[name]:.0f} s, {peaks[name]:.2f} GiB" for name in STAGES}
    whole = sum(seconds[name] for name in ("prepare", "curate", "validate"))
    told = f"{rows}; {', '.join(each.values())}"
    figure("scale.rows", ROWS, unit="rows", against="sentences read, and triplets", rounds=1)
    figure("scale.seconds", whole, unit="seconds", against=told, rounds=1)
    figure("scale.peak_gib", max(peaks.values()), unit="GiB", against=told, rounds=1)


def test_memory_of_generate_and_score_for_many_rows(
    benchmark: BenchmarkFixture, figure: Figure, tmp_path: Path
) -> None:
    """A process for each stage and number of rows, with the scripted model, shards of the starter.

    What the second number takes beyond the first, a fifth of it, is what grows with the corpus.
    """
    peaks: dict[str, list[float]] = {"generate": [], "score": []}
    seconds: dict[str, float] = {}
    counts = SHARDED_ROWS // 5, SHARDED_ROWS

    def run_all() -> None:
        for rows in counts:
            folder = tmp_path / f"{rows}"
            write_prepared(folder / "sentences.parquet", rows)
            scripted = {"reference": "scripted:", "identity": "scripted:"}
            write_json(scripted, folder / "llm/source.json")
            for stage, program in (("generate", GENERATE), ("score", SCORE)):
                start = time.perf_counter()
                peaks[stage].append(peak_mib(program, str(folder)))
                seconds[stage] = time.perf_counter() - start
            shutil.rmtree(folder)

    benchmark.pedantic(run_all, rounds=1)  # type: ignore[no-untyped-call]
    for stage, (few, many) in peaks.items():
        told = f"{few:,.0f} MiB for {counts[0]:,} rows, {many:,.0f} for {counts[1]:,}, scripted"
        against = f"{told}; {seconds[stage]:.0f} s for the latter"
        figure(f"scale.{stage}_growth_mib", many - few, unit="MiB", against=against, rounds=1)
