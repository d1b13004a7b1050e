"""The sentences of a pool that an encoder finds most like another."""

from collections import Counter
from collections.abc import Sequence

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.util import semantic_search

from stages.encoders.embedding import embed
from stages.progress import Progress, silent

BATCH_SENTENCES = 64


def most_similar(
    encoder: SentenceTransformer,
    queries: Sequence[str],
    pool: Sequence[str],
    *,
    count: int,
    least_cosine: float,
    progress: Progress = silent,
) -> list[list[int]]:
    """Return, for each query, the places in ``pool`` of the sentences most like it, best first.

    Args:
        encoder: Gives the vectors.
        queries: Any number of sentences.
        pool: Sentences to choose from, at least one; what equals the query is never chosen.
        count: Most places a query, at least 1.
        least_cosine: In [-1, 1]; what is less like the query is left out.
        progress: Told how many sentences are encoded.
    """
    every = [*pool, *queries]
    vectors = torch.from_numpy(
        embed(encoder, every, batch_sentences=BATCH_SENTENCES, progress=progress)
    )
    # Where the query itself stands in the pool, those behind it move up.
    copies = max(Counter(pool).values())
    hits = semantic_search(vectors[len(pool) :], vectors[: len(pool)], top_k=count + copies)
    return [
        [
            int(hit["corpus_id"])
            for hit in of_query
            if hit["score"] >= least_cosine and pool[int(hit["corpus_id"])] != query
        ][:count]
        for query, of_query in zip(queries, hits, strict=True)
    ]
