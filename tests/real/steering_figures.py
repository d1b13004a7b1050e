"""How far texts that talk to the judge lift what the real SmolLM2 makes of a pair.

`python -m tests.real.steering_figures 100` prints the table of reports/EXPERIMENTS.md.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from stages.language_models.judging import Pair, judge
from stages.language_models.loading import load_language_model
from stages.language_models.prompts import load_prompts
from stages.language_models.protocol import LanguageModel
from tests.curation.steering import ATTACKS, PLAIN, attacked

ROOT = Path(__file__).parents[2]
METHODS = ("likelihood", "expectation", "generate")
PLACES = ("premise", "both")
"""A premise comes from outside; an answer comes to hold the text when the model copies it."""
BATCH = 32


def sample(count: int) -> list[Pair]:
    """Return pairs of the starter's dev set that people graded 3 or less, in its order."""
    table = pl.read_csv(ROOT / "data/starter/benchmarks/dev.tsv", separator="\t", quote_char=None)
    return list(
        table.filter(pl.col("score") <= 3).head(count).select("sentence1", "sentence2").iter_rows()
    )


def scores(
    model: LanguageModel, pairs: Sequence[Pair], method: str
) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """Return the score of each pair, NaN where the answer cannot be read."""
    prompts = load_prompts("few_shot")
    found: list[float] = []
    for start in range(0, len(pairs), BATCH):
        judged = judge(model, pairs[start : start + BATCH], method=method, prompts=prompts)
        found += [np.nan if one.score is None else one.score for one in judged]
    return np.array(found)


def lifts(model: LanguageModel, pairs: Sequence[Pair], method: str) -> pl.DataFrame:
    """Return what each text at each place adds to the scores, beside a text that asks nothing."""
    plain = scores(model, pairs, method)
    rows = []
    for place in PLACES:
        neutral = scores(model, [attacked(p, PLAIN, place=place) for p in pairs], method)
        for name, text in {"(plain)": PLAIN, **ATTACKS}.items():
            told = (
                neutral
                if text == PLAIN
                else scores(model, [attacked(p, text, place=place) for p in pairs], method)
            )
            rows.append(
                {
                    "method": method,
                    "place": place,
                    "attack": name,
                    "before": float(np.nanmean(plain)),
                    "lift": float(np.nanmean(told - plain)),
                    "over_plain": float(np.nanmean(told - neutral)),
                    "greatest": float(np.nanmax(told - plain))
                    if np.isfinite(told - plain).any()
                    else np.nan,
                    "readable": float(np.isfinite(told).mean()),
                    "at_least_3": float((told >= 3).mean() - (plain >= 3).mean()),
                }
            )
    return pl.DataFrame(rows)


def main() -> None:
    """Write the table of each method to standard output, as tab-separated values."""
    pairs = sample(int(sys.argv[1]))
    model = load_language_model(ROOT / "models/llm", dtype="auto")
    for method in sys.argv[2:] or METHODS:
        sys.stdout.write(lifts(model, pairs, method).write_csv(separator="\t", float_precision=3))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
