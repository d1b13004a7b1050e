from pathlib import Path

import pytest

from stages.tables.json_files import write_json


def test_a_number_that_is_none_never_reaches_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json({"x": float("nan")}, tmp_path / "x.json")
    assert not list(tmp_path.iterdir())
