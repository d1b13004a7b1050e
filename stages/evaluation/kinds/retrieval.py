"""Kind ``retrieval``: are the relevant documents on top? Measured by trec_eval itself.

The corpus is read, encoded and searched a block at a time, and only the best documents of each
query stay in memory, 12 bytes each, so that its size does not matter; they become the dictionaries
that trec_eval wants some queries at a time.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice

import numpy as np
import pytrec_eval
from numpy.typing import NDArray

from stages.encoders.embedding import Vectors
from stages.encoders.vector_store import VectorStore
from stages.evaluation.kinds.scores import TaskScores
from stages.evaluation.tasks.data import Collection
from stages.evaluation.tasks.reading import documents
from stages.progress import Progress, silent

DEPTH = 1000
"""Documents ranked a query, as BEIR does; mean average precision looks at all of them."""
QUERIES_AT_ONCE = 256
NAMES_AT_LEAST = 100_000
"""Ids of documents kept before those that no query wants any more are first forgotten."""
MAIN, RECALL, PRECISION = "ndcg_cut_10", "recall_100", "map"
"""What trec_eval calls the measures."""

Hits = dict[str, float]
Block = tuple[Sequence[str], Vectors]
"""Ids and unit vectors of some documents."""


def score(
    name: str, collection: Collection, store: VectorStore, *, progress: Progress = silent
) -> TaskScores:
    """Return nDCG@10 of each query and its first document.

    Recall@100 and mean average precision are further measures.
    """
    queries = list(collection.queries)
    asked = store.vectors([collection.queries[query] for query in queries])
    description = f"{store.encoder.name} on {name}"
    with progress(description, total=collection.documents, unit="documents") as advance:
        hits = search(asked, _blocks(collection, store, advance), depth=DEPTH + 1)
        run = ((query, _without(found, query)) for query, found in zip(queries, hits, strict=True))
        return measured(run, collection.relevant)


def search(queries: Vectors, blocks: Iterable[Block], *, depth: int) -> Iterator[Hits]:
    """Yield the ``depth`` nearest documents of each query with their cosines, none skipped.

    Args:
        queries: ``(queries, width)``, rows of length 1.
        blocks: The documents, some at a time; all of them are read before the first answer.
        depth: Documents kept a query.
    """
    best = np.full((len(queries), depth), -np.inf, dtype=np.float32)
    numbers = np.full((len(queries), depth), -1, dtype=np.int64)
    names: dict[int, str] = {}
    seen, room = 0, NAMES_AT_LEAST
    for ids, vectors in blocks:
        names |= dict(enumerate(ids, start=seen))
        for start in range(0, len(queries), QUERIES_AT_ONCE):
            rows = slice(start, start + QUERIES_AT_ONCE)
            cosines = queries[rows] @ vectors.T
            best[rows], numbers[rows] = _merged(best[rows], numbers[rows], cosines, first=seen)
        seen += len(ids)
        if len(names) > room:  # not after every block: with many queries that takes long
            names = {number: names[number] for number in np.unique(numbers).tolist() if number >= 0}
            room = NAMES_AT_LEAST + 2 * len(names)
    for row, cosines in zip(numbers, best, strict=True):
        found = zip(row.tolist(), cosines.tolist(), strict=True)
        yield {names[number]: cosine for number, cosine in found if number >= 0}


def measured(
    run: Iterable[tuple[str, Hits]], relevant: Mapping[str, Mapping[str, int]]
) -> TaskScores:
    """Return what trec_eval says of each query and its hits, some queries at a time.

    Args:
        run: Queries, each with a relevant document, and what was found for them.
        relevant: By query, the grade of each judged document.
    """
    judged = {query: dict(grades) for query, grades in relevant.items()}
    evaluator = pytrec_eval.RelevanceEvaluator(judged, {"ndcg_cut.10", "recall.100", "map"})
    rows: list[Mapping[str, float]] = []
    first: list[str] = []
    rest = iter(run)
    while some := dict(islice(rest, QUERIES_AT_ONCE)):
        by_query = evaluator.evaluate(some)
        rows += [by_query[query] for query in some]
        first += [max(hits, key=hits.__getitem__, default="") for hits in some.values()]

    def mean(measure: str) -> float:
        return 100 * float(np.mean([row[measure] for row in rows]))

    return TaskScores(
        np.array([row[MAIN] for row in rows]),
        measures={"recall@100": mean(RECALL), "map": mean(PRECISION)},
        answers=first,
    )


def _blocks(
    collection: Collection, store: VectorStore, advance: Callable[[int], None]
) -> Iterator[Block]:
    rest = documents(collection.corpus)
    while block := list(islice(rest, store.shard_sentences)):
        ids, texts = zip(*block, strict=True)
        yield ids, store.block(texts, advance=advance)


def _merged(
    best: Vectors, numbers: NDArray[np.int64], cosines: Vectors, *, first: int
) -> tuple[Vectors, NDArray[np.int64]]:
    """Return the greatest of ``best`` and ``cosines`` in each row, and whose they are."""
    depth = best.shape[1]
    new = np.broadcast_to(np.arange(first, first + cosines.shape[1]), cosines.shape)
    values = np.concatenate([best, cosines], axis=1)
    kept = np.argpartition(-values, depth - 1, axis=1)[:, :depth]
    labels = np.concatenate([numbers, new], axis=1)
    return np.take_along_axis(values, kept, axis=1), np.take_along_axis(labels, kept, axis=1)


def _without(hits: Hits, query: str) -> Hits:
    """Leave out the document that is the query itself, as BEIR does."""
    return {name: cosine for name, cosine in hits.items() if name != query}
