"""The sentences of a pool that an encoder finds most like another."""

from collections import Counter
from collections.abc import Sequence

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.util import semantic_search

from stages.encoders.embedding import embed
from stages.progress import Progress, silent

BATCH_SENTENCES = 64


class Neighbours:
    """A pool of sentences with their vectors.

    Args:
        encoder: Gives the vectors.
        pool: Sentences to choose from, at least one.
        progress: Told how many sentences of the pool are encoded.
    """

    def __init__(
        self, encoder: SentenceTransformer, pool: Sequence[str], *, progress: Progress = silent
    ) -> None:
        self._encoder = encoder
        self._pool = pool
        vectors = embed(encoder, pool, batch_sentences=BATCH_SENTENCES, progress=progress)
        self._vectors = torch.from_numpy(vectors)
        # Where the query itself stands in the pool, those behind it move up.
        self._copies = max(Counter(pool).values())

    def most_similar(
        self, queries: Sequence[str], *, count: int, least_cosine: float
    ) -> list[list[int]]:
        """Return, for each query, the places of the sentences most like it, best first.

        Args:
            queries: Sentences; what equals one is never chosen for it.
            count: Most places a query, at least 1.
            least_cosine: In [-1, 1]; what is less like the query is left out.
        """
        vectors = torch.from_numpy(embed(self._encoder, queries, batch_sentences=BATCH_SENTENCES))
        hits = semantic_search(vectors, self._vectors, top_k=count + self._copies)
        return [
            [
                int(hit["corpus_id"])
                for hit in of_query
                if hit["score"] >= least_cosine and self._pool[int(hit["corpus_id"])] != query
            ][:count]
            for query, of_query in zip(queries, hits, strict=True)
        ]
