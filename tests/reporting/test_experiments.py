"""Experiments are read as far as they can be read, and the rest is said."""

import base64
import json
from pathlib import Path

import pytest

from stages.reporting.experiments import TABLE_ROWS, read_experiment, read_experiments
from tests.reporting.finished_run import write_experiment


@pytest.fixture(name="omega")
def an_experiment(tmp_path: Path) -> Path:
    write_experiment(tmp_path / "omega")
    return tmp_path / "omega"


def test_claim_finding_table_and_plot_are_read(omega: Path) -> None:
    found = read_experiment(omega)
    assert found.title == "The weight of the noisy instruction"
    assert found.claim == "omega = 0.3 is better than omega = 0."
    assert found.finding == "The same direction, within one deviation."
    assert dict(found.facts)["seeds"] == "1, 2, 3"
    assert found.faults == ()
    assert found.table is not None
    assert found.table.columns == ("omega", "mean")
    assert found.table.rows[1] == ("0.3", "79.10 ± 0.20")
    assert found.table.numeric == (True, True)
    assert found.plot is not None
    encoded = found.plot.removeprefix("data:image/svg+xml;base64,")
    assert base64.b64decode(encoded) == (omega / "plot.svg").read_bytes()


def test_a_folder_with_nothing_in_it_is_shown_by_its_name(tmp_path: Path) -> None:
    found = read_experiment(tmp_path)
    assert found.title == tmp_path.name
    assert (found.claim, found.finding, found.table, found.plot) == (None, None, None, None)
    assert [fault.split()[0] for fault in found.faults] == ["record.json", "table.tsv"]
    assert all("is not there" in fault for fault in found.faults)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("record.json", b"{", "record.json cannot be read"),
        ("record.json", b"[1]", "record.json holds no object"),
        ("record.json", b"\xff", "record.json cannot be read"),
        ("table.tsv", b"", "table.tsv holds no rows"),
        ("table.tsv", b"a\tb\n", "table.tsv holds no rows"),
        ("table.tsv", b"\xff\xfe", "table.tsv cannot be read"),
        ("plot.svg", b"<svg", "plot.svg is no drawing"),
        ("plot.svg", b"<html/>", "plot.svg is no SVG"),
        ("plot.svg", b"<svg>" + b" " * 500_000 + b"</svg>", "too large"),
    ],
)
def test_what_cannot_be_read_is_said_and_the_rest_is_shown(
    omega: Path, name: str, content: bytes, said: str
) -> None:
    (omega / name).write_bytes(content)
    found = read_experiment(omega)
    assert [fault for fault in found.faults if said in fault]
    assert len(found.faults) == 1
    assert sum(part is not None for part in (found.claim, found.table, found.plot)) == 2


def test_a_long_table_is_cut_and_says_by_how_much(omega: Path) -> None:
    rows = "".join(f"{n}\t{n}\n" for n in range(TABLE_ROWS + 7))
    (omega / "table.tsv").write_text("a\tb\n" + rows)
    table = read_experiment(omega).table
    assert table is not None
    assert (len(table.rows), table.left_out) == (TABLE_ROWS, 7)


def test_rows_of_unequal_length_are_filled_and_words_are_no_numbers(omega: Path) -> None:
    (omega / "table.tsv").write_text("a\tb\nx\nbase\t1\t2\n")
    table = read_experiment(omega).table
    assert table is not None
    assert table.rows == (("x", "", ""), ("base", "1", "2"))
    assert table.numeric == (False, True, True)


def test_folders_come_by_name_and_files_and_hidden_ones_are_none(omega: Path) -> None:
    folder = omega.parent
    write_experiment(folder / "alpha", title="")
    (folder / ".work").mkdir()
    (folder / "README.md").write_text("x")
    assert [found.name for found in read_experiments(folder)] == ["alpha", "omega"]
    assert read_experiments(folder)[0].title == "alpha"
    assert read_experiments(folder / "nowhere") == ()


def test_a_record_may_hold_objects_where_words_are_expected(omega: Path) -> None:
    record = {"title": ["a", "b"], "claim": {"it": "helps"}, "machine": {"cores": 2}}
    (omega / "record.json").write_text(json.dumps(record))
    found = read_experiment(omega)
    assert (found.title, found.claim, found.finding) == ("a, b", "it helps", None)
    assert found.facts == (("machine", "cores 2"),)


def test_a_deviation_stands_behind_its_mean_and_long_numbers_are_cut(omega: Path) -> None:
    (omega / "table.tsv").write_text(
        "row\tseeds\tsts\tsts_sd\nbase\t1\t78.485912\t\nours\t3\t79.876543\t0.012345\n"
    )
    table = read_experiment(omega).table
    assert table is not None
    assert table.columns == ("row", "seeds", "sts")
    assert table.rows == (("base", "1", "78.49"), ("ours", "3", "79.88 ± 0.012"))
    assert table.numeric == (False, True, True)


def test_cases_are_shown_as_the_text_that_they_are(omega: Path) -> None:
    (omega / "table.tsv").unlink()
    (omega / "plot.svg").unlink()
    (omega / "table.md").write_text("| premise | ours |\n|---|---|\n| A boat left. | <b> |\n")
    found = read_experiment(omega)
    assert found.faults == ()
    assert (found.table, found.plot) == (None, None)
    assert found.text is not None
    assert found.text.startswith("| premise")
