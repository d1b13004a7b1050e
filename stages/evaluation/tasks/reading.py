"""Reading and checking the files of each kind of task."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import polars as pl

from stages.corpora.benchmarks import checked_pairs
from stages.corpora.text_files import read_lines
from stages.errors import PipelineError
from stages.evaluation.tasks.data import (
    AlignedLines,
    Collection,
    Data,
    GradedPairs,
    LabelledRows,
)
from stages.evaluation.tasks.definitions import Task
from stages.evaluation.tasks.records import objects, record_id, record_text, table_of

LocalFiles = Mapping[str, Sequence[Path]]
Columns = Mapping[str, str]

SENTENCES = {"sentence": ("sentence",), "pair": ("sentence1", "sentence2")}


def read_task(task: Task, files: LocalFiles, *, columns: Columns) -> Data:
    """Read and check ``files`` (by role) of ``task``.

    Args:
        task: What the files are.
        files: Local files by role; several of a role are one after the other.
        columns: What a column is called in the files, where that is not the name it has here.

    Raises:
        PipelineError: When a file is missing or malformed, with file and line.
    """
    match task.kind:
        case "sts":
            return _graded_pairs(files["pairs"], columns)
        case "classification":
            return _labelled(task, files, columns)
        case "retrieval":
            return _collection(files)
        case "bitext":
            return _aligned(task, files)


def documents(corpus: Path) -> Iterator[tuple[str, str]]:
    """Yield id and text of every document, title first as BEIR does it; nothing is kept."""
    for place, record in objects(corpus):
        title, text = (record_text(record.get(name) or "", place) for name in ("title", "text"))
        yield record_id(record, place), f"{title} {text}".strip()


def _graded_pairs(paths: Sequence[Path], columns: Columns) -> GradedPairs:
    tables = []
    for path in paths:
        table = table_of(path, columns=columns)
        if "subset" not in table.columns and path.suffix != ".tsv":
            table = table.with_columns(subset=pl.lit(""))  # the hub's copies know no subsets
        tables.append(checked_pairs(table, path))
    return GradedPairs(pl.concat(tables))


def _labelled(task: Task, files: LocalFiles, columns: Columns) -> LabelledRows:
    wanted = ["label", *SENTENCES[task.inputs]]
    tables = {
        role: pl.concat([_rows(path, wanted, columns) for path in paths])
        for role, paths in files.items()
    }
    order = [role for role in ("sentences", "train", "dev", "test") if role in tables]
    data = LabelledRows({role: tables[role] for role in order})
    _check_labels(task, data, files[order[0]][0])
    return data


def _rows(path: Path, wanted: list[str], columns: Columns) -> pl.DataFrame:
    table = table_of(path, columns=columns)
    if missing := [name for name in wanted if name not in table.columns]:
        raise PipelineError(
            f"{path} has no column {', '.join(missing)}; it has: {', '.join(table.columns)}.",
            remedy=f"name the columns {', '.join(wanted)} in the first line.",
        )
    rows = table.select(wanted).filter(pl.any_horizontal(pl.all().str.strip_chars() != ""))
    blank = rows.with_row_index("row", offset=1).filter(pl.col("label").str.strip_chars() == "")
    if len(blank):
        raise PipelineError(
            f"{path}, row {blank['row'][0]:,}: label is blank.", remedy="fill it, or drop the row."
        )
    return rows


def _check_labels(task: Task, data: LabelledRows, path: Path) -> None:
    counts = data.first["label"].value_counts().sort("count")
    least = 2 if task.folds is None else task.folds
    if len(counts) < 2 or counts["count"][0] < least:
        raise PipelineError(
            f"{path}: {task.name} needs two labels or more, each on {least} rows at least; it has "
            + ", ".join(f"{label!r} on {count}" for label, count in counts.rows())
            + ".",
            remedy="give it more rows, or fewer folds where the task is declared.",
        )
    known = set(counts["label"])
    for role, table in data.tables.items():
        if unknown := sorted(set(table["label"]) - known):
            raise PipelineError(
                f"{path}: {task.name}'s {role} set has the label {unknown[0]!r}, which is never "
                "trained on.",
                remedy="mend the label, or add rows of it to the training set.",
            )


def _collection(files: LocalFiles) -> Collection:
    (corpus,), (queries,) = files["corpus"], files["queries"]
    relevant = _qrels(files["qrels"][0])
    texts = {
        record_id(record, place): record_text(record.get("text") or "", place)
        for place, record in objects(queries)
    }
    if absent := sorted(set(relevant) - set(texts)):
        raise PipelineError(
            f"{files['qrels'][0]} judges the query {absent[0]!r}, which {queries} does not hold.",
            remedy="take both files from the same data set.",
        )
    judged = {query: text for query, text in texts.items() if query in relevant}
    count = sum(1 for _ in documents(corpus))
    if not count:
        raise PipelineError(f"{corpus} holds no documents.", remedy="fill it.")
    return Collection(corpus, count, judged, relevant)


def _qrels(path: Path) -> dict[str, dict[str, int]]:
    names = ["query-id", "corpus-id", "score"]
    rows = _rows_of(path, names)
    relevant: dict[str, dict[str, int]] = {}
    for number, (query, document, grade) in enumerate(rows, start=1):
        try:
            relevant.setdefault(query, {})[document] = int(float(grade))
        except ValueError as error:
            raise PipelineError(
                f"{path}, row {number:,}: score {grade!r} is no whole number.",
                remedy="mend the score.",
            ) from error
    found = {query: grades for query, grades in relevant.items() if max(grades.values()) > 0}
    if not found:
        raise PipelineError(
            f"{path} holds no relevant document for any query.", remedy="mend the scores."
        )
    return found


def _rows_of(path: Path, names: list[str]) -> list[tuple[str, ...]]:
    table = table_of(path)
    if missing := [name for name in names if name not in table.columns]:
        raise PipelineError(
            f"{path} has no column {', '.join(missing)}; it has: {', '.join(table.columns)}.",
            remedy=f"name the columns {', '.join(names)} in the first line.",
        )
    return table.select(names).filter(pl.all_horizontal(pl.all() != "")).rows()


def _aligned(task: Task, files: LocalFiles) -> AlignedLines:
    left, right = (
        [line for path in files[role] for line in read_lines(path)] for role in ("left", "right")
    )
    if len(left) != len(right) or len(left) < 2:
        raise PipelineError(
            f"{task.name}: {files['left'][0]} has {len(left):,} lines and {files['right'][0]} "
            f"{len(right):,}; line i of both must mean the same.",
            remedy="align the two files line by line, two lines at least.",
        )
    return AlignedLines(left, right)
