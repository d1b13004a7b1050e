"""Tables written in the formats that sentence files come in."""

import json
from pathlib import Path

import polars as pl


def write_as(path: Path, table: pl.DataFrame) -> Path:
    """Write ``table`` in the format of the ending of ``path``, and return ``path``."""
    match path.suffix:
        case ".csv":
            table.write_csv(path)
        case ".tsv":
            table.write_csv(path, separator="\t", quote_style="never")
        case ".jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in table.to_dicts()))
        case _:
            table.write_parquet(path)
    return path
