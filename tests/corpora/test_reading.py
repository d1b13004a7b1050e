"""One sentence file in any format gives the same sentences, or one clear error."""

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.corpora.reading import read_sentences
from stages.errors import PipelineError
from tests.corpora.table_files import write_as

SENTENCES = [
    "A plain sentence.",
    'She said "yes", then left.',
    "",
    "A plain sentence.",
    "Caf\u00e9 \U0001f469\u200d\U0001f680, 5 < 6.",
    "'tis  spaced ",
]
COLUMNS = {".txt": None, ".csv": "text", ".tsv": "text", ".jsonl": "text", ".parquet": "text"}


def write(path: Path, sentences: list[str]) -> Path:
    """Write sentences in the format of the ending, with a second column where there are any."""
    table = pl.DataFrame({"n": range(len(sentences)), "text": sentences})
    if path.suffix == ".txt":
        path.write_bytes("".join(f"{text}\n" for text in sentences).encode())
        return path
    return write_as(path, table)


@pytest.mark.parametrize("ending", COLUMNS)
def test_every_format_gives_the_same_rows_in_order(tmp_path: Path, ending: str) -> None:
    path = write(tmp_path / f"corpus{ending}", SENTENCES)
    read = read_sentences(path, column=COLUMNS[ending])
    assert read.to_list() == SENTENCES
    assert read.name == "sentence"
    assert read.dtype == pl.String


@pytest.mark.parametrize("ending", [".txt", ".csv", ".tsv", ".jsonl"])
def test_a_byte_order_mark_and_windows_line_endings_change_nothing(
    tmp_path: Path, ending: str
) -> None:
    path = write(tmp_path / f"corpus{ending}", SENTENCES)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert read_sentences(path, column=COLUMNS[ending]).to_list() == SENTENCES


@pytest.mark.parametrize("ending", [".txt", ".csv", ".tsv", ".jsonl"])
def test_the_last_line_needs_no_ending(tmp_path: Path, ending: str) -> None:
    path = write(tmp_path / f"corpus{ending}", SENTENCES)
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    assert read_sentences(path, column=COLUMNS[ending]).to_list() == SENTENCES


@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"])), min_size=1))
def test_a_text_file_is_its_lines(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    texts = [text.replace("\ufeff", "") for text in texts]
    path = write(tmp_path_factory.mktemp("property") / "corpus.txt", texts)
    assert read_sentences(path, column=None).to_list() == texts


def test_endings_are_read_in_any_case(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", ["One."]).rename(tmp_path / "A.TSV")
    assert read_sentences(path, column="text").to_list() == ["One."]


def test_a_name_is_never_a_pattern(tmp_path: Path) -> None:
    for ending, column in COLUMNS.items():
        path = write(tmp_path / f"part[1]*{ending}", ["One."])
        assert read_sentences(path, column=column).to_list() == ["One."]


def test_a_quoted_csv_field_may_hold_separators_and_line_breaks(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('n,text\n1,"one, ""two""\nthree"\n2,four\n')
    assert read_sentences(path, column="text").to_list() == ['one, "two"\nthree', "four"]


def test_in_tsv_a_quotation_mark_is_a_character(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text('text\tn\n"Then he left.\t1\n"\t2\n')
    assert read_sentences(path, column="text").to_list() == ['"Then he left.', '"']


def test_blank_lines_and_missing_values_are_empty_sentences(tmp_path: Path) -> None:
    json_lines, parquet, tsv = (tmp_path / f"a.{ending}" for ending in ("jsonl", "parquet", "tsv"))
    json_lines.write_text('{"text": "One."}\n\n{"text": null}\n')
    pl.DataFrame({"text": ["One.", None]}).write_parquet(parquet)
    tsv.write_text("n\ttext\n1\tOne.\n\n2\n")
    assert read_sentences(json_lines, column="text").to_list() == ["One.", "", ""]
    assert read_sentences(parquet, column="text").to_list() == ["One.", ""]
    assert read_sentences(tsv, column="text").to_list() == ["One.", "", ""]


def test_a_categorical_parquet_column_is_text(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pl.DataFrame({"text": pl.Series(["One."], dtype=pl.Categorical)}).write_parquet(path)
    assert read_sentences(path, column="text").to_list() == ["One."]


def complaint(path: Path, column: str | None) -> str:
    """Return the error without the folder, so that it reads as it does in a project."""
    with pytest.raises(PipelineError) as error:
        read_sentences(path, column=column)
    assert len(error.value.cause.splitlines()) == 1
    return str(error.value).replace(f"{path.parent}/", "")


@pytest.mark.parametrize(
    ("name", "content", "column", "expected"),
    [
        ("a.txt", b"", None, "a.txt is empty (0 bytes).\n  remedy: fill it, or name another file."),
        (
            "a.docx",
            b"x",
            None,
            "a.docx ends in .docx, which is no known kind of sentence file.\n"
            "  remedy: convert it to one of .txt, .csv, .tsv, .jsonl, .parquet, and name it so.",
        ),
        ("corpus", b"x", None, "corpus ends in nothing, which is no known kind"),
        (
            "a.txt",
            b"x\n",
            "text",
            "a.txt is plain text and has no columns, but column 'text' was asked for.\n"
            "  remedy: leave the column out",
        ),
        (
            "a.tsv",
            b"domain\tsentence\nx\ty\n",
            "sentense",
            "a.tsv has no column 'sentense'; it has: domain, sentence.\n"
            "  remedy: did you mean 'sentence'?",
        ),
        (
            "a.csv",
            b"domain,sentence\nx,y\n",
            None,
            "a.csv needs the name of the column that holds the sentences; "
            "it has: domain, sentence.\n  remedy: name one of them",
        ),
        ("a.csv", b"n,text\n", "text", "a.csv has column names but no rows."),
        ("a.csv", b"\n1,2\n", "text", "a.csv, line 1 is blank where the column names should be."),
        (
            "a.txt",
            b"fine\nGr\xfc\xdfe\n",
            None,
            "a.txt is not UTF-8 text: byte 8 (line 2) is fc, which cannot stand there.",
        ),
        (
            "a.tsv",
            b"text\nab\x00c\xff\n",
            "text",
            "a.tsv is not UTF-8 text: byte 8 (line 2) is 00, which only binary files have.",
        ),
        ("a.txt", b"\xff\xfea\x00", None, "a.txt is UTF-16, not UTF-8: it begins with bytes ff fe"),
        ("a.tsv", b"n\ttext\n1\tx\n2\tx\ty\n", "text", "a.tsv, line 3 has 3 fields for 2 columns."),
        (
            "a.csv",
            b'n,text\n1,"x\ny"\n2,x,y\n',
            "text",
            "a.csv, line 4 has 3 fields for 2 columns.",
        ),
        ("a.csv", b'n,text\n1,x\n2,"open\n3,y\n', "text", "a.csv, line 3 cannot be read:"),
        (
            "a.jsonl",
            b'{"text": "x"}\n{"text": \n',
            "text",
            "a.jsonl, line 2 is not JSON: Expecting value",
        ),
        ("a.jsonl", b"[" * 100_000, "text", "a.jsonl, line 1 is not JSON:"),
        ("a.jsonl", b'["x"]\n', "text", 'a.jsonl, line 1 is not a JSON object: ["x"]'),
        (
            "a.jsonl",
            b'{"text": "x"}\n{"txt": "x"}\n',
            "text",
            "a.jsonl, line 2 has no column 'text'; it has: txt.\n  remedy: did you mean 'txt'?",
        ),
        ("a.jsonl", b'{"text": 7}\n', "text", "a.jsonl, line 1: 'text' is 7, not text."),
        ("a.jsonl", b'{"text": "\\ud83d"}\n', "text", "a.jsonl, line 1: 'text' holds half a"),
        ("a.jsonl", b'{"text": "x"}\n', None, "a.jsonl, line 1 needs the name of the column"),
        ("a.parquet", b"not parquet at all", "text", "a.parquet cannot be read as Parquet: "),
        ("a.parquet", b"x", "text", "a.parquet cannot be read as Parquet: "),
    ],
)
def test_a_faulty_file_gets_one_clear_line(
    tmp_path: Path, name: str, content: bytes, column: str | None, expected: str
) -> None:
    (tmp_path / name).write_bytes(content)
    assert complaint(tmp_path / name, column).startswith(expected)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    (tmp_path / "folder.txt").mkdir()
    assert complaint(tmp_path / "no.txt", None).startswith("no.txt does not exist.\n")
    assert complaint(tmp_path / "folder.txt", None).startswith("folder.txt is a folder, not a file")


def test_a_file_that_may_not_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    path = write(tmp_path / "a.txt", ["One."])
    monkeypatch.setattr(Path, "open", refuse)
    assert complaint(path, None).startswith("a.txt cannot be read: Permission denied.\n")


def test_a_parquet_column_must_be_text(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pl.DataFrame({"text": ["x"], "n": [1]}).write_parquet(path)
    assert complaint(path, "n").startswith("a.parquet: column 'n' is int64, not text.")
    assert complaint(path, "nn").startswith("a.parquet has no column 'nn'; it has: text, n.")


def test_of_many_columns_only_some_are_listed(tmp_path: Path) -> None:
    path = tmp_path / "wide.csv"
    path.write_text(",".join(f"c{i}" for i in range(40)) + "\n")
    assert "c0, c1, c2" in complaint(path, "text")
    assert "c11 and 28 more." in complaint(path, "text")


def test_the_byte_and_line_are_right_beyond_the_first_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stages.corpora.text_files.CHUNK_BYTES", 16)
    path = tmp_path / "a.txt"
    path.write_bytes(b"ten bytes\n" * 9 + b"bad \xe9\n")
    assert complaint(path, None).startswith("a.txt is not UTF-8 text: byte 95 (line 10) is e9")


def test_a_character_cut_off_at_the_end_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("na\u00efve caf\u00e9".encode()[:-1])
    assert complaint(path, None).startswith("a.txt is not UTF-8 text: byte 11 (line 1) is c3")


def test_a_damaged_parquet_file_is_one_clear_error(tmp_path: Path) -> None:
    """One byte after another is changed: polars panics on some, and others end its process."""
    path = tmp_path / "s.parquet"
    pl.DataFrame({"text": ["One.", None, "three"], "n": [1, 2, 3]}).write_parquet(path)
    whole = path.read_bytes()
    refused = 0
    for place in range(4, len(whole) - 8):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x15]) + whole[place + 1 :])
        try:
            read_sentences(path, column="text")
        except PipelineError:
            refused += 1
    assert refused > 100
