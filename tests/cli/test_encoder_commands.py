"""encode, similarity and search with a tiny encoder."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from stages.encoders.tiny import write_random_encoder
from tests.cli.running import Run

SENTENCES = ["the cat sleeps", "a dog barks", "the cat sleeps", "rain falls on tin roofs"]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with a random encoder."""
    folder = tmp_path_factory.mktemp("encoder") / "tiny"
    write_random_encoder(folder, seed=3)
    return str(folder)


@pytest.fixture
def corpus(project: Path) -> Path:
    """A text file of four sentences."""
    path = project / "corpus.txt"
    path.write_text("\n".join(SENTENCES) + "\n", encoding="utf-8")
    return path


def test_encode_writes_the_same_unit_vectors_as_parquet_and_numpy(
    run: Run, corpus: Path, encoder: str
) -> None:
    for out in ("v.parquet", "v.npy"):
        ended = run("encode", str(corpus), "--out", out, "--model", encoder)
        assert ended.code == 0, ended.err
        assert f"4 sentences, 32 numbers each -> {out}" in ended.err
    table, matrix = pl.read_parquet("v.parquet"), np.load("v.npy", allow_pickle=False)
    assert table.schema == {"sentence": pl.String, "embedding": pl.List(pl.Float32)}
    assert table["sentence"].to_list() == SENTENCES
    assert matrix.dtype == np.float32
    assert np.linalg.norm(matrix, axis=1) == pytest.approx([1.0] * 4, abs=1e-5)
    assert np.array_equal(np.array(table["embedding"].to_list(), dtype=np.float32), matrix)


def test_encode_takes_a_named_column(run: Run, project: Path, encoder: str) -> None:
    (project / "in.csv").write_text('n,text\n1,"a, b"\n', encoding="utf-8")
    call = ["encode", "in.csv", "--out", "v.npy", "--model", encoder]
    assert run(*call, "--column", "text").code == 0
    ended = run(*call, "--column", "txt")
    assert ended.code == 2
    assert "did you mean 'text'?" in ended.err


def test_an_unknown_kind_of_result_is_refused_before_any_work(run: Run, corpus: Path) -> None:
    ended = run("encode", str(corpus), "--out", "v.csv")
    assert ended.code == 2
    assert "--out v.csv ends in neither .parquet nor .npy." in ended.err


def test_without_a_trained_encoder_the_way_to_one_is_told(run: Run, corpus: Path) -> None:
    ended = run("encode", str(corpus), "--out", "v.npy")
    assert ended.code == 2
    assert "no encoder has been trained here yet" in ended.err
    assert "dvc repro" in ended.err


def test_a_sentence_is_as_similar_to_itself_as_can_be(
    run: Run, project: Path, encoder: str
) -> None:
    ended = run("similarity", SENTENCES[0], SENTENCES[0], "--model", encoder)
    assert (ended.code, ended.out) == (0, "1.0000\n")
    other = run("similarity", SENTENCES[0], SENTENCES[1], "--model", encoder)
    assert float(other.out) < 0.9999


def test_pairs_come_back_with_their_cosines(run: Run, project: Path, encoder: str) -> None:
    Path("pairs.tsv").write_text('sentence1\tsentence2\na "b\ta "b\nc\td\n', encoding="utf-8")
    lines = run("similarity", "--pairs", "pairs.tsv", "--model", encoder).out.splitlines()
    assert lines[0] == "cosine\tsentence1\tsentence2"
    assert lines[1] == '1.0000\ta "b\ta "b'
    assert lines[2].endswith("\tc\td")


def test_pairs_without_their_columns_are_refused(run: Run, project: Path) -> None:
    Path("pairs.tsv").write_text("left\tsentence2\na\tb\n", encoding="utf-8")
    ended = run("similarity", "--pairs", "pairs.tsv")
    assert ended.code == 2
    assert "has no column sentence1; it has: left, sentence2." in ended.err


@pytest.mark.parametrize("given", [["only one"], [], ["a", "b", "--pairs", "p.tsv"]])
def test_similarity_needs_two_sentences_or_a_file(
    run: Run, project: Path, given: list[str]
) -> None:
    ended = run("similarity", *given)
    assert ended.code == 2
    assert "takes either two sentences or --pairs" in ended.err


def test_search_finds_the_sentence_itself_first_in_text_and_in_encoded_corpora(
    run: Run, corpus: Path, encoder: str
) -> None:
    run("encode", str(corpus), "--out", "corpus.parquet", "--model", encoder)
    answers = [
        run("search", SENTENCES[3], "--corpus", path, "-k", "2", "--json", "--model", encoder).out
        for path in (str(corpus), "corpus.parquet")
    ]
    assert answers[0] == answers[1]
    best, second = (json.loads(line) for line in answers[0].splitlines())
    assert best["sentence"] == SENTENCES[3]
    assert (best["rank"], best["row"]) == (1, 4)
    assert best["cosine"] == pytest.approx(1, abs=1e-5)
    assert second["cosine"] < best["cosine"]


def test_search_shows_a_table_a_query(run: Run, corpus: Path, encoder: str) -> None:
    ended = run("search", "dog", "[bold]cat", "--corpus", str(corpus), "--model", encoder)
    assert ended.code == 0
    assert max(map(len, ended.out.splitlines())) <= 80
    assert "[bold]cat" in ended.out
    assert ended.out.count("a dog barks") == 2


def test_vectors_of_another_encoder_are_refused(run: Run, project: Path, encoder: str) -> None:
    pl.DataFrame({"sentence": ["a"], "embedding": [[1.0, 0.0]]}).write_parquet("other.parquet")
    ended = run("search", "a", "--corpus", "other.parquet", "--model", encoder)
    assert ended.code == 2
    assert "holds vectors of 2 numbers" in ended.err
