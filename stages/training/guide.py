"""What the frozen guide thinks of every training sentence, computed once and kept on disk."""

import io
import logging
from collections.abc import Callable, Sequence
from functools import partial
from itertools import accumulate
from pathlib import Path

import numpy as np
import polars as pl
import torch
import torch.nn.functional as F  # noqa: N812 (the name everybody knows)
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from torch import Tensor

from stages.encoders.embedding import embed
from stages.encoders.loading import load_encoder
from stages.engines.digests import fingerprint, source_digest
from stages.engines.folders import MadeWith, digests_of, used
from stages.engines.local import LocalEngine
from stages.engines.processes import ALONE, Processes
from stages.engines.protocol import Engine, Order, Terms
from stages.engines.seals import blank_seal
from stages.engines.series import Series
from stages.progress import Progress, silent
from stages.tables.columns import TEXTS
from stages.tables.rows import RowsInMemory

log = logging.getLogger(__name__)

SHARD_TRIPLETS = 2048
"""Triplets a file; a stopped run loses at most those of the file in flight."""
BATCH_SENTENCES = 64
CODE = (
    "stages.encoders.embedding",
    "stages.encoders.loading",
    "stages.encoders.poolers",
    "stages.encoders.templates",
    "stages.training.guide",
)
"""What shapes a vector besides the guide's files, its pooler and its template."""
HALF_BYTES = 2
WIDE = 1024
"""Width of large encoders, for a first guess at the disk's space; the first file tells better."""


class GuideVectors:
    """Guide vectors of all premises, entailments and contradictions.

    Args:
        shards: Arrays ``(3, some triplets, width)``, float16, rows of length 1, together in the
            order of the triplets; the first axis is premise, entailment, contradiction. They may
            be memory-mapped, and are then read as they are needed.
    """

    def __init__(self, shards: Sequence[NDArray[np.float16]]) -> None:
        self._shards = list(shards)
        self._ends = np.array(list(accumulate(shard.shape[1] for shard in shards)), dtype=np.int64)

    def __len__(self) -> int:
        """Return the number of triplets."""
        return int(self._ends[-1]) if len(self._ends) else 0

    def cosines(self, rows: Tensor) -> Tensor:
        """Return the guide's cosines between premises and candidates of a batch.

        Args:
            rows: ``(batch,)`` int64, which triplets are in the batch.

        Returns:
            ``(batch, 2 * batch)`` float32 in [-1, 1] on the device of ``rows``: each premise
            against all entailments, then all contradictions.
        """
        return self.cosines_between(rows, rows)

    def cosines_between(self, premises: Tensor, candidates: Tensor) -> Tensor:
        """Return the guide's cosines between some triplets' premises and others' candidates.

        Args:
            premises: ``(some,)`` int64, triplets whose premises are compared.
            candidates: ``(others,)`` int64, triplets whose entailments and contradictions are.

        Returns:
            ``(some, 2 * others)`` float32 in [-1, 1], see :meth:`cosines`.
        """
        left = self._unit(slice(0, 1), premises)[0]
        right = self._unit(slice(1, 3), candidates).flatten(0, 1)
        with torch.autocast(premises.device.type, enabled=False):
            return left @ right.T

    def cosines_of_pairs(self, rows: Tensor) -> Tensor:
        """Return the guide's cosines between both sentences of each pair and the whole batch.

        Args:
            rows: ``(batch,)`` int64, which triplets are in the batch.

        Returns:
            ``(2 * batch, 3 * batch)`` float32 in [-1, 1] on the device of ``rows``: each premise,
            then each entailment, against all premises, entailments and contradictions.
        """
        sentences = self._unit(slice(0, 3), rows).flatten(0, 1)
        with torch.autocast(rows.device.type, enabled=False):
            return sentences[: 2 * len(rows)] @ sentences.T

    def _unit(self, columns: slice, rows: Tensor) -> Tensor:
        chosen = self._chosen(columns, rows.cpu().numpy())
        # Half precision leaves lengths off by 0.0005, which would blur sigma.
        return F.normalize(torch.from_numpy(chosen).to(rows.device), dim=-1)

    def _chosen(self, columns: slice, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        height, width = len(range(*columns.indices(3))), self._shards[0].shape[2]
        chosen = np.empty((height, len(rows), width), dtype=np.float32)
        where = np.searchsorted(self._ends, rows, side="right")
        for number in np.unique(where).tolist():
            here = where == number
            shard = self._shards[number]
            places = rows[here] - (self._ends[number] - shard.shape[1])
            chosen[:, here] = shard[columns, places]
        return chosen


def guide_vectors(  # noqa: PLR0913  what the name of their folder covers, and who makes them
    work: Path,
    guide: Path,
    triplets: pl.DataFrame,
    *,
    pooler: str,
    template: str,
    processes: Processes = ALONE,
    progress: Progress = silent,
    engine: Engine | None = None,
) -> GuideVectors:
    """Return the guide's vectors of ``triplets``, which stay in ``work`` for the next to ask.

    Args:
        work: They are kept below it in ``guide/``, under a name that changes with all that follows.
        guide: Folder of the guide.
        triplets: Columns premise, entailment and contradiction.
        pooler: Of the guide; see :func:`stages.encoders.poolers.repool`.
        template: Of the pooler `prompt_mask`.
        processes: Who trains together; each encodes what nobody is at.
        progress: Told how many triplets are encoded.
        engine: What encodes; None, and where several train together, these processes themselves.

    Raises:
        PipelineError: When the guide does not load or a file cannot be written.
    """
    chosen = engine if engine is not None and processes.world == 1 else LocalEngine()
    texts = triplets.select(TEXTS)
    settings = {"train.guide_pooler": pooler, "train.template": template}
    files = digests_of(guide)
    hardware = chosen.hardware
    where = {"device": hardware.device, **hardware.libraries}
    facts = {
        "settings": settings,
        "guide": files[guide.as_posix()],
        "computed with": where,
        "code": source_digest(*CODE),
        "shard_triplets": SHARD_TRIPLETS,
    }
    folder = work / "guide" / fingerprint(facts, texts)
    load = partial(load_encoder, guide, pooler=pooler, template=template)
    made_with = MadeWith(settings=settings, files=files, code=CODE, surroundings=where)
    processes.wait()  # so that all begin with the same files
    size = {"rows": len(texts), "shards": -(-len(texts) // SHARD_TRIPLETS)}
    with used(folder, stage="guide", made_with=made_with, shard_rows=SHARD_TRIPLETS, **size):
        terms = Terms(models=files, surroundings=hardware.surroundings())
        vectors = write_guide_vectors(
            folder, load, texts, progress=progress, engine=chosen, terms=terms
        )
    processes.wait()  # who leaves first may take the processor from those who still encode
    return vectors


def write_guide_vectors(
    folder: Path,
    load: Callable[[], SentenceTransformer],
    triplets: pl.DataFrame,
    *,
    progress: Progress = silent,
    engine: Engine | None = None,
    terms: Terms = Terms(),  # noqa: B008  frozen
) -> GuideVectors:
    """Encode ``triplets`` into files in ``folder``, but for those that are there, and open them.

    The guide has its own tokenizer, pooling and width, and sees no dropout. Half precision takes 6
    bytes a triplet and dimension. Processes that call this with the same arguments share the files.

    Args:
        folder: Belongs to this guide and these triplets alone.
        load: Loads the guide; called when something has to be encoded, where it is encoded.
        triplets: Columns premise, entailment and contradiction.
        progress: Told how many triplets are encoded.
        engine: What encodes; None is this process.
        terms: What a worker of the engine must find.

    Raises:
        PipelineError: When a file cannot be written.
    """
    rows = RowsInMemory(triplets.select(TEXTS))
    series = _Arrays(folder, stage="guide", rows=rows, shard_rows=SHARD_TRIPLETS, suffix=".npy")
    with progress("Asking the guide", total=len(triplets), unit="triplets") as advance:
        series.advance = advance
        maker = GuideMaker(load)
        done = dict(series.through(engine or LocalEngine(), maker, terms=terms))
    if series.made_rows:
        count = f"{series.made_rows:,}"
        log.info("train: the guide encoded %s triplets, kept in %s", count, folder)
    return GuideVectors([done[number] for number in range(len(done))])


class _Arrays(Series[NDArray[np.float16]]):
    """Shards that are NumPy files; they are opened, not read."""

    @property
    def expected(self) -> float:
        """Bytes of vectors of an uncommon width."""
        return float(len(self.rows) * len(TEXTS) * HALF_BYTES * WIDE)

    def opened(self, number: int, data: bytes) -> NDArray[np.float16]:  # noqa: ARG002
        """Return the vectors, memory-mapped."""
        vectors: NDArray[np.float16] = np.load(self.paths[number], mmap_mode="r")
        return vectors


class GuideMaker:
    """Makes files of guide vectors; the guide is loaded at the first, and does not travel along.

    Args:
        load: Loads the guide.
    """

    def __init__(self, load: Callable[[], SentenceTransformer]) -> None:
        self._load = load
        self._guide: SentenceTransformer | None = None

    def __reduce__(self) -> tuple[type["GuideMaker"], tuple[Callable[[], SentenceTransformer]]]:
        """Say how to make another one elsewhere."""
        return GuideMaker, (self._load,)

    def __call__(self, order: Order, advance: Callable[[int], None]) -> bytes:
        """Return the vectors of the order's triplets as NumPy's file, with a blank seal."""
        if self._guide is None:
            self._guide = self._load()
        columns = []
        for name in TEXTS:
            sentences = order.rows[name].to_list()
            columns.append(embed(self._guide, sentences, batch_sentences=BATCH_SENTENCES))
            advance(0)  # a sign of life
        buffer = io.BytesIO()
        np.save(buffer, np.stack(columns).astype(np.float16), allow_pickle=False)
        advance(len(order.rows))
        return buffer.getvalue() + blank_seal(order.label).encode()
