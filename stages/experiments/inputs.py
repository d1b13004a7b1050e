"""Input files that an experiment makes of others before it runs."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from stages.errors import PipelineError
from stages.experiments.definitions import Rows
from stages.experiments.planning import digest
from stages.tables.replacing import replacing

PAIR = ("premise", "entailment")


def inputs_folder(work: Path, inputs: Mapping[str, Rows], data: Path | None) -> Path:
    """Return where the inputs lie: a folder of their own for each way to make them."""
    made_of = {name: rows.model_dump() for name, rows in inputs.items()}
    return work / "experiments" / "inputs" / digest([made_of, str(data)])


def make_inputs(folder: Path, inputs: Mapping[str, Rows], data: Path | None) -> None:
    """Write ``NAME.tsv`` for each of ``inputs``: the column names and the chosen rows.

    Raises:
        PipelineError: When a file is missing or has too few rows.
    """
    for name, rows in inputs.items():
        source = Path(rows.file.replace("${data}", str(data)))
        try:
            names, *lines = source.read_text(encoding="utf-8").splitlines(keepends=True)
        except (OSError, ValueError) as error:
            raise PipelineError(
                f"{source} cannot be read: {error}", remedy="name the folder with --data."
            ) from error
        chosen = lines[rows.first : rows.first + rows.rows]
        if len(chosen) < rows.rows:
            raise PipelineError(
                f"{source} has {len(lines):,} rows; rows {rows.first:,} to "
                f"{rows.first + rows.rows:,} are wanted.",
                remedy="bring a longer file, or ask for fewer rows in inputs of the definition.",
            )
        if rows.copied:
            chosen = _with_copies(names, chosen, share=rows.copied)
        with replacing(folder / f"{name}.tsv") as temporary:
            temporary.write_text("".join([names, *chosen]), encoding="utf-8")


def _with_copies(names: str, lines: Sequence[str], *, share: float) -> list[str]:
    r"""Give the last of ``lines`` premise and entailment of the first; contradictions stay theirs.

    >>> rows = ["p\te\tc\n", "q\tf\td\n", "r\tg\th\n", "s\ti\tj\n"]
    >>> _with_copies("premise\tentailment\tcontradiction\n", rows, share=0.5)[2:]
    ['p\te\th\n', 'p\te\tj\n']
    """
    columns = names.rstrip("\r\n").split("\t")
    places = [columns.index(column) for column in PAIR if column in columns]
    if len(places) < len(PAIR):
        raise PipelineError(
            f"rows cannot be copied: there are the columns {', '.join(columns)}.",
            remedy=f"copy rows of a file with the columns {' and '.join(PAIR)}.",
        )
    first = lines[0].split("\t")
    fields = [line.split("\t") for line in lines]
    for row in fields[len(fields) - round(share * len(fields)) :]:
        for place in places:
            row[place] = first[place]
    return ["\t".join(row) for row in fields]
