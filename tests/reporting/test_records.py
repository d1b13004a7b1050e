from pathlib import Path

import pytest

from stages.errors import PipelineError
from stages.reporting.records import Curation, read_curve, read_record


def test_a_file_that_is_not_there_is_none(tmp_path: Path) -> None:
    assert read_record(tmp_path / "curation.json", Curation) is None
    assert read_curve(tmp_path / "steps.tsv", measures=("loss",)) is None


def test_a_later_version_may_add_fields(tmp_path: Path) -> None:
    path = tmp_path / "curation.json"
    path.write_text('{"generated": 3, "kept": 2, "rejected": 1, "reasons": {"empty": 1}, "new": 0}')
    assert read_record(path, Curation) == Curation(
        generated=3, kept=2, rejected=1, reasons={"empty": 1}
    )


def test_every_missing_field_is_named_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "curation.json"
    path.write_text('{"generated": 3, "kept": "many", "reasons": {}}')
    with pytest.raises(PipelineError, match=r"curation\.json has another form") as error:
        read_record(path, Curation)
    assert "kept:" in error.value.cause
    assert "rejected:" in error.value.cause


@pytest.mark.parametrize("text", ["", "{", "\x00"])
def test_a_broken_file_is_one_clear_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "curation.json"
    path.write_text(text)
    with pytest.raises(PipelineError, match="cannot be read as JSON"):
        read_record(path, Curation)


def test_a_curve_keeps_only_finite_values_and_is_sorted(tmp_path: Path) -> None:
    path = tmp_path / "steps.tsv"
    path.write_text("step\tloss\textra\n3\t0.5\tx\n1\tnan\tx\n2\t\tx\n0\t1e0\tx\n4\tinf\tx\n")
    curve = read_curve(path, measures=("loss",))
    assert curve is not None
    assert curve.rows() == [(0, 1.0), (3, 0.5)]


def test_a_curve_without_rows_is_none(tmp_path: Path) -> None:
    path = tmp_path / "steps.tsv"
    path.write_text("step\tloss\n")
    assert read_curve(path, measures=("loss",)) is None


@pytest.mark.parametrize("text", ["", "step\tother\n1\t2\n", "step\tloss\none\t2\n"])
def test_a_curve_that_is_no_curve_is_one_clear_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "steps.tsv"
    path.write_text(text)
    with pytest.raises(PipelineError, match=r"steps\.tsv cannot be read"):
        read_curve(path, measures=("loss",))
