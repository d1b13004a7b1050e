"""A lock keeps others out for as long as its owner lives, and not a moment longer."""

import subprocess
import sys
from pathlib import Path

import pytest

from stages.engines.locks import is_held, lock
from stages.errors import PipelineError

HOLDER = """
import sys, time
from pathlib import Path
from stages.engines.locks import lock
with lock(Path(sys.argv[1]), shared=sys.argv[2] == "shared") as mine:
    print(mine, flush=True)
    time.sleep(60)
"""


def holder(path: Path, how: str) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path), how], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "True\n"
    return process


def test_one_holds_it_and_the_next_gets_it_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "new/folder/a.lock"
    with lock(path) as mine:
        assert mine
        assert is_held(path)
        with lock(path) as other:
            assert not other
    assert not path.exists()
    assert not is_held(path)
    with lock(path) as mine:
        assert mine


def test_many_may_share_it_and_none_has_it_alone_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    with lock(path, shared=True) as first, lock(path, shared=True) as second:
        assert first
        assert second
        with lock(path) as alone:
            assert not alone
    assert not is_held(path)


@pytest.mark.parametrize("how", ["alone", "shared"])
def test_it_dies_with_its_owner(tmp_path: Path, how: str) -> None:
    path = tmp_path / "a.lock"
    with holder(path, how) as owner:
        assert is_held(path)
        owner.kill()
    assert not is_held(path)


def test_a_failing_block_frees_it(tmp_path: Path) -> None:
    with pytest.raises(KeyError), lock(tmp_path / "a.lock"):
        raise KeyError
    assert not is_held(tmp_path / "a.lock")


def test_a_lock_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PipelineError, match="could not be made"), lock(tmp_path / "file/a.lock"):
        pass
