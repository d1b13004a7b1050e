"""Whether stage ``generate`` needs more memory for more premises."""

from pathlib import Path

import polars as pl
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from stages.tables.json_files import write_json
from stages.tables.schemas import SENTENCES
from stages.tables.writing import write_table
from tests.benchmarks.conftest import ROUNDS, Figure
from tests.peak_memory import peak_mib

pytestmark = pytest.mark.benchmarks

FEW, MANY = 1_000, 10_000 if ROUNDS > 1 else 3_000
STAGE = """
import sys
from pathlib import Path
from stages import generate
from stages.params_file import load_params

folder = Path(sys.argv[1])
params = load_params(Path("profiles/starter.yaml"))
generate.run(
    params.generate.model_copy(update={"max_new_tokens": 1}),
    server=params.server,
    sentences=folder / f"{sys.argv[2]}.parquet",
    labelled=folder / "labelled.parquet",
    llm=folder / "llm",
    guide=folder / "guide",
    triplets=folder / "triplets.parquet",
    metrics=folder / "generation.json",
    work=folder / "work",
)
"""


def test_memory_growth_of_generation(
    benchmark: BenchmarkFixture,
    figure: Figure,
    real_models: dict[str, Path],
    premises: list[str],
    tmp_path: Path,
) -> None:
    """A process each for 1,000 and for 10,000 premises (quickly: 3,000), on one thin layer.

    Its weights take next to no time; tokenizer, vocabulary, prompts, batches and shards are those
    of the starter profile, and only these could grow.
    """
    write_thin_model(real_models["llm"], tmp_path / "llm")
    for count in (FEW, MANY):
        write_table(numbered(premises, count), tmp_path / f"{count}.parquet")
    peaks = benchmark.pedantic(  # type: ignore[no-untyped-call]
        lambda: [peak_mib(STAGE, str(tmp_path), str(count)) for count in (FEW, MANY)], rounds=1
    )
    against = f"peak of {FEW:,} premises ({peaks[0]:,.0f} MiB) and of {MANY:,} ({peaks[1]:,.0f})"
    figure("generate.rss_growth_mib", peaks[1] - peaks[0], unit="MiB", against=against, rounds=1)


def numbered(premises: list[str], count: int) -> pl.DataFrame:
    """Return SENTENCES: the starter corpus over and over, each time with another number."""
    texts = [f"{premises[i % len(premises)]} No. {i // len(premises)}" for i in range(count)]
    rows = {"id": [f"{i:016x}" for i in range(count)], "sentence": texts, "line": range(count)}
    return pl.DataFrame(rows, schema=SENTENCES)


def write_thin_model(tokens_of: Path, folder: Path) -> None:
    """Write an untrained Llama of one layer with the tokenizer of another model."""
    tokenizer = AutoTokenizer.from_pretrained(tokens_of)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    write_json({"reference": "path:thin", "identity": "thin"}, folder / "source.json")
