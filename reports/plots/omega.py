"""Draw omega.svg from omega.tsv: how near contradictions come to their premises.

omega.tsv holds figures of reports/generation.json and reports/scoring.json, a line a run; the
commands are in reports/EXPERIMENTS.md.
"""

from pathlib import Path

import altair as alt
import polars as pl

HERE = Path(__file__).parent
NAMES = {
    "near_copies": "near copies by words (Jaccard >= 0.8)",
    "alike": "alike by the guide (b >= 4.5)",
}


def draw(figures: pl.DataFrame) -> alt.Chart:
    """Return the chart: a line for each of the two independent looks at the contradictions."""
    rows = figures.select("omega", *NAMES).unpivot(index="omega", variable_name="look")
    rows = rows.with_columns(pl.col("look").replace_strict(NAMES), pl.col("value") * 100)
    axis = alt.Axis(values=figures["omega"].to_list(), format=".1f")
    marks = (
        alt.Chart(rows)
        .mark_line(point=True)
        .encode(
            x=alt.X("omega:Q", title="omega (0 is plain generation)", axis=axis),
            y=alt.Y("value:Q", title="share of the contradictions (%)"),
            color=alt.Color("look:N", title=None, legend=alt.Legend(orient="top", labelLimit=300)),
            strokeDash=alt.StrokeDash("look:N", title=None),
        )
    )
    return marks.properties(width=520, height=280, background="white")


if __name__ == "__main__":
    draw(pl.read_csv(HERE / "omega.tsv", separator="\t")).save(HERE / "omega.svg")
