"""A project folder with all that stage ``train`` reads, on tiny encoders."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from stages import train
from stages.encoders.tiny import write_random_encoder
from stages.params import TrainParams
from stages.tables.schemas import CURATED, LABELLED, PAIRS
from stages.tables.writing import write_table

TEMPLATE = 'This sentence : "{sentence}" means [MASK].'
PARAMS = TrainParams(
    objective="masked",
    anchors="premises",
    pooler="auto",
    guide_pooler="auto",
    template=TEMPLATE,
    labelled=False,
    limit=None,
    sigma=0.95,
    tau=0.05,
    hard_negative_weight=0.0,
    batch_triplets=8,
    mini_batch_triplets=None,
    allow_duplicates=False,
    learning_rate=1e-3,
    epochs=1,
    warmup_ratio=0.1,
    weight_decay=0.0,
    clip_norm=1.0,
    max_tokens=16,
    dev="dev",
    eval_steps=2,
    early_stopping=None,
    dtype="float32",
    seed=1,
)
NOUNS = ["ferry", "kettle", "orchard", "violin", "glacier", "ledger", "beetle", "parrot"]
ROWS = [(noun, hour) for noun in NOUNS for hour in ("noon", "dawn", "dusk")]


@dataclass
class Project:
    """A project folder with all that stage ``train`` reads."""

    root: Path

    @property
    def labelled(self) -> Path:
        return self.root / "data/labelled.parquet"

    def train(self, **changes: object) -> None:
        data = self.root / "data"
        train.run(
            PARAMS.model_copy(update=changes),
            curated=data / "curated.parquet",
            labelled=data / "labelled.parquet",
            base=self.root / "models/base",
            guide=self.root / "models/guide",
            benchmarks=data / "benchmarks",
            encoder=self.root / "models/encoder",
            training=self.root / "reports/training",
            preparation=self.root / "reports/preparation.json",
            curation=self.root / "reports/curation.json",
            origins=self.root / "reports/models.json",
            work=self.root / ".work",
        )

    def summary(self) -> dict[str, Any]:
        text = (self.root / "reports/training/summary.json").read_text()
        summary: dict[str, Any] = json.loads(text)
        return summary

    def saved(self) -> dict[str, bytes]:
        folder = self.root / "models/encoder"
        files = (path for path in folder.rglob("*") if path.is_file())
        return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def texts(form: str, rows: list[tuple[str, str]]) -> pl.Series:
    return pl.Series([form.format(noun=n, hour=h) for n, h in rows], dtype=pl.String)


def curated_table(rows: list[tuple[str, str]]) -> pl.DataFrame:
    fill: dict[object, object] = {
        pl.Int64: 0,
        pl.String: "x",
        pl.Boolean: True,
        pl.Float64: 3.0,
        pl.List(pl.Float64): [3.0],
    }
    filled = {name: [fill[dtype]] * len(rows) for name, dtype in pl.Schema(CURATED).items()}
    table = pl.DataFrame(filled, schema=CURATED)
    return table.with_columns(
        premise=texts("The {noun} is here at {hour}.", rows),
        entailment=texts("At {hour}, a {noun} is here.", rows),
        contradiction=texts("Nothing at {hour}, no {noun}.", rows),
    ).select(CURATED.keys())


def labelled_table(rows: list[tuple[str, str]]) -> pl.DataFrame:
    return curated_table(rows).select(LABELLED.keys())


def graded_pairs(scores: list[float]) -> pl.DataFrame:
    pairs = [
        ("all", score, f"The {noun} is red.", f"A {noun if score > 2 else 'desk'} is red.")
        for noun, score in zip(NOUNS, scores, strict=True)
    ]
    return pl.DataFrame(pairs, schema=dict(PAIRS), orient="row")


def make_project(root: Path) -> Project:
    write_random_encoder(root / "models/base", seed=1)
    write_random_encoder(root / "models/guide", seed=2)
    write_table(curated_table(ROWS), root / "data/curated.parquet")
    write_table(labelled_table([]), root / "data/labelled.parquet")
    for name, flat in (("dev", False), ("flat", True)):
        scores = [3.0 if flat else float(number % 6) for number in range(len(NOUNS))]
        write_table(graded_pairs(scores), root / f"data/benchmarks/{name}.parquet")
    return Project(root)
