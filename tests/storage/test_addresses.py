"""An address that cannot be used is told in one line that holds no key."""

import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from stages.errors import PipelineError
from stages.params import PrepareParams
from stages.params_file import load_params
from stages.storage.addresses import opened, unreachable
from stages.storage.bringing import brought

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("address", ["ftp://host/a.txt", "s3:///a.txt", "http://host/a.txt"])
def test_an_address_that_is_not_understood_names_those_that_are(address: str) -> None:
    with pytest.raises(PipelineError, match=r"no address that is understood(.|\n)*s3://BUCKET"):
        opened(address)


@pytest.mark.parametrize(("scheme", "extra"), [("s3", "s3"), ("gs", "gs")])
def test_without_the_library_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, scheme: str, extra: str
) -> None:
    for module in ("s3fs", "gcsfs"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(PipelineError) as caught:
        opened(f"{scheme}://bucket/a.txt")
    assert caught.value.remedy == f"run: pip install 'multicsr[{extra}]'"


@pytest.mark.parametrize(
    "address",
    ["s3://key:planted@bucket/a.txt", "gs://planted@bucket/a", "hdfs://me:planted@host/a.txt"],
)
def test_a_key_in_an_address_is_refused_and_never_repeated(tmp_path: Path, address: str) -> None:
    with pytest.raises(PipelineError) as caught:
        opened(address)
    assert "planted" not in str(caught.value)
    text = (ROOT / "profiles/smoke.yaml").read_text(encoding="utf-8")
    before = next(line for line in text.splitlines() if line.startswith("  sentences:"))
    file = tmp_path / "params.yaml"
    file.write_text(text.replace(before, f"  sentences: {address}"), encoding="utf-8")
    with pytest.raises(PipelineError, match=r"prepare\.sentences") as caught:
        load_params(file)
    assert "planted" not in str(caught.value)


def test_a_user_of_hdfs_is_no_key() -> None:
    settings = dict.fromkeys(("labelled", "benchmarks"), "x")
    rest = {"column": None, "where": None, "limit": None, "max_characters": 9}
    named = PrepareParams.model_validate(
        {"sentences": "hdfs://me@host:8020/a.txt", **settings, **rest}
    )
    assert named.sentences == "hdfs://me@host:8020/a.txt"
    with pytest.raises(ValidationError):
        PrepareParams.model_validate({"sentences": "s3://me@host/a", **settings, **rest})


def test_what_a_library_says_is_told_without_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "planted")
    error = unreachable("s3://bucket/a", OSError("planted was no good\nand more"))
    assert "planted" not in str(error)
    assert "was no good" in error.cause
    assert "and more" not in error.cause


def test_a_path_and_a_file_address_are_used_where_they_are(tmp_path: Path) -> None:
    file = tmp_path / "a b.txt"
    file.touch()
    for reference in (str(file), file.as_uri()):
        with brought(reference) as path:
            assert path == file
    assert file.exists()
