"""Inputs and finished shards in a real S3-compatible server on loopback."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from stages import prepare
from stages.corpora.reading import sentence_batches
from stages.errors import PipelineError
from stages.params import PrepareParams
from stages.storage.bringing import brought
from stages.storage.carrying import Carried, pull, push
from stages.tables.reading import read_table
from stages.tables.schemas import SENTENCES

pytestmark = pytest.mark.slow

BENCHMARK = "subset\tscore\tsentence1\tsentence2\nx\t5\tOne.\tOne!\nx\t0\tOne.\tCats sleep.\n"
SHARD = "generate/0123456789abcdef/shard-000000.parquet"


def run(folder: Path, **changes: str) -> pl.DataFrame:
    sources = {
        "sentences": "s3://team/in/corpus.txt",
        "labelled": "s3://team/in/people.tsv",
        "benchmarks": "s3://team/in/pairs",
    }
    settings = {
        **sources,
        "column": None,
        "where": None,
        "limit": None,
        "max_characters": 40,
        **changes,
    }
    prepare.run(
        PrepareParams.model_validate(settings),
        tasks=("own",),
        sentences=folder / "sentences.parquet",
        labelled=folder / "labelled.parquet",
        benchmarks=folder / "benchmarks",
        metrics=folder / "preparation.json",
    )
    return read_table(folder / "sentences.parquet", SENTENCES)


def test_every_input_may_lie_in_a_bucket(bucket: Any, tmp_path: Path) -> None:
    bucket.pipe(
        {
            "team/in/corpus.txt": b"One.\nTwo.\nOne.\n",
            "team/in/people.tsv": b"premise\tentailment\tcontradiction\nA.\tB.\tC.\n",
            "team/in/pairs/dev.tsv": BENCHMARK.encode(),
        }
    )
    assert run(tmp_path)["sentence"].to_list() == ["One.", "Two."]
    assert (tmp_path / "benchmarks/dev.parquet").is_file()


def test_a_fault_in_a_file_is_told_of_its_address(bucket: Any, tmp_path: Path) -> None:
    bucket.pipe("team/in/corpus.txt", b"One.\n\xff\n")
    with (
        pytest.raises(PipelineError, match=r"^s3://team/in/corpus\.txt is not UTF-8 text: byte 6"),
        brought("s3://team/in/corpus.txt") as path,
    ):
        list(sentence_batches(path, column=None))
    assert not path.exists()


@pytest.mark.parametrize("address", ["s3://team/in/no.txt", "s3://nobodys-bucket/a.txt"])
def test_what_is_not_there_is_told(bucket: Any, address: str) -> None:
    with pytest.raises(PipelineError, match=f"{address} does not exist"), brought(address):
        pass


def test_without_keys_the_error_says_where_they_belong(
    bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with (
        pytest.raises(PipelineError, match=r"needs keys(.|\n)*AWS_ACCESS_KEY_ID"),
        brought("s3://team/a.txt"),
    ):
        pass


def test_a_server_that_does_not_answer_is_told(
    bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        with (
            pytest.raises(PipelineError, match=r"s3://team/a\.txt could not be reached") as caught,
            brought("s3://team/a.txt"),
        ):
            pass
    assert "planted-secret-of-tests" not in str(caught.value)


def test_more_than_fits_is_refused_before_it_comes(
    bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.pipe("team/a.txt", b"One.\n")
    monkeypatch.setattr("stages.storage.bringing.ROOM_LEFT", 1 << 60)
    with pytest.raises(PipelineError, match=r"5 bytes(.|\n)*TMPDIR"), brought("s3://team/a.txt"):
        pass


def test_finished_shards_go_to_another_machine_and_nothing_is_written_over(
    bucket: Any, tmp_path: Path
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for name in (SHARD, "generate/0123456789abcdef/plan.json", "answers/paid.sqlite"):
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_bytes(name.encode())
    assert push(here, "s3://team/work") == Carried(copied=2, there=0)
    assert push(here, "s3://team/work") == Carried(copied=0, there=2)
    assert not bucket.exists("team/work/answers/paid.sqlite")
    (there / SHARD).parent.mkdir(parents=True)
    (there / SHARD).write_bytes(b"already here")
    assert pull("s3://team/work", there) == Carried(copied=1, there=1)
    assert (there / SHARD).read_bytes() == b"already here"


def test_only_shards_come_back_whatever_lies_in_the_bucket(bucket: Any, tmp_path: Path) -> None:
    names = ("generate/../../../outside.parquet", "generate/0123456789abcdef/in-use.lock", "x.py")
    bucket.pipe({f"team/work/{name}": b"x" for name in (*names, SHARD)})
    assert pull("s3://team/work", tmp_path / "work") == Carried(copied=1, there=0)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files == [tmp_path / "work" / SHARD]


@pytest.mark.parametrize("where", ["s3://team/nothing", "s3://team"])
def test_a_place_without_shards_is_told(bucket: Any, tmp_path: Path, where: str) -> None:
    with pytest.raises(PipelineError, match="holds no finished shards"):
        pull(where, tmp_path)
    with pytest.raises(PipelineError, match="holds no finished shards"):
        push(tmp_path, where)
