"""Stage ``prepare``: a file of sentences and a folder of graded pairs become tables.

sentence file      -> sentences.parquet        distinct, normalised, each with a stable id
labelled file      -> labelled.parquet         triplets to train on besides, often none
benchmarks/*.tsv   -> benchmarks/NAME.parquet  graded pairs, checked, text untouched
all of it          -> preparation.json         what was read, left out and kept

Each of the three may lie elsewhere (s3://, gs://, hdfs://): it is brought here while it is read.

The tasks that stage ``evaluate`` will read are looked through as well: a fault in a file, or data
that is missing, is told before hours of work and not after.
"""

import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from stages.corpora.benchmarks import read_benchmarks, write_benchmarks
from stages.corpora.cleaning import Cleaner, Counts
from stages.corpora.labelled import read_labelled
from stages.corpora.reading import rows_at_most, sentence_batches
from stages.errors import PipelineError
from stages.evaluation.tasks.loading import load_tasks
from stages.params import PrepareParams
from stages.progress import Progress, silent
from stages.storage.bringing import brought
from stages.tables.conditions import Condition
from stages.tables.json_files import write_json
from stages.tables.schemas import SENTENCES
from stages.tables.writing import write_table, writing_table

log = logging.getLogger(__name__)

EXAMPLE = "source IN ('news', 'wiki') or length(sentence) > 40"


def run(
    params: PrepareParams,
    *,
    tasks: Sequence[str],
    sentences: Path,
    labelled: Path,
    benchmarks: Path,
    metrics: Path,
    progress: Progress = silent,
) -> None:
    """Write tables, benchmarks and counts; nothing when one of the inputs is faulty.

    Args:
        params: Settings of the stage.
        tasks: What will be evaluated (evaluate.tasks); checked, not written.
        sentences: Parquet file that is written.
        labelled: Parquet file that is written.
        benchmarks: Folder that is written.
        metrics: JSON file that is written.
        progress: Told how far it is.

    Raises:
        PipelineError: When an input is missing, unreadable or malformed, or no sentence is usable.
    """
    where = None
    if params.where is not None:
        where = Condition(params.where, setting="prepare.where", example=EXAMPLE)
    with brought(params.benchmarks) as folder:
        pairs = read_benchmarks(folder)
        load_tasks(folder, tasks)
    with brought(params.labelled) as file:
        people = read_labelled(file, max_characters=params.max_characters)
    cleaned = _read_and_clean(params, where, sentences, progress)
    write_table(people.triplets, labelled)
    write_benchmarks(pairs, benchmarks)
    counts = {
        "sentences": {"file": params.sentences, **asdict(cleaned)},
        "labelled": {"file": params.labelled, **people.counts()},
    }
    write_json(counts, metrics)
    log.info("prepare: %s: %s", params.sentences, _account(params, cleaned))
    if people.read:
        told = ", ".join(f"{name} {count:,}" for name, count in people.counts().items())
        log.info("prepare: %s: labelled triplets: %s", params.labelled, told)
    log.info("prepare: %s", _listing({name: len(table) for name, table in pairs.items()}))


def _read_and_clean(
    params: PrepareParams, where: Condition | None, sentences: Path, progress: Progress
) -> Counts:
    """Write the sentences that stay some at a time: a corpus may be larger than the memory."""
    cleaner = Cleaner(max_characters=params.max_characters, limit=params.limit)
    with (
        brought(params.sentences) as source,
        progress("normalising sentences", total=rows_at_most(source), unit="sentences") as advance,
        writing_table(sentences, SENTENCES) as writer,
    ):
        for rows in sentence_batches(source, column=params.column, where=where):
            writer.write(cleaner.clean(rows["sentence"], rows["chosen"]))
            advance(len(rows))
        if not cleaner.counts.kept:
            raise PipelineError(
                f"{params.sentences} has no usable sentence: {_account(params, cleaner.counts)}.",
                remedy="name another file or column, or raise prepare.max_characters or widen "
                "prepare.where in params.yaml.",
            )
    return cleaner.counts


def _account(params: PrepareParams, counts: Counts) -> str:
    parts = [
        f"read {counts.read:,} rows",
        f"{counts.empty:,} empty",
        f"{counts.overlong:,} overlong (more than {params.max_characters:,} characters)",
        f"{counts.duplicates:,} duplicate",
        f"{counts.kept:,} kept",
    ]
    if params.where is not None:
        parts.insert(1, f"{counts.not_chosen:,} not chosen by prepare.where")
    if params.limit is not None:
        parts.insert(-1, f"{counts.beyond_limit:,} beyond the limit of {params.limit:,}")
    return ", ".join(parts)


def _listing(pairs: dict[str, int]) -> str:
    each = ", ".join(f"{name} {count:,}" for name, count in pairs.items())
    return f"{len(pairs)} benchmarks, {sum(pairs.values()):,} pairs ({each})"
