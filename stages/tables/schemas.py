"""The columns of the tables that stages hand to one another.

data/README.md says in words what each column means and in which unit.
"""

from collections.abc import Mapping

import polars as pl

Schema = Mapping[str, type[pl.DataType] | pl.DataType]

SENTENCES: Schema = {"id": pl.String, "sentence": pl.String, "line": pl.Int64}
PAIRS: Schema = {
    "subset": pl.String,
    "score": pl.Float64,
    "sentence1": pl.String,
    "sentence2": pl.String,
}
TRIPLETS: Schema = {
    "id": pl.String,
    "sample": pl.Int64,
    "premise": pl.String,
    "entailment": pl.String,
    "contradiction": pl.String,
    "entailment_instruction": pl.String,
    "contradiction_instruction": pl.String,
    "entailment_finished": pl.Boolean,
    "contradiction_finished": pl.Boolean,
}
SCORED: Schema = {
    **TRIPLETS,
    "entailment_score": pl.Float64,
    "contradiction_score": pl.Float64,
    "entailment_answer": pl.String,
    "contradiction_answer": pl.String,
    "entailment_scores": pl.List(pl.Float64),
    "contradiction_scores": pl.List(pl.Float64),
}
LABELLED: Schema = {
    "id": pl.String,
    "premise": pl.String,
    "entailment": pl.String,
    "contradiction": pl.String,
}
CURATED: Schema = SCORED
REJECTED: Schema = {**SCORED, "reason": pl.String}
