"""Kind ``retrieval``: are the relevant documents on top? Measured by trec_eval itself.

The corpus is read, encoded and searched a block at a time, and only the best documents of each
query stay in memory, so that its size does not matter.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
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
QUERIES_AT_ONCE = 1024
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
    run = {query: _without(found, query) for query, found in zip(queries, hits, strict=True)}
    first = [max(found, key=found.__getitem__, default="") for found in run.values()]
    return replace(measured(run, collection.relevant), answers=first)


def search(queries: Vectors, blocks: Iterable[Block], *, depth: int) -> list[Hits]:
    """Return the ``depth`` nearest documents of each query with their cosines, none skipped.

    Args:
        queries: ``(queries, width)``, rows of length 1.
        blocks: The documents, some at a time.
        depth: Documents kept a query.
    """
    best = np.full((len(queries), depth), -np.inf, dtype=np.float32)
    numbers = np.full((len(queries), depth), -1, dtype=np.int64)
    names: dict[int, str] = {}
    seen = 0
    for ids, vectors in blocks:
        names |= dict(enumerate(ids, start=seen))
        for start in range(0, len(queries), QUERIES_AT_ONCE):
            rows = slice(start, start + QUERIES_AT_ONCE)
            cosines = queries[rows] @ vectors.T
            best[rows], numbers[rows] = _merged(best[rows], numbers[rows], cosines, first=seen)
        seen += len(ids)
        names = {number: names[number] for number in np.unique(numbers).tolist() if number >= 0}
    return [
        {names[n]: c for n, c in zip(row, cosines, strict=True) if n >= 0}
        for row, cosines in zip(numbers.tolist(), best.tolist(), strict=True)
    ]


def measured(run: Mapping[str, Hits], relevant: Mapping[str, Mapping[str, int]]) -> TaskScores:
    """Return what trec_eval says of ``run``, a query with a relevant document at a time."""
    judged = {query: dict(grades) for query, grades in relevant.items()}
    evaluator = pytrec_eval.RelevanceEvaluator(judged, {"ndcg_cut.10", "recall.100", "map"})
    by_query = evaluator.evaluate({query: dict(hits) for query, hits in run.items()})
    rows = [by_query[query] for query in run]

    def mean(measure: str) -> float:
        return 100 * float(np.mean([row[measure] for row in rows]))

    return TaskScores(
        np.array([row[MAIN] for row in rows]),
        measures={"recall@100": mean(RECALL), "map": mean(PRECISION)},
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
