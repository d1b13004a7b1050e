"""Looking at triplets."""

import json
from pathlib import Path

import pytest

from tests.cli.running import Run


def ids(run: Run, *filters: str) -> list[int]:
    ended = run("inspect", "--json", *filters)
    assert ended.code == 0, ended.err
    return [int(json.loads(line)["id"], 16) for line in ended.out.splitlines()]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ([], [1, 2, 3, 18, 19]),
        (["--kept"], [1, 2, 3]),
        (["--rejected"], [18, 19]),
        (["--reason", "unfinished"], [19]),
        (["--reason", "unfinished", "--reason", "gap_too_small"], [18, 19]),
        (["--contains", "refund"], [1]),
        (["--contains", "sky 18 TIMES"], [18]),
        (["--contains", "(", "--kept"], []),
        (["--id", "00000000000000012"], []),
        (["--id", "0000000000000012"], [18]),
        (["--id", "000000000000001"], [18, 19]),
        (["--min-gap", "0.5"], [1, 2, 3]),
        (["--max-gap", "0.5"], [2, 18]),
        (["--sort", "gap"], [18, 2, 1, 3, 19]),
        (["--sort", "gap", "--reverse"], [3, 1, 2, 18, 19]),
        (["--reverse", "--limit", "2"], [19, 18]),
    ],
)
def test_filters_choose_and_order_rows(
    run: Run, triplets: Path, filters: list[str], expected: list[int]
) -> None:
    assert ids(run, *filters) == expected


def test_an_unknown_reason_gets_the_nearest_and_the_list(run: Run, triplets: Path) -> None:
    ended = run("inspect", "--reason", "gap_to_small")
    assert ended.code == 2
    assert "did you mean gap_too_small?" in ended.err
    assert "choose among: gap_too_small, unfinished." in ended.err


def test_rows_fit_80_columns_and_show_verdict_scores_and_texts(run: Run, triplets: Path) -> None:
    ended = run("inspect")
    assert max(len(line) for line in ended.out.splitlines()) <= 80
    assert "kept  a 4.0  b 1.0  gap 3.0  0000000000000001" in ended.out
    assert "unfinished  a -  b -  gap -" in ended.out
    assert "The Refund came late." in ended.out
    assert "2 rejected (gap_too_small 1, unfinished 1)" in ended.err


def test_what_a_model_wrote_neither_formats_nor_steers_the_terminal(
    run: Run, triplets: Path
) -> None:
    ended = run("inspect", "--id", "0000000000000003")
    assert "[bold]\N{REPLACEMENT CHARACTER}[31mRed" in ended.out
    assert "\x1b" not in ended.out


def test_before_curation_it_says_what_to_run(run: Run, project: Path) -> None:
    ended = run("inspect")
    assert ended.code == 2
    assert "data/curated.parquet does not exist" in ended.err
